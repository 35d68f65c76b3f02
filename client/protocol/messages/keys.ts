/** API keys: create, list, revoke, rotate. A key is in the answer that makes it and nowhere else ever again. */
import { field, int32, int53, list, nullable, struct, type TypeOf, text, uint31 } from '../schema.ts'
import { asksFor, memberships, principalId, scope } from './access-fields.ts'
import { error, message } from './recurring-fields.ts'

const keyId = text(64)
const keyIdField = field(keyId, 'Id of the key, the part before its secret.')
const key = field(text(256), 'The key itself. It is shown this once; the server keeps only a hash of it.')
const ownerId = field(principalId, 'Who has it: the ID of a user.')
const keyName = field(text(128), 'What it is called, for people.')
const groups = field(memberships, 'Groups it makes its principal a member of.')
const roles = field(memberships, 'Roles it gives its principal.')
const keyScope = field(scope, 'All that the key is good for; null: all that its principal may.')
const keyExpiresAtMs = field(nullable(int53), 'From then on it is refused, ms since 1970; null: never.')

export const createKeyRequest = struct('CreateKeyRequest', {
  principal: field(nullable(principalId), 'Who is to have it: the ID of a user; null: the caller.'),
  name: keyName,
  groups: asksFor.groups,
  roles: asksFor.roles,
  expiresAtMs: field(
    nullable(int53),
    'From then on it is refused, ms since 1970; null: never, or, for oneself, as late as one may.',
  ),
  scope: keyScope,
})

export const createKeyResponse = struct('CreateKeyResponse', {
  keyId: keyIdField,
  key,
  principal: ownerId,
  expiresAtMs: keyExpiresAtMs,
})

export const listKeysRequest = struct('ListKeysRequest', {
  principal: field(nullable(principalId), 'Whose; null: of everyone the caller may see.'),
})

export const listKeysResponse = struct('ListKeysResponse', {
  keys: field(
    list(
      struct('ListedKey', {
        keyId: keyIdField,
        principal: ownerId,
        name: keyName,
        groups,
        roles,
        createdAtMs: field(int53, 'When it was made, ms since 1970.'),
        expiresAtMs: keyExpiresAtMs,
        lastUsedAtMs: field(
          nullable(int53),
          'When somebody last authenticated with it, ms since 1970, to the minute; null: nobody has.',
        ),
        secrets: field(int32, 'How many secrets are good: two while a rotation overlaps.'),
        scope: keyScope,
      }),
    ),
    'The keys of the caller; with describe on the cluster those of everyone.',
  ),
})

export const revokeKeysRequest = struct('RevokeKeysRequest', {
  keyIds: field(list(keyId, 1_000), 'The keys to revoke, at once and for ever.'),
})

export const revokeKeysResponse = struct('RevokeKeysResponse', {
  keys: field(
    list(struct('RevokedKey', { keyId: keyIdField, error, message })),
    'One entry per key of the request, in its order.',
  ),
})

export const rotateKeyRequest = struct('RotateKeyRequest', {
  keyId: keyIdField,
  overlapMs: field(uint31, 'For how long the old secret is still good, in ms; 0: it is not from now on.'),
})

export const rotateKeyResponse = struct('RotateKeyResponse', { keyId: keyIdField, key })

export type CreateKeyRequest = TypeOf<typeof createKeyRequest>
export type ListedKey = TypeOf<typeof listKeysResponse>['keys'][number]
