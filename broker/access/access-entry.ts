/**
 * All that access control keeps in metadata, by prefix of its key: what a value must be, for whoever looks at data that
 * no broker has open. The node itself refuses to start on any of these that it cannot read, since it must not serve by
 * half of the rules: a deny that is not understood would be an allow.
 */
import type { MetadataEntry } from '../../storage/metadata-store.ts'
import { ACL_KEY_PREFIX, decodeAclEntry } from './acl-store.ts'
import { decodeFirstKey, FIRST_KEY } from './admin-key.ts'
import { decodeApiKey, decodeApiKeyUse, KEY_PREFIX, USE_PREFIX } from './api-key-store.ts'
import {
  decodeIssuerKey,
  decodeRevokedToken,
  decodeRevokedUser,
  ISSUER_KEY_PREFIX,
  TOKEN_PREFIX,
  USER_PREFIX,
} from './issuer-key-store.ts'
import { decodeNamespace, NAMESPACE_KEY_PREFIX } from './namespace-store.ts'

const decoders: readonly (readonly [prefix: string, decode: (entry: MetadataEntry) => unknown])[] = [
  [ACL_KEY_PREFIX, decodeAclEntry],
  [NAMESPACE_KEY_PREFIX, decodeNamespace],
  [KEY_PREFIX, decodeApiKey],
  [USE_PREFIX, decodeApiKeyUse],
  [ISSUER_KEY_PREFIX, decodeIssuerKey],
  [TOKEN_PREFIX, decodeRevokedToken],
  [USER_PREFIX, decodeRevokedUser],
  [FIRST_KEY, decodeFirstKey],
]

/** Throws an Error that names the key and what is wrong with its value. What is not of access control passes. */
export function checkAccessEntry(entry: MetadataEntry): void {
  for (const [prefix, decode] of decoders) if (entry.key.startsWith(prefix)) decode(entry)
}
