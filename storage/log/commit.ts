/**
 * Builds one commit: gives offsets to what was taken from the queue and lays it out as stored values.
 *
 * Batches are grouped by partition, so that reading a partition touches few values. A large append
 * already lies in memory with room for a directory before it and becomes a value where it is; small
 * ones are copied together. Batches of idempotent producers are checked here, where their order is known for good.
 * Pure but for the bytes it is given to fill.
 */
import {
  baseOffsetAt,
  batchBytesAt,
  lastOffsetDeltaAt,
  leaderEpochAt,
  maxTimestampAt,
  producerIdAt,
  stampBatch,
} from '../record/batch-header.ts'
import { stampAppendTime } from '../record/batch-rebuild.ts'
import type { Crc32c } from '../record/crc32c.ts'
import { LogError } from './log-error.ts'
import type { PartitionLog } from './partition-log.ts'
import type { ShardProducers } from './shard-producers.ts'
import type { Slab, Slabs } from './slabs.ts'
import type { Entry } from './value.ts'
import {
  ENTRY_BYTES,
  EntryKind,
  SINGLE_RUN_PREFIX_BYTES,
  VALUE_BYTES_TARGET,
  VALUE_HEADER_BYTES,
} from './value.ts'

/** From here on an append is a value of its own. */
const LARGE_BYTES_MIN = 32 * 1024

/**
 * Whole checked batches of one partition, waiting in a slab with {@link SINGLE_RUN_PREFIX_BYTES} before them. A
 * batch of an idempotent producer stands alone.
 */
export interface Append {
  readonly kind: 'append'
  readonly log: PartitionLog
  readonly slab: Slab
  /** Where the batches begin in the slab. */
  readonly start: number
  readonly bytes: number
  readonly stamps: Stamps
  baseOffset: number
  /** The time they got; -1: none. */
  appendTimeMs: number
  /** It is stored already, at `baseOffset`: durable, or by this very commit. */
  isDuplicate: boolean
  settle(error: Error | undefined): void
}

/**
 * What batches get when they are placed: a follower's have the offsets and epochs of their leader and keep them, those of a
 * leader get theirs, and where the topic wants it the time of the commit.
 */
export type Stamps = 'nothing' | 'offsets' | 'offsets-and-time'

/** An entry without a payload. */
export interface Control {
  readonly kind: 'control'
  readonly log: PartitionLog | undefined
  readonly bytes: number
  /** Made when its turn has come, from the state of that moment; undefined: nothing to do any more. */
  readonly entry: () => Entry | undefined
  settle(error: Error | undefined): void
}

export type Pending = Append | Control

export interface PlacedEntry {
  readonly log: PartitionLog | undefined
  readonly entry: Entry
}

/** A value whose payload is in place and whose directory is still to be written. */
export interface LaidValue {
  readonly bytes: Uint8Array
  readonly placed: readonly PlacedEntry[]
}

export interface Commit {
  readonly values: readonly LaidValue[]
  readonly slabs: readonly Slab[]
  /** Those that could not be placed, with the reason: a dropped partition, a gap. */
  readonly refused: readonly { readonly pending: Pending; readonly error: Error }[]
}

/** The last page of a value may be nearly empty: what packing can cost more than it saves. */
const PACKING_LOSS_BYTES = 4096

/**
 * The most a commit of these costs in the store: what they would cost as a value each, and what packing can lose.
 * @param costBytes what a value of so many bytes costs
 */
export function commitCostBytesMax(
  pendings: readonly Pending[],
  costBytes: (valueBytes: number) => number,
): number {
  let cost = 0
  let bytesOfAll = 0
  for (const { bytes } of pendings) {
    cost += costBytes(SINGLE_RUN_PREFIX_BYTES + bytes)
    bytesOfAll += SINGLE_RUN_PREFIX_BYTES + bytes
  }
  // Of two values that follow each other in a commit at least one is more than half full.
  const packedValuesMax = 1 + 2 * Math.ceil(bytesOfAll / VALUE_BYTES_TARGET)
  return cost + packedValuesMax * costBytes(PACKING_LOSS_BYTES)
}

/** A run under construction: appends of one partition and epoch, consecutive in offset. */
export interface Run {
  readonly log: PartitionLog
  readonly parts: { slab: Slab; start: number; bytes: number }[]
  /** Free bytes lie before its first part: it can become a value where it is. */
  readonly hasHeadroom: boolean
  offset: number
  endOffset: number
  maxTimestampMs: number
  leaderEpoch: number
  batchCount: number
  bytes: number
}

