/**
 * What the built-in issuer keeps in metadata, each value JSON:
 *
 * ```json
 * /issuer/keys/KID           {"privateJwk":{…},"publicJwk":{…},"createdAtMs":0,"retiredAtMs":null}
 * /issuer/revoked/token/JTI  {"expiresAtMs":0}
 * /issuer/revoked/user/ID    {"notBeforeMs":0}
 * ```
 *
 * Private keys lie there as they are: whoever may read the data directory is the node. An ID is written in base64url.
 */
import { z } from 'zod'
import type { RevocationStore, RevokedToken, RevokedUser } from '../../auth/authenticators/revocations.ts'
import type { IssuerKey } from '../../auth/authenticators/signing-key.ts'
import type { IssuerKeyStore } from '../../auth/authenticators/token-issuer.ts'
import type { MetadataEntry, MetadataStore, Operation } from '../../storage/metadata-store.ts'
import { decodeMetadataJson, encodeMetadataJson } from '../metadata-json.ts'
import { WatchedRecords } from '../watched-records.ts'

export const ISSUER_KEY_PREFIX = '/issuer/keys/'
export const TOKEN_PREFIX = '/issuer/revoked/token/'
export const USER_PREFIX = '/issuer/revoked/user/'

const storedJwk = z.record(z.string(), z.string())
const storedKey = z.strictObject({
  privateJwk: storedJwk,
  publicJwk: storedJwk,
  createdAtMs: z.int(),
  retiredAtMs: z.int().nullable(),
})
const storedToken = z.strictObject({ expiresAtMs: z.int() })
const storedUser = z.strictObject({ notBeforeMs: z.int() })

export interface IssuerStoreOptions {
  readonly store: MetadataStore
  /** Who came in with the token has to come again. */
  readonly onTokenRevoked: (tokenId: string) => void
  /** The same for all tokens the user was issued before. */
  readonly onUserRevoked: (principal: string, notBeforeMs: number) => void
  /** What it signed is good no more. */
  readonly onKeyEnded: (kid: string) => void
  readonly onProblem: (error: Error) => void
}

/** Both ports of the issuer, since they are opened and closed together. */
export class MetadataIssuerStore implements IssuerKeyStore, RevocationStore {
  readonly #store: MetadataStore
  readonly #keys: WatchedRecords<IssuerKey>
  readonly #tokens: WatchedRecords<RevokedToken>
  readonly #users: WatchedRecords<RevokedUser>

  private constructor(
    store: MetadataStore,
    keys: WatchedRecords<IssuerKey>,
    tokens: WatchedRecords<RevokedToken>,
    users: WatchedRecords<RevokedUser>,
  ) {
    this.#store = store
    this.#keys = keys
    this.#tokens = tokens
    this.#users = users
  }

  static async open(options: IssuerStoreOptions): Promise<MetadataIssuerStore> {
    const { store, onProblem, onTokenRevoked, onUserRevoked, onKeyEnded } = options
    return new MetadataIssuerStore(
      store,
      await WatchedRecords.open({
        store,
        prefix: ISSUER_KEY_PREFIX,
        decode: decodeIssuerKey,
        onDelete: (kid) => onKeyEnded(kid),
        onProblem,
      }),
      await WatchedRecords.open({
        store,
        prefix: TOKEN_PREFIX,
        decode: decodeRevokedToken,
        onPut: (_name, { tokenId }) => onTokenRevoked(tokenId),
        onProblem,
      }),
      await WatchedRecords.open({
        store,
        prefix: USER_PREFIX,
        decode: decodeRevokedUser,
        onPut: (_name, { principal, notBeforeMs }) => onUserRevoked(principal, notBeforeMs),
        onProblem,
      }),
    )
  }

  list(): readonly IssuerKey[] {
    return [...this.#keys.values()]
  }

  put({ kid, ...key }: IssuerKey): Promise<void> {
    return write(this.#store, this.#keys, {
      kind: 'put',
      key: ISSUER_KEY_PREFIX + kid,
      value: encodeMetadataJson(key),
    })
  }

  async delete(kid: string): Promise<void> {
    const present = this.#keys.at(kid)
    if (!present) return
    const key = ISSUER_KEY_PREFIX + kid
    const { committed, revision } = await this.#store.transact(
      [{ key, modRevision: present.modRevision }],
      [{ kind: 'delete', key }],
      { isUrgent: true },
    )
    // Nothing it signed is taken any more when this resolves.
    if (committed) await this.#keys.caughtUp(revision)
  }

  get size(): number {
    return this.#tokens.size + this.#users.size
  }

  token(tokenId: string): RevokedToken | undefined {
    return this.#tokens.get(written(tokenId))
  }

  user(principal: string): RevokedUser | undefined {
    return this.#users.get(written(principal))
  }

  tokens(): Iterable<RevokedToken> {
    return this.#tokens.values()
  }

  putToken({ tokenId, expiresAtMs }: RevokedToken): Promise<void> {
    const key = TOKEN_PREFIX + written(tokenId)
    return write(this.#store, this.#tokens, { kind: 'put', key, value: encodeMetadataJson({ expiresAtMs }) })
  }

  putUser({ principal, notBeforeMs }: RevokedUser): Promise<void> {
    const key = USER_PREFIX + written(principal)
    return write(this.#store, this.#users, { kind: 'put', key, value: encodeMetadataJson({ notBeforeMs }) })
  }

  async deleteToken(tokenId: string): Promise<void> {
    const name = written(tokenId)
    if (this.#tokens.get(name))
      await write(this.#store, this.#tokens, { kind: 'delete', key: TOKEN_PREFIX + name })
  }

  close(): void {
    this.#keys.close()
    this.#tokens.close()
    this.#users.close()
  }
}

async function write<T>(
  store: MetadataStore,
  records: WatchedRecords<T>,
  operation: Operation,
): Promise<void> {
  const { revision } = await store.transact([], [operation], { isUrgent: true })
  // A deletion that another one forestalled changes nothing, and there is nothing to wait for.
  if (operation.kind === 'put') await records.caughtUp(revision)
}

/** Names of users hold what keys of metadata should not. */
function written(id: string): string {
  return Buffer.from(id, 'utf8').toString('base64url')
}

function read(entry: MetadataEntry, prefix: string): string {
  return Buffer.from(entry.key.slice(prefix.length), 'base64url').toString('utf8')
}

/** Throws an Error that names the key and what is wrong with its value; never with the value itself. */
export function decodeIssuerKey(entry: MetadataEntry): IssuerKey {
  return {
    kid: entry.key.slice(ISSUER_KEY_PREFIX.length),
    ...decodeMetadataJson(entry, storedKey, 'key of the issuer'),
  }
}

export function decodeRevokedToken(entry: MetadataEntry): RevokedToken {
  return { tokenId: read(entry, TOKEN_PREFIX), ...decodeMetadataJson(entry, storedToken, 'revoked token') }
}

export function decodeRevokedUser(entry: MetadataEntry): RevokedUser {
  return { principal: read(entry, USER_PREFIX), ...decodeMetadataJson(entry, storedUser, 'revocation') }
}
