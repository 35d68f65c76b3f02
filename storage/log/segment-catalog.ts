/**
 * What is where: the partitions, the sealed segments with their indexes, and what the active segment
 * holds so far. Every change of it follows an entry that is durable, in journal order; recovery feeds
 * it the same entries.
 */
import type { Crc32c } from '../record/crc32c.ts'
import { type SegmentId, type SegmentStore, StorageError } from '../segment-store.ts'
import { type ExtentCensus, PartitionLog } from './partition-log.ts'
import { RangeView } from './ranges.ts'
import { encodeSegmentIndex, type PartitionSummary, SegmentIndex } from './segment-index.ts'
import { type Entry, EntryKind } from './value.ts'

/** Share of a segment that its index may take; the store keeps a little more free for it. */
const INDEX_SHARE_MAX = 0.07
/** What a run adds to the index, and what a partition does: its row, topic id and an epoch. */
const INDEX_BYTES_PER_RUN = 48
const INDEX_BYTES_PER_PARTITION = 64 + 16 + 24

/** Kept bytes of the range that a truncation at `offset` cuts in two; 0 where none is cut. */
export type KeptBytes = (log: PartitionLog, offset: number) => number

export function topicKey(topicId: Uint8Array): string {
  let key = ''
  for (let i = 0; i < 16; i++) key += String.fromCharCode(topicId[i])
  return key
}

export class SegmentCatalog implements ExtentCensus {
  readonly store: SegmentStore
  readonly crc32c: Crc32c
  readonly #topics = new Map<string, Map<number, PartitionLog>>()
  readonly #indexes = new Map<SegmentId, SegmentIndex>()
  /** Partitions with live bytes, by sealed segment. */
  readonly #live = new Map<SegmentId, number>()
  #partitionCount = 0
  #active: SegmentId
  #nextSequence = 0
  #activeEntries = 0
  readonly #touched = new Set<PartitionLog>()
  readonly #droppedInActive: Uint8Array[] = []

  constructor(store: SegmentStore, crc32c: Crc32c) {
    this.store = store
    this.crc32c = crc32c
    this.#active = this.#lastOfStore()
  }

