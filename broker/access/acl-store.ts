/**
 * The access control list in metadata, one key an entry: `/acl/ID`, its value JSON
 *
 * ```json
 * {"principal":"group:lab","resource":"topic:lab.*","operations":["read"],"effect":"allow",
 *  "expiresAtMs":null,"grantedBy":"user:ada","createdAtMs":0,"note":null}
 * ```
 *
 * The id is made of whom, what and which, so the same rule written twice is one rule, whoever writes it. What is
 * there is in the policy, fed by the watch. Bounded, altogether and for each namespace, so that the owners of one cannot
 * fill it for everybody; when it is full, what has expired makes room.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type AclEntry, endMsOf, hasExpired } from '../../auth/acl/entry.ts'
import { bitsOf } from '../../auth/acl/operation.ts'
import type { Policy } from '../../auth/acl/policy.ts'
import { coversPattern, formatResourcePattern, namespaceOfPattern } from '../../auth/acl/resource.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type {
  Compare,
  MetadataEntry,
  MetadataStore,
  Operation,
  TransactionResult,
} from '../../storage/metadata-store.ts'
import { StorageError } from '../../storage/segment-store.ts'
import { decodeMetadataJson, encodeMetadataJson, MetadataValueError } from '../metadata-json.ts'
import type { Clock } from '../ports.ts'
import { WatchedRecords } from '../watched-records.ts'
import { storedOperations, storedPrincipal, storedResource } from './access-record.ts'
import { UrgentRoom, type UrgentWriter } from './urgent-room.ts'

export const ACL_KEY_PREFIX = '/acl/'
/** When it is full: the time between two looks for what has expired, which go through all of it. */
const LOOK_INTERVAL_MS = 1_000
/** 80 bits, in hex. */
const ID_CHARACTERS = 20

const stored = z.strictObject({
  principal: storedPrincipal,
  resource: storedResource,
  operations: storedOperations,
  effect: z.enum(['allow', 'deny']),
  expiresAtMs: z.int().nullable(),
  grantedBy: z.string(),
  createdAtMs: z.int(),
  note: z.string().nullable(),
})

export interface AclStoreOptions {
  readonly store: MetadataStore
  readonly policy: Policy
  readonly clock: Clock
  readonly entriesMax: number
  /** About one namespace and what is in it. */
  readonly entriesPerNamespaceMax: number
  readonly onProblem: (error: Error) => void
}

/** What has to be done in a transaction for an entry to be there. */
export interface AclClaim {
  readonly operations: readonly Operation[]
  /** Resolves when the entry that was committed with this revision is in force. */
  caughtUp(revision: number): Promise<void>
  release(): void
}

export interface PutOptions {
  /** On a full disk there is room for what administrators deny. */
  readonly isByAdministrator?: boolean
  /** The same rule stays as it is where it lasts longer. */
  readonly isLongerKept?: boolean
}

export type NewAclEntry = Omit<AclEntry, 'id' | 'createdAtMs'>

export class AclStore {
  readonly #options: AclStoreOptions
  #records!: WatchedRecords<AclEntry>
  /** By namespace, those that are there. */
  readonly #countOf = new Map<string, number>()
  /** On their way into metadata. */
  #arriving = 0
  /** What was written since there was too little room for all else. */
  readonly #urgent = new UrgentRoom()
  readonly #putting = new Set<Promise<unknown>>()
  readonly #arrivingIn = new Map<string, number>()
  #lookedAtMs = Number.NEGATIVE_INFINITY
  /** What was found then is gone. */
  #forgetting: Promise<void> = Promise.resolve()

  private constructor(options: AclStoreOptions) {
    this.#options = options
  }

  static async open(options: AclStoreOptions): Promise<AclStore> {
    const { store, policy, onProblem } = options
    const acls = new AclStore(options)
    acls.#records = await WatchedRecords.open<AclEntry>({
      store,
      prefix: ACL_KEY_PREFIX,
      decode: decodeAclEntry,
      onPut: (_id, entry, before) => {
        if (!before) count(acls.#countOf, namespaceOfPattern(entry.resource), 1)
        policy.putEntry(entry)
      },
      onDelete: (id, before) => {
        count(acls.#countOf, namespaceOfPattern(before.resource), -1)
        policy.removeEntry(id)
      },
      onProblem,
    })
    return acls
  }

