/**
 * Looks into compressed batches and packs batches anew: what a broker does with each record when a topic has a codec of
 * its own, and with those of readers who cannot unpack.
 *
 * Promises: a batch that was rebuilt has the same records, byte for byte, and keeps base offset, leader epoch, offset deltas,
 * times, producer id, epoch and sequence; only compression, size, checksum and, when asked for, append time are new. Nothing is
 * unpacked beyond the limit, no count is believed before it fits the bytes, any bytes give a value or a named problem, and
 * nothing is allocated for a record.
 *
 * Records that would not get smaller are left uncompressed: the batch is then no larger on the disk, and nobody
 * has to unpack it.
 */
import {
  attributeBits,
  attributesAt,
  BATCH_HEADER_BYTES,
  batchBytesAt,
  CRC_FROM,
  compressionAt,
  setAttributes,
  setBatchBytes,
  setCrc,
  setMaxTimestamp,
} from './batch-header.ts'
import type { CompressionCodecs, CompressionName } from './compression.ts'
import { CompressionError, compressionCodes, compressionName } from './compression.ts'
import type { Crc32c } from './crc32c.ts'
import type { BatchProblem } from './record-error.ts'
import { type BatchLimits, checkRecordSection } from './validate.ts'

export interface RecordTools {
  readonly crc32c: Crc32c
  readonly codecs: CompressionCodecs
}

export interface UnpackLimits {
  /** What the records of one batch may take unpacked. */
  readonly decompressedBytesMax: number
}

export interface RebuildOptions extends BatchLimits, UnpackLimits {
  readonly compression: CompressionName
  /** Of the codec; undefined: its default. */
  readonly level?: number | undefined
}

/**
 * What lies inside a compressed batch of a producer, against its header. Its outside was checked before
 * (`checkProducedBatch`); of an uncompressed batch nothing is left to check.
 */
export function checkPackedBatch(
  bytes: Uint8Array,
  at: number,
  codecs: CompressionCodecs,
  limits: BatchLimits & UnpackLimits,
): BatchProblem | undefined {
  if (compressionAt(bytes, at) === compressionCodes.none) return undefined
  const section = unpackRecords(bytes, at, codecs, limits.decompressedBytesMax)
  if (!(section instanceof Uint8Array)) return section
  return checkRecordSection(bytes, at, section, 0, section.length, limits)
}

/**
 * The batch of a producer in another compression, its inside checked; its outside was checked before. What has that
 * compression already is handed back as it is, whatever its level. The result lies where the batch was if it is not larger,
 * and overwrites it; else it has a buffer of its own.
 */
export function rebuildBatch(
  bytes: Uint8Array,
  at: number,
  tools: RecordTools,
  options: RebuildOptions,
): Uint8Array | BatchProblem {
  const { compression } = options
  const end = at + batchBytesAt(bytes, at)
  const code = compressionAt(bytes, at)
  if (code === compressionCodes[compression])
    return checkPackedBatch(bytes, at, tools.codecs, options) ?? bytes.subarray(at, end)

  let section = bytes.subarray(at + BATCH_HEADER_BYTES, end)
  if (code !== compressionCodes.none) {
    const room = options.bytesMax - BATCH_HEADER_BYTES
    // What would be too large as it is stored need not be unpacked to its end.
    const unpackedMax =
      compression === 'none' ? Math.min(room, options.decompressedBytesMax) : options.decompressedBytesMax
    const unpacked = unpackRecords(bytes, at, tools.codecs, unpackedMax)
    if (!(unpacked instanceof Uint8Array)) return unpacked
    const problem = checkRecordSection(bytes, at, unpacked, 0, unpacked.length, options)
    if (problem !== undefined) return problem
    section = unpacked
  }
  const rebuilt = packBatch(bytes, at, section, compression, options.level, tools, bytes.subarray(at, end))
  return rebuilt instanceof Uint8Array && rebuilt.length > options.bytesMax
    ? {
        reason: 'too-large',
        sentence: `the batch takes ${rebuilt.length} bytes in the compression of its topic, ${compression}; at most ${options.bytesMax} are taken`,
      }
    : rebuilt
}

