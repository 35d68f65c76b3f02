/**
 * Revoke token: one by its id, or all that a user was issued until now. Everyone ends the token he came with, and all
 * of his own unless his credential has a scope; whoever may alter the cluster ends any. Who came in with one has to come again, at once.
 */
import type { Revocations } from '../../auth/authenticators/revocations.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import { checkIds, invalid } from './access-words.ts'
import { callerOf } from './authorization.ts'
import { endingRefusal } from './credential-rights.ts'
import type { Handler } from './handlers.ts'

export interface RevokeTokenDependencies {
  readonly revocations: Pick<Revocations, 'revokeToken' | 'revokeUser'>
  /** For how long a revoked token is remembered of which nobody knows its end: the longest one can be good for. */
  readonly rememberedMs: number
}

export function revokeTokenHandler(dependencies: RevokeTokenDependencies): Handler<'revokeToken'> {
  const { revocations, rememberedMs } = dependencies
  return async ({ tokenId, principal }, { session, clock }) => {
    const { name, isAnonymous } = session.identity.principal
    if (tokenId !== null && principal !== null)
      throw invalid('tokenId and principal are both given: one token is revoked, or all of a user')
    const whose = principal ?? name
    const { credentialId, scope } = session.identity
    const isOwn =
      tokenId === null ? whose === name && scope === undefined : credentialId === `token:${tokenId}`
    const ending = endingRefusal(session)
    if (ending) throw ending
    if (isAnonymous || !(isOwn || session.access.allows('alter', 'cluster', '')))
      throw new ProtocolError(
        ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
        `${callerOf(session)} may revoke the token he came with and, with a credential that has no scope, all of his own; no others`,
      )
    if (tokenId !== null) checkTokenId(tokenId)
    try {
      if (tokenId === null) {
        checkIds('user', [whose])
        await revocations.revokeUser(whose)
      } else {
        const { expiresAtMs } = session.identity
        // Of the token he came with the end is known.
        const untilMs = (isOwn ? expiresAtMs : undefined) ?? clock.nowMs() + rememberedMs
        await revocations.revokeToken(tokenId, untilMs, {
          isOwn: isOwn && !session.access.allows('alter', 'cluster', ''),
        })
      }
    } catch (error) {
      if (error instanceof RangeError) throw new ProtocolError(ErrorCode.POLICY_VIOLATION, error.message)
      throw error
    }
    return { revoked: true }
  }
}

/** As every authenticator makes them. */
const TOKEN_ID = /^[\w-]{22}$/

/** A revocation of what can be the id of no token would do nothing, and say that it had. */
function checkTokenId(tokenId: string): void {
  if (TOKEN_ID.test(tokenId)) return
  // Not said back: it may be a token, or a key.
  const hint = /^(key:|oct_)/.test(tokenId)
    ? 'this is an API key, and is revoked as one'
    : 'it has 22 of the characters a-z A-Z 0-9 _ -, as whoami shows it behind token:'
  throw invalid(`tokenId is not the id of a token: ${hint}`)
}
