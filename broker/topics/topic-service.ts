/**
 * Creates, alters and deletes topics, one compare-and-set transaction each, so that of two callers who
 * want the same name exactly one wins, also when they call different nodes.
 *
 * What is answered without error is durable and shows in this node's table. A deletion is decided in
 * metadata first, then the data dies, then the name is free; a crash in between is finished at the next
 * start. A topic created again has a new id and never shows old data.
 */
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type {
  alterTopicsRequest,
  createTopicsRequest,
  createTopicsResponse,
  deleteTopicsRequest,
  deleteTopicsResponse,
} from '../../client/protocol/messages/topics.ts'
import type { TypeOf } from '../../client/protocol/schema.ts'
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import type { MetadataEntry, MetadataStore } from '../../storage/metadata-store.ts'
import type { AclClaim } from '../access/acl-store.ts'
import { type NamespaceClaim, type NamespaceStore, unknownNamespace } from '../access/namespace-store.ts'
import type { Clock, Random } from '../ports.ts'
import { isUnexpected, refusalOf } from '../refusal.ts'
import { changeTopicConfig, differOnlyInRetention } from './topic-config.ts'
import { newTopicId, topicIdKey } from './topic-id.ts'
import { parseTopicName, parseUserTopicName } from './topic-name.ts'
import { decodeTopicRecord, encodeTopicRecord, type TopicRecord, topicKey } from './topic-record.ts'
import type { Topic, TopicBeingDeleted, TopicTable } from './topic-table.ts'

export interface TopicLimits {
  /** Partitions of a topic whose creator named no number. */
  readonly partitionsDefault: number
  readonly partitionsPerTopicMax: number
  /** Of all topics together. */
  readonly partitionsMax: number
}

export interface TopicServiceOptions {
  readonly store: MetadataStore
  readonly table: TopicTable
  readonly log: { dropTopic(topicId: Uint8Array): Promise<void> }
  readonly clock: Clock
  readonly random: Random
  readonly limits: TopicLimits
  readonly namespaces: Pick<NamespaceStore, 'get' | 'claimOf' | 'claimOfNew' | 'caughtUp'>
  /** Takes away what was allowed on the topic of exactly this name. */
  readonly forgetRights: (name: string) => Promise<void>
  /** Why nothing new can be taken now; topics can still be deleted, and keep less. Undefined: it can. */
  readonly refusal: () => Error | undefined
  /** The data of these partitions is gone: who waits for more of it waits in vain. */
  readonly onDropped: (logs: readonly PartitionLog[]) => void
  /** Told of errors nobody expected; the caller learns only that there was one. */
  readonly onProblem: (error: Error) => void
}

/** Who creates. */
export interface TopicCreator {
  /** Why he may not create what has this name, whether it is there or not. */
  readonly refusal: (name: string) => Error | undefined
  /** Who is to own the namespace of the topic if it has to be created, too; undefined: it is not. */
  readonly ownerOfNew: () => string | undefined
  /** What is to be written about him together with the topic; undefined: nothing. */
  readonly rightsOfNew: (name: string) => Promise<AclClaim | undefined>
}

/** Who deletes. */
export interface TopicDeleter {
  /** What he may not see he is told not to be there; asked about what is not there, too. */
  readonly isVisible: (topic: Topic | undefined) => boolean
  /** Why he may not delete what has this name, whether it is there or not. */
  readonly refusal: (name: string) => Error | undefined
}

type TopicToCreate = TypeOf<typeof createTopicsRequest>['topics'][number]
type TopicToAlter = TypeOf<typeof alterTopicsRequest>['topics'][number]
type TopicToDelete = TypeOf<typeof deleteTopicsRequest>['topics'][number]
export type TopicResult = TypeOf<typeof createTopicsResponse>['topics'][number]
export type DeletedTopic = TypeOf<typeof deleteTopicsResponse>['topics'][number]

/** A change competes only with others of the same topic and of its namespace; who loses so often is in a storm. */
const ATTEMPTS_MAX = 10

export class TopicService {
  readonly #options: TopicServiceOptions
  /** Partitions of creations and growths that are decided but not yet in the table. */
  #reservedPartitions = 0
  /** By id: the second caller of a deletion waits for the first. */
  readonly #deletions = new Map<string, Promise<void>>()

  constructor(options: TopicServiceOptions) {
    this.#options = options
  }

