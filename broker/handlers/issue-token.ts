/**
 * Issue token: by the built-in issuer, for sites without another. An administrator has tokens made for anybody,
 * everyone else for himself, no wider and no longer than the credential he came with. It ends when that is revoked.
 */
import type { IssuedToken, TokenRequest } from '../../auth/authenticators/token-issuer.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import { checkIds, scopeOf } from './access-words.ts'
import { callerOf } from './authorization.ts'
import { credentialRefusal } from './credential-rights.ts'
import type { Handler } from './handlers.ts'

export interface IssueTokenDependencies {
  readonly issuer: { issue(request: TokenRequest): Promise<IssuedToken> }
  readonly lifetimeDefaultMs: number
}

export function issueTokenHandler({
  issuer,
  lifetimeDefaultMs,
}: IssueTokenDependencies): Handler<'issueToken'> {
  return async (request, { session, clock }) => {
    const { groups, roles } = request
    const principal = request.principal ?? session.identity.principal.name
    checkIds('user', [principal])
    checkIds('group', groups)
    checkIds('role', roles)
    const scope = scopeOf(request.scope)
    const refusal = credentialRefusal(session, { principal, groups, roles, scope })
    if (refusal) throw refusal
    const { expiresAtMs, credentialId, issuedWith = [] } = session.identity
    const leftMs =
      expiresAtMs === undefined || session.access.isAdministrator
        ? Number.POSITIVE_INFINITY
        : expiresAtMs - clock.nowMs()
    if (request.lifetimeMs !== null && request.lifetimeMs > leftMs)
      throw new ProtocolError(
        ErrorCode.POLICY_VIOLATION,
        `the credential of ${callerOf(session)} is good for ${leftMs} ms more; a token for himself cannot live for ${request.lifetimeMs}`,
      )
    const lifetimeMs = request.lifetimeMs ?? Math.min(lifetimeDefaultMs, leftMs)
    try {
      const { token, tokenId, expiresAtMs } = await issuer.issue({
        principal,
        groups,
        roles,
        lifetimeMs,
        scope,
        issuedWith: credentialId === undefined ? issuedWith : [...issuedWith, credentialId],
      })
      return { token, tokenId, principal, expiresAtMs }
    } catch (error) {
      if (error instanceof RangeError) throw new ProtocolError(ErrorCode.POLICY_VIOLATION, error.message)
      throw error
    }
  }
}
