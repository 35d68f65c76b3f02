/**
 * The batch that stands where records were lost to damage: a control batch without records, which covers their offsets.
 *
 * Readers go on behind it as behind any batch, and those who want to know see that it is one; nobody mistakes the
 * offsets for ones that were never given out. It has a checksum like any batch, and moves with the log like any batch.
 * Kafka's clients skip it, as they do every control batch.
 */
import {
  attributeBits,
  BATCH_HEADER_BYTES,
  CRC_FROM,
  isControlAt,
  recordCountAt,
  setAttributes,
  setBaseTimestamp,
  setBatchBytes,
  setCrc,
  setLastOffsetDelta,
  setMagic,
  setMaxTimestamp,
  setProducer,
  setRecordCount,
  stampBatch,
} from './batch-header.ts'
import type { Crc32c } from './crc32c.ts'

/** Offsets one batch can cover. */
const OFFSETS_MAX = 2 ** 31 - 1

/** Bytes {@link writeLostRange} takes. */
export function lostRangeBytes(offset: number, endOffset: number): number {
  return Math.ceil((endOffset - offset) / OFFSETS_MAX) * BATCH_HEADER_BYTES
}

/** Writes as many batches as it takes for offsets `offset` up to, without, `endOffset`; where they end. */
export function writeLostRange(
  bytes: Uint8Array,
  at: number,
  { offset, endOffset, leaderEpoch }: { offset: number; endOffset: number; leaderEpoch: number },
  crc32c: Crc32c,
): number {
  let next = offset
  let start = at
  while (next < endOffset) {
    const last = Math.min(endOffset, next + OFFSETS_MAX) - 1
    stampBatch(bytes, start, next, leaderEpoch)
    setBatchBytes(bytes, start, BATCH_HEADER_BYTES)
    setMagic(bytes, start)
    setAttributes(bytes, start, attributeBits.control)
    setLastOffsetDelta(bytes, start, last - next)
    setBaseTimestamp(bytes, start, -1)
    setMaxTimestamp(bytes, start, -1)
    setProducer(bytes, start, -1, -1, -1)
    setRecordCount(bytes, start, 0)
    const end = start + BATCH_HEADER_BYTES
    setCrc(bytes, start, crc32c(bytes.subarray(start + CRC_FROM, end)))
    start = end
    next = last + 1
  }
  return start
}

/** Whether the batch at `at`, which must be whole, stands for records that were lost. */
export function isLostRangeAt(bytes: Uint8Array, at: number): boolean {
  return isControlAt(bytes, at) && recordCountAt(bytes, at) === 0
}
