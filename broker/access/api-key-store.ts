/**
 * API keys in metadata, one key each, its value JSON, and when each was last used beside it, so that a use is no
 * change of the key:
 *
 * ```json
 * /api-keys/ID      {"principal":"ada","name":"laptop","secretHashes":[{"hash":"<64 hex digits>","expiresAtMs":null}],
 *                    "createdAtMs":0,"expiresAtMs":null,"groups":[],"roles":[],"scope":null}
 * /api-key-uses/ID  {"lastUsedAtMs":0}
 * ```
 *
 * A revoked key is deleted. Uses are written together, once a minute: what a crash loses of them is a minute.
 */
import { z } from 'zod'
import {
  type ApiKeyRecord,
  type ApiKeyStore,
  rotateSecret,
  type SecretHash,
} from '../../auth/authenticators/api-key-record.ts'
import { looksLikeApiKey, mintApiKey, withNewSecret } from '../../auth/authenticators/api-key-token.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import { type MetadataEntry, type MetadataStore, metadataLimits } from '../../storage/metadata-store.ts'
import { decodeMetadataJson, encodeMetadataJson } from '../metadata-json.ts'
import type { Clock, Random, Timer, Timers } from '../ports.ts'
import { WatchedRecords } from '../watched-records.ts'
import { encodeScope, storedScope } from './access-record.ts'

export const KEY_PREFIX = '/api-keys/'
export const USE_PREFIX = '/api-key-uses/'
/** Time between two writings of what was used; also how exact the last use of a key is. */
const USES_INTERVAL_MS = 60_000
/** A rotation competes only with others of the same key. */
const ATTEMPTS_MAX = 10

const storedKey = z.strictObject({
  principal: z.string(),
  name: z.string(),
  secretHashes: z.array(z.strictObject({ hash: z.string(), expiresAtMs: z.int().nullable() })),
  createdAtMs: z.int(),
  expiresAtMs: z.int().nullable(),
  groups: z.array(z.string()),
  roles: z.array(z.string()),
  scope: storedScope,
})

const storedUse = z.strictObject({ lastUsedAtMs: z.int() })

export interface ApiKeyStoreOptions {
  readonly store: MetadataStore
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** Of one principal. */
  readonly keysMax: number
  /** These are all the secrets the key has from now on: who came in with another has to come again. */
  readonly onSecrets: (id: string, secrets: readonly SecretHash[]) => void
  /** The key is no more, and nothing that was made with it. */
  readonly onRevoked: (id: string) => void
  readonly onProblem: (error: Error) => void
}

export type NewApiKey = Pick<
  ApiKeyRecord,
  'principal' | 'name' | 'expiresAtMs' | 'groups' | 'roles' | 'scope'
>

export interface ShownApiKey {
  readonly id: string
  /** The whole key, for the eyes of its owner, once. */
  readonly token: string
}

export class MetadataApiKeyStore implements ApiKeyStore {
  readonly #options: ApiKeyStoreOptions
  #records!: WatchedRecords<ApiKeyRecord>
  readonly #idsOf = new Map<string, Set<string>>()
  readonly #arriving = new Map<string, number>()
  readonly #usedAtMs = new Map<string, number>()
  /** Ids whose last use is not written yet. */
  readonly #unwritten = new Set<string>()
  #timer: Timer | undefined
  #isClosed = false

  private constructor(options: ApiKeyStoreOptions) {
    this.#options = options
  }

