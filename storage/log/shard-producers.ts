/**
 * The producers of one shard: their state beside the partitions', the check of new batches, and what goes
 * into the index of a sealed segment. It learns from the same entries as the partitions, live and at
 * start, in the same order.
 */
import {
  baseOffsetAt,
  baseSequenceAt,
  batchBytesAt,
  CRC_FROM,
  crcAt,
  isControlAt,
  lastOffsetDeltaAt,
  nextBatchEnd,
  producerEpochAt,
  producerIdAt,
} from '../record/batch-header.ts'
import type { Crc32c } from '../record/crc32c.ts'
import { StorageError } from '../segment-store.ts'
import { LogError } from './log-error.ts'
import type { PartitionLog } from './partition-log.ts'
import { SEQUENCES } from './producer-row.ts'
import {
  decodeProducerSnapshot,
  encodeProducerSnapshot,
  SNAPSHOT_BYTES_PER_PRODUCER_MAX,
  snapshotBytesMax,
} from './producer-snapshot.ts'
import { type ProducerStanding, ProducerState } from './producer-state.ts'
import { NAME_EXPIRED, NAMELESS, SequenceCheck, type StandingOf, type Verdict } from './sequence-check.ts'
import { type Entry, EntryKind } from './value.ts'

export interface ProducerOptions {
  /** Most entries, partitions times producers; fewer where the segments are too small for them. */
  readonly idsMax: number
  readonly expirationMs: number
  /** Asked of every batch of an idempotent producer as it gets its offset. */
  readonly standingOf?: StandingOf
  /** Asked of those that have no name: batches of an older epoch are refused. */
  readonly oldestEpochOf?: (producerId: number) => number
}

export interface ProducerStats {
  /** Partitions times producers. */
  readonly ids: number
  readonly idsMax: number
  /** Forgotten because there were too many. */
  readonly evicted: number
  /** Batches that were stored already and answered with their original offset. */
  readonly duplicates: number
}

/** As many as there is room for. */
const DEFAULTS: ProducerOptions = { idsMax: Number.POSITIVE_INFINITY, expirationMs: 7 * 24 * 3_600_000 }
/** Share of the room for a segment's index that producers may take; the rest is for its runs. */
const INDEX_SHARE_MAX = 0.6

export class ShardProducers {
  readonly #options: ProducerOptions
  readonly #crc32c: Crc32c
  readonly #state: ProducerState<PartitionLog>
  readonly #check: SequenceCheck<PartitionLog>
  readonly #warning: (sentence: string) => void
  #idsMax: number
  #duplicates = 0

  constructor(options: ProducerOptions | undefined, crc32c: Crc32c, warning: (sentence: string) => void) {
    this.#options = options ?? DEFAULTS
    this.#crc32c = crc32c
    this.#warning = warning
    const { idsMax, expirationMs, standingOf, oldestEpochOf } = this.#options
    this.#idsMax = idsMax
    this.#state = new ProducerState({ entriesMax: idsMax, expirationMs })
    this.#check = new SequenceCheck(this.#state, standingOf ?? (() => NAMELESS), oldestEpochOf)
  }

