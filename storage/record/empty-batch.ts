/**
 * Batches without records: they cover offsets, so that whoever reads them goes on behind. Kafka's clients take them as
 * what compaction leaves of a batch all of whose records are gone.
 *
 * A batch says how many offsets it covers in 31 bits, so a longer stretch takes several.
 */
import {
  BATCH_HEADER_BYTES,
  CRC_FROM,
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

/** The offsets from `offset` up to, without, `endOffset`. */
export interface OffsetStretch {
  readonly offset: number
  readonly endOffset: number
  readonly leaderEpoch: number
}

/** Bytes {@link writeEmptyBatches} takes. */
export function emptyBatchesBytes({ offset, endOffset }: OffsetStretch): number {
  return Math.ceil((endOffset - offset) / OFFSETS_MAX) * BATCH_HEADER_BYTES
}

/** Writes as many batches as the stretch takes; where they end. */
export function writeEmptyBatches(
  bytes: Uint8Array,
  at: number,
  { offset, endOffset, leaderEpoch }: OffsetStretch,
  attributes: number,
  crc32c: Crc32c,
): number {
  let next = offset
  let start = at
  while (next < endOffset) {
    const last = Math.min(endOffset, next + OFFSETS_MAX) - 1
    stampBatch(bytes, start, next, leaderEpoch)
    setBatchBytes(bytes, start, BATCH_HEADER_BYTES)
    setMagic(bytes, start)
    setAttributes(bytes, start, attributes)
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

/**
 * Says that nothing of the stretch is for the reader: data batches without records, nearly always one of 61 bytes, behind
 * `headroomBytes` free bytes in the same buffer. The stretch must not be empty.
 */
export function emptyBatch(stretch: OffsetStretch, crc32c: Crc32c, headroomBytes = 0): Uint8Array {
  if (!(stretch.offset >= 0 && stretch.offset < stretch.endOffset))
    throw new RangeError(`no batch covers the offsets ${stretch.offset} to, without, ${stretch.endOffset}`)
  const bytes = new Uint8Array(headroomBytes + emptyBatchesBytes(stretch))
  writeEmptyBatches(bytes, headroomBytes, stretch, 0, crc32c)
  return bytes.subarray(headroomBytes)
}
