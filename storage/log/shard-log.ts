/**
 * The log of one shard: all its partitions, appended to one active segment, so that one commit covers
 * every partition that wrote.
 *
 * It promises: an append resolves when it is durable, with its offset; order within a source and a
 * partition is kept; nothing is visible to readers before it is durable; after a restart everything
 * acknowledged is where it was. One commit is in flight at a time. When a write has failed, nothing is
 * written any more and every waiter is told.
 *
 * It knows neither names nor clients, and time only as an argument.
 */

import { type SegmentId, type SegmentStore, StorageError } from '../segment-store.ts'
import {
  type Append,
  buildCommit,
  type Commit,
  type Control,
  commitCostBytesMax,
  isDurable,
  isUrgent,
  type Pending,
  type Stamps,
} from './commit.ts'
import { CommitFilling } from './commit-filling.ts'
import { LogError } from './log-error.ts'
import type { ReadSlice } from './log-reader.ts'
import type { PartitionLog } from './partition-log.ts'
import type { ProducerStanding } from './producer-state.ts'
import { type Recovered, recover } from './recovery.ts'
import { type RelocationReport, relocateNext } from './relocation.ts'
import { type RetentionPolicy, type RetentionReport, retain } from './retention.ts'
import { SegmentCatalog } from './segment-catalog.ts'
import type { Appended, ShardLogObserver, ShardLogOptions, ShardLogStats } from './shard-log-options.ts'
import { ShardProducers } from './shard-producers.ts'
import { ShardReader } from './shard-reader.ts'
import { Slabs } from './slabs.ts'
import type { TimedOffset } from './time-search.ts'
import {
  ENTRY_BYTES,
  type Entry,
  EntryKind,
  entryOf,
  SINGLE_RUN_PREFIX_BYTES,
  writeDirectory,
} from './value.ts'
import { WaitingWork } from './waiting-work.ts'

const COMMIT_BYTES_MAX = 2 * 1024 * 1024
const QUEUED_BYTES_MAX = 512 * 1024 * 1024
const INDEX_CACHE_BYTES_MAX = 32 * 1024 * 1024
const SLAB_BYTES = 4 * 1024 * 1024
const SPARE_SLABS_MAX = 16

export class ShardLog {
  readonly #options: ShardLogOptions
  readonly #store: SegmentStore
  readonly #observer: ShardLogObserver
  readonly #catalog: SegmentCatalog
  readonly #reader: ShardReader
  readonly #waiting = new WaitingWork()
  readonly #producers: ShardProducers
  readonly #slabs: Slabs
  /** Sealed segments that are not rewritten. */
  readonly #unmovable = new Set<SegmentId>()
  /** Until the first commit: by then everybody has opened the partitions there were. */
  #recovered: Recovered = { unknown: undefined }
  readonly #filling: CommitFilling
  #running = false
  #scheduled = false
  #closed = false
  #failure: Error | undefined
  #idle: (() => void)[] = []
  #commits = 0
  #committedBytes = 0

