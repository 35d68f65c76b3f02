/**
 * What is where: the partitions, the sealed segments with what is alive in them, and what the active
 * segment holds so far. Every change of it follows an entry that is durable, in journal order; recovery feeds
 * it the same entries.
 */
import type { Crc32c } from '../record/crc32c.ts'
import type { SegmentDescriptor, SegmentId, SegmentStore } from '../segment-store.ts'
import { IndexSummary } from './index-summary.ts'
import type { LostValue } from './lost-values.ts'
import { type ExtentCensus, PartitionLog } from './partition-log.ts'
import { RangeView } from './ranges.ts'
import type { SegmentUse } from './relocation-plan.ts'
import { SealedIndexes } from './sealed-indexes.ts'
import {
  decodeIndexHead,
  EPOCH_NUMBERS,
  encodeSegmentIndex,
  type PartitionSummary,
  ROW_BYTES,
  RUN_BYTES,
  type SegmentSummary,
} from './segment-index.ts'
import { type Entry, EntryKind } from './value.ts'

/** Of a segment, what only entries that let data go may fill: some dozens of commits of them. */
const URGENT_BYTES = 1024 * 1024
/** And of a small one. */
const URGENT_SHARE_MAX = 1 / 16
/** Share of a segment that its index may take; the store keeps a little more free for it. */
const INDEX_SHARE_MAX = 0.07
/** What a partition adds to the index besides its runs: its row, topic id and an epoch. */
export const INDEX_BYTES_PER_PARTITION = ROW_BYTES + 16 + EPOCH_NUMBERS * 8

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
  readonly indexes: SealedIndexes
  /** Partitions with live bytes, by sealed segment. */
  readonly #live = new Map<SegmentId, number>()
  /** Sealed segments that make data of older ones dead. */
  readonly #hiding = new Set<SegmentId>()
  #partitionCount = 0
  #active: SegmentId
  #nextSequence = 0
  #activeEntries = 0
  readonly #touched = new Set<PartitionLog>()
  readonly #droppedInActive: Uint8Array[] = []

  /** An earlier try to seal the active segment, perhaps by a process that was killed, may have stored an index. */
  #mayBeIndexed = true

  constructor(
    store: SegmentStore,
    crc32c: Crc32c,
    indexCacheBytesMax: number,
    onWarning?: (sentence: string) => void,
  ) {
    this.store = store
    this.crc32c = crc32c
    this.indexes = new SealedIndexes(store, crc32c, indexCacheBytesMax, onWarning)
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
    return this.#partitionOf(this.#topicOf(topicId), topicId, partition)
  }

  #topicOf(topicId: Uint8Array): Map<number, PartitionLog> {
    const key = topicKey(topicId)
    let topic = this.#topics.get(key)
    if (!topic) {
      topic = new Map()
      this.#topics.set(key, topic)
    }
    return topic
  }

  #partitionOf(topic: Map<number, PartitionLog>, topicId: Uint8Array, partition: number): PartitionLog {
    let log = topic.get(partition)
    if (!log) {
      log = new PartitionLog(new Uint8Array(topicId), partition, this)
      topic.set(partition, log)
      this.#partitionCount++
    }
    return log
  }

  lost(segment: SegmentId): void {
    this.#live.set(segment, this.liveCount(segment) - 1)
  }

  /** Partitions with live bytes in a sealed segment. */
  liveCount(segment: SegmentId): number {
    return this.#live.get(segment) ?? 0
  }

  /** Whether the segment truncated something or dropped a topic: it hides data of older segments. */
  hides(segment: SegmentId): boolean {
    return this.#hiding.has(segment)
  }

  /** A value was appended under `sequence`. */
  appended(sequence: number): void {
    this.#nextSequence = sequence + 1
  }

  /**
   * One durable entry of the active segment. Returns the partition it was about.
   * @param appendedAtMs when its value was committed, as the value says
   */
  apply(entry: Entry, sequence: number, keptBytes: KeptBytes, appendedAtMs = 0): PartitionLog | undefined {
    this.#activeEntries++
    if (entry.kind === EntryKind.topicDrop) {
      this.#droppedInActive.push(entry.topicId)
      this.#drop(entry.topicId)
      return undefined
    }
    const known = this.partition(entry.topicId, entry.partition)
    // Its topic was dropped by an entry of the same commit, or between: nobody's.
    if (!known && this.isDropped(entry.topicId)) return undefined
    const log = known ?? this.createPartition(entry.topicId, entry.partition)
    this.#touched.add(log)
    switch (entry.kind) {
      case EntryKind.run:
        log.applyRun(entry, sequence, appendedAtMs)
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

  /** Whether the active segment drops the topic. */
  isDropped(topicId: Uint8Array): boolean {
    return this.#droppedInActive.some((dropped) => topicKey(dropped) === topicKey(topicId))
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

  /**
   * At start: a sealed segment, in journal order.
   * @param meet told of each partition that has runs in it, and where they begin, before they are applied
   */
  applySealed(
    segment: SegmentId,
    summary: IndexSummary,
    keptBytes: KeptBytes,
    meet?: (log: PartitionLog, baseOffset: number | undefined) => void,
  ): void {
    this.indexes.add(segment, summary.head)
    if (summary.hidesOlder()) this.#hiding.add(segment)
    for (const topicId of summary.droppedTopics()) this.#drop(topicId)
    let gained = 0
    let epoch = 0
    let topicId: Uint8Array = new Uint8Array(0)
    let topic = new Map<number, PartitionLog>()
    for (let row = 0; row < summary.partitions; row++) {
      if (!summary.sameTopicAsBefore(row)) {
        topicId = summary.topicId(row)
        topic = this.#topicOf(topicId)
      }
      const log = this.#partitionOf(topic, topicId, summary.partition(row))
      if (summary.runCount(row) > 0) {
        gained++
        // Behind a truncation nothing follows from where the runs begin.
        meet?.(log, summary.truncatedTo(row) < 0 ? summary.baseOffset(row) : undefined)
      }
      epoch = log.applySummary(summary, row, segment, epoch, (offset) => keptBytes(log, offset))
    }
    this.#live.set(segment, this.liveCount(segment) + gained)
  }

  /** Bytes the index of the active segment may take. */
  indexBytesMax(): number {
    const segments = this.store.segments()
    return segments[segments.length - 1].bytes * INDEX_SHARE_MAX
  }

  /**
   * True when the active segment has no room for values of this cost, or its index none for the entries.
   * Events leave a little of both: entries that let data go find it when a full disk has no next segment.
   * @param producerBytes what the producer snapshot will take in the index
   */
  mustRoll(costBytes: number, entries: number, producerBytes: number, isUrgent: boolean): boolean {
    if (this.#nextSequence === 0) return false
    const indexBytes =
      (this.#activeEntries + entries) * RUN_BYTES +
      (this.#touched.size + this.#droppedInActive.length + entries) * INDEX_BYTES_PER_PARTITION +
      producerBytes
    const indexBytesMax = this.indexBytesMax()
    const segmentBytes = indexBytesMax / INDEX_SHARE_MAX
    const keptBytes = isUrgent ? 0 : Math.min(URGENT_BYTES, segmentBytes * URGENT_SHARE_MAX)
    const isIndexFull = indexBytes > indexBytesMax * (1 - keptBytes / segmentBytes)
    return isIndexFull || costBytes + keptBytes > this.store.roomBytes()
  }

  /**
   * Seals the active segment with its index; the next one is active when this resolves.
   * @param producers the producer snapshot, complete
   */
  async roll(producers?: Uint8Array): Promise<void> {
    const sealed = this.#active
    const rows = this.#touchedByTopic()
    const bytes = this.encodeActive(producers)
    const isFirstTry = !this.#mayBeIndexed
    this.#mayBeIndexed = true
    const next = await this.store.roll(bytes)
    this.#mayBeIndexed = false
    this.#seal(sealed, rows)
    if (isFirstTry || this.#isStored(sealed, bytes))
      this.indexes.add(sealed, decodeIndexHead(bytes, bytes.length, sealed))
    else this.indexes.addRebuilt(sealed, bytes)
    this.#active = next
  }

  /** Whether a sealed segment has this index, and not one that an earlier try has stored: that one stays. */
  #isStored(segment: SegmentId, bytes: Uint8Array): boolean {
    if (this.store.indexBytes(segment) !== bytes.length) return false
    const stored = this.store.readIndexNow(segment, 0, bytes.length)
    return stored !== undefined && this.crc32c(stored) === this.crc32c(bytes)
  }

  /** The index of the active segment as it would be sealed now. */
  encodeActive(producers?: Uint8Array): Uint8Array {
    return encodeSegmentIndex(this.#summarize(this.#touchedByTopic(), producers), this.crc32c)
  }

  /** At start: what was read of a sealed segment's values stands for its index, which cannot be used. */
  adoptScanned(segment: SegmentId): void {
    const rows = this.#touchedByTopic()
    this.indexes.addRebuilt(segment, encodeSegmentIndex(this.#summarize(rows, undefined), this.crc32c))
    this.#seal(segment, rows)
  }

  /** The partitions the active segment speaks of: the rows of its index, those of a topic together. */
  #touchedByTopic(): readonly PartitionLog[] {
    const topics = new Map<string, PartitionLog[]>()
    for (const log of this.#touched) {
      const key = topicKey(log.topicId)
      const logs = topics.get(key)
      if (logs) logs.push(log)
      else topics.set(key, [log])
    }
    return [...topics.values()].flat()
  }

  #summarize(rows: readonly PartitionLog[], producers: Uint8Array | undefined): SegmentSummary {
    const partitions = rows.map((log): PartitionSummary => {
      const { runs, truncatedTo, logStart, epochs } = log.active
      const { topicId, partition } = log
      const view = new RangeView(runs.toColumns(), 0, runs.count)
      return {
        topicId,
        partition,
        runs: view,
        truncatedTo,
        logStart,
        epochs,
        lastAppendMs: runs.lastAppendMs,
      }
    })
    return { partitions, droppedTopics: this.#droppedInActive, producers }
  }

  /** The runs of the active segment become extents of the sealed one. */
  #seal(segment: SegmentId, rows: readonly PartitionLog[]): void {
    const hides =
      this.#droppedInActive.length > 0 || rows.some(({ active }) => active.truncatedTo !== undefined)
    if (hides) this.#hiding.add(segment)
    let gained = 0
    rows.forEach((log, row) => {
      if (log.seal(segment, row)) gained++
    })
    this.#live.set(segment, this.liveCount(segment) + gained)
    this.#touched.clear()
    this.#droppedInActive.length = 0
    this.#activeEntries = 0
    this.#nextSequence = 0
  }

  /** Offsets of a partition, from its end up to `endOffset`, are lost with a value. */
  lose(log: PartitionLog, endOffset: number, { segment, sequence, committedAtMs }: LostValue): void {
    if (segment === this.#active) {
      log.applyLost(endOffset, committedAtMs, { sequence })
      this.#touched.add(log)
      this.#activeEntries++
    } else {
      log.applyLost(endOffset, committedAtMs, { segment })
      this.#live.set(segment, this.liveCount(segment) + 1)
    }
  }

  /** Begins to read another segment as the active one; only recovery does. */
  enter(segment: SegmentId): void {
    this.#active = segment
  }

  /** Sealed segments in journal order. One that the store has sealed just now is none before what it holds is known here. */
  sealedSegments(): SegmentDescriptor[] {
    return this.store.segments().filter(({ id, sealed }) => sealed && this.indexes.has(id))
  }

  /** Sealed segments in journal order, and what rewriting each would copy. Looks at every extent. */
  sealedUse(): SegmentUse[] {
    const liveBytes = new Map<SegmentId, number>()
    for (const log of this.partitions()) {
      const extents = log.extents.view()
      for (let at = 0; at < extents.count; at++) {
        const segment = extents.container(at)
        liveBytes.set(segment, (liveBytes.get(segment) ?? 0) + extents.length(at))
      }
    }
    return this.sealedSegments().map(({ id, bytes }) => ({
      id,
      fileBytes: bytes,
      liveBytes: liveBytes.get(id) ?? 0,
    }))
  }

  /** `segment`, with this index, stands in the place of `replaced` now. */
  relocated(replaced: readonly SegmentId[], segment: SegmentId, index: Uint8Array): void {
    const summary = IndexSummary.decode(index, index.length, segment, this.crc32c)
    const from = new Set(replaced)
    let live = 0
    for (let row = 0; row < summary.partitions; row++) {
      const log = this.partition(summary.topicId(row), summary.partition(row))
      if (log?.relocate(from, segment, row)) live++
    }
    for (const id of replaced) this.#forget(id)
    this.indexes.add(segment, summary.head)
    this.#live.set(segment, live)
    if (summary.hidesOlder()) this.#hiding.add(segment)
  }

  /** Removes a sealed segment in which nothing is alive. */
  async remove(segment: SegmentId): Promise<void> {
    await this.store.remove(segment)
    this.#forget(segment)
  }

  #forget(segment: SegmentId): void {
    this.indexes.remove(segment)
    this.#live.delete(segment)
    this.#hiding.delete(segment)
  }
}
