/**
 * The batch that stands where records were lost to damage: a control batch without records, which covers their offsets.
 *
 * Readers go on behind it as behind any batch, and those who want to know see that it is one; nobody mistakes the
 * offsets for ones that were never given out. It has a checksum like any batch, and moves with the log like any batch.
 * Kafka's clients skip it, as they do every control batch.
 */
import { attributeBits, isControlAt, recordCountAt } from './batch-header.ts'
import type { Crc32c } from './crc32c.ts'
import { emptyBatchesBytes, type OffsetStretch, writeEmptyBatches } from './empty-batch.ts'

/** Bytes {@link writeLostRange} takes. */
export function lostRangeBytes(offset: number, endOffset: number): number {
  return emptyBatchesBytes({ offset, endOffset, leaderEpoch: -1 })
}

/** Writes as many batches as it takes for offsets `offset` up to, without, `endOffset`; where they end. */
export function writeLostRange(
  bytes: Uint8Array,
  at: number,
  stretch: OffsetStretch,
  crc32c: Crc32c,
): number {
  return writeEmptyBatches(bytes, at, stretch, attributeBits.control, crc32c)
}

/** Whether the batch at `at`, which must be whole, stands for records that were lost. */
export function isLostRangeAt(bytes: Uint8Array, at: number): boolean {
  return isControlAt(bytes, at) && recordCountAt(bytes, at) === 0
}
