/**
 * The 61 bytes in front of every record batch, read and written in place: each function takes the bytes
 * and the position where a batch starts. Nothing is checked and nothing is allocated; whoever reads a
 * header from outside checks it first (`validate.ts`).
 *
 *     at  bytes  field                 at  bytes  field
 *      0      8  base offset           27      8  base timestamp, ms
 *      8      4  batch length (from    35      8  max timestamp, ms
 *                byte 12 on)           43      8  producer id, -1: none
 *     12      4  leader epoch          51      2  producer epoch
 *     16      1  magic = 2             53      4  base sequence
 *     17      4  CRC-32C (from         57      4  record count
 *                byte 21 on)           61      …  records
 *     21      2  attributes
 *     23      4  last offset delta
 *
 * All big-endian and signed, except the CRC. Base offset and leader epoch are the leader's to assign:
 * they lie outside the CRC, so that stamping them does not touch it.
 *
 * 64-bit fields are JavaScript numbers: exact within ±(2^53 - 1), rounded beyond. A rounded one never
 * comes back as a safe integer, so `Number.isSafeInteger` tells them apart.
 */

export const BATCH_HEADER_BYTES = 61
export const MAGIC = 2

/** The length field counts from behind itself: base offset (8) and length (4) come before. */
export const LENGTH_OVERHEAD_BYTES = 12
/** Position of the magic byte, the same in every version of the format. */
export const MAGIC_AT = 16
/** First byte that the CRC covers. */
export const CRC_FROM = 21

/** Attribute bits. 0-2 hold the compression code; 6 (delete horizon) and up are not used here. */
export const attributeBits = {
  compression: 0b000111,
  logAppendTime: 0b001000,
  transactional: 0b010000,
  control: 0b100000,
} as const

/** Bytes of the whole batch, as its length field has it. */
export function batchBytesAt(bytes: Uint8Array, at: number): number {
  return LENGTH_OVERHEAD_BYTES + int32At(bytes, at + 8)
}

export function setBatchBytes(bytes: Uint8Array, at: number, batchBytes: number): void {
  setInt32(bytes, at + 8, batchBytes - LENGTH_OVERHEAD_BYTES)
}

/**
 * End of the batch at `at`, for stepping through consecutive batches; -1 when it is too short to be one
 * or does not lie whole in `[at, end)`. Looks at the size alone.
 */
export function nextBatchEnd(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < BATCH_HEADER_BYTES) return -1
  const batchBytes = batchBytesAt(bytes, at)
  return batchBytes < BATCH_HEADER_BYTES || batchBytes > end - at ? -1 : at + batchBytes
}

export function baseOffsetAt(bytes: Uint8Array, at: number): number {
  return int64At(bytes, at)
}

export function setBaseOffset(bytes: Uint8Array, at: number, baseOffset: number): void {
  setInt64(bytes, at, baseOffset)
}

export function leaderEpochAt(bytes: Uint8Array, at: number): number {
  return int32At(bytes, at + 12)
}

export function setLeaderEpoch(bytes: Uint8Array, at: number, leaderEpoch: number): void {
  setInt32(bytes, at + 12, leaderEpoch)
}

/** Assigns what the leader assigns. The CRC stays valid. */
export function stampBatch(bytes: Uint8Array, at: number, baseOffset: number, leaderEpoch: number): void {
  setBaseOffset(bytes, at, baseOffset)
  setLeaderEpoch(bytes, at, leaderEpoch)
}

export function magicAt(bytes: Uint8Array, at: number): number {
  return (bytes[at + MAGIC_AT] << 24) >> 24
}

export function setMagic(bytes: Uint8Array, at: number): void {
  bytes[at + MAGIC_AT] = MAGIC
}

/** The stored checksum, unsigned. */
export function crcAt(bytes: Uint8Array, at: number): number {
  return int32At(bytes, at + 17) >>> 0
}