/** The stored batch, uncompressed, for readers who cannot unpack it; it is what `checkStoredBatch` takes. */
export function unpackBatch(
  bytes: Uint8Array,
  at: number,
  tools: RecordTools,
  { decompressedBytesMax }: UnpackLimits,
): Uint8Array | BatchProblem {
  const end = at + batchBytesAt(bytes, at)
  if (compressionAt(bytes, at) === compressionCodes.none) return bytes.subarray(at, end)
  const section = unpackRecords(bytes, at, tools.codecs, decompressedBytesMax)
  return section instanceof Uint8Array
    ? withSection(bytes, at, section, compressionCodes.none, tools.crc32c)
    : section
}

/**
 * Gives the batch the time of its arrival, in place: its attribute bit, its max timestamp, its checksum. The records stay
 * as they are, since readers take the max timestamp for all of them.
 */
export function stampAppendTime(bytes: Uint8Array, at: number, timeMs: number, crc32c: Crc32c): void {
  setAttributes(bytes, at, attributesAt(bytes, at) | attributeBits.logAppendTime)
  setMaxTimestamp(bytes, at, timeMs)
  renewCrc(bytes, at, crc32c)
}

/** The unpacked records of a compressed batch; may be the memory of a codec. */
export function unpackRecords(
  bytes: Uint8Array,
  at: number,
  codecs: CompressionCodecs,
  bytesMax: number,
): Uint8Array | BatchProblem {
  const code = compressionAt(bytes, at)
  const name = compressionName(code)
  const codec = name === undefined ? undefined : codecs[name]
  if (codec === undefined)
    return {
      reason: 'compression',
      sentence: `its compression is ${name ?? `number ${code}, which means nothing`}, for which no codec is at hand`,
    }
  const packed = bytes.subarray(at + BATCH_HEADER_BYTES, at + batchBytesAt(bytes, at))
  try {
    return codec.decompress(packed, bytesMax)
  } catch (error) {
    return problemOf(error, 'its records cannot be unpacked')
  }
}

/** What a codec refuses is what the batch is refused for; any other error goes on up. */
function problemOf(error: unknown, what: string): BatchProblem {
  if (!(error instanceof CompressionError)) throw error
  const reason = error.reason === 'too-large' ? 'too-large' : 'compression'
  return { reason, sentence: `${what}: ${error.message}` }
}

/**
 * A batch with the header of the one at `at` and the given records, compressed if that makes it smaller; in `room` if
 * that is given and large enough.
 */
export function packBatch(
  bytes: Uint8Array,
  at: number,
  section: Uint8Array,
  compression: CompressionName,
  level: number | undefined,
  { codecs, crc32c }: RecordTools,
  room?: Uint8Array,
): Uint8Array | BatchProblem {
  if (compression === 'none') return withSection(bytes, at, section, compressionCodes.none, crc32c, room)
  const codec = codecs[compression]
  if (codec === undefined)
    return { reason: 'compression', sentence: `no codec for ${compression} is at hand` }
  let packed: Uint8Array
  try {
    packed = codec.compress(section, level)
  } catch (error) {
    return problemOf(error, 'its records cannot be packed')
  }
  return packed.length < section.length
    ? withSection(bytes, at, packed, compressionCodes[compression], crc32c, room)
    : withSection(bytes, at, section, compressionCodes.none, crc32c, room)
}

function withSection(
  bytes: Uint8Array,
  at: number,
  section: Uint8Array,
  compressionCode: number,
  crc32c: Crc32c,
  room?: Uint8Array,
): Uint8Array {
  const batchBytes = BATCH_HEADER_BYTES + section.length
  const batch =
    room !== undefined && room.length >= batchBytes
      ? room.subarray(0, batchBytes)
      : new Uint8Array(batchBytes)
  batch.set(bytes.subarray(at, at + BATCH_HEADER_BYTES))
  batch.set(section, BATCH_HEADER_BYTES)
  setBatchBytes(batch, 0, batch.length)
  setAttributes(batch, 0, (attributesAt(batch, 0) & ~attributeBits.compression) | compressionCode)
  renewCrc(batch, 0, crc32c)
  return batch
}

function renewCrc(bytes: Uint8Array, at: number, crc32c: Crc32c): void {
  setCrc(bytes, at, crc32c(bytes.subarray(at + CRC_FROM, at + batchBytesAt(bytes, at))))
}