  create(
    topics: readonly TopicToCreate[],
    validateOnly: boolean,
    caller: TopicCreator,
  ): Promise<TopicResult[]> {
    const repeated = repeatedNames(topics)
    return Promise.all(
      topics.map((topic) =>
        this.#guarded(topic.name, () => {
          refuseRepeated(topic.name, repeated)
          return this.#createOne(topic, validateOnly, caller)
        }),
      ),
    )
  }

  /** @param refusal why the caller may not alter what has this name, whether it is there or not */
  alter(
    topics: readonly TopicToAlter[],
    validateOnly: boolean,
    refusal: (name: string) => Error | undefined,
  ): Promise<TopicResult[]> {
    const repeated = repeatedNames(topics)
    return Promise.all(
      topics.map((topic) =>
        this.#guarded(topic.name, () => {
          refuseRepeated(topic.name, repeated)
          return this.#alterOne(topic, validateOnly, refusal)
        }),
      ),
    )
  }

  delete(topics: readonly TopicToDelete[], caller: TopicDeleter): Promise<DeletedTopic[]> {
    return Promise.all(
      topics.map(async ({ name, topicId }) => {
        try {
          const deleted = await this.#deleteOne(name, topicId, caller)
          return { ...deleted, error: ErrorCode.NONE, message: null }
        } catch (error) {
          const refusal = this.#refusal(error)
          return { name, topicId, error: refusal.code, message: refusal.message }
        }
      }),
    )
  }

  /** At start: finishes what a crash interrupted. */
  async finishDeletions(topics: readonly TopicBeingDeleted[]): Promise<void> {
    for (const { name, topicId } of topics) await this.#finishDeletion(name, topicId)
  }

  async #createOne(topic: TopicToCreate, validateOnly: boolean, caller: TopicCreator): Promise<TopicResult> {
    const { table, limits } = this.#options
    const { name } = topic
    const { namespace } = parseUserTopicName(name)
    throwIf(caller.refusal(name))
    const partitions = topic.partitions === -1 ? limits.partitionsDefault : topic.partitions
    this.#checkPartitions(partitions)
    checkReplicationFactor(topic.replicationFactor)
    changeTopicConfig({}, topic.configs)
    if (table.byName(name)) throw alreadyExists(name)
    this.#checkRoom()
    return this.#reserving(partitions, async () => {
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        const claim = this.#claimNamespace(namespace, caller)
        if (validateOnly) return succeeded(name, null, partitions)
        const topicId = await this.#putNewFor(caller, topic, partitions, namespace, claim)
        if (topicId) return succeeded(name, topicId, partitions)
      }
      throw new ProtocolError(
        ErrorCode.REQUEST_TIMED_OUT,
        `the namespace of topic ${JSON.stringify(name)} was altered ${ATTEMPTS_MAX} times meanwhile; try again`,
      )
    })
  }

  /** What makes sure that the namespace is there when the topic is. */
  #claimNamespace(namespace: string, caller: TopicCreator): NamespaceClaim {
    const { namespaces } = this.#options
    const claim = namespaces.claimOf(namespace)
    if (claim) return claim
    const owner = caller.ownerOfNew()
    if (owner === undefined) throw unknownNamespace(namespace)
    return namespaces.claimOfNew(namespace, [owner], {})
  }

  async #putNewFor(
    caller: TopicCreator,
    topic: TopicToCreate,
    partitions: number,
    namespace: string,
    claim: NamespaceClaim,
  ): Promise<Uint8Array | undefined> {
    const rights = await caller.rightsOfNew(topic.name)
    try {
      return await this.#putNew(topic, partitions, namespace, claim, rights)
    } finally {
      rights?.release()
    }
  }

  /** Undefined: the namespace is not as it was any more. */
  async #putNew(
    { name, configs: wanted }: TopicToCreate,
    partitions: number,
    namespace: string,
    claim: NamespaceClaim,
    rights: AclClaim | undefined,
  ): Promise<Uint8Array | undefined> {
    const { store, table, clock, random, namespaces } = this.#options
    const topicId = newTopicId(random)
    const configs = changeTopicConfig(namespaces.get(namespace)?.topicConfigs ?? {}, wanted)
    const record: TopicRecord = { topicId, partitions, configs, createdAtMs: clock.nowMs(), state: 'live' }
    const key = topicKey(name)
    const result = await store.transact(
      [{ key, modRevision: 0 }, ...claim.compares],
      [
        { kind: 'put', key, value: encodeTopicRecord(record) },
        ...claim.operations,
        ...(rights?.operations ?? []),
      ],
    )
    if (!result.committed) {
      if (await store.get(key)) throw alreadyExists(name)
      return undefined
    }
    await table.caughtUp(result.revision)
    if (claim.operations.length > 0) await namespaces.caughtUp(result.revision)
    await rights?.caughtUp(result.revision)
    return topicId
  }

  async #alterOne(
    topic: TopicToAlter,
    validateOnly: boolean,
    refusal: (name: string) => Error | undefined,
  ): Promise<TopicResult> {
    parseUserTopicName(topic.name)
    throwIf(refusal(topic.name))
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const { entry, record } = await this.#live(topic.name)
      const partitions = topic.partitions ?? record.partitions
      if (topic.partitions !== null) {
        this.#checkGrowth(topic.partitions, record.partitions)
        this.#checkRoom()
      }
      const configs = changeTopicConfig(record.configs, topic.configs)
      const isDone = await this.#reserving(partitions - record.partitions, async () => {
        if (validateOnly) return true
        return this.#replace(entry, { ...record, partitions, configs })
      })
      if (isDone) return succeeded(topic.name, record.topicId, partitions)
    }
    throw new ProtocolError(
      ErrorCode.REQUEST_TIMED_OUT,
      `topic ${JSON.stringify(topic.name)} was altered by others ${ATTEMPTS_MAX} times meanwhile; try again`,
    )
  }

  async #deleteOne(name: string | null, topicId: Uint8Array | null, caller: TopicDeleter) {
    const { table, onDropped } = this.#options
    const known = topicId ? table.byId(topicId) : undefined
    if (topicId && !caller.isVisible(known)) throw new ProtocolError(ErrorCode.UNKNOWN_TOPIC_ID)
    const target = known?.name ?? name
    if (target === null)
      throw new ProtocolError(
        ErrorCode.INVALID_REQUEST,
        'a topic to delete is named by name or id; both are null',
      )
    parseUserTopicName(target)
    throwIf(caller.refusal(target))
    const logs = table.byName(target)?.logs ?? []
    for (;;) {
      const { entry, record } = await this.#stored(target)
      if (topicId && topicIdKey(record.topicId) !== topicIdKey(topicId))
        throw new ProtocolError(ErrorCode.UNKNOWN_TOPIC_ID)
      // Who lost to an alteration reads again; who lost to a deletion finds no live topic or none.
      if (record.state === 'live' && !(await this.#replace(entry, { ...record, state: 'deleting' }))) continue
      await this.#finishDeletion(target, record.topicId)
      onDropped(logs)
      return { name: target, topicId: record.topicId }
    }
  }

  #finishDeletion(name: string, topicId: Uint8Array): Promise<void> {
    const idKey = topicIdKey(topicId)
    const running = this.#deletions.get(idKey)
    if (running) return running
    const deletion = this.#dropAndForget(name, topicId).finally(() => this.#deletions.delete(idKey))
    this.#deletions.set(idKey, deletion)
    return deletion
  }

  async #dropAndForget(name: string, topicId: Uint8Array): Promise<void> {
    const { store, table, log, forgetRights } = this.#options
    await log.dropTopic(topicId)
    const key = topicKey(name)
    // While the name is still taken: whoever has it next begins without the rights that were given on it.
    if (await store.get(key)) await forgetRights(name)
    const entry = await store.get(key)
    // Another node may have finished it, and the name may already be another topic's.
    if (!entry || topicIdKey(decodeTopicRecord(entry).topicId) !== topicIdKey(topicId)) return
    const result = await store.transact(
      [{ key, modRevision: entry.modRevision }],
      [{ kind: 'delete', key }],
      {
        isUrgent: true,
      },
    )
    if (result.committed) await table.caughtUp(result.revision)
  }

  /** False: somebody else wrote the topic since it was read. */
  async #replace(entry: MetadataEntry, record: TopicRecord): Promise<boolean> {
    const { store, table } = this.#options
    const value = encodeTopicRecord(record)
    // A topic that goes, or keeps less, is what helps a full disk; what else grows must not use up what is kept for that.
    const isUrgent = value.length <= entry.value.length || letsDataGo(decodeTopicRecord(entry), record)
    const result = await store.transact(
      [{ key: entry.key, modRevision: entry.modRevision }],
      [{ kind: 'put', key: entry.key, value }],
      { isUrgent },
    )
    if (result.committed) await table.caughtUp(result.revision)
    return result.committed
  }

  async #stored(name: string): Promise<{ entry: MetadataEntry; record: TopicRecord }> {
    const entry = await this.#options.store.get(topicKey(name))
    if (!entry) throw unknownTopic(name)
    return { entry, record: decodeTopicRecord(entry) }
  }

  async #live(name: string): Promise<{ entry: MetadataEntry; record: TopicRecord }> {
    const stored = await this.#stored(name)
    if (stored.record.state !== 'live') throw unknownTopic(name)
    return stored
  }

  #checkRoom(): void {
    const refusal = this.#options.refusal()
    if (refusal) throw refusal
  }

  #checkPartitions(partitions: number): void {
    const { partitionsPerTopicMax } = this.#options.limits
    if (partitions >= 1 && partitions <= partitionsPerTopicMax) return
    throw new ProtocolError(
      ErrorCode.INVALID_PARTITIONS,
      `a topic has 1 to ${partitionsPerTopicMax} partitions, not ${partitions}`,
    )
  }

  #checkGrowth(wanted: number, present: number): void {
    this.#checkPartitions(wanted)
    if (wanted > present) return
    throw new ProtocolError(
      ErrorCode.INVALID_PARTITIONS,
      `the topic has ${present} partitions; the number can only grow, ${wanted} would not`,
    )
  }

  /** Holds room for new partitions while `run` makes them, so that concurrent creations cannot exceed it. */
  async #reserving<T>(partitions: number, run: () => Promise<T>): Promise<T> {
    const { table, limits } = this.#options
    const taken = table.partitionCount + this.#reservedPartitions
    if (partitions > 0 && taken + partitions > limits.partitionsMax)
      throw new ProtocolError(
        ErrorCode.POLICY_VIOLATION,
        `${partitions} more partitions would make ${taken + partitions}; this node takes ${limits.partitionsMax}`,
      )
    this.#reservedPartitions += partitions
    try {
      return await run()
    } finally {
      this.#reservedPartitions -= partitions
    }
  }

  async #guarded(name: string, run: () => Promise<TopicResult>): Promise<TopicResult> {
    try {
      return await run()
    } catch (error) {
      const refusal = this.#refusal(error)
      return { name, topicId: null, error: refusal.code, message: refusal.message, partitions: -1 }
    }
  }

  #refusal(error: unknown): ProtocolError {
    const refusal = refusalOf(error)
    if (isUnexpected(refusal)) this.#options.onProblem(error as Error)
    return refusal
  }
}