  private constructor(options: ShardLogOptions) {
    this.#options = options
    this.#store = options.store
    this.#observer = options.observer ?? {}
    this.#catalog = new SegmentCatalog(
      options.store,
      options.crc32c,
      options.indexCacheBytesMax ?? INDEX_CACHE_BYTES_MAX,
      (sentence) => this.#observer.warning?.(sentence),
    )
    this.#reader = new ShardReader(this.#catalog, options)
    this.#producers = new ShardProducers(options.producers, options.crc32c, (sentence) =>
      this.#observer.warning?.(sentence),
    )
    this.#filling = new CommitFilling(options.commitBytesMax ?? COMMIT_BYTES_MAX, options.soon, options.after)
    this.#slabs = new Slabs(
      SLAB_BYTES,
      SPARE_SLABS_MAX,
      options.allocate ?? ((bytes) => new Uint8Array(bytes)),
    )
  }

  /** Takes an open store and reads what its segments say. Rejects with StorageError where it cannot. */
  static async open(options: ShardLogOptions): Promise<ShardLog> {
    const log = new ShardLog(options)
    log.#producers.fitInto(log.#catalog.indexBytesMax())
    log.#recovered = await recover(log.#catalog, log.#reader.batches, options.crc32c, {
      warning: (sentence) => log.#observer.warning?.(sentence),
      producers: (snapshot) => log.#producers.restore(snapshot, log.#catalog),
      applied: (entry, partition, value, committedAtMs) =>
        log.#producers.recovered(entry, partition, value, committedAtMs),
    })
    return log
  }

  /** Why nothing can be written any more; undefined while all is well. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Every partition with anything in the log, known to metadata or not. */
  partitions(): Iterable<PartitionLog> {
    return this.#catalog.partitions()
  }

  partition(topicId: Uint8Array, partition: number): PartitionLog | undefined {
    return this.#catalog.partition(topicId, partition)
  }

  /**
   * The partition's log, empty if there was none. Writes nothing. Where damage may have taken all that was known of a
   * partition, one that is opened before the first commit begins above the offsets it may have given out.
   */
  createPartition(topicId: Uint8Array, partition: number): PartitionLog {
    const known = this.#catalog.partition(topicId, partition)
    if (known) return known
    const log = this.#catalog.createPartition(topicId, partition)
    const { unknown } = this.#recovered
    if (unknown) this.#catalog.lose(log, unknown.endOffset, unknown.value)
    return log
  }

  /**
   * Appends whole, checked record batches; their base offsets and leader epochs are stamped here, and with `append` the
   * time of the commit, so that no record is older than one before it (unless the clock goes back).
   * `bytes` are copied before the call returns.
   * @param source whose turn it is in the commit queue, e.g. a connection
   */
  append(
    source: object,
    log: PartitionLog,
    bytes: Uint8Array,
    timestampType: 'create' | 'append' = 'create',
  ): Promise<Appended> {
    return this.#append(source, log, bytes, timestampType === 'append' ? 'offsets-and-time' : 'offsets')
  }

  /**
   * Appends a leader's batches as they are: at their offsets, with their epochs. Rejects with
   * NOT_CONTIGUOUS when they begin below the log end or their epoch goes back.
   */
  appendAsFollower(source: object, log: PartitionLog, bytes: Uint8Array): Promise<Appended> {
    return this.#append(source, log, bytes, 'nothing')
  }

  #append(source: object, log: PartitionLog, bytes: Uint8Array, stamps: Stamps): Promise<Appended> {
    const queuedBytesMax = this.#options.queuedBytesMax ?? QUEUED_BYTES_MAX
    const obstacle = this.#obstacle(log) ?? this.#waiting.refusal(bytes.length, queuedBytesMax)
    if (obstacle) return Promise.reject(obstacle)
    const { slab, start } = this.#slabs.take(SINGLE_RUN_PREFIX_BYTES + bytes.length)
    slab.bytes.set(bytes, start + SINGLE_RUN_PREFIX_BYTES)
    return new Promise((resolve, reject) => {
      const append: Append = {
        kind: 'append',
        log,
        slab,
        start: start + SINGLE_RUN_PREFIX_BYTES,
        bytes: bytes.length,
        stamps,
        baseOffset: -1,
        appendTimeMs: -1,
        isDuplicate: false,
        settle: (error) => {
          this.#slabs.release(slab)
          log.waitingAppends--
          if (error) reject(error)
          else {
            const { baseOffset, appendTimeMs } = append
            resolve({ baseOffset, appendTimeMs, logStartOffset: log.logStartOffset })
          }
        },
      }
      log.waitingAppends++
      this.#waiting.appends.push(source, append)
      this.#poke()
    })
  }

  /**
   * Cuts the log so that it ends at or below `offset`: where the last batch ends that lies below it as a whole.
   * Reaches into sealed segments. Resolves with the new log end once that is durable. No append to the
   * partition may be waiting.
   */
  truncateTo(log: PartitionLog, offset: number): Promise<number> {
    if (log.waitingAppends > 0)
      return Promise.reject(new LogError('MISUSE', 'truncateTo while appends to the partition are waiting'))
    let endOffset = log.logEndOffset
    return this.#control(this.#waiting.truncations, log, () => {
      endOffset = log.logEndOffset
      if (offset >= endOffset) return undefined
      endOffset = this.#reader.batches.endCutAt(log, offset)
      return entryOf(EntryKind.truncate, log, { offset: endOffset })
    }).then(() => endOffset)
  }

  /** This node leads the partition from now on, in `epoch`; what it appends bears it. */
  beginLeaderEpoch(log: PartitionLog, epoch: number): Promise<void> {
    if (epoch < log.leaderEpoch)
      return Promise.reject(
        new LogError('MISUSE', `leader epoch ${epoch} is below the present ${log.leaderEpoch}`),
      )
    return this.#control(this.#waiting.controls, log, () => {
      log.leaderEpoch = epoch
      return entryOf(EntryKind.leaderEpoch, log, { offset: log.logEndOffset, leaderEpoch: epoch })
    })
  }

  /** The leader says everything below `offset` is on all in-sync replicas. */
  advanceHighWatermark(log: PartitionLog, offset: number): void {
    if (log.advanceHighWatermark(offset)) this.#observer.advanced?.(log)
  }

  /** Everything of the topic is dead from then on. Resolves when durable. */
  dropTopic(topicId: Uint8Array): Promise<void> {
    return this.#control(this.#waiting.controls, undefined, () => ({
      ...entryOf(EntryKind.topicDrop, { topicId, partition: -1 }, {}),
    }))
  }

  /** Moves the log start of a partition, durably. Never back, never above the high watermark. */
  moveLogStart(log: PartitionLog, offset: number): Promise<void> {
    return this.#control(this.#waiting.controls, log, () => {
      const target = Math.min(offset, log.highWatermark)
      if (target < log.logStartOffset) return undefined
      return entryOf(EntryKind.logStart, log, {
        offset: target,
        endOffset: log.durableOffset,
        maxTimestampMs: this.#reader.batches.keptBytes(log, target),
        leaderEpoch: log.epochs.epochAt(target),
      })
    })
  }

  /** Moves every log start as its policy says, exactly, by batch; then removes segments in which nothing lives. */
  enforceRetention(
    nowMs: number,
    policyOf: (log: PartitionLog) => RetentionPolicy | undefined,
  ): Promise<RetentionReport> {
    this.#producers.expire(nowMs)
    return retain(this, this.#catalog, this.#reader.runs, nowMs, policyOf)
  }

  /** What the partition knows of an idempotent producer; undefined: nothing (any more). Durable things only. */
  describeProducer(log: PartitionLog, producerId: number): ProducerStanding | undefined {
    return this.#producers.describe(log, producerId, this.#options.clock.nowMs())
  }

  /** Whether any partition knows any producer. */
  get knowsProducers(): boolean {
    return this.#producers.stats().ids > 0
  }

  /** Resolves when every append that has its offset by now is durable: what `standingOf` said before is past. */
  placed(): Promise<void> {
    return this.#control(this.#waiting.controls, undefined, () => undefined)
  }

  /** Ids of which any partition knows something, once what has its offset by now is durable. */
  async knownProducers(): Promise<ReadonlySet<number>> {
    await this.placed()
    return this.#producers.producerIds(this.#options.clock.nowMs())
  }

  /** Rewrites a group of segments that are mostly dead, if there is one. Not beside {@link enforceRetention} or {@link moveLogStart}, whose entries count by segment. */
  relocate(signal: AbortSignal): Promise<RelocationReport> {
    return relocateNext(this.#catalog, this.#unmovable, signal)
  }

  /**
   * Whole batches from the one that holds `offset` on, below `upTo`, at most `bytesMax` but at least
   * one; undefined when there are none. Throws DamageError where the batch that holds `offset` is damaged; what
   * lies behind the range it names can be read. The bytes are a private copy, valid until the next call of any
   * method here or the next turn; what lies before them may be overwritten.
   */
  read(log: PartitionLog, offset: number, upTo: number, bytesMax: number): ReadSlice | undefined {
    return this.#reader.batches.read(log, offset, upTo, bytesMax)
  }

  /**
   * To be awaited before `read` and before what moves a log start, so that the event loop does not wait for the disk: resolves
   * when about the next `bytesMax` bytes from `offset` on are in memory. Undefined: they are, as far as is known.
   * A hint: what happens to the log meanwhile is for `read` to see. Never rejects.
   */
  prepare(log: PartitionLog, offset: number, bytesMax: number): Promise<void> | undefined {
    return this.#reader.cold.prepare(log, offset, bytesMax)
  }

  /** As {@link prepare}, before `findTimestamp`. */
  prepareTimestamp(log: PartitionLog, timestampMs: number): Promise<void> {
    return this.#reader.prepareTimestamp(log, timestampMs)
  }

  /** About how many bytes `read` would give from `offset` to `upTo`; stops counting at `bytesMax`. */
  readableBytes(log: PartitionLog, offset: number, upTo: number, bytesMax: number): number {
    return this.#reader.batches.readableBytes(log, offset, upTo, bytesMax)
  }

  /** First record with a timestamp of at least `timestampMs`, below `upTo`; undefined: none. */
  findTimestamp(log: PartitionLog, timestampMs: number, upTo: number): TimedOffset | undefined {
    return this.#reader.times.find(log, timestampMs, upTo)
  }

  stats(): ShardLogStats {
    const segments = this.#store.segments()
    return {
      segments: segments.length,
      bytes: segments.reduce((sum, segment) => sum + segment.bytes, 0),
      freeBytes: this.#store.freeBytes(),
      partitions: this.#catalog.partitionCount,
      commits: this.#commits,
      committedBytes: this.#committedBytes,
      queuedBytes: this.#waiting.appends.bytes,
      producers: this.#producers.stats(),
      indexCache: this.#catalog.indexes.stats(),
      coldReads: this.#reader.cold.stats(),
      damagedPlaces: this.#reader.damages.count,
    }
  }

  /** Resolves when nothing waits and no commit is in flight. */
  async settled(): Promise<void> {
    while (this.#running || this.#scheduled || (!this.#waiting.isEmpty && !this.#failure))
      await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** Writes what waits, then refuses everything. The store is closed by its owner. */
  async close(): Promise<void> {
    this.#closed = true
    this.#reader.cold.close()
    await this.settled()
  }

  #obstacle(log: PartitionLog | undefined): Error | undefined {
    if (this.#failure) return this.#failure
    if (this.#closed) return new LogError('CLOSED', 'the log is closed')
    if (log?.dropped) return new LogError('UNKNOWN_PARTITION', 'the topic was deleted')
    return undefined
  }

  #control(queue: Control[], log: PartitionLog | undefined, entry: () => Entry | undefined): Promise<void> {
    const obstacle = this.#obstacle(log)
    if (obstacle) return Promise.reject(obstacle)
    return new Promise((resolve, reject) => {
      const settle = (error: Error | undefined) => (error ? reject(error) : resolve())
      queue.push({ kind: 'control', log, bytes: ENTRY_BYTES, entry, settle })
      this.#poke()
    })
  }

  /** A commit begins when the turn has handled its events, so that all of them share it. */
  #poke(): void {
    this.#filling.came(this.#waiting.appends.bytes, this.#waiting.hasControls)
    if (this.#running || this.#scheduled) return
    this.#scheduled = true
    this.#options.soon(() => {
      this.#scheduled = false
      void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#running = true
    while (!this.#waiting.isEmpty && !this.#failure) {
      if (!this.#waiting.hasControls) await this.#filling.wait(() => this.#waiting.appends.bytes)
      const taken = this.#waiting.take(this.#options.commitBytesMax ?? COMMIT_BYTES_MAX)
      this.#filling.began(taken.reduce((sum, { bytes }) => sum + bytes, 0))
      await this.#commit(taken)
    }
    this.#running = false
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** Never rejects: whatever happens is told to those who wait. */
  async #commit(taken: readonly Pending[]): Promise<void> {
    let commit: Commit | undefined
    let advanced: Iterable<PartitionLog> = []
    try {
      // Before anything is laid out: entries speak of places in the segment they are written to.
      if (this.#mustRoll(taken)) await this.#roll()
      const committedAtMs = this.#options.clock.nowMs()
      commit = buildCommit(taken, this.#slabs, this.#producers, committedAtMs, this.#options.crc32c)
      const refused = new Map<Pending, Error>(commit.refused.map(({ pending, error }) => [pending, error]))
      advanced = await this.#write(commit, taken, committedAtMs)
      for (const pending of taken) pending.settle(refused.get(pending))
    } catch (error) {
      this.#undo(taken)
      const cause = error instanceof Error ? error : new Error(String(error))
      // A store that has not failed has written nothing and can go on: no room, no descriptor, too large.
      const isSurvivable = cause instanceof StorageError && !this.#store.failure
      if (!isSurvivable) this.#fail(cause)
      for (const pending of taken) pending.settle(isDurable(pending) ? undefined : cause)
    } finally {
      for (const slab of commit?.slabs ?? []) this.#slabs.release(slab)
    }
    // Behind the acknowledgements: whatever a reader makes of it cannot touch them.
    if (this.#observer.advanced) for (const log of advanced) this.#observer.advanced(log)
  }

  #mustRoll(taken: readonly Pending[]): boolean {
    const costBytes = commitCostBytesMax(taken, (bytes) => this.#store.costBytes(bytes))
    const producerBytes = this.#producers.snapshotBytesMax(taken.length)
    return this.#catalog.mustRoll(costBytes, taken.length, producerBytes, isUrgent(taken))
  }

  async #roll(): Promise<void> {
    await this.#catalog.roll(this.#producers.snapshot())
    this.#producers.fitInto(this.#catalog.indexBytesMax())
  }

  /** Returns the partitions whose high watermark moved. */
  async #write(
    commit: Commit,
    taken: readonly Pending[],
    committedAtMs: number,
  ): Promise<Iterable<PartitionLog>> {
    if (commit.values.length === 0) return []
    this.#recovered = { unknown: undefined }
    const segment = this.#catalog.activeSegment
    const firstSequence = this.#catalog.nextSequence
    let bytes = 0
    commit.values.forEach((value, index) => {
      const header = { segment, sequence: firstSequence + index, committedAtMs }
      writeDirectory(
        value.bytes,
        header,
        value.placed.map((placed) => placed.entry),
        this.#options.crc32c,
      )
      bytes += value.bytes.length
    })
    const { diskPace } = this.#options
    const startedAtMs = diskPace?.monotonicMs()
    await this.#store.append(
      firstSequence,
      commit.values.map((value) => value.bytes),
      { isUrgent: isUrgent(taken) },
    )
    const durationMs = startedAtMs === undefined ? undefined : (diskPace?.monotonicMs() ?? 0) - startedAtMs
    this.#reader.cold.appended(segment, firstSequence, bytes, durationMs)
    this.#commits++
    this.#committedBytes += bytes
    const advanced = this.#apply(commit, firstSequence, committedAtMs)
    this.#observer.committed?.(bytes, commit.values.length, taken.length)
    return advanced
  }

  #apply(commit: Commit, firstSequence: number, committedAtMs: number): Set<PartitionLog> {
    const advanced = new Set<PartitionLog>()
    commit.values.forEach((value, index) => {
      this.#catalog.appended(firstSequence + index)
      for (const { entry } of value.placed) {
        const log = this.#catalog.apply(
          entry,
          firstSequence + index,
          (log, offset) => this.#reader.batches.keptBytes(log, offset),
          committedAtMs,
        )
        this.#producers.applied(entry, log, value.bytes, committedAtMs)
        if (log && entry.kind === EntryKind.run && !log.replicated) advanced.add(log)
      }
    })
    return advanced
  }

  /** Nothing of the commit was written: the offsets it had given out are free again. */
  #undo(taken: readonly Pending[]): void {
    for (const { log } of taken) if (log) log.logEndOffset = log.durableOffset
  }

  #fail(error: Error): void {
    if (this.#failure) return
    this.#failure = error
    for (const pending of this.#waiting.takeAll()) pending.settle(error)
    this.#observer.failed?.(error)
  }
}
