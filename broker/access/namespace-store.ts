/**
 * Namespaces in metadata, one key each: `/namespaces/NAME`, its value JSON
 *
 * ```json
 * {"owners":["user:ada","group:lab"],"topicConfigs":{"retention.ms":"1000"},"createdAtMs":0,"state":"live"}
 * ```
 *
 * `default` is always there; its key only when it has owners or configs. A namespace is deleted in steps, so that no
 * topic comes to be in one that is going: it is marked first, and a topic is created only together with
 * the proof that its namespace is not marked. What a crash leaves marked is unmarked at the next start.
 */
import { z } from 'zod'
import type { Policy } from '../../auth/acl/policy.ts'
import { DEFAULT_NAMESPACE, quoteName } from '../../auth/acl/qualified-name.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { Compare, MetadataEntry, MetadataStore, Operation } from '../../storage/metadata-store.ts'
import { decodeMetadataJson, encodeMetadataJson } from '../metadata-json.ts'
import type { Clock } from '../ports.ts'
import { WatchedRecords } from '../watched-records.ts'
import { storedPrincipal } from './access-record.ts'

export const NAMESPACE_KEY_PREFIX = '/namespaces/'
/** Owners of one namespace. */
export const OWNERS_MAX = 1_000
/** An alteration competes only with others of the same namespace; who loses so often is in a storm. */
const ATTEMPTS_MAX = 10

const stored = z.strictObject({
  owners: z.array(storedPrincipal),
  topicConfigs: z.record(z.string(), z.string()),
  createdAtMs: z.int(),
  state: z.enum(['live', 'deleting']),
})

export interface Namespace {
  /** In text form: users and groups. */
  readonly owners: readonly string[]
  /** For topics created in it that do not say otherwise. */
  readonly topicConfigs: Readonly<Record<string, string>>
  readonly createdAtMs: number
  readonly state: 'live' | 'deleting'
}

export interface NamespaceStoreOptions {
  readonly store: MetadataStore
  readonly policy: Policy
  readonly clock: Clock
  readonly namespacesMax: number
  readonly onProblem: (error: Error) => void
}

/** What has to be done and to hold in the transaction that creates a topic in a namespace. */
export interface NamespaceClaim {
  readonly compares: readonly Compare[]
  readonly operations: readonly Operation[]
}

/** The one nobody created. */
const ALWAYS: Namespace = { owners: [], topicConfigs: {}, createdAtMs: 0, state: 'live' }

export class NamespaceStore {
  readonly #options: NamespaceStoreOptions
  readonly #records: WatchedRecords<Namespace>
  /** On their way into metadata. */
  #arriving = 0

  private constructor(options: NamespaceStoreOptions, records: WatchedRecords<Namespace>) {
    this.#options = options
    this.#records = records
  }

  static async open(options: NamespaceStoreOptions): Promise<NamespaceStore> {
    const { store, policy, onProblem } = options
    const records = await WatchedRecords.open<Namespace>({
      store,
      prefix: NAMESPACE_KEY_PREFIX,
      decode: decodeNamespace,
      onPut: (name, { owners }) => policy.putNamespace(name, owners),
      onDelete: (name) => policy.removeNamespace(name),
      onProblem,
    })
    return new NamespaceStore(options, records)
  }

