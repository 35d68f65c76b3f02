/** Rotate key: a new secret for a key whose rights the caller has himself; the old one is good for a while. */
import { type MetadataApiKeyStore, unknownKey } from '../access/api-key-store.ts'
import { mayHoldKey } from './credential-rights.ts'
import type { Handler } from './handlers.ts'

export function rotateKeyHandler(keys: Pick<MetadataApiKeyStore, 'get' | 'rotate'>): Handler<'rotateKey'> {
  return async ({ keyId, overlapMs }, { session }) => {
    if (!mayHoldKey(session, keyId, keys.get(keyId))) throw unknownKey(keyId)
    const { id, token } = await keys.rotate(keyId, overlapMs)
    return { keyId: id, key: token }
  }
}
