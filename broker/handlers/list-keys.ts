/** List keys: the caller's own; with describe on the cluster those of everyone. Never a secret or its hash. */
import type { ListedKey } from '../../client/protocol/messages/keys.ts'
import type { MetadataApiKeyStore } from '../access/api-key-store.ts'
import { checkIds, wireScope } from './access-words.ts'
import { notAuthorized } from './authorization.ts'
import type { Handler } from './handlers.ts'

export function listKeysHandler(
  keys: Pick<MetadataApiKeyStore, 'list' | 'lastUsedAtMs'>,
): Handler<'listKeys'> {
  return async ({ principal }, { session, clock }) => {
    if (principal !== null) checkIds('user', [principal])
    const { name, isAnonymous } = session.identity.principal
    const maySeeAll = session.allows('describe', 'cluster', '')
    const isOwn = !isAnonymous && principal === name
    if (principal !== null && !isOwn && !maySeeAll) throw notAuthorized(session, 'describe', 'cluster', '')
    const nowMs = clock.nowMs()
    const whose = principal ?? (maySeeAll ? null : name)
    const listed = isAnonymous && !maySeeAll ? [] : keys.list(whose)
    return {
      keys: listed.map(({ id, secretHashes, scope, groups, roles, ...record }): ListedKey => {
        const secrets = secretHashes.filter(({ expiresAtMs }) => expiresAtMs === null || expiresAtMs > nowMs)
        return {
          keyId: id,
          ...record,
          groups: [...groups],
          roles: [...roles],
          lastUsedAtMs: keys.lastUsedAtMs(id),
          secrets: secrets.length,
          scope: wireScope(scope),
        }
      }),
    }
  }
}
