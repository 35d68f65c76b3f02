/**
 * Walks the uncompressed records of one batch, checks their structure and, when asked, makes a lazy record
 * of each. The one place that knows how records are read; validator and decoder both go through it.
 *
 *     length            varint    bytes of the record behind this field
 *     attributes        int8      0, no bit has a meaning
 *     timestamp delta   varlong   to the batch's base timestamp
 *     offset delta      varint    to the batch's base offset
 *     key length        varint    -1: null
 *     key               bytes
 *     value length      varint    -1: null
 *     value             bytes
 *     header count      varint
 *     headers           each: key length (varint, ≥ 0), key (UTF-8), value length (varint, -1: null), value
 *
 * It promises to read nothing outside the range it is given and to throw nothing on any bytes; its time
 * is bounded by the bytes, whatever count they claim.
 */

import type { RecordedBatch } from './record.ts'
import { ConsumedRecord } from './record.ts'
import type { BatchProblem, RecordErrorReason } from './record-error.ts'
import { VarintReader } from './varint.ts'

/** The smallest record: a length and six one-byte fields. */
export const RECORD_BYTES_MIN = 7

/** Where the lazy records of a walk go. */
export interface RecordSink {
  readonly batch: RecordedBatch
  /** Records with a smaller offset delta are checked, not kept. */
  readonly fromOffsetDelta: number
  /** Long enough for every record of the batch from `filled` on. */
  readonly into: (ConsumedRecord | undefined)[]
  /** Position in `into` of the next record. */
  filled: number
}

export class RecordWalk {
  /** Of the records walked: the range of their deltas, Infinity to -Infinity when there were none. */
  minTimestampDelta = Infinity
  maxTimestampDelta = -Infinity

  readonly #varints = new VarintReader()

  /**
   * Walks exactly `count` records in `[at, rangeEnd)`. Offset deltas must increase, up to at most
   * `offsetDeltaMax`. This runs for every record a broker takes in and every record a consumer gets, so
   * one-byte varints (and two-byte offset deltas) are read in line, and nothing but local numbers changes
   * per record.
   */
  walk(
    bytes: Uint8Array,
    at: number,
    rangeEnd: number,
    count: number,
    offsetDeltaMax: number,
    sink: RecordSink | undefined,
  ): BatchProblem | undefined {
    const varints = this.#varints
    let minTimestampDelta = Infinity
    let maxTimestampDelta = -Infinity
    let lastOffsetDelta = -1

    for (let index = 0; index < count; index++) {
      if (at >= rangeEnd) return missing(index, count)
      let length = bytes[at]
      if (length < 0x80) {
        length = (length >>> 1) ^ -(length & 1)
        at++
      } else {
        length = varints.readVarint(bytes, at, rangeEnd)
        at = varints.next
        if (at < 0) return badVarint(index, 'length')
      }
      const end = at + length
      if (length < RECORD_BYTES_MIN - 1 || end > rangeEnd) return badLength(index, length, rangeEnd - at)

      if (bytes[at] !== 0) return badAttributes(index, bytes[at])
      at++

      let timestampDelta = bytes[at]
      if (timestampDelta < 0x80) {
        timestampDelta = (timestampDelta >>> 1) ^ -(timestampDelta & 1)
        at++
      } else {
        timestampDelta = varints.readVarlong(bytes, at, end)
        at = varints.next
        if (at < 0) return badVarint(index, 'timestamp delta')
      }
      if (timestampDelta < minTimestampDelta) minTimestampDelta = timestampDelta
      if (timestampDelta > maxTimestampDelta) maxTimestampDelta = timestampDelta

      // At least four fields follow the timestamp, so two bytes may be looked at together.
      if (at + 1 >= end) return endsEarly(index, 'offset delta')
      let offsetDelta = bytes[at]
      if (offsetDelta < 0x80) {
        offsetDelta = (offsetDelta >>> 1) ^ -(offsetDelta & 1)
        at++
      } else if (bytes[at + 1] < 0x80) {
        const zigzag = (offsetDelta & 0x7f) | (bytes[at + 1] << 7)
        offsetDelta = (zigzag >>> 1) ^ -(zigzag & 1)
        at += 2
      } else {
        offsetDelta = varints.readVarint(bytes, at, end)
        at = varints.next
        if (at < 0) return badVarint(index, 'offset delta')
      }
      if (offsetDelta <= lastOffsetDelta) return badOffsetDelta(index, offsetDelta, lastOffsetDelta)
      lastOffsetDelta = offsetDelta

      if (at >= end) return endsEarly(index, 'key length')
      const keyStart = at
      let keyBytes = bytes[at]
      if (keyBytes < 0x80) {
        keyBytes = (keyBytes >>> 1) ^ -(keyBytes & 1)
        at++
      } else {
        keyBytes = varints.readVarint(bytes, at, end)
        at = varints.next
        if (at < 0) return badVarint(index, 'key length')
      }
      if (keyBytes > 0) at += keyBytes
      else if (keyBytes < -1) return badFieldLength(index, 'key', keyBytes, end - at)
      if (at >= end) return pastField(index, 'key', keyBytes, end - at, 'value length')

      let valueBytes = bytes[at]
      if (valueBytes < 0x80) {
        valueBytes = (valueBytes >>> 1) ^ -(valueBytes & 1)
        at++
      } else {
        valueBytes = varints.readVarint(bytes, at, end)
        at = varints.next
        if (at < 0) return badVarint(index, 'value length')
      }
      let valueStart = at
      if (valueBytes >= 0) at += valueBytes
      else if (valueBytes === -1) valueStart = -1
      else return badFieldLength(index, 'value', valueBytes, end - at)
      if (at >= end) return pastField(index, 'value', valueBytes, end - at, 'header count')
      const valueEnd = valueStart === -1 ? -1 : at

      if (bytes[at] === 0) at++
      else {
        const problem = this.#walkHeaders(bytes, at, end, index)
        if (problem !== undefined) return problem
        at = varints.next
      }
      if (at !== end) return trailing(index, end - at)

      if (sink !== undefined && offsetDelta >= sink.fromOffsetDelta) {
        sink.into[sink.filled++] = new ConsumedRecord(
          sink.batch,
          offsetDelta,
          timestampDelta,
          keyStart,
          valueStart,
          valueEnd,
        )
      }
    }
    if (at !== rangeEnd) return leftOver(count, rangeEnd - at)
    if (lastOffsetDelta > offsetDeltaMax) return pastLast(lastOffsetDelta, offsetDeltaMax)
    this.minTimestampDelta = minTimestampDelta
    this.maxTimestampDelta = maxTimestampDelta
    return undefined
  }