export function setCrc(bytes: Uint8Array, at: number, crc: number): void {
  setInt32(bytes, at + 17, crc)
}

export function attributesAt(bytes: Uint8Array, at: number): number {
  return int16At(bytes, at + 21)
}

export function setAttributes(bytes: Uint8Array, at: number, attributes: number): void {
  setInt16(bytes, at + 21, attributes)
}

/** The number of the codec, 0 to 7: see `compressionCodes`. */
export function compressionAt(bytes: Uint8Array, at: number): number {
  return attributesAt(bytes, at) & attributeBits.compression
}

/** Whether record times are the producer's (`create`) or all of them the batch's max timestamp (`append`). */
export function timestampTypeAt(bytes: Uint8Array, at: number): 'create' | 'append' {
  return (attributesAt(bytes, at) & attributeBits.logAppendTime) === 0 ? 'create' : 'append'
}

export function isTransactionalAt(bytes: Uint8Array, at: number): boolean {
  return (attributesAt(bytes, at) & attributeBits.transactional) !== 0
}

/** A control batch holds markers of transactions, never user data. */
export function isControlAt(bytes: Uint8Array, at: number): boolean {
  return (attributesAt(bytes, at) & attributeBits.control) !== 0
}

export function lastOffsetDeltaAt(bytes: Uint8Array, at: number): number {
  return int32At(bytes, at + 23)
}

export function setLastOffsetDelta(bytes: Uint8Array, at: number, lastOffsetDelta: number): void {
  setInt32(bytes, at + 23, lastOffsetDelta)
}

/** Offset of the last record the batch was built with (it may have been removed since). */
export function lastOffsetAt(bytes: Uint8Array, at: number): number {
  return baseOffsetAt(bytes, at) + lastOffsetDeltaAt(bytes, at)
}

export function baseTimestampAt(bytes: Uint8Array, at: number): number {
  return int64At(bytes, at + 27)
}

export function setBaseTimestamp(bytes: Uint8Array, at: number, timestampMs: number): void {
  setInt64(bytes, at + 27, timestampMs)
}

export function maxTimestampAt(bytes: Uint8Array, at: number): number {
  return int64At(bytes, at + 35)
}

export function setMaxTimestamp(bytes: Uint8Array, at: number, timestampMs: number): void {
  setInt64(bytes, at + 35, timestampMs)
}

/** -1 when the producer is not idempotent; then epoch and sequence mean nothing. */
export function producerIdAt(bytes: Uint8Array, at: number): number {
  return int64At(bytes, at + 43)
}

export function producerEpochAt(bytes: Uint8Array, at: number): number {
  return int16At(bytes, at + 51)
}

/** Sequence number of the first record. */
export function baseSequenceAt(bytes: Uint8Array, at: number): number {
  return int32At(bytes, at + 53)
}

export function setProducer(
  bytes: Uint8Array,
  at: number,
  producerId: number,
  producerEpoch: number,
  baseSequence: number,
): void {
  setInt64(bytes, at + 43, producerId)
  setInt16(bytes, at + 51, producerEpoch)
  setInt32(bytes, at + 53, baseSequence)
}

export function recordCountAt(bytes: Uint8Array, at: number): number {
  return int32At(bytes, at + 57)
}

export function setRecordCount(bytes: Uint8Array, at: number, count: number): void {
  setInt32(bytes, at + 57, count)
}

function int16At(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) >> 16) | bytes[at + 1]
}

function setInt16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

function int32At(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]
}

function setInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

function int64At(bytes: Uint8Array, at: number): number {
  return int32At(bytes, at) * 0x1_0000_0000 + (int32At(bytes, at + 4) >>> 0)
}

/** Exact for safe integers, negative ones too: floor gives the high half, `>>> 0` the low one, modulo 2^32. */
function setInt64(bytes: Uint8Array, at: number, value: number): void {
  setInt32(bytes, at, Math.floor(value / 0x1_0000_0000))
  setInt32(bytes, at + 4, value >>> 0)
}
