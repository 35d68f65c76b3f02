/**
 * A record as a consumer sees it: lazy. It knows where its key, value and headers lie and makes views,
 * text or objects of them only when asked, because a view costs more than finding the record does.
 *
 * It keeps the bytes of its batch alive and must not outlive a buffer that is used again: whoever
 * decodes from a buffer that is recycled says so to those who get the records.
 */

import type { RecordHeader } from './batch-encoder.ts'
import { readUtf8 } from './utf8.ts'
import { varintAt, varintEndAt } from './varint.ts'

/** Where a record came from. One object for all the records of a partition. */
export interface RecordSource {
  readonly topic: string
  readonly partition: number
}

/** What the records of one decoded batch share. */
export interface RecordedBatch {
  /** The uncompressed records lie in here. */
  readonly bytes: Uint8Array
  /** The same bytes once more: asking an array for its buffer costs as much as making a view. */
  readonly buffer: ArrayBufferLike
  readonly byteOffset: number
  readonly source: RecordSource
  readonly baseOffset: number
  /** Base of the records' timestamp deltas, or the time of all of them when {@link isAppendTime}. */
  readonly timestampMs: number
  readonly isAppendTime: boolean
}

export class ConsumedRecord {
  /**
   * Range of the value in {@link bytes}; both are -1 when the value is null. For readers that want no
   * view: `for (let at = record.valueStart; at < record.valueEnd; at++) … record.bytes[at]`.
   */
  readonly valueStart: number
  readonly valueEnd: number

  readonly #batch: RecordedBatch
  readonly #offsetDelta: number
  readonly #timestampDelta: number
  /** Position of the key's length. */
  readonly #keyAt: number

  /** For the decoder, which has checked the structure that the accessors below rely on. */
  constructor(
    batch: RecordedBatch,
    offsetDelta: number,
    timestampDelta: number,
    keyAt: number,
    valueStart: number,
    valueEnd: number,
  ) {
    this.#batch = batch
    this.#offsetDelta = offsetDelta
    this.#timestampDelta = timestampDelta
    this.#keyAt = keyAt
    this.valueStart = valueStart
    this.valueEnd = valueEnd
  }

  get source(): RecordSource {
    return this.#batch.source
  }

  get topic(): string {
    return this.#batch.source.topic
  }

  get partition(): number {
    return this.#batch.source.partition
  }

  get offset(): number {
    return this.#batch.baseOffset + this.#offsetDelta
  }

  /** Milliseconds since 1970: the producer's, or the broker's where the topic takes append time. */
  get timestampMs(): number {
    const batch = this.#batch
    return batch.isAppendTime ? batch.timestampMs : batch.timestampMs + this.#timestampDelta
  }

  /** The bytes that {@link valueStart} and {@link valueEnd} are positions in: a batch's, not only this record's. */
  get bytes(): Uint8Array {
    return this.#batch.bytes
  }

  /** The key as a view, made anew on each access; null when the record has none. */
  get key(): Uint8Array | null {
    const batch = this.#batch
    const keyBytes = varintAt(batch.bytes, this.#keyAt)
    return keyBytes < 0 ? null : view(batch, varintEndAt(batch.bytes, this.#keyAt), keyBytes)
  }

  /** The value as a view, made anew on each access; null when the record has none (a tombstone). */
  get value(): Uint8Array | null {
    const start = this.valueStart
    return start < 0 ? null : view(this.#batch, start, this.valueEnd - start)
  }

  /** Bytes of the value; 0 when it is null. */
  get valueLength(): number {
    return this.valueEnd - this.valueStart
  }

  /** The value as text (UTF-8; bytes that are none become U+FFFD); null when the value is null. */
  text(): string | null {
    const value = this.value
    return value === null ? null : readUtf8(value)
  }

  /** The key as text, as {@link text}. */
  keyText(): string | null {
    const key = this.key
    return key === null ? null : readUtf8(key)
  }

  /** The value parsed as JSON; null when the value is null. Throws SyntaxError naming the record. */
  json(): unknown {
    const text = this.text()
    if (text === null) return null
    try {
      return JSON.parse(text)
    } catch (cause) {
      throw new SyntaxError(
        `the value at offset ${this.offset} of ${this.topic}, partition ${this.partition}, is not JSON`,
        { cause },
      )
    }
  }

  /** The headers in the order they were written, decoded on each access. A key may appear more than once. */
  get headers(): readonly RecordHeader[] {
    const batch = this.#batch
    const { bytes } = batch
    let at = this.#headersAt()
    const count = varintAt(bytes, at)
    at = varintEndAt(bytes, at)
    const headers: RecordHeader[] = []
    for (let index = 0; index < count; index++) {
      const keyBytes = varintAt(bytes, at)
      at = varintEndAt(bytes, at)
      const key = readUtf8(view(batch, at, keyBytes))
      at += keyBytes
      const valueBytes = varintAt(bytes, at)
      at = varintEndAt(bytes, at)
      headers.push({ key, value: valueBytes < 0 ? null : view(batch, at, valueBytes) })
      if (valueBytes > 0) at += valueBytes
    }
    return headers
  }

  /** The header count follows the value; where that is null, it follows the key and the value's length. */
  #headersAt(): number {
    if (this.valueStart >= 0) return this.valueEnd
    const bytes = this.#batch.bytes
    const keyBytes = varintAt(bytes, this.#keyAt)
    const valueAt = varintEndAt(bytes, this.#keyAt) + Math.max(keyBytes, 0)
    return varintEndAt(bytes, valueAt)
  }
}

/** Cheaper than `subarray`, and always a plain Uint8Array, also of a Node Buffer. */
function view(batch: RecordedBatch, start: number, length: number): Uint8Array {
  return new Uint8Array(batch.buffer, batch.byteOffset + start, length)
}