  /** Checks the headers of one record; leaves the position after them in the varint reader. */
  #walkHeaders(bytes: Uint8Array, at: number, end: number, index: number): BatchProblem | undefined {
    const varints = this.#varints
    const count = varints.readVarint(bytes, at, end)
    if (varints.next < 0) return badVarint(index, 'header count')
    if (count < 0) return problem('structure', index, `its header count is ${count}, must not be negative`)
    for (let header = 0; header < count; header++) {
      const keyBytes = varints.readVarint(bytes, varints.next, end)
      if (varints.next < 0) return badVarint(index, `key length of header ${header}`)
      const keyRoom = end - varints.next
      if (keyBytes < 0 || keyBytes > keyRoom) {
        return badFieldLength(index, `key of header ${header}`, keyBytes, keyRoom)
      }
      const valueBytes = varints.readVarint(bytes, varints.next + keyBytes, end)
      if (varints.next < 0) return badVarint(index, `value length of header ${header}`)
      const valueRoom = end - varints.next
      if (valueBytes < -1 || valueBytes > valueRoom) {
        return badFieldLength(index, `value of header ${header}`, valueBytes, valueRoom)
      }
      if (valueBytes > 0) varints.next += valueBytes
    }
    return undefined
  }
}

function problem(reason: RecordErrorReason, index: number, what: string): BatchProblem {
  return { reason, sentence: `record ${index} of the batch (the first is 0): ${what}` }
}

function missing(index: number, count: number): BatchProblem {
  return { reason: 'count', sentence: `the header counts ${count} records, the bytes hold only ${index}` }
}

function leftOver(count: number, bytes: number): BatchProblem {
  return {
    reason: 'count',
    sentence: `${bytes} bytes are left behind the ${count} records that the header counts`,
  }
}

function badVarint(index: number, field: string): BatchProblem {
  return problem('varint', index, `its ${field} is a varint that is cut off, too long or too large`)
}

function badLength(index: number, length: number, room: number): BatchProblem {
  return problem(
    'structure',
    index,
    `its length is ${length}, must be ${RECORD_BYTES_MIN - 1} to ${room}, the bytes left in the batch`,
  )
}

function badAttributes(index: number, attributes: number): BatchProblem {
  return problem('attributes', index, `its attributes are ${attributes}, must be 0`)
}

function badOffsetDelta(index: number, offsetDelta: number, previous: number): BatchProblem {
  return problem('offset-delta', index, `its offset delta is ${offsetDelta}, must be above ${previous}`)
}

function pastLast(offsetDelta: number, offsetDeltaMax: number): BatchProblem {
  return {
    reason: 'offset-delta',
    sentence: `the last record has offset delta ${offsetDelta}, the header says the last one is ${offsetDeltaMax}`,
  }
}

function badFieldLength(index: number, field: string, bytes: number, room: number): BatchProblem {
  return problem('structure', index, `its ${field} takes ${bytes} bytes, ${room} are left in the record`)
}

/** The record ended in or right behind a field; `left` is what it has behind the field, 0 or less. */
function pastField(index: number, field: string, bytes: number, left: number, next: string): BatchProblem {
  return left === 0 ? endsEarly(index, next) : badFieldLength(index, field, bytes, bytes + left)
}

function endsEarly(index: number, field: string): BatchProblem {
  return problem('structure', index, `it ends before its ${field}`)
}

function trailing(index: number, bytes: number): BatchProblem {
  return problem('structure', index, `${bytes} bytes follow its last header`)
}
