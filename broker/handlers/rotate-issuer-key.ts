/** Rotate issuer key: the built-in issuer signs with a new one; tokens signed before stay good until they expire. */
import type { IssuerKey } from '../../auth/authenticators/signing-key.ts'
import type { Handler } from './handlers.ts'

export function rotateIssuerKeyHandler(issuer: { rotate(): Promise<IssuerKey> }): Handler<'rotateIssuerKey'> {
  return async () => ({ keyId: (await issuer.rotate()).kid })
}
