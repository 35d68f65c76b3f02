/**
 * Rotate key: a new secret for the key the caller came with, or one he could make; the old one is good for a while.
 * Others' keys look like what is not there.
 */
import { type MetadataApiKeyStore, unknownKey } from '../access/api-key-store.ts'
import {
  type CredentialLifetimes,
  mayActForOthers,
  ownKeyEndMs,
  rotationRefusal,
} from './credential-rights.ts'
import type { Handler } from './handlers.ts'

export function rotateKeyHandler(
  keys: Pick<MetadataApiKeyStore, 'get' | 'rotate'>,
  lifetimes: CredentialLifetimes,
): Handler<'rotateKey'> {
  return async ({ keyId, overlapMs }, { session, clock }) => {
    const record = keys.get(keyId)
    const refusal = rotationRefusal(session, keyId, record, ownKeyEndMs(session, clock.nowMs(), lifetimes))
    const isVisible = mayActForOthers(session) || record?.principal === session.identity.principal.name
    if (!record || (refusal && !isVisible)) throw unknownKey(keyId)
    if (refusal) throw refusal
    // By this secret or none: his own may be replaced while he asks.
    const { id, token } = await keys.rotate(record, overlapMs)
    return { keyId: id, key: token }
  }
}
