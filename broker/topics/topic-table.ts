/**
 * The topics this node knows: a view of metadata in memory, fed by its watch, so that hot paths look a
 * topic up without waiting. Topics that are being deleted are not in it.
 *
 * A topic object never changes; an altered topic is a new object under the same name and id.
 */
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import type { MetadataEntry, MetadataStore, WatchEvent } from '../../storage/metadata-store.ts'
import { parseTopicConfig, type TopicConfig, type TopicConfigValues } from './topic-config.ts'
import { topicIdKey } from './topic-id.ts'
import { parseTopicName } from './topic-name.ts'
import { decodeTopicRecord, TOPIC_KEY_PREFIX, type TopicRecord, topicNameOfKey } from './topic-record.ts'

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

export class TopicTable {
  readonly #store: MetadataStore
  readonly #log: PartitionSource
  readonly #onProblem: (error: Error) => void
  readonly #byName = new Map<string, Topic>()
  readonly #byId = new Map<string, Topic>()
  readonly #waiting: { readonly revision: number; readonly resolve: () => void }[] = []
  #partitionCount = 0
  #revision = 0
  #endWatch = () => {}

  private constructor(options: TopicTableOptions) {
    this.#store = options.store
    this.#log = options.log
    this.#onProblem = options.onProblem
  }

  /**
   * Reads every topic and follows the changes from there. Resolves with the table and the topics whose
   * deletion a crash interrupted. Rejects where metadata cannot be understood: a node that does not know
   * all its topics must not serve.
   */
  static async open(
    options: TopicTableOptions,
  ): Promise<{ readonly table: TopicTable; readonly beingDeleted: readonly TopicBeingDeleted[] }> {
    const table = new TopicTable(options)
    const snapshot = await options.store.list(TOPIC_KEY_PREFIX)
    const beingDeleted: TopicBeingDeleted[] = []
    for (const entry of snapshot.entries) {
      const record = table.#put(entry)
      if (record.state === 'deleting')
        beingDeleted.push({ name: topicNameOfKey(entry.key), topicId: record.topicId })
    }
    table.#follow(snapshot.revision)
    return { table, beingDeleted }
  }

  byName(name: string): Topic | undefined {
    return this.#byName.get(name)
  }

  byId(topicId: Uint8Array): Topic | undefined {
    return this.#byId.get(topicIdKey(topicId))
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
    if (this.#revision >= revision) return
    await new Promise<void>((resolve) => this.#waiting.push({ revision, resolve }))
  }

  /** Follows no more changes; who waits for one is let go. */
  close(): void {
    this.#endWatch()
    this.#reached(Number.MAX_SAFE_INTEGER)
  }

  #follow(revision: number): void {
    this.#endWatch = this.#store.watch(TOPIC_KEY_PREFIX, revision + 1, (events) => this.#apply(events))
    this.#reached(revision)
  }

  #apply(events: readonly WatchEvent[]): void {
    for (const event of events) {
      if (event.kind === 'compacted') {
        this.#relist().catch(this.#onProblem)
        return
      }
      if (event.kind === 'delete') this.#remove(topicNameOfKey(event.key))
      else this.#putGuarded(event.entry)
      this.#reached(event.revision)
    }
  }

  /** The changes in between are lost: what is listed is, and what is not listed is gone. */
  async #relist(): Promise<void> {
    const snapshot = await this.#store.list(TOPIC_KEY_PREFIX)
    const listed = new Set(snapshot.entries.map((entry) => topicNameOfKey(entry.key)))
    for (const name of [...this.#byName.keys()]) if (!listed.has(name)) this.#remove(name)
    for (const entry of snapshot.entries) this.#putGuarded(entry)
    this.#follow(snapshot.revision)
  }

  #putGuarded(entry: MetadataEntry): void {
    try {
      this.#put(entry)
    } catch (error) {
      this.#onProblem(error as Error)
    }
  }

  #put(entry: MetadataEntry): TopicRecord {
    const name = topicNameOfKey(entry.key)
    const record = decodeTopicRecord(entry)
    const { isInternal } = parseTopicName(name)
    this.#remove(name)
    if (record.state === 'deleting') return record
    const topic: Topic = {
      name,
      topicId: record.topicId,
      idKey: topicIdKey(record.topicId),
      partitions: record.partitions,
      config: parseTopicConfig(record.configs),
      configValues: record.configs,
      createdAtMs: record.createdAtMs,
      isInternal,
      logs: Array.from({ length: record.partitions }, (_, partition) =>
        this.#log.createPartition(record.topicId, partition),
      ),
    }
    this.#byName.set(name, topic)
    this.#byId.set(topic.idKey, topic)
    this.#partitionCount += topic.partitions
    return record
  }

  #remove(name: string): void {
    const topic = this.#byName.get(name)
    if (!topic) return
    this.#byName.delete(name)
    this.#byId.delete(topic.idKey)
    this.#partitionCount -= topic.partitions
  }

  #reached(revision: number): void {
    if (revision > this.#revision) this.#revision = revision
    for (let i = this.#waiting.length - 1; i >= 0; i--)
      if (this.#waiting[i].revision <= this.#revision) this.#waiting.splice(i, 1)[0].resolve()
  }
}
