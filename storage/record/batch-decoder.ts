/**
 * From the bytes of a stored or fetched batch to lazy records. It never reads outside the batch, never
 * takes more memory than it is told, and throws {@link RecordError} on damage instead of giving part of
 * a batch. It checks what decoding relies on; the full check is `validate.ts`.
 */

import {
  BATCH_HEADER_BYTES,
  baseOffsetAt,
  baseTimestampAt,
  batchBytesAt,
  compressionAt,
  isControlAt,
  lastOffsetDeltaAt,
  maxTimestampAt,
  recordCountAt,
  timestampTypeAt,
} from './batch-header.ts'
import type { CompressionCodecs, CompressionError } from './compression.ts'
import { compressionCodes, compressionName } from './compression.ts'
import type { Crc32c } from './crc32c.ts'
import type { ConsumedRecord, RecordedBatch, RecordSource } from './record.ts'
import type { BatchProblem } from './record-error.ts'
import { RecordError } from './record-error.ts'
import type { RecordSink } from './record-walk.ts'
import { RecordWalk } from './record-walk.ts'
import { checkCount, checkCrc, checkFrame } from './validate.ts'

export interface DecodeOptions {
  /** Records below this offset are left out: a batch may start before the offset asked for. */
  readonly fromOffset?: number
  /** Codecs for compressed batches; a batch that needs another one is refused. */
  readonly codecs?: CompressionCodecs
  /** When given, the checksum is checked. */
  readonly crc32c?: Crc32c
  /** What the records of one compressed batch may take when unpacked. Default 64 MiB. */
  readonly decompressedBytesMax?: number
}

const DECOMPRESSED_BYTES_MAX = 64 * 1024 * 1024

/**
 * Decodes the batch at a position and appends its records to `into`, which it returns. Control batches
 * give none. Records are valid as long as the bytes are; those of a compressed batch have bytes of their own.
 * Throws {@link RecordError}; `into` is then as it was.
 */
export function decodeBatch(
  bytes: Uint8Array,
  at: number,
  source: RecordSource,
  options: DecodeOptions = {},
  into: ConsumedRecord[] = [],
): ConsumedRecord[] {
  const problem =
    checkFrame(bytes, at, bytes.length) ??
    (options.crc32c === undefined ? undefined : checkCrc(bytes, at, options.crc32c))
  if (problem !== undefined) throw damage(bytes, at, source, problem)
  if (isControlAt(bytes, at)) return into

  const baseOffset = baseOffsetAt(bytes, at)
  const isAppendTime = timestampTypeAt(bytes, at) === 'append'
  const unpacked = compressionAt(bytes, at) === compressionCodes.none
  const section = unpacked ? bytes : decompress(bytes, at, source, options)
  const batch: RecordedBatch = {
    bytes: section,
    buffer: section.buffer,
    byteOffset: section.byteOffset,
    source,
    baseOffset,
    timestampMs: isAppendTime ? maxTimestampAt(bytes, at) : baseTimestampAt(bytes, at),
    isAppendTime,
  }
  const start = unpacked ? at + BATCH_HEADER_BYTES : 0
  const end = unpacked ? at + batchBytesAt(bytes, at) : section.length
  const fromOffsetDelta = Math.max(0, (options.fromOffset ?? 0) - baseOffset)
  const found = decodeRecords(
    batch,
    start,
    end,
    recordCountAt(bytes, at),
    lastOffsetDeltaAt(bytes, at),
    fromOffsetDelta,
    into,
  )
  if (found !== undefined) throw damage(bytes, at, source, found)
  return into
}

function decodeRecords(
  batch: RecordedBatch,
  start: number,
  end: number,
  count: number,
  offsetDeltaMax: number,
  fromOffsetDelta: number,
  into: ConsumedRecord[],
): BatchProblem | undefined {
  const implausible = checkCount(count, end - start)
  if (implausible !== undefined) return implausible
  const first = into.length
  // Room for all at once: growing the array record by record costs a third of the decoding rate.
  into.length = first + count
  const sink: RecordSink = { batch, fromOffsetDelta, into, filled: first }
  const problem = new RecordWalk().walk(batch.bytes, start, end, count, offsetDeltaMax, sink)
  into.length = problem === undefined ? sink.filled : first
  return problem
}

function decompress(bytes: Uint8Array, at: number, source: RecordSource, options: DecodeOptions): Uint8Array {
  const code = compressionAt(bytes, at)
  const name = compressionName(code)
  const codec = name === undefined ? undefined : options.codecs?.[name]
  if (codec === undefined) {
    throw damage(bytes, at, source, {
      reason: 'compression',
      sentence: `its compression is ${name ?? `number ${code}, which means nothing`}, for which no codec is at hand`,
    })
  }
  const bytesMax = options.decompressedBytesMax ?? DECOMPRESSED_BYTES_MAX
  const packed = bytes.subarray(at + BATCH_HEADER_BYTES, at + batchBytesAt(bytes, at))
  let section: Uint8Array
  try {
    section = codec.decompress(packed, bytesMax)
  } catch (cause) {
    const { reason, message } = cause as CompressionError
    const problem = {
      reason: reason === 'too-large' ? reason : ('compression' as const),
      sentence: `its ${packed.length} packed bytes cannot be unpacked: ${message}`,
    }
    throw damage(bytes, at, source, problem, { cause })
  }
  return section
}

function damage(
  bytes: Uint8Array,
  at: number,
  source: RecordSource,
  problem: BatchProblem,
  options?: { cause: unknown },
): RecordError {
  const offset = at + 8 <= bytes.length ? ` at offset ${baseOffsetAt(bytes, at)}` : ''
  return new RecordError(
    problem.reason,
    `${source.topic}, partition ${source.partition}: cannot decode the batch${offset}: ${problem.sentence}`,
    options,
  )
}
