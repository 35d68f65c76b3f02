/**
 * Walking the batches of a stored run, by their headers. Everything read from disk is believed only as
 * far as it fits: a batch that does not lie whole inside its run, or whose offsets do not ascend, is
 * damage and is reported by partition and offset.
 */
import {
  baseOffsetAt,
  lastOffsetAt,
  MAGIC,
  magicAt,
  maxTimestampAt,
  nextBatchEnd,
} from '../record/batch-header.ts'
import { LogError } from './log-error.ts'

export interface Walked {
  /** Where the batch begins and ends in the bytes. */
  readonly start: number
  readonly end: number
  readonly baseOffset: number
  readonly lastOffset: number
  readonly maxTimestampMs: number
}

/**
 * Batches in `bytes[start, end)`, whose first base offset must be at least `offsetMin`.
 * @param where names partition and value, asked for only to report damage
 */
export function* walkBatches(
  bytes: Uint8Array,
  start: number,
  end: number,
  offsetMin: number,
  where: () => string,
): Generator<Walked> {
  let next = offsetMin
  for (let at = start; at < end; ) {
    const batchEnd = batchEndOf(bytes, at, end, next, where)
    const lastOffset = lastOffsetAt(bytes, at)
    yield {
      start: at,
      end: batchEnd,
      baseOffset: baseOffsetAt(bytes, at),
      lastOffset,
      maxTimestampMs: maxTimestampAt(bytes, at),
    }
    next = lastOffset + 1
    at = batchEnd
  }
}

/** End of the batch at `at`, after checking that one whole batch at or above `offsetMin` lies there. */
export function batchEndOf(
  bytes: Uint8Array,
  at: number,
  end: number,
  offsetMin: number,
  where: () => string,
): number {
  const batchEnd = nextBatchEnd(bytes, at, end)
  if (batchEnd < 0 || magicAt(bytes, at) !== MAGIC)
    throw new LogError(
      'DAMAGED',
      `${where()}: no whole record batch at offset ${offsetMin} (byte ${at} of its value)`,
    )
  const baseOffset = baseOffsetAt(bytes, at)
  if (baseOffset < offsetMin || lastOffsetAt(bytes, at) < baseOffset)
    throw new LogError(
      'DAMAGED',
      `${where()}: a batch with offset ${baseOffset} stands where ${offsetMin} should`,
    )
  return batchEnd
}