  /**
   * Resolves with the id of the entry, once it is durable and in force on this node; undefined: what `compares` says
   * does not hold any more, and nothing was written. Rejects with ProtocolError
   * POLICY_VIOLATION when there are too many, or with StorageError. What denies is written on a full disk too.
   */
  put(entry: NewAclEntry): Promise<string>
  put(entry: NewAclEntry, compares: readonly Compare[], options?: PutOptions): Promise<string | undefined>
  put(
    entry: NewAclEntry,
    compares: readonly Compare[] = [],
    options: PutOptions = {},
  ): Promise<string | undefined> {
    const putting = this.#put(entry, compares, options)
    this.#putting.add(putting)
    return putting.finally(() => this.#putting.delete(putting))
  }

  /**
   * For the transaction of whoever creates what the entry is about. Rejects with ProtocolError POLICY_VIOLATION when
   * there are too many. Whoever gets it releases it in the end.
   */
  async claim(entry: NewAclEntry): Promise<AclClaim> {
    const id = aclIdOf(entry)
    const namespace = namespaceOfPattern(entry.resource)
    if (!this.#options.policy.entry(id)) {
      if (this.#fullness(namespace) !== undefined) await this.#forgetExpired()
      // What many ask for together must not find the same room: between this and counting it nothing is awaited.
      const fullness = this.#fullness(namespace)
      if (fullness !== undefined) throw new ProtocolError(ErrorCode.POLICY_VIOLATION, fullness)
    }
    this.#arriving++
    count(this.#arrivingIn, namespace, 1)
    const value = encodeAclEntry({ ...entry, createdAtMs: this.#options.clock.nowMs() })
    return {
      operations: [{ kind: 'put', key: ACL_KEY_PREFIX + id, value }],
      caughtUp: (revision) => this.#records.caughtUp(revision),
      release: () => {
        this.#arriving--
        count(this.#arrivingIn, namespace, -1)
      },
    }
  }

  async #put(
    entry: NewAclEntry,
    compares: readonly Compare[],
    { isByAdministrator: isAdministrator = false, isLongerKept = false }: PutOptions,
  ): Promise<string | undefined> {
    const present = isLongerKept ? this.#options.policy.entry(aclIdOf(entry)) : undefined
    if (present && endMsOf(present) >= endMsOf(entry)) return present.id
    const claim = await this.claim(entry)
    const namespace = namespaceOfPattern(entry.resource)
    const writer = { principal: entry.grantedBy, isAdministrator, namespace }
    try {
      const { committed, revision } = await this.#transact(
        compares,
        claim.operations,
        entry.effect === 'deny' ? writer : undefined,
      )
      if (!committed) return undefined
      await claim.caughtUp(revision)
      return aclIdOf(entry)
    } finally {
      claim.release()
    }
  }

  /**
   * What denies may be the way to stop whoever fills the disk. There is room kept for it, not without bound: what is
   * revoked needs it as well.
   *
   * @param denier undefined: it denies nothing
   */
  async #transact(
    compares: readonly Compare[],
    operations: readonly Operation[],
    denier: UrgentWriter | undefined,
  ): Promise<TransactionResult> {
    const { store } = this.#options
    try {
      const result = await store.transact(compares, operations)
      this.#urgent.clear()
      return result
    } catch (error) {
      const isFull = error instanceof StorageError && error.code === 'NO_SPACE'
      if (!isFull || !denier || !this.#urgent.take(denier)) throw error
      return this.#transactUrgently(compares, operations, denier)
    }
  }

  async #transactUrgently(
    compares: readonly Compare[],
    operations: readonly Operation[],
    denier: UrgentWriter,
  ): Promise<TransactionResult> {
    let isWritten = false
    try {
      const result = await this.#options.store.transact(compares, operations, { isUrgent: true })
      isWritten = result.committed
      return result
    } finally {
      if (!isWritten) this.#urgent.giveBack(denier)
    }
  }

  /** Resolves when they are gone for good; false for those that were not there. Works on a full disk too. */
  delete(ids: readonly string[]): Promise<boolean[]> {
    return Promise.all(ids.map((id) => this.#delete(id)))
  }

  /** What was allowed on the topic of exactly this name; what was denied stays denied to the next of that name. */
  async forgetTopic(name: string): Promise<void> {
    await this.#deleteWhere(
      ({ effect, resource }) =>
        effect === 'allow' &&
        resource.type === 'topic' &&
        resource.match === 'literal' &&
        resource.name === name,
    )
  }

  /** All that is about the namespace or what can be in it and nothing else. Resolves with how many went. */
  forgetNamespace(namespace: string): Promise<number> {
    const whole = { match: 'prefix', name: `${namespace}.` } as const
    return this.#deleteWhere(({ resource }) =>
      resource.type === 'namespace'
        ? resource.match === 'literal' && resource.name === namespace
        : coversPattern({ ...whole, type: resource.type }, resource),
    )
  }

  close(): void {
    this.#records.close()
  }

  /** Until there are none: whoever still may goes on giving while what he may do it by is being taken away. */
  async #deleteWhere(matches: (entry: AclEntry) => boolean): Promise<number> {
    for (let deleted = 0; ; ) {
      await Promise.allSettled(this.#putting)
      const ids = [...this.#options.policy.entries()].filter(matches).map(({ id }) => id)
      if (ids.length === 0) return deleted
      deleted += (await this.delete(ids)).filter((isGone) => isGone).length
    }
  }

  async #delete(id: string): Promise<boolean> {
    const present = this.#records.at(id)
    if (!present) return false
    const key = ACL_KEY_PREFIX + id
    const { committed, revision } = await this.#options.store.transact(
      [{ key, modRevision: present.modRevision }],
      [{ kind: 'delete', key }],
      { isUrgent: true },
    )
    // Whoever wrote it anew meanwhile wanted it there.
    if (!committed) return false
    await this.#records.caughtUp(revision)
    return true
  }

  #forgetExpired(): Promise<void> {
    const { policy, clock } = this.#options
    if (clock.monotonicMs() - this.#lookedAtMs >= LOOK_INTERVAL_MS) {
      this.#lookedAtMs = clock.monotonicMs()
      const nowMs = clock.nowMs()
      const over = [...policy.entries()].filter((entry) => hasExpired(entry, nowMs))
      this.#forgetting = this.delete(over.map(({ id }) => id)).then(() => {})
    }
    return this.#forgetting
  }

  /** Why there is no room for one more; undefined: there is. */
  #fullness(namespace: string | undefined): string | undefined {
    const { policy, entriesMax, entriesPerNamespaceMax } = this.#options
    if (policy.entryCount + this.#arriving >= entriesMax)
      return `there are ${entriesMax} entries in the access control list, which is all there may be (auth.aclEntriesMax)`
    if (namespace === undefined) return undefined
    const entries = (this.#countOf.get(namespace) ?? 0) + (this.#arrivingIn.get(namespace) ?? 0)
    return entries >= entriesPerNamespaceMax
      ? `there are ${entriesPerNamespaceMax} entries about namespace ${namespace} and what is in it, which is all there may be (auth.aclEntriesPerNamespaceMax)`
      : undefined
  }
}

function count(counts: Map<string, number>, namespace: string | undefined, more: 1 | -1): void {
  if (namespace === undefined) return
  const sum = (counts.get(namespace) ?? 0) + more
  if (sum === 0) counts.delete(namespace)
  else counts.set(namespace, sum)
}

export function aclIdOf({
  principal,
  resource,
  operations,
  effect,
}: Pick<AclEntry, 'principal' | 'resource' | 'operations' | 'effect'>): string {
  const rule = [effect, bitsOf(operations), formatResourcePattern(resource), principal].join('\n')
  return createHash('sha256').update(rule, 'utf8').digest('hex').slice(0, ID_CHARACTERS)
}

function encodeAclEntry(entry: Omit<AclEntry, 'id'>): Uint8Array {
  const { principal, resource, operations, effect, expiresAtMs, grantedBy, createdAtMs, note } = entry
  const written = formatResourcePattern(resource)
  return encodeMetadataJson({
    principal,
    resource: written,
    operations,
    effect,
    expiresAtMs,
    grantedBy,
    createdAtMs,
    note,
  })
}

/** Throws an Error that names the key and what is wrong with its value. */
export function decodeAclEntry(entry: MetadataEntry): AclEntry {
  const id = entry.key.slice(ACL_KEY_PREFIX.length)
  const rule = decodeMetadataJson(entry, stored, 'ACL entry')
  if (aclIdOf(rule) !== id)
    throw new MetadataValueError(`metadata ${entry.key} is another rule than the one it is named after`)
  return { id, ...rule }
}