/** @param nowMs the time of the commit, by which producers expire and which records get where their topic wants that */
export function buildCommit(
  pendings: readonly Pending[],
  slabs: Slabs,
  producers: ShardProducers,
  nowMs: number,
  crc32c: Crc32c,
): Commit {
  const refused: { pending: Pending; error: Error }[] = []
  const layout = new Layout(slabs)
  for (const group of groupByPartition(pendings)) {
    const { log } = group[0]
    if (log) producers.begin(log, nowMs)
    for (const pending of group) {
      const error =
        pending.kind === 'control'
          ? placeControl(pending, layout)
          : place(pending, layout, producers, nowMs, crc32c)
      if (error) refused.push({ pending, error })
    }
  }
  return { values: layout.finish(), slabs: layout.slabs, refused }
}

/** Making an entry may read the log: damage found there is this entry's bad luck and nobody else's. */
function placeControl({ log, entry: make }: Control, layout: Layout): Error | undefined {
  if (log?.dropped) return undefined
  try {
    const entry = make()
    if (entry) layout.control({ log, entry })
    return undefined
  } catch (error) {
    if (error instanceof LogError) return error
    throw error
  }
}

/** Keeps the order within a partition; partitions in order of first appearance. */
function groupByPartition(pendings: readonly Pending[]): Iterable<Pending[]> {
  const groups = new Map<PartitionLog | undefined, Pending[]>()
  for (const pending of pendings) {
    const group = groups.get(pending.log)
    if (group) group.push(pending)
    else groups.set(pending.log, [pending])
  }
  return groups.values()
}

function place(
  append: Append,
  layout: Layout,
  producers: ShardProducers,
  nowMs: number,
  crc32c: Crc32c,
): Error | undefined {
  const { log, slab, start, bytes } = append
  if (log.dropped) return new LogError('UNKNOWN_PARTITION', 'the topic was deleted while the append waited')
  const memory = slab.bytes
  const end = start + bytes
  const isVerbatim = append.stamps === 'nothing'
  const stampsTime = append.stamps === 'offsets-and-time'
  if (isVerbatim) {
    const error = checkVerbatim(append)
    if (error) return error
  } else if (producerIdAt(memory, start) >= 0) {
    const known = producers.place(log, memory, start)
    if (known instanceof LogError) return known
    if (known !== undefined) {
      append.baseOffset = known
      append.isDuplicate = true
      return undefined
    }
  }
  append.baseOffset = isVerbatim ? baseOffsetAt(memory, start) : log.logEndOffset
  if (stampsTime) append.appendTimeMs = nowMs
  let run: Run | undefined
  for (let at = start; at < end; ) {
    const length = batchBytesAt(memory, at)
    if (!isVerbatim) stampBatch(memory, at, log.logEndOffset, log.leaderEpoch)
    if (stampsTime) stampAppendTime(memory, at, nowMs, crc32c)
    const epoch = leaderEpochAt(memory, at)
    const offset = baseOffsetAt(memory, at)
    // A run has one epoch and no gaps, so that a reader knows each batch's place in it.
    if (run && (run.leaderEpoch !== epoch || run.endOffset !== offset)) {
      layout.run(run)
      run = undefined
    }
    run ??= {
      log,
      parts: [{ slab, start: at, bytes: 0 }],
      hasHeadroom: at === start,
      offset,
      endOffset: offset,
      maxTimestampMs: -1,
      leaderEpoch: epoch,
      batchCount: 0,
      bytes: 0,
    }
    run.parts[0].bytes += length
    run.bytes += length
    run.batchCount++
    run.endOffset = offset + lastOffsetDeltaAt(memory, at) + 1
    run.maxTimestampMs = Math.max(run.maxTimestampMs, maxTimestampAt(memory, at))
    log.logEndOffset = run.endOffset
    at += length
  }
  if (run) layout.run(run)
  return undefined
}

