/**
 * The topics this node knows: a view of metadata in memory, fed by its watch, so that hot paths look a
 * topic up without waiting. Topics that are being deleted are not in it.
 *
 * A topic object never changes; an altered topic is a new object under the same name and id.
 */
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import type { MetadataEntry, MetadataStore } from '../../storage/metadata-store.ts'
import { WatchedRecords } from '../watched-records.ts'
import { parseTopicConfig, type TopicConfig, type TopicConfigValues } from './topic-config.ts'
import { topicIdKey } from './topic-id.ts'
import { parseTopicName } from './topic-name.ts'
import { decodeTopicRecord, TOPIC_KEY_PREFIX, topicNameOfKey } from './topic-record.ts'

export interface Topic {
  readonly name: string
  /** 16 bytes. */
  readonly topicId: Uint8Array
  /** {@link topicIdKey} of the id. */
  readonly idKey: string
  readonly partitions: number
  readonly config: TopicConfig
  /** What was set, as text; the rest has its default. */
  readonly configValues: TopicConfigValues
  readonly createdAtMs: number
  readonly isInternal: boolean
  /** By partition. */
  readonly logs: readonly PartitionLog[]
}

/** The part of the log the table needs. */
export interface PartitionSource {
  createPartition(topicId: Uint8Array, partition: number): PartitionLog
}

export interface TopicTableOptions {
  readonly store: MetadataStore
  readonly log: PartitionSource
  /** Told of metadata that came while running and cannot be understood; the last known topic stays. */
  readonly onProblem: (error: Error) => void
}

export interface TopicBeingDeleted {
  readonly name: string
  readonly topicId: Uint8Array
}

/** What metadata says about a name. */
interface KnownTopic extends TopicBeingDeleted {
  /** Undefined while it is being deleted. */
  readonly topic: Topic | undefined
}

export class TopicTable {
  readonly #byName = new Map<string, Topic>()
  readonly #byId = new Map<string, Topic>()
  #records: WatchedRecords<KnownTopic> | undefined
  readonly #listeners: (() => void)[] = []
  #partitionCount = 0
  #revision = 0

  private constructor() {}

  /**
   * Reads every topic and follows the changes from there. Resolves with the table and the topics whose
   * deletion a crash interrupted. Rejects where metadata cannot be understood: a node that does not know
   * all its topics must not serve.
   */
  static async open({ store, log, onProblem }: TopicTableOptions): Promise<{
    readonly table: TopicTable
    readonly beingDeleted: readonly TopicBeingDeleted[]
  }> {
    const table = new TopicTable()
    const records = await WatchedRecords.open<KnownTopic>({
      store,
      prefix: TOPIC_KEY_PREFIX,
      decode: (entry) => knownTopic(entry, log),
      onPut: (_, { topic }, before) => {
        if (before?.topic) table.#remove(before.topic)
        if (topic) table.#add(topic)
        table.#changed()
      },
      onDelete: (_, { topic }) => {
        if (topic) table.#remove(topic)
        table.#changed()
      },
      onProblem,
    })
    table.#records = records
    return { table, beingDeleted: [...records.values()].filter(({ topic }) => topic === undefined) }
  }

  byName(name: string): Topic | undefined {
    return this.#byName.get(name)
  }

  byId(topicId: Uint8Array): Topic | undefined {
    return this.#byId.get(topicIdKey(topicId))
  }

  /** By {@link topicIdKey} of the id. */
  byIdKey(key: string): Topic | undefined {
    return this.#byId.get(key)
  }

  /** Another number whenever a topic has come, gone or changed. */
  get revision(): number {
    return this.#revision
  }

  /** Called after every such change. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** In order of name. */
  list(): Topic[] {
    return [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  get topicCount(): number {
    return this.#byName.size
  }

  /** Partitions of all topics together. */
  get partitionCount(): number {
    return this.#partitionCount
  }

  /** Resolves when a change to a topic that was committed with this revision shows in the table. */
  async caughtUp(revision: number): Promise<void> {
    await this.#records?.caughtUp(revision)
  }

  /** Follows no more changes; who waits for one is let go. */
  close(): void {
    this.#records?.close()
  }

  #changed(): void {
    this.#revision++
    for (const listener of this.#listeners) listener()
  }

  #add(topic: Topic): void {
    this.#byName.set(topic.name, topic)
    this.#byId.set(topic.idKey, topic)
    this.#partitionCount += topic.partitions
  }

  #remove(topic: Topic): void {
    this.#byName.delete(topic.name)
    this.#byId.delete(topic.idKey)
    this.#partitionCount -= topic.partitions
  }
}

/** Throws where the entry cannot be understood, before anything of it shows. */
function knownTopic(entry: MetadataEntry, log: PartitionSource): KnownTopic {
  const name = topicNameOfKey(entry.key)
  const { topicId, partitions, configs, createdAtMs, state } = decodeTopicRecord(entry)
  const { isInternal } = parseTopicName(name)
  if (state === 'deleting') return { name, topicId, topic: undefined }
  const topic: Topic = {
    name,
    topicId,
    idKey: topicIdKey(topicId),
    partitions,
    config: parseTopicConfig(configs),
    configValues: configs,
    createdAtMs,
    isInternal,
    logs: Array.from({ length: partitions }, (_, partition) => log.createPartition(topicId, partition)),
  }
  return { name, topicId, topic }
}
