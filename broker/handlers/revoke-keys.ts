/** Revoke keys: one's own, or anybody's by an administrator. What others have looks like what is not there. */
import { type MetadataApiKeyStore, unknownKey } from '../access/api-key-store.ts'
import type { RequestSession } from './context.ts'
import { mayRevokeKey } from './credential-rights.ts'
import { entryResult } from './entry-result.ts'
import type { Handler } from './handlers.ts'

export function revokeKeysHandler(
  keys: Pick<MetadataApiKeyStore, 'get' | 'revoke'>,
  onProblem: (error: Error) => void,
): Handler<'revokeKeys'> {
  async function revokeOne(id: string, session: RequestSession): Promise<void> {
    if (!mayRevokeKey(session, id, keys.get(id))) throw unknownKey(id)
    if (!(await keys.revoke(id))) throw unknownKey(id)
  }

  return async ({ keyIds }, { session }) => ({
    keys: await Promise.all(
      keyIds.map(async (keyId) => ({
        keyId,
        ...(await entryResult(() => revokeOne(keyId, session), onProblem)),
      })),
    ),
  })
}
