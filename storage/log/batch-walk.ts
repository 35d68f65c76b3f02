/**
 * Walking the batches of a stored run. A run has no gaps and one leader epoch, and the index says where
 * it begins and ends, so that also the fields that a batch's checksum leaves out (base offset, length,
 * leader epoch) have one value that is right.
 *
 * What is not a batch as it was written is damage. Behind it the walk goes on only where the next batch
 * can be trusted: at the end that the damaged batch gives itself, or where whole batches follow each other
 * to the end of the run. Payloads may hold anything, so what merely looks like a batch is none.
 */
import {
  baseOffsetAt,
  CRC_FROM,
  crcAt,
  lastOffsetDeltaAt,
  leaderEpochAt,
  MAGIC,
  magicAt,
  maxTimestampAt,
  nextBatchEnd,
} from '../record/batch-header.ts'
import type { Crc32c } from '../record/crc32c.ts'

/** The bytes of a run in its value, and what the index says of it. */
export interface RunBytes {
  readonly value: Uint8Array
  readonly start: number
  readonly end: number
  readonly baseOffset: number
  /** Exclusive. */
  readonly endOffset: number
  /** -1: not known. */
  readonly leaderEpoch: number
}

/** One whole batch as it was written, or a stretch of the run in which there is none. */
export interface Span {
  /** Where it begins and ends in the value. */
  readonly start: number
  readonly end: number
  readonly baseOffset: number
  /** Exclusive. */
  readonly endOffset: number
  /** Of a damaged stretch: -1. */
  readonly maxTimestampMs: number
  /** Why the bytes are not what was written; undefined: they are. */
  readonly damage: string | undefined
}

/**
 * End of the batch at `at` by its header alone, if that can be the batch that begins at `baseOffset` in
 * this run; -1 if not.
 */
export function headedBatchEnd(run: RunBytes, at: number, baseOffset: number): number {
  const { value } = run
  const end = nextBatchEnd(value, at, run.end)
  if (end < 0 || magicAt(value, at) !== MAGIC || baseOffsetAt(value, at) !== baseOffset) return -1
  const delta = lastOffsetDeltaAt(value, at)
  if (delta < 0 || baseOffset + delta >= run.endOffset) return -1
  return run.leaderEpoch >= 0 && leaderEpochAt(value, at) !== run.leaderEpoch ? -1 : end
}

export function hasGoodCrc(value: Uint8Array, at: number, end: number, crc32c: Crc32c): boolean {
  return crcAt(value, at) === crc32c(value.subarray(at + CRC_FROM, end))
}

/** The batches of a run and the stretches of it that are damaged, in order; together all of it. */
export function* walkRun(run: RunBytes, crc32c: Crc32c): Generator<Span> {
  const { value } = run
  let next = run.baseOffset
  for (let at = run.start; at < run.end; ) {
    const end = intactBatchEnd(run, at, next, crc32c)
    if (end >= 0) {
      const endOffset = next + lastOffsetDeltaAt(value, at) + 1
      const maxTimestampMs = maxTimestampAt(value, at)
      yield { start: at, end, baseOffset: next, endOffset, maxTimestampMs, damage: undefined }
      next = endOffset
      at = end
      continue
    }
    const resumedAt = resume(run, at, next, crc32c)
    const endOffset = resumedAt < run.end ? baseOffsetAt(value, resumedAt) : run.endOffset
    const damage = whatIsWrong(run, at, next)
    yield { start: at, end: resumedAt, baseOffset: next, endOffset, maxTimestampMs: -1, damage }
    next = endOffset
    at = resumedAt
  }
  if (next < run.endOffset)
    yield {
      start: run.end,
      end: run.end,
      baseOffset: next,
      endOffset: run.endOffset,
      maxTimestampMs: -1,
      damage: `the run ends at offset ${next} and should at ${run.endOffset}`,
    }
}

function intactBatchEnd(run: RunBytes, at: number, baseOffset: number, crc32c: Crc32c): number {
  const end = headedBatchEnd(run, at, baseOffset)
  return end >= 0 && hasGoodCrc(run.value, at, end, crc32c) ? end : -1
}

/** Where the first batch behind the damage at `at` begins; the end of the run where none can be trusted. */
function resume(run: RunBytes, at: number, next: number, crc32c: Crc32c): number {
  const ownEnd = nextBatchEnd(run.value, at, run.end)
  if (ownEnd >= 0 && ownEnd < run.end && isBatchAbove(run, ownEnd, next, crc32c)) return ownEnd
  for (let candidate = at + 1; candidate < run.end; candidate++)
    if (magicAt(run.value, candidate) === MAGIC && reachesEnd(run, candidate, next, crc32c)) return candidate
  return run.end
}

function isBatchAbove(run: RunBytes, at: number, next: number, crc32c: Crc32c): boolean {
  if (nextBatchEnd(run.value, at, run.end) < 0) return false
  const baseOffset = baseOffsetAt(run.value, at)
  return baseOffset > next && intactBatchEnd(run, at, baseOffset, crc32c) >= 0
}

/** Whether whole batches follow each other from here to the very end of the run. */
function reachesEnd(run: RunBytes, from: number, next: number, crc32c: Crc32c): boolean {
  if (!isBatchAbove(run, from, next, crc32c)) return false
  let offset = baseOffsetAt(run.value, from)
  for (let at = from; at < run.end; ) {
    const end = intactBatchEnd(run, at, offset, crc32c)
    if (end < 0) return false
    offset += lastOffsetDeltaAt(run.value, at) + 1
    at = end
  }
  return offset === run.endOffset
}

function whatIsWrong(run: RunBytes, at: number, baseOffset: number): string {
  const { value } = run
  if (nextBatchEnd(value, at, run.end) < 0 || magicAt(value, at) !== MAGIC)
    return `no whole record batch at byte ${at}`
  if (baseOffsetAt(value, at) !== baseOffset)
    return `the batch at byte ${at} says offset ${baseOffsetAt(value, at)}`
  if (headedBatchEnd(run, at, baseOffset) < 0)
    return `the batch at byte ${at} has a header that does not fit its place`
  return `the batch at byte ${at} does not have the checksum it says`
}