/** A deletion, or how much is kept: two numbers, so that a topic grows by no more than that. */
function letsDataGo(before: TopicRecord, after: TopicRecord): boolean {
  if (after.state === 'deleting') return true
  return before.partitions === after.partitions && differOnlyInRetention(before.configs, after.configs)
}

function throwIf(refusal: Error | undefined): void {
  if (refusal) throw refusal
}

function succeeded(name: string, topicId: Uint8Array | null, partitions: number): TopicResult {
  return { name, topicId, error: ErrorCode.NONE, message: null, partitions }
}

function repeatedNames(topics: readonly { readonly name: string }[]): ReadonlySet<string> {
  const seen = new Set<string>()
  return new Set(topics.map(({ name }) => name).filter((name) => seen.has(name) || !seen.add(name)))
}

function refuseRepeated(name: string, repeated: ReadonlySet<string>): void {
  if (repeated.has(name))
    throw new ProtocolError(
      ErrorCode.INVALID_REQUEST,
      `topic ${JSON.stringify(name)} is named twice in one request`,
    )
}

function checkReplicationFactor(factor: number): void {
  if (factor !== -1 && factor !== 1)
    throw new ProtocolError(
      ErrorCode.INVALID_REPLICATION_FACTOR,
      `the replication factor is ${factor}; there is one broker, so it can be 1 (or -1, the default)`,
    )
}

function alreadyExists(name: string): ProtocolError {
  return new ProtocolError(
    ErrorCode.TOPIC_ALREADY_EXISTS,
    `a topic named ${JSON.stringify(name)} exists already or is still being deleted`,
  )
}

function unknownTopic(name: string): ProtocolError {
  parseTopicName(name)
  return new ProtocolError(
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    `there is no topic named ${JSON.stringify(name)}`,
  )
}

/** A random UUID (RFC 9562 version 4), so never all zero. */
