/**
 * Goes through the uncompressed records of one batch and says where the parts of each lie, in fields of one object: nothing
 * is allocated for a record. It trusts what it reads: only for records whose structure was checked before
 * (`record-walk.ts`).
 */
import { baseTimestampAt, maxTimestampAt, timestampTypeAt } from './batch-header.ts'
import { VarintReader, varintAt, varintEndAt } from './varint.ts'

const noBytes = new Uint8Array(0)

export class RecordCursor {
  bytes: Uint8Array = noBytes
  /** Both -1: the key is null. */
  keyStart = -1
  keyEnd = -1
  /** Both -1: the value is null. */
  valueStart = -1
  valueEnd = -1
  /** Where the first header begins, behind their count. */
  headersStart = 0
  headerCount = 0
  /** Ms since 1970; of all records the batch's max timestamp where the broker gave the time. */
  timestampMs = 0

  readonly #varints = new VarintReader()
  #at = 0
  #baseTimestampMs = 0
  #isAppendTime = false

  /** To the records at `at` of `section`, whose batch has its header at `headerAt` of `header`. */
  open(section: Uint8Array, at: number, header: Uint8Array, headerAt: number): void {
    this.bytes = section
    this.#at = at
    this.#isAppendTime = timestampTypeAt(header, headerAt) === 'append'
    this.#baseTimestampMs = this.#isAppendTime
      ? maxTimestampAt(header, headerAt)
      : baseTimestampAt(header, headerAt)
  }

  /** Reads the next record, which must be there; the position behind it. */
  next(): number {
    const { bytes } = this
    let at = this.#at
    let length = bytes[at]
    if (length < 0x80) {
      length = length >>> 1
      at++
    } else {
      length = varintAt(bytes, at)
      at = varintEndAt(bytes, at)
    }
    const end = at + length
    // Behind the attributes.
    at++

    let delta = bytes[at]
    if (delta < 0x80) {
      delta = (delta >>> 1) ^ -(delta & 1)
      at++
    } else {
      delta = this.#varints.readVarlong(bytes, at, end)
      at = this.#varints.next
    }
    this.timestampMs = this.#isAppendTime ? this.#baseTimestampMs : this.#baseTimestampMs + delta

    // The offset delta.
    while (bytes[at] >= 0x80) at++
    at++

    const keyBytes = varintAt(bytes, at)
    at = varintEndAt(bytes, at)
    if (keyBytes < 0) this.keyStart = this.keyEnd = -1
    else {
      this.keyStart = at
      at += keyBytes
      this.keyEnd = at
    }

    const valueBytes = varintAt(bytes, at)
    at = varintEndAt(bytes, at)
    if (valueBytes < 0) this.valueStart = this.valueEnd = -1
    else {
      this.valueStart = at
      at += valueBytes
      this.valueEnd = at
    }

    this.headerCount = varintAt(bytes, at)
    this.headersStart = varintEndAt(bytes, at)
    this.#at = end
    return end
  }
}

/** Offset delta of the record at `at`. */
export function offsetDeltaAt(section: Uint8Array, at: number): number {
  // Behind length, attributes and timestamp delta.
  const timestampAt = varintEndAt(section, at) + 1
  return varintAt(section, varintEndAt(section, timestampAt))
}
