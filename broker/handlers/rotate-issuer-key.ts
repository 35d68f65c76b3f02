/**
 * Rotate issuer key: the built-in issuer signs with a new one. Tokens signed before stay good until they expire or,
 * where a key may have leaked, end at once, with the sessions of those who came in with them.
 */
import type { IssuerKey } from '../../auth/authenticators/signing-key.ts'
import { invalid } from './access-words.ts'
import type { Handler } from './handlers.ts'

export function rotateIssuerKeyHandler(issuer: {
  rotate(options: { readonly overlap: boolean }): Promise<IssuerKey>
}): Handler<'rotateIssuerKey'> {
  return async ({ overlapMs }) => {
    if (overlapMs !== null && overlapMs !== 0)
      throw invalid(
        `overlapMs is ${overlapMs}; it is 0, which ends tokens at once, or null, which leaves them until they expire`,
      )
    return { keyId: (await issuer.rotate({ overlap: overlapMs === null })).kid }
  }
}