  stats(): ProducerStats {
    const { size, evicted } = this.#state
    return { ids: size, idsMax: this.#idsMax, evicted, duplicates: this.#duplicates }
  }

  describe(log: PartitionLog, producerId: number, nowMs: number): ProducerStanding | undefined {
    return this.#state.describe(log, producerId, nowMs)
  }

  producerIds(nowMs: number): ReadonlySet<number> {
    return this.#state.producerIds(nowMs)
  }

  /** The batches placed from now on are of this partition. */
  begin(log: PartitionLog, nowMs: number): void {
    this.#check.begin(log, nowMs)
  }

  /**
   * Whether the batch at `at`, which has a producer, may be appended at the log end. Undefined: it may;
   * a number: it is stored there already; else why not.
   */
  place(log: PartitionLog, bytes: Uint8Array, at: number): number | LogError | undefined {
    const check = this.#check
    const producerId = producerIdAt(bytes, at)
    const epoch = producerEpochAt(bytes, at)
    const sequence = baseSequenceAt(bytes, at)
    const records = lastOffsetDeltaAt(bytes, at) + 1
    const verdict = check.check(producerId, epoch, sequence, records, log.logEndOffset)
    if (verdict === 'append') return undefined
    if (verdict === 'duplicate') {
      this.#duplicates++
      return check.originalOffset
    }
    const { expectedEpoch, expectedSequence } = check
    return refusal(verdict, { producerId, epoch, sequence, records, expectedEpoch, expectedSequence })
  }

  /**
   * An entry is durable and has been applied to its partition.
   * @param value the stored value it stands in; its batches must not have changed since
   */
  applied(entry: Entry, log: PartitionLog | undefined, value: Uint8Array, committedAtMs: number): void {
    if (entry.kind === EntryKind.run) {
      if (log) this.#record(log, value, entry.position, entry.position + entry.length, committedAtMs)
    } else if (entry.kind === EntryKind.truncate) {
      if (log) this.#state.truncate(log, entry.offset)
    } else if (entry.kind === EntryKind.topicDrop) this.#state.forget((partition) => partition.dropped)
  }

  #record(log: PartitionLog, value: Uint8Array, start: number, end: number, committedAtMs: number): void {
    for (let at = start; at < end; ) {
      const next = nextBatchEnd(value, at, end)
      // Damage; who reads the run will say so.
      if (next < 0) return
      const producerId = producerIdAt(value, at)
      if (producerId >= 0 && !isControlAt(value, at))
        this.#state.record(
          log,
          producerId,
          producerEpochAt(value, at),
          baseSequenceAt(value, at),
          lastOffsetDeltaAt(value, at) + 1,
          baseOffsetAt(value, at),
          committedAtMs,
        )
      at = next
    }
  }

  /**
   * At start, as {@link applied}: batches come from the disk and are believed only as far as their checksums go.
   */
  recovered(entry: Entry, log: PartitionLog | undefined, value: Uint8Array, committedAtMs: number): void {
    if (entry.kind !== EntryKind.run) {
      this.applied(entry, log, value, committedAtMs)
      return
    }
    const end = entry.position + entry.length
    for (let at = entry.position; at < end; ) {
      const next = nextBatchEnd(value, at, end)
      if (next < 0) return
      if (log && producerIdAt(value, at) >= 0 && this.#isWhole(value, at))
        this.#record(log, value, at, next, committedAtMs)
      at = next
    }
  }

  #isWhole(value: Uint8Array, at: number): boolean {
    return this.#crc32c(value.subarray(at + CRC_FROM, at + batchBytesAt(value, at))) === crcAt(value, at)
  }

  /** Lets go what has expired. */
  expire(nowMs: number): void {
    this.#state.expire(nowMs)
  }

  /** The index of the active segment takes so many bytes: no more producers than have room in it. */
  fitInto(indexBytesMax: number): void {
    const room = Math.floor((indexBytesMax * INDEX_SHARE_MAX) / SNAPSHOT_BYTES_PER_PRODUCER_MAX)
    const idsMax = Math.max(1, Math.min(this.#options.idsMax, room))
    if (idsMax === this.#idsMax) return
    this.#idsMax = idsMax
    this.#state.limitTo(idsMax)
    if (Number.isFinite(this.#options.idsMax) && idsMax < this.#options.idsMax)
      this.#warning(
        `the partitions remember at most ${idsMax} producers instead of ${this.#options.idsMax}: segments of this size have no room for more`,
      )
  }

  /** Most bytes a snapshot takes after `batches` more. */
  snapshotBytesMax(batches: number): number {
    const { size, partitionCount } = this.#state
    if (size + batches === 0) return 0
    const producers = Math.min(size + batches, this.#idsMax)
    return snapshotBytesMax(producers, Math.min(partitionCount + batches, producers))
  }

  /** Undefined: there is nobody. */
  snapshot(): Uint8Array | undefined {
    return this.#state.size === 0 ? undefined : encodeProducerSnapshot(this.#state, this.#crc32c)
  }

  /**
   * At start: what the newest snapshot says, in place of everything known so far. One that cannot be used
   * costs its producers an error and a new beginning, not the start.
   */
  restore(
    snapshot: Uint8Array | undefined,
    partitions: { createPartition(topicId: Uint8Array, partition: number): PartitionLog },
  ): void {
    this.#state.clear()
    if (!snapshot) return
    try {
      decodeProducerSnapshot(
        snapshot,
        this.#state,
        (topicId, partition) => partitions.createPartition(topicId, partition),
        this.#crc32c,
      )
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      this.#state.clear()
      this.#warning(`${error.message}: only producers with later batches are known`)
    }
  }
}

interface RefusedBatch {
  readonly producerId: number
  readonly epoch: number
  readonly sequence: number
  readonly records: number
  readonly expectedEpoch: number
  readonly expectedSequence: number
}

function refusal(verdict: Exclude<Verdict, 'append' | 'duplicate'>, batch: RefusedBatch): LogError {
  const { producerId, epoch, sequence, records, expectedEpoch, expectedSequence } = batch
  const present = expectedSequence % SEQUENCES
  switch (verdict) {
    case 'fenced':
      return new LogError(
        'PRODUCER_FENCED',
        `producer ${producerId} sent a batch of epoch ${epoch}; its epoch is ${expectedEpoch}`,
      )
    case 'gap':
      return new LogError(
        'SEQUENCE_GAP',
        `producer ${producerId} sent a batch from sequence ${sequence} on; ${present} comes next in epoch ${epoch}`,
      )
    case 'old':
      return new LogError(
        'SEQUENCE_STORED',
        `producer ${producerId} sent ${records} records from sequence ${sequence} on; those below ${present} are stored, and no remembered batch is this one`,
      )
    case 'unknown':
      return new LogError(
        'UNKNOWN_PRODUCER',
        expectedEpoch === NAME_EXPIRED
          ? `the name of producer ${producerId} has expired`
          : `nothing is known (any more) of producer ${producerId}, whose batch begins at sequence ${sequence} and not at 0`,
      )
  }
}