  #lastOfStore(): SegmentId {
    const segments = this.store.segments()
    return segments[segments.length - 1].id
  }

  get activeSegment(): SegmentId {
    return this.#active
  }
  get nextSequence(): number {
    return this.#nextSequence
  }
  get partitionCount(): number {
    return this.#partitionCount
  }

  *partitions(): Iterable<PartitionLog> {
    for (const topic of this.#topics.values()) yield* topic.values()
  }

  partition(topicId: Uint8Array, partition: number): PartitionLog | undefined {
    return this.#topics.get(topicKey(topicId))?.get(partition)
  }

  createPartition(topicId: Uint8Array, partition: number): PartitionLog {
    const key = topicKey(topicId)
    let topic = this.#topics.get(key)
    if (!topic) {
      topic = new Map()
      this.#topics.set(key, topic)
    }
    let log = topic.get(partition)
    if (!log) {
      log = new PartitionLog(new Uint8Array(topicId), partition, this)
      topic.set(partition, log)
      this.#partitionCount++
    }
    return log
  }

  gained(segment: SegmentId): void {
    this.#live.set(segment, (this.#live.get(segment) ?? 0) + 1)
  }

  lost(segment: SegmentId): void {
    this.#live.set(segment, (this.#live.get(segment) ?? 0) - 1)
  }

  /** Partitions with live bytes in a sealed segment. */
  liveCount(segment: SegmentId): number {
    return this.#live.get(segment) ?? 0
  }

  /** Index of a sealed segment. */
  index(segment: SegmentId): SegmentIndex {
    const index = this.#indexes.get(segment)
    if (!index) throw new StorageError('MISUSE', `segment ${segment} has no index in memory`)
    return index
  }

  /** A value was appended under `sequence`. */
  appended(sequence: number): void {
    this.#nextSequence = sequence + 1
  }

  /** One durable entry of the active segment. Returns the partition it was about. */
  apply(entry: Entry, sequence: number, keptBytes: KeptBytes): PartitionLog | undefined {
    this.#activeEntries++
    if (entry.kind === EntryKind.topicDrop) {
      this.#droppedInActive.push(entry.topicId)
      this.#drop(entry.topicId)
      return undefined
    }
    const known = this.partition(entry.topicId, entry.partition)
    // Its topic was dropped by an entry of the same commit, or between: nobody's.
    if (!known && this.#droppedInActive.some((topicId) => topicKey(topicId) === topicKey(entry.topicId)))
      return undefined
    const log = known ?? this.createPartition(entry.topicId, entry.partition)
    this.#touched.add(log)
    switch (entry.kind) {
      case EntryKind.run:
        log.applyRun(entry, sequence)
        break
      case EntryKind.logStart:
        log.applyLogStart(
          {
            offset: entry.offset,
            endOffset: entry.endOffset,
            deadBytes: entry.maxTimestampMs,
            leaderEpoch: entry.leaderEpoch,
          },
          this.#active,
        )
        break
      case EntryKind.truncate:
        log.applyTruncate(entry.offset, keptBytes(log, entry.offset))
        break
      case EntryKind.leaderEpoch:
        log.applyLeaderEpoch(entry.leaderEpoch, entry.offset)
        break
    }
    return log
  }

  #drop(topicId: Uint8Array): void {
    const key = topicKey(topicId)
    for (const log of this.#topics.get(key)?.values() ?? []) {
      log.applyDrop()
      this.#touched.delete(log)
      this.#partitionCount--
    }
    this.#topics.delete(key)
  }

  /** At start: a sealed segment, the oldest first. */
  applySealed(segment: SegmentId, index: SegmentIndex, keptBytes: KeptBytes): void {
    this.#indexes.set(segment, index)
    for (const topicId of index.droppedTopics) this.#drop(topicId)
    index.partitions.forEach((summary, row) => {
      const log = this.createPartition(summary.topicId, summary.partition)
      log.applySummary(summary, segment, row, (offset) => keptBytes(log, offset))
    })
  }

  /** True when the active segment has no room for values of this cost, or its index none for the entries. */
  mustRoll(costBytes: number, entries: number): boolean {
    if (this.#nextSequence === 0) return false
    const segments = this.store.segments()
    const indexBytesMax = segments[segments.length - 1].bytes * INDEX_SHARE_MAX
    const indexBytes =
      (this.#activeEntries + entries) * INDEX_BYTES_PER_RUN +
      (this.#touched.size + this.#droppedInActive.length + entries) * INDEX_BYTES_PER_PARTITION
    return costBytes > this.store.roomBytes() || indexBytes > indexBytesMax
  }

  /** Seals the active segment with its index; the next one is active when this resolves. */
  async roll(): Promise<void> {
    const sealed = this.#active
    const summary = this.summarizeActive()
    const bytes = encodeSegmentIndex(summary, this.crc32c)
    const next = await this.store.roll(bytes)
    this.adoptSealed(sealed, new SegmentIndex(summary.partitions, summary.droppedTopics, bytes.length))
    this.#active = next
  }

  /** What the active segment says, as its index will. Rows are in the order of {@link adoptSealed}. */
  summarizeActive(): { partitions: PartitionSummary[]; droppedTopics: Uint8Array[] } {
    const partitions: PartitionSummary[] = []
    for (const log of this.#touched) {
      const { runs, truncatedTo, logStart, epochs } = log.active
      partitions.push({
        topicId: log.topicId,
        partition: log.partition,
        runs: new RangeView(runs.toColumns(), 0, runs.count),
        truncatedTo,
        logStart,
        epochs: [...epochs],
      })
    }
    return { partitions, droppedTopics: [...this.#droppedInActive] }
  }

  /** The runs of the active segment become extents of the sealed one. */
  adoptSealed(sealed: SegmentId, index: SegmentIndex): void {
    this.#indexes.set(sealed, index)
    let row = 0
    for (const log of this.#touched) log.seal(sealed, row++)
    this.#touched.clear()
    this.#droppedInActive.length = 0
    this.#activeEntries = 0
    this.#nextSequence = 0
  }

  /** Begins to read another segment as the active one; only recovery does. */
  enter(segment: SegmentId): void {
    this.#active = segment
  }

  /** Removes a sealed segment in which nothing is alive. */
  async remove(segment: SegmentId): Promise<void> {
    await this.store.remove(segment)
    this.#indexes.delete(segment)
    this.#live.delete(segment)
  }
}
