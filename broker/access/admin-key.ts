/**
 * The key of the first start: it lets its holder in as an administrator, so that there is somebody to begin with.
 *
 *     no file        a key is made, and the file with it, before the node says that it is ready
 *     a file         its key, provisioned by the operator, becomes the administrator's
 *     later starts   nothing: what was revoked is not let in again by a restart
 *
 * That it has happened stands in metadata, `/first-key`, its value JSON `{"keyId":"<16 characters>"}`. The file comes
 * first, so that a crash in between leaves a file whose key the next start takes.
 */
import { z } from 'zod'
import { hashSecret, mintApiKey, parseApiKey } from '../../auth/authenticators/api-key-token.ts'
import { ADMINISTRATOR_NAME, ADMINISTRATOR_ROLE } from '../../auth/principal.ts'
import type { MetadataEntry, MetadataStore } from '../../storage/metadata-store.ts'
import { ConfigError } from '../config/config-error.ts'
import { decodeMetadataJson, encodeMetadataJson } from '../metadata-json.ts'
import type { Clock, Random } from '../ports.ts'
import type { MetadataApiKeyStore } from './api-key-store.ts'
import type { SecretFile } from './secret-file.ts'

export const FIRST_KEY = '/first-key'

const stored = z.strictObject({ keyId: z.string() })

export interface AdminKeyOptions {
  readonly file: SecretFile
  readonly store: MetadataStore
  readonly keys: Pick<MetadataApiKeyStore, 'get' | 'put'>
  readonly clock: Clock
  readonly random: Random
}

/**
 * `made` and `taken` on the first start, `known` later.
 * Rejects with ConfigError that names the file and what is wrong with it, or with StorageError.
 */
export async function provisionAdminKey(options: AdminKeyOptions): Promise<'made' | 'taken' | 'known'> {
  const { file, store, keys, clock, random } = options
  if (await store.get(FIRST_KEY)) return 'known'
  let text = await file.read()
  const outcome = text === undefined ? 'made' : 'taken'
  if (text === undefined) {
    text = `${mintApiKey(random).token}\n`
    await file.write(text)
  }
  const key = parseApiKey(text.trim())
  if (!key)
    throw new ConfigError([
      `${file.path} holds no API key of the form oct_ID_SECRET; put one there, or remove the file, and one is made`,
    ])
  if (!keys.get(key.id))
    await keys.put({
      id: key.id,
      principal: ADMINISTRATOR_NAME,
      name: 'of the first start',
      secretHashes: [{ hash: hashSecret(key.secret), expiresAtMs: null }],
      createdAtMs: clock.nowMs(),
      expiresAtMs: null,
      groups: [],
      roles: [ADMINISTRATOR_ROLE],
      scope: null,
    })
  await store.transact([], [{ kind: 'put', key: FIRST_KEY, value: encodeMetadataJson({ keyId: key.id }) }])
  return outcome
}

/** Throws an Error that names the key and what is wrong with its value. */
export function decodeFirstKey(entry: MetadataEntry): { readonly keyId: string } {
  return decodeMetadataJson(entry, stored, 'note of the first key')
}