  /** Takes back the deletions that a crash interrupted: nothing but the mark has changed, or rights have gone. */
  async finishDeletions(): Promise<void> {
    for (const name of this.#records.names())
      if (this.#records.get(name)?.state === 'deleting')
        await this.#change(name, (old) => ({ ...old, state: 'live' }))
  }

  /** Namespaces of topics from before there were any get their keys, without owners. */
  async adopt(names: Iterable<string>): Promise<void> {
    for (const name of new Set(names))
      if (!this.#records.get(name) && name !== DEFAULT_NAMESPACE) await this.create(name, [], {})
  }

  /** Undefined: there is none, or it is going. */
  get(name: string): Namespace | undefined {
    const record = this.#records.get(name)
    if (!record) return name === DEFAULT_NAMESPACE ? ALWAYS : undefined
    return record.state === 'live' ? record : undefined
  }

  /** In order of name. */
  list(): { readonly name: string; readonly namespace: Namespace }[] {
    const names = new Set([DEFAULT_NAMESPACE, ...this.#records.names()])
    return [...names].sort().flatMap((name) => {
      const namespace = this.get(name)
      return namespace ? [{ name, namespace }] : []
    })
  }

  /** Rejects with ProtocolError DUPLICATE_RESOURCE, POLICY_VIOLATION, or with StorageError. */
  async create(
    name: string,
    owners: readonly string[],
    topicConfigs: Namespace['topicConfigs'],
  ): Promise<void> {
    const { compares, operations } = this.claimOfNew(name, owners, topicConfigs)
    this.#arriving++
    try {
      const result = await this.#options.store.transact(compares, operations)
      if (!result.committed) throw exists(name)
      await this.#records.caughtUp(result.revision)
    } finally {
      this.#arriving--
    }
  }

  /** For the transaction of whoever creates it with its first topic. Throws as {@link create} rejects. */
  claimOfNew(
    name: string,
    owners: readonly string[],
    topicConfigs: Namespace['topicConfigs'],
  ): NamespaceClaim {
    const { clock, namespacesMax } = this.#options
    if (this.#records.get(name) || name === DEFAULT_NAMESPACE) throw exists(name)
    if (this.#records.size + this.#arriving >= namespacesMax)
      throw new ProtocolError(
        ErrorCode.POLICY_VIOLATION,
        `there are ${namespacesMax} namespaces, which is all there may be (auth.namespacesMax)`,
      )
    checkOwners(owners)
    const key = NAMESPACE_KEY_PREFIX + name
    const value = encodeMetadataJson({ owners, topicConfigs, createdAtMs: clock.nowMs(), state: 'live' })
    return { compares: [{ key, modRevision: 0 }], operations: [{ kind: 'put', key, value }] }
  }

  /** For the transaction of whoever creates a topic in it; undefined: there is no such namespace. */
  claimOf(name: string): NamespaceClaim | undefined {
    const present = this.#records.at(name)
    if (!present) return name === DEFAULT_NAMESPACE ? { compares: [], operations: [] } : undefined
    if (present.record.state !== 'live') return undefined
    const compare = { key: NAMESPACE_KEY_PREFIX + name, modRevision: present.modRevision }
    return { compares: [compare], operations: [] }
  }

  caughtUp(revision: number): Promise<void> {
    return this.#records.caughtUp(revision)
  }

  /**
   * Works on a full disk where what is stored does not grow by it. Rejects with ProtocolError RESOURCE_NOT_FOUND,
   * REQUEST_TIMED_OUT, whatever `change` throws, or with StorageError.
   */
  async alter(name: string, change: (namespace: Namespace) => Namespace): Promise<Namespace> {
    return this.#change(name, (present) => {
      if (present.state !== 'live') throw unknownNamespace(name)
      const next = change(present)
      checkOwners(next.owners)
      return next
    })
  }

  /**
   * @param whatIsIn resolves with why it cannot go, undefined when nothing is in it; asked when nothing more can come
   * @param forget takes away what is written about it
   */
  async delete(
    name: string,
    whatIsIn: () => Promise<string | undefined>,
    forget: () => Promise<void>,
  ): Promise<void> {
    const { store } = this.#options
    await this.alter(name, (present) => ({ ...present, state: 'deleting' }))
    try {
      const obstacle = await whatIsIn()
      if (obstacle !== undefined) throw new ProtocolError(ErrorCode.POLICY_VIOLATION, obstacle)
      await forget()
    } catch (error) {
      await this.#change(name, (present) => ({ ...present, state: 'live' }))
      throw error
    }
    const key = NAMESPACE_KEY_PREFIX + name
    const { revision } = await store.transact([], [{ kind: 'delete', key }], { isUrgent: true })
    await this.#records.caughtUp(revision)
  }

  close(): void {
    this.#records.close()
  }

  async #change(name: string, change: (namespace: Namespace) => Namespace): Promise<Namespace> {
    const { store } = this.#options
    const key = NAMESPACE_KEY_PREFIX + name
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      // Not from memory, which may be behind what beat us.
      const entry = await store.get(key)
      if (!entry && name !== DEFAULT_NAMESPACE) throw unknownNamespace(name)
      const next = change(entry ? decodeNamespace(entry) : ALWAYS)
      const value = encodeMetadataJson(next)
      const { committed, revision } = await store.transact(
        [{ key, modRevision: entry?.modRevision ?? 0 }],
        [{ kind: 'put', key, value }],
        // Owners who add to theirs must not use up what is kept back for those who take away.
        { isUrgent: next.state === 'deleting' || value.length <= (entry?.value.length ?? 0) },
      )
      if (!committed) continue
      await this.#records.caughtUp(revision)
      return next
    }
    throw new ProtocolError(
      ErrorCode.REQUEST_TIMED_OUT,
      `namespace ${quoteName(name)} was altered by others ${ATTEMPTS_MAX} times meanwhile; try again`,
    )
  }
}

export function unknownNamespace(name: string): ProtocolError {
  return new ProtocolError(ErrorCode.RESOURCE_NOT_FOUND, `there is no namespace ${quoteName(name)}`)
}

function exists(name: string): ProtocolError {
  return new ProtocolError(ErrorCode.DUPLICATE_RESOURCE, `there is a namespace ${quoteName(name)} already`)
}

function checkOwners(owners: readonly string[]): void {
  if (owners.length <= OWNERS_MAX) return
  throw new ProtocolError(
    ErrorCode.POLICY_VIOLATION,
    `a namespace has at most ${OWNERS_MAX} owners, not ${owners.length}`,
  )
}

/** Throws an Error that names the key and what is wrong with its value. */
export function decodeNamespace(entry: MetadataEntry): Namespace {
  return decodeMetadataJson(entry, stored, 'namespace')
}
