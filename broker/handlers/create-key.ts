/** Create key: an API key that is good at once. The answer is the only place where it ever stands. */
import type { MetadataApiKeyStore } from '../access/api-key-store.ts'
import { checkExpiry, checkIds, checkShowable, invalid, scopeOf } from './access-words.ts'
import { credentialRefusal } from './credential-rights.ts'
import type { Handler } from './handlers.ts'

export function createKeyHandler(keys: Pick<MetadataApiKeyStore, 'create'>): Handler<'createKey'> {
  return async (request, { session, clock }) => {
    const { name, groups, roles, expiresAtMs } = request
    const principal = request.principal ?? session.identity.principal.name
    checkIds('user', [principal])
    checkIds('group', groups)
    checkIds('role', roles)
    if (name.trim() === '') throw invalid('the key has no name; say what it is for')
    checkShowable('the name of the key', name)
    checkExpiry(expiresAtMs, clock.nowMs())
    const scope = scopeOf(request.scope)
    const refusal = credentialRefusal(session, { principal, groups, roles, scope })
    if (refusal) throw refusal
    const { id, token } = await keys.create({
      principal,
      name,
      expiresAtMs,
      groups,
      roles,
      scope: scope ?? null,
    })
    return { keyId: id, key: token, principal }
  }
}