  static async open(options: ApiKeyStoreOptions): Promise<MetadataApiKeyStore> {
    const keys = new MetadataApiKeyStore(options)
    const { store, onProblem } = options
    const uses = await store.list(USE_PREFIX)
    for (const entry of uses.entries)
      keys.#usedAtMs.set(entry.key.slice(USE_PREFIX.length), decodeApiKeyUse(entry).lastUsedAtMs)
    keys.#records = await WatchedRecords.open<ApiKeyRecord>({
      store,
      prefix: KEY_PREFIX,
      decode: decodeApiKey,
      onPut: (id, record, before) => keys.#came(id, record, before),
      onDelete: (id, before) => keys.#went(id, before),
      onProblem,
    })
    return keys
  }

  get size(): number {
    return this.#records.size
  }

  get(id: string): ApiKeyRecord | undefined {
    return this.#records.get(id)
  }

  used(id: string, atMs: number): void {
    const lastMs = this.#usedAtMs.get(id)
    if (lastMs !== undefined && Math.abs(atMs - lastMs) < USES_INTERVAL_MS) return
    this.#usedAtMs.set(id, atMs)
    this.#unwritten.add(id)
    if (!this.#isClosed) this.#timer ??= this.#options.timers.after(USES_INTERVAL_MS, () => this.#writeSoon())
  }

  lastUsedAtMs(id: string): number | null {
    return this.#usedAtMs.get(id) ?? null
  }

  /** Of one principal, or all; in order of creation. */
  list(principal: string | null): ApiKeyRecord[] {
    const records =
      principal === null
        ? [...this.#records.values()]
        : [...(this.#idsOf.get(principal) ?? [])].flatMap((id) => this.#records.get(id) ?? [])
    return records.sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1))
  }

  /** Resolves when the key works. Rejects with ProtocolError POLICY_VIOLATION, or with StorageError. */
  async create(wanted: NewApiKey, urgency = { isUrgent: false }): Promise<ShownApiKey> {
    const { id, token, secretHash } = mintApiKey(this.#options.random)
    const record = {
      ...wanted,
      id,
      secretHashes: [{ hash: secretHash, expiresAtMs: null }],
      createdAtMs: this.#options.clock.nowMs(),
    }
    await this.put(record, urgency)
    return { id, token }
  }

  /** A key whose secret is somebody else's to keep. */
  async put(record: ApiKeyRecord, urgency = { isUrgent: false }): Promise<void> {
    await this.#arrive(record.principal, async () => {
      const put = { kind: 'put', key: KEY_PREFIX + record.id, value: encodeApiKey(record) } as const
      const { revision } = await this.#options.store.transact([], [put], urgency)
      await this.#records.caughtUp(revision)
    })
  }

  /** False: there was none. Works on a full disk too. */
  async revoke(id: string): Promise<boolean> {
    const { store } = this.#options
    const key = KEY_PREFIX + id
    for (;;) {
      const entry = await store.get(key)
      if (!entry) return false
      const { committed, revision } = await store.transact(
        [{ key, modRevision: entry.modRevision }],
        [
          { kind: 'delete', key },
          { kind: 'delete', key: USE_PREFIX + id },
        ],
        { isUrgent: true },
      )
      // Who lost to a rotation reads again; who lost to another revocation finds nothing.
      if (!committed) continue
      await this.#records.caughtUp(revision)
      return true
    }
  }

  /**
   * Another secret, the present one good for `overlapMs` more. Works on a full disk too. Rejects with ProtocolError
   * RESOURCE_NOT_FOUND, or REQUEST_TIMED_OUT when the key has another secret than in `known` by now.
   */
  async rotate(known: ApiKeyRecord, overlapMs: number): Promise<ShownApiKey> {
    const { store, clock, random } = this.#options
    const { id } = known
    const key = KEY_PREFIX + id
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const entry = await store.get(key)
      if (!entry) throw unknownKey(id)
      const { token, secretHash } = withNewSecret(id, random)
      const present = decodeApiKey(entry)
      if (present.secretHashes[0]?.hash !== known.secretHashes[0]?.hash) break
      const rotated = rotateSecret(present, secretHash, clock.nowMs(), overlapMs)
      const { committed, revision } = await store.transact(
        [{ key, modRevision: entry.modRevision }],
        [{ kind: 'put', key, value: encodeApiKey(rotated) }],
        // Who rotates a key may have lost it. In place of what is there it takes no more room.
        { isUrgent: true },
      )
      if (!committed) continue
      await this.#records.caughtUp(revision)
      return { id, token }
    }
    throw new ProtocolError(
      ErrorCode.REQUEST_TIMED_OUT,
      `key ${id} was changed by others meanwhile; look whether it is to be rotated still`,
    )
  }

  /** Writes what was used, follows no more changes. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    // When nothing can be written any more, that is known already.
    if (!this.#options.store.failure) await this.#writeUses().catch(this.#options.onProblem)
    this.#records.close()
  }

  #came(id: string, record: ApiKeyRecord, before: ApiKeyRecord | undefined): void {
    const ids = this.#idsOf.get(record.principal)
    if (ids) ids.add(id)
    else this.#idsOf.set(record.principal, new Set([id]))
    if (before) this.#options.onSecrets(id, record.secretHashes)
  }

  #went(id: string, { principal }: ApiKeyRecord): void {
    const ids = this.#idsOf.get(principal)
    ids?.delete(id)
    if (ids?.size === 0) this.#idsOf.delete(principal)
    this.#usedAtMs.delete(id)
    this.#unwritten.delete(id)
    this.#options.onRevoked(id)
  }

  /** Holds the place of a key while it is being written, so that concurrent ones cannot exceed the bound. */
  async #arrive(principal: string, run: () => Promise<void>): Promise<void> {
    const { keysMax } = this.#options
    const arriving = this.#arriving.get(principal) ?? 0
    if ((this.#idsOf.get(principal)?.size ?? 0) + arriving >= keysMax)
      throw new ProtocolError(
        ErrorCode.POLICY_VIOLATION,
        `user:${principal} has ${keysMax} API keys, which is all one may have (auth.keysPerPrincipalMax); revoke one`,
      )
    this.#arriving.set(principal, arriving + 1)
    try {
      await run()
    } finally {
      const left = (this.#arriving.get(principal) ?? 1) - 1
      if (left > 0) this.#arriving.set(principal, left)
      else this.#arriving.delete(principal)
    }
  }

  #writeSoon(): void {
    this.#timer = undefined
    this.#writeUses().catch(this.#options.onProblem)
  }

  async #writeUses(): Promise<void> {
    const ids = [...this.#unwritten]
    this.#unwritten.clear()
    const most = metadataLimits.operationsPerTransactionMax
    for (let at = 0; at < ids.length; at += most) {
      const uses = ids.slice(at, at + most).flatMap((id) => {
        const lastUsedAtMs = this.#usedAtMs.get(id)
        if (lastUsedAtMs === undefined) return []
        return [{ kind: 'put', key: USE_PREFIX + id, value: encodeMetadataJson({ lastUsedAtMs }) } as const]
      })
      await this.#options.store.transact([], uses)
    }
  }
}

export function unknownKey(id: string): ProtocolError {
  // Who takes a whole key for its id does not want to see it again.
  return new ProtocolError(
    ErrorCode.RESOURCE_NOT_FOUND,
    looksLikeApiKey(id)
      ? 'a whole key is not the id of one: that is what stands between oct_ and the next _'
      : `there is no API key ${JSON.stringify(id)}`,
  )
}

function encodeApiKey(record: ApiKeyRecord): Uint8Array {
  const { id: _id, scope, ...rest } = record
  return encodeMetadataJson({ ...rest, scope: encodeScope(scope) })
}

/** Throws an Error that names the key and what is wrong with its value. */
export function decodeApiKey(entry: MetadataEntry): ApiKeyRecord {
  return { id: entry.key.slice(KEY_PREFIX.length), ...decodeMetadataJson(entry, storedKey, 'API key') }
}

/** Throws an Error that names the key and what is wrong with its value. */
export function decodeApiKeyUse(entry: MetadataEntry): { readonly lastUsedAtMs: number } {
  return decodeMetadataJson(entry, storedUse, 'use of an API key')
}
