/**
 * Create key: an API key that is good at once. The answer is the only place where it ever stands. Whoever makes one
 * for himself has it no longer than he may; where he says nothing, until then.
 */
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { MetadataApiKeyStore } from '../access/api-key-store.ts'
import { checkExpiry, checkIds, checkShowable, invalid, scopeOf } from './access-words.ts'
import { callerOf } from './authorization.ts'
import { type CredentialLifetimes, completed, credentialRefusal, ownKeyEndMs } from './credential-rights.ts'
import type { Handler } from './handlers.ts'

export function createKeyHandler(
  keys: Pick<MetadataApiKeyStore, 'create'>,
  lifetimes: CredentialLifetimes,
): Handler<'createKey'> {
  return async (request, { session, clock }) => {
    const { name } = request
    const principal = request.principal ?? session.identity.principal.name
    checkIds('user', [principal])
    checkIds('group', request.groups)
    checkIds('role', request.roles)
    if (name.trim() === '') throw invalid('the key has no name; say what it is for')
    checkShowable('the name of the key', name)
    const nowMs = clock.nowMs()
    checkExpiry(request.expiresAtMs, nowMs)
    const scope = scopeOf(request.scope)
    const rights = completed(session, { principal, groups: request.groups, roles: request.roles, scope })
    const refusal = credentialRefusal(session, rights)
    if (refusal) throw refusal
    const endMs = ownKeyEndMs(session, nowMs, lifetimes)
    const expiresAtMs = request.expiresAtMs ?? endMs
    if (endMs !== null && (expiresAtMs as number) > endMs)
      throw new ProtocolError(
        ErrorCode.POLICY_VIOLATION,
        `a key that ${callerOf(session)} makes for himself is good until ${endMs} at most, not ${expiresAtMs}`,
      )
    if (endMs !== null && endMs <= nowMs)
      throw new ProtocolError(
        ErrorCode.POLICY_VIOLATION,
        `the credential of ${callerOf(session)} is about to end; come with another one`,
      )
    const { id, token } = await keys.create({
      principal,
      name,
      expiresAtMs,
      groups: rights.groups,
      roles: rights.roles,
      scope: scope ?? null,
    })
    return { keyId: id, key: token, principal, expiresAtMs }
  }
}
