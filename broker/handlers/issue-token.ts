/**
 * Issue token: by the built-in issuer, for sites without another. An administrator has tokens made for anybody,
 * everyone else for himself, no wider and no longer than the credential he came with. It ends when that is revoked.
 */
import type { IssuedToken, TokenRequest } from '../../auth/authenticators/token-issuer.ts'
import { type Identity, keyIdOf, secretIdOf } from '../../auth/identity.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import { checkIds, scopeOf } from './access-words.ts'
import { callerOf } from './authorization.ts'
import { completed, credentialRefusal, mayActForOthers } from './credential-rights.ts'
import type { Handler } from './handlers.ts'

export interface IssueTokenDependencies {
  readonly issuer: { issue(request: TokenRequest): Promise<IssuedToken> }
  readonly lifetimeDefaultMs: number
  /** For how long a token is still good when its time is over. */
  readonly clockToleranceMs: number
}

export function issueTokenHandler({
  issuer,
  lifetimeDefaultMs,
  clockToleranceMs,
}: IssueTokenDependencies): Handler<'issueToken'> {
  return async (request, { session, clock }) => {
    const principal = request.principal ?? session.identity.principal.name
    checkIds('user', [principal])
    checkIds('group', request.groups)
    checkIds('role', request.roles)
    const scope = scopeOf(request.scope)
    const rights = completed(session, { principal, groups: request.groups, roles: request.roles, scope })
    const refusal = credentialRefusal(session, rights)
    if (refusal) throw refusal
    const { expiresAtMs } = session.identity
    const leftMs =
      expiresAtMs === undefined || mayActForOthers(session)
        ? Number.POSITIVE_INFINITY
        : // Less what it is good for beyond its time: else each would outlive the one that it was asked for with.
          Math.max(0, expiresAtMs - clockToleranceMs - clock.nowMs())
    if (request.lifetimeMs !== null && request.lifetimeMs > leftMs)
      throw new ProtocolError(
        ErrorCode.POLICY_VIOLATION,
        `the credential of ${callerOf(session)} is good for ${leftMs} ms more; a token for himself cannot live for ${request.lifetimeMs}`,
      )
    const lifetimeMs = request.lifetimeMs ?? Math.min(lifetimeDefaultMs, leftMs)
    try {
      const { token, tokenId, expiresAtMs } = await issuer.issue({
        ...rights,
        lifetimeMs,
        issuedWith: madeWith(session.identity),
      })
      return { token, tokenId, principal, expiresAtMs }
    } catch (error) {
      if (error instanceof RangeError) throw new ProtocolError(ErrorCode.POLICY_VIOLATION, error.message)
      throw error
    }
  }
}

/** What the caller came with, to the secret, and what that was issued with. */
function madeWith({ credentialId, secretHash, issuedWith = [] }: Identity): readonly string[] {
  if (credentialId === undefined) return issuedWith
  const keyId = keyIdOf(credentialId)
  const secret = keyId === undefined || secretHash === undefined ? [] : [secretIdOf(keyId, secretHash)]
  return [...issuedWith, credentialId, ...secret]
}
