/**
 * Builds record batches: records go in one by one, a finished batch comes out, as Kafka's producers build
 * it (offset deltas 0 … n-1, base offset 0 and leader epoch -1 for the broker to replace).
 *
 * Records are written straight into the bytes that are sent, behind room for the header; nothing is
 * allocated per record. A batch never exceeds its limit, unless its only record does.
 */

import {
  attributeBits,
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
import type { CompressionCodecs, CompressionName } from './compression.ts'
import { compressionCodes } from './compression.ts'
import type { Crc32c } from './crc32c.ts'
import { RecordError } from './record-error.ts'
import { encodeUtf8Into, utf8Bytes, writeUtf8 } from './utf8.ts'
import { varintBytes, varlongBytes, writeVarint, writeVarlong } from './varint.ts'

export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

/** A key or value. Text becomes UTF-8. Null is "none", which is not the same as empty. */
export type RecordField = Uint8Array | string | null

export interface BatchEncoderOptions {
  readonly crc32c: Crc32c
  /** Largest batch built, its 61 bytes of header included; only a single larger record exceeds it. */
  readonly bytesMax: number
  /** Free bytes to leave in front of the batch, in the same buffer. */
  readonly headroomBytes?: number
  /** Where buffers come from. They need not be zeroed; the batch keeps the buffer. */
  readonly allocate?: (bytes: number) => Uint8Array
  readonly codecs?: CompressionCodecs
}

export interface FinishOptions {
  /** -1, the default: not an idempotent producer. Epoch and base sequence default to -1 as well. */
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  /** Default none. Records that would not get smaller are left as they are. */
  readonly compression?: CompressionName
  /** Default: that of the codec. */
  readonly compressionLevel?: number
  readonly transactional?: boolean
}

const noHeaders: readonly RecordHeader[] = []
const noBytes = new Uint8Array(0)
/** Looked up once: V8 does not keep the way from an array to a method of its second prototype, and walks it for each call. */
const copyInto = Uint8Array.prototype.set

/** The first buffer of an encoder; later ones start as large as the batch before, up to a power of two. */
const BUFFER_BYTES_MIN = 4096
/** The length field of a batch is an int32. */
const BATCH_BYTES_MAX = 0x7fff_ffff
/** The range of Date. */
const TIMESTAMP_MS_MAX = 8.64e15
/** So that value and body have lengths of two varint bytes at most. */
const PLAIN_VALUE_BYTES_MAX = 8000
/** Up to here counting characters in a loop beats a call of the text encoder. */
const SHORT_TEXT_CHARS = 32

export class BatchEncoder {
  readonly #crc32c: Crc32c
  readonly #bytesMax: number
  readonly #headroomBytes: number
  readonly #allocate: (bytes: number) => Uint8Array
  readonly #codecs: CompressionCodecs

  /** Headroom, header, records. Taken with the first record of a batch. */
  #buffer: Uint8Array = noBytes
  /** Where the next record goes; never before the records start. */
  #end: number
  /** How far records may reach before {@link BatchEncoder.#makeRoom} is asked. */
  #roomEnd = 0
  #count = 0
  #baseTimestampMs = 0
  #maxTimestampDelta = 0
  /** Size of a buffer that would have held the batch finished last: the next one is probably alike. */
  #bytesHint = BUFFER_BYTES_MIN

  /** Long texts of the record at hand, already encoded: their size must be known before they are placed. */
  #staged: Uint8Array = noBytes
  #stagedEnd = 0
  /** Up to where the staged texts are in the batch already. */
  #stagedAt = 0

  constructor(options: BatchEncoderOptions) {
    const { bytesMax, headroomBytes = 0 } = options
    if (!Number.isInteger(bytesMax) || bytesMax < BATCH_HEADER_BYTES || bytesMax > BATCH_BYTES_MAX) {
      throw new RangeError(
        `bytesMax is ${bytesMax}, must be an integer from ${BATCH_HEADER_BYTES} to ${BATCH_BYTES_MAX}`,
      )
    }
    if (!Number.isInteger(headroomBytes) || headroomBytes < 0) {
      throw new RangeError(`headroomBytes is ${headroomBytes}, must be an integer of 0 or more`)
    }
    this.#crc32c = options.crc32c
    this.#bytesMax = bytesMax
    this.#headroomBytes = headroomBytes
    this.#allocate = options.allocate ?? ((bytes) => new Uint8Array(bytes))
    this.#codecs = options.codecs ?? {}
    this.#end = headroomBytes + BATCH_HEADER_BYTES
  }

  get recordCount(): number {
    return this.#count
  }

  /** Bytes of the batch so far, its header included, before compression. */
  get byteLength(): number {
    return this.#end - this.#headroomBytes
  }

  /**
   * Adds a record. False: it does not fit any more and nothing changed. The first record of a batch
   * always fits. `timestampMs` is an integer, ms since 1970. Keeps nothing that it is given.
   */
  append(
    timestampMs: number,
    key: RecordField,
    value: RecordField,
    headers: readonly RecordHeader[] = noHeaders,
  ): boolean {
    const count = this.#count
    const timestampDelta = count === 0 ? 0 : timestampMs - this.#baseTimestampMs
    // Near an integer base only an integer gives an int32, so most records need no other check.
    if (count === 0 || timestampDelta !== (timestampDelta | 0)) requireTimestamp(timestampMs, timestampDelta)

    const isPlain = key === null && headers.length === 0 && typeof value === 'object' && value !== null
    if (isPlain && value.length <= PLAIN_VALUE_BYTES_MAX && count < 8192 && timestampDelta >>> 0 < 64)
      return this.#appendPlain(timestampMs, timestampDelta, value)

    this.#stagedEnd = 0
    this.#stagedAt = 0
    const keyBytes = key === null ? -1 : typeof key === 'string' ? this.#measure(key) : key.length
    const valueBytes = value === null ? -1 : typeof value === 'string' ? this.#measure(value) : value.length
    const bodyBytes =
      1 +
      varlongBytes(timestampDelta) +
      varintBytes(count) +
      varintBytes(keyBytes) +
      Math.max(keyBytes, 0) +
      varintBytes(valueBytes) +
      Math.max(valueBytes, 0) +
      (headers.length === 0 ? 1 : headersBytes(headers))
    const recordBytes = varintBytes(bodyBytes) + bodyBytes
    if (this.#end + recordBytes > this.#roomEnd && !this.#makeRoom(recordBytes)) return false

    const buffer = this.#buffer
    let at = writeVarint(buffer, this.#end, bodyBytes)
    buffer[at++] = 0
    at = writeVarlong(buffer, at, timestampDelta)
    at = writeVarint(buffer, at, count)
    at = writeVarint(buffer, at, keyBytes)
    if (keyBytes > 0) this.#write(at, key, keyBytes)
    at += Math.max(keyBytes, 0)
    at = writeVarint(buffer, at, valueBytes)
    if (valueBytes > 0) this.#write(at, value, valueBytes)
    at += Math.max(valueBytes, 0)
    if (headers.length === 0) buffer[at++] = 0
    else at = writeHeaders(buffer, at, headers)

    if (count === 0) this.#baseTimestampMs = timestampMs
    if (timestampDelta > this.#maxTimestampDelta) this.#maxTimestampDelta = timestampDelta
    this.#end = at
    this.#count = count + 1
    return true
  }

  /**
   * The record most batches are full of, in half the time: bytes without key and headers, a moment after the
   * first. Its varints have one byte or two, so nothing is measured; the bytes are those of {@link append}.
   */
  #appendPlain(timestampMs: number, timestampDelta: number, value: Uint8Array): boolean {
    const count = this.#count
    const valueBytes = value.length
    const bodyBytes = 6 + valueBytes + (count < 64 ? 0 : 1) + (valueBytes < 64 ? 0 : 1)
    const recordBytes = bodyBytes + (bodyBytes < 64 ? 1 : 2)
    if (this.#end + recordBytes > this.#roomEnd && !this.#makeRoom(recordBytes)) return false

    const buffer = this.#buffer
    let at = this.#end
    if (bodyBytes < 64) buffer[at++] = bodyBytes << 1
    else {
      buffer[at++] = (bodyBytes << 1) | 0x80
      buffer[at++] = bodyBytes >>> 6
    }
    buffer[at++] = 0
    buffer[at++] = timestampDelta << 1
    if (count < 64) buffer[at++] = count << 1
    else {
      buffer[at++] = (count << 1) | 0x80
      buffer[at++] = count >>> 6
    }
    buffer[at++] = 1
    if (valueBytes < 64) buffer[at++] = valueBytes << 1
    else {
      buffer[at++] = (valueBytes << 1) | 0x80
      buffer[at++] = valueBytes >>> 6
    }
    copyInto.call(buffer, value, at)
    at += valueBytes
    buffer[at++] = 0

    if (count === 0) this.#baseTimestampMs = timestampMs
    if (timestampDelta > this.#maxTimestampDelta) this.#maxTimestampDelta = timestampDelta
    this.#end = at
    this.#count = count + 1
    return true
  }

  /**
   * Completes the batch and hands out its bytes, with `headroomBytes` free bytes before them in the same
   * buffer. The encoder is then empty. Throws when there is no record, or no codec for the compression:
   * the records are then still there.
   */
  finish(options: FinishOptions = {}): Uint8Array {
    if (this.#count === 0) throw new Error('finish() of an empty batch: append a record first')
    const { producerId = -1, producerEpoch = -1, baseSequence = -1, transactional = false } = options
    this.#bytesHint = Math.max(BUFFER_BYTES_MIN, 2 ** Math.ceil(Math.log2(this.byteLength)))
    const compression = this.#compress(options.compression ?? 'none', options.compressionLevel)
    const start = this.#headroomBytes
    const buffer = this.#buffer

    stampBatch(buffer, start, 0, -1)
    setBatchBytes(buffer, start, this.#end - start)
    setMagic(buffer, start)
    setAttributes(
      buffer,
      start,
      compressionCodes[compression] | (transactional ? attributeBits.transactional : 0),
    )
    setLastOffsetDelta(buffer, start, this.#count - 1)
    setBaseTimestamp(buffer, start, this.#baseTimestampMs)
    setMaxTimestamp(buffer, start, this.#baseTimestampMs + this.#maxTimestampDelta)
    setProducer(buffer, start, producerId, producerEpoch, baseSequence)
    setRecordCount(buffer, start, this.#count)
    setCrc(buffer, start, this.#crc32c(buffer.subarray(start + CRC_FROM, this.#end)))

    const batch = buffer.subarray(start, this.#end)
    this.#buffer = noBytes
    this.#roomEnd = 0
    this.#end = start + BATCH_HEADER_BYTES
    this.#count = 0
    this.#maxTimestampDelta = 0
    // One huge text must not be paid for as long as the encoder lives.
    if (this.#staged.length > this.#bytesMax) this.#staged = noBytes
    return batch
  }

  /** Puts compressed records in place of the plain ones if that makes the batch smaller; says what they are now. */
  #compress(compression: CompressionName, level: number | undefined): CompressionName {
    if (compression === 'none') return 'none'
    const codec = this.#codecs[compression]
    if (codec === undefined) {
      throw new RecordError('compression', `the encoder was given no codec for ${compression}`)
    }
    const recordsAt = this.#headroomBytes + BATCH_HEADER_BYTES
    const compressed = codec.compress(this.#buffer.subarray(recordsAt, this.#end), level)
    if (compressed.length >= this.#end - recordsAt) return 'none'
    this.#buffer.set(compressed, recordsAt)
    this.#end = recordsAt + compressed.length
    return compression
  }

  /**
   * Makes room for a record behind the others; false when the batch would pass its limit. The buffer
   * doubles, so that small batches stay small and all copies together cost no more than one; from the
   * second batch on its first size is mostly right.
   */
  #makeRoom(recordBytes: number): boolean {
    const batchBytes = this.byteLength + recordBytes
    if (batchBytes > this.#bytesMax && this.#count > 0) return false
    if (batchBytes > BATCH_BYTES_MAX) {
      throw new RecordError(
        'too-large',
        `a record batch of ${batchBytes} bytes is beyond the ${BATCH_BYTES_MAX} that its length field can say`,
      )
    }
    const grownBytes = Math.max(this.#bytesHint, 2 * (this.#roomEnd - this.#headroomBytes))
    const roomBytes = Math.max(batchBytes, Math.min(grownBytes, this.#bytesMax))
    const buffer = this.#allocate(this.#headroomBytes + roomBytes)
    if (this.#count > 0) buffer.set(this.#buffer.subarray(0, this.#end))
    this.#buffer = buffer
    this.#roomEnd = this.#headroomBytes + roomBytes
    return true
  }

  /** Bytes of a text. Short text is counted now and encoded later; long text is staged, to go through it once. */
  #measure(text: string): number {
    if (text.length <= SHORT_TEXT_CHARS) return utf8Bytes(text)
    const needed = this.#stagedEnd + 3 * text.length
    if (needed > this.#staged.length) {
      const staged = new Uint8Array(Math.max(needed, 2 * this.#staged.length))
      staged.set(this.#staged.subarray(0, this.#stagedEnd))
      this.#staged = staged
    }
    const textBytes = encodeUtf8Into(this.#staged, this.#stagedEnd, text)
    this.#stagedEnd += textBytes
    return textBytes
  }

  /** Writes the bytes of a key or value: texts in the order they were measured. */
  #write(at: number, field: RecordField, fieldBytes: number): void {
    if (field === null) return
    if (typeof field !== 'string') {
      this.#buffer.set(field, at)
    } else if (field.length <= SHORT_TEXT_CHARS) {
      writeUtf8(this.#buffer, at, field, fieldBytes)
    } else {
      const stagedAt = this.#stagedAt
      this.#stagedAt += fieldBytes
      this.#buffer.set(this.#staged.subarray(stagedAt, this.#stagedAt), at)
    }
  }
}

function requireTimestamp(timestampMs: number, timestampDelta: number): void {
  if (!Number.isInteger(timestampMs) || Math.abs(timestampMs) > TIMESTAMP_MS_MAX) {
    throw new RangeError(
      `timestampMs is ${timestampMs}, must be an integer of milliseconds since 1970 within ±${TIMESTAMP_MS_MAX}`,
    )
  }
  if (!Number.isSafeInteger(timestampDelta)) {
    throw new RangeError(
      `timestampMs is ${timestampMs}, too far from the first of the batch to be told apart from it`,
    )
  }
}

function headersBytes(headers: readonly RecordHeader[]): number {
  let bytes = varintBytes(headers.length)
  for (const { key, value } of headers) {
    const keyBytes = utf8Bytes(key)
    bytes += varintBytes(keyBytes) + keyBytes
    bytes += value === null ? varintBytes(-1) : varintBytes(value.length) + value.length
  }
  return bytes
}

function writeHeaders(buffer: Uint8Array, at: number, headers: readonly RecordHeader[]): number {
  at = writeVarint(buffer, at, headers.length)
  for (const { key, value } of headers) {
    const keyBytes = utf8Bytes(key)
    at = writeVarint(buffer, at, keyBytes)
    at = writeUtf8(buffer, at, key, keyBytes)
    at = writeVarint(buffer, at, value === null ? -1 : value.length)
    if (value !== null) {
      buffer.set(value, at)
      at += value.length
    }
  }
  return at
}