/** A follower takes batches as the leader gave them; offsets may skip (compaction) but never go back. */
function checkVerbatim(append: Append): Error | undefined {
  const { log, slab, start, bytes } = append
  let next = log.logEndOffset
  let epoch = Math.max(log.epochs.latest, 0)
  for (let at = start; at < start + bytes; at += batchBytesAt(slab.bytes, at)) {
    const offset = baseOffsetAt(slab.bytes, at)
    if (offset < next)
      return new LogError('NOT_CONTIGUOUS', `batch at offset ${offset} lies below the log end ${next}`)
    const batchEpoch = leaderEpochAt(slab.bytes, at)
    if (batchEpoch < epoch)
      return new LogError(
        'NOT_CONTIGUOUS',
        `batch at offset ${offset} has leader epoch ${batchEpoch}, below ${epoch}`,
      )
    epoch = batchEpoch
    next = offset + lastOffsetDeltaAt(slab.bytes, at) + 1
  }
  return undefined
}

/** Packs runs and controls into values, in the order given. */
export class Layout {
  readonly slabs: Slab[] = []
  readonly #pool: Slabs
  readonly #values: LaidValue[] = []
  #items: (Run | PlacedEntry)[] = []
  #bytes = VALUE_HEADER_BYTES

  constructor(pool: Slabs) {
    this.#pool = pool
  }

  control(placed: PlacedEntry): void {
    this.#makeRoom(ENTRY_BYTES)
    this.#items.push(placed)
    this.#bytes += ENTRY_BYTES
  }

  run(run: Run): void {
    if (run.bytes >= LARGE_BYTES_MIN && run.hasHeadroom) {
      this.#close()
      this.#inPlace(run)
      return
    }
    const last = this.#items[this.#items.length - 1]
    if (last && 'parts' in last && continues(last, run) && this.#bytes + run.bytes <= VALUE_BYTES_TARGET) {
      last.parts.push(...run.parts)
      last.endOffset = run.endOffset
      last.maxTimestampMs = Math.max(last.maxTimestampMs, run.maxTimestampMs)
      last.batchCount += run.batchCount
      last.bytes += run.bytes
      this.#bytes += run.bytes
      return
    }
    this.#makeRoom(ENTRY_BYTES + run.bytes)
    this.#items.push(run)
    this.#bytes += ENTRY_BYTES + run.bytes
  }

  finish(): readonly LaidValue[] {
    this.#close()
    return this.#values
  }

  #makeRoom(bytes: number): void {
    if (this.#items.length > 0 && this.#bytes + bytes > VALUE_BYTES_TARGET) this.#close()
  }

  /** A large run lies in its slab behind room for header and one entry: the value is already there. */
  #inPlace(run: Run): void {
    const { slab, start, bytes } = run.parts[0]
    const value = slab.bytes.subarray(start - SINGLE_RUN_PREFIX_BYTES, start + bytes)
    this.#values.push({ bytes: value, placed: [placedRun(run, SINGLE_RUN_PREFIX_BYTES)] })
  }

  #close(): void {
    if (this.#items.length === 0) return
    const { slab, start } = this.#pool.take(this.#bytes)
    this.slabs.push(slab)
    const value = slab.bytes.subarray(start, start + this.#bytes)
    let at = VALUE_HEADER_BYTES + this.#items.length * ENTRY_BYTES
    const placed: PlacedEntry[] = []
    for (const item of this.#items) {
      if (!('parts' in item)) {
        placed.push(item)
        continue
      }
      placed.push(placedRun(item, at))
      for (const part of item.parts) {
        value.set(part.slab.bytes.subarray(part.start, part.start + part.bytes), at)
        at += part.bytes
      }
    }
    this.#values.push({ bytes: value, placed })
    this.#items = []
    this.#bytes = VALUE_HEADER_BYTES
  }
}

function continues(last: Run, next: Run): boolean {
  return last.log === next.log && last.leaderEpoch === next.leaderEpoch && last.endOffset === next.offset
}

function placedRun(run: Run, position: number): PlacedEntry {
  return {
    log: run.log,
    entry: {
      kind: EntryKind.run,
      topicId: run.log.topicId,
      partition: run.log.partition,
      offset: run.offset,
      endOffset: run.endOffset,
      maxTimestampMs: run.maxTimestampMs,
      leaderEpoch: run.leaderEpoch,
      position,
      length: run.bytes,
      batchCount: run.batchCount,
    },
  }
}

/** Entries without a payload let data go, or are few; they are committed apart from events. */
export function isUrgent(taken: readonly Pending[]): boolean {
  return taken[0].kind === 'control'
}

/** A duplicate of something that was durable before: whatever became of its commit. */
export function isDurable(pending: Pending): boolean {
  return (
    pending.kind === 'append' &&
    pending.isDuplicate &&
    !pending.log.dropped &&
    pending.baseOffset < pending.log.durableOffset
  )
}
