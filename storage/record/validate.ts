/**
 * Is this a sound record batch? The broker asks for every batch that comes in, the log for what it reads
 * back. Any bytes give an answer: `undefined`, or a problem with its reason and a sentence that names the
 * figures. Nothing throws, nothing is read outside `[at, end)`, nothing is allocated per record.
 *
 * The checks go from the outside in: size, magic, checksum, then what the fields say. A flipped bit is
 * therefore reported as a bad checksum, and not as whatever it would have meant.
 */

import {
  attributeBits,
  attributesAt,
  BATCH_HEADER_BYTES,
  baseOffsetAt,
  baseSequenceAt,
  baseTimestampAt,
  batchBytesAt,
  CRC_FROM,
  compressionAt,
  crcAt,
  isControlAt,
  isTransactionalAt,
  lastOffsetDeltaAt,
  MAGIC,
  MAGIC_AT,
  magicAt,
  maxTimestampAt,
  producerEpochAt,
  producerIdAt,
  recordCountAt,
  timestampTypeAt,
} from './batch-header.ts'
import { compressionCodes, compressionName } from './compression.ts'
import type { Crc32c } from './crc32c.ts'
import type { BatchProblem, RecordErrorReason } from './record-error.ts'
import { RECORD_BYTES_MIN, RecordWalk } from './record-walk.ts'

export interface BatchLimits {
  /** Largest batch taken, header included. */
  readonly bytesMax: number
  /** Earliest and latest record time taken, ms since 1970; without them any is. */
  readonly timestampMin?: number
  readonly timestampMax?: number
}

/**
 * A batch as a producer may send it: offset deltas 0 … n-1, its own timestamps, not a control batch, not
 * transactional (not supported yet). Base offset and leader epoch are whatever they are: the broker
 * assigns them. Of a compressed batch only header and checksum are checked; what lies inside can be seen
 * only by unpacking it.
 */
export function checkProducedBatch(
  bytes: Uint8Array,
  at: number,
  end: number,
  crc32c: Crc32c,
  limits: BatchLimits,
): BatchProblem | undefined {
  return (
    checkFrame(bytes, at, end, limits.bytesMax) ??
    checkCrc(bytes, at, crc32c) ??
    checkProducedAttributes(bytes, at) ??
    checkProducer(bytes, at) ??
    checkProducedCount(bytes, at) ??
    checkTimestampFields(bytes, at) ??
    (compressionAt(bytes, at) === compressionCodes.none
      ? checkRecords(bytes, at, limits)
      : checkHeaderTimestamps(bytes, at, limits))
  )
}

/**
 * A batch as a log may hold it: at a real offset, with gaps where records were removed (all of them, in
 * the extreme), with control and transactional batches and append time.
 */
export function checkStoredBatch(
  bytes: Uint8Array,
  at: number,
  end: number,
  crc32c: Crc32c,
): BatchProblem | undefined {
  return (
    checkFrame(bytes, at, end) ??
    checkCrc(bytes, at, crc32c) ??
    checkStoredAttributes(bytes, at) ??
    checkProducer(bytes, at) ??
    checkStoredOffsets(bytes, at) ??
    checkTimestampFields(bytes, at) ??
    (compressionAt(bytes, at) === compressionCodes.none ? checkRecords(bytes, at) : undefined)
  )
}

/** Size and magic: that the header can be read and the batch lies in `[at, end)`. */
export function checkFrame(
  bytes: Uint8Array,
  at: number,
  end: number,
  bytesMax = Number.MAX_SAFE_INTEGER,
): BatchProblem | undefined {
  const room = end - at
  // Judged first, so that an old batch, which may be shorter than our header, is called old and not truncated.
  if (room > MAGIC_AT && magicAt(bytes, at) !== MAGIC) {
    return problem('magic', `magic is ${magicAt(bytes, at)}, must be ${MAGIC}`)
  }
  if (room < BATCH_HEADER_BYTES) {
    return problem('truncated', `${room} bytes are there, the header alone takes ${BATCH_HEADER_BYTES}`)
  }
  const batchBytes = batchBytesAt(bytes, at)
  if (batchBytes < BATCH_HEADER_BYTES) {
    return problem(
      'size',
      `the batch says it takes ${batchBytes} bytes, its header alone takes ${BATCH_HEADER_BYTES}`,
    )
  }
  if (batchBytes > bytesMax) {
    return problem('too-large', `the batch takes ${batchBytes} bytes, at most ${bytesMax} are taken`)
  }
  if (batchBytes > room) {
    return problem('truncated', `the batch takes ${batchBytes} bytes, ${room} are there`)
  }
  return undefined
}

/** Needs a sound frame. */
export function checkCrc(bytes: Uint8Array, at: number, crc32c: Crc32c): BatchProblem | undefined {
  const computed = crc32c(bytes.subarray(at + CRC_FROM, at + batchBytesAt(bytes, at)))
  const stored = crcAt(bytes, at)
  return computed === stored
    ? undefined
    : problem('crc', `the checksum in the header is ${hex(stored)}, that of the bytes is ${hex(computed)}`)
}

/** Whether that many records can lie in that many bytes at all, before anything is set aside for them. */
export function checkCount(count: number, recordsBytes: number): BatchProblem | undefined {
  const countMax = Math.floor(recordsBytes / RECORD_BYTES_MIN)
  return count >= 0 && count <= countMax
    ? undefined
    : problem('count', `the header counts ${count} records, ${recordsBytes} bytes hold 0 to ${countMax}`)
}

function checkProducedAttributes(bytes: Uint8Array, at: number): BatchProblem | undefined {
  if (isControlAt(bytes, at)) {
    return problem('control', 'control batches are written by the broker alone; producers send data')
  }
  if (isTransactionalAt(bytes, at)) {
    return problem(
      'transactional',
      'transactional batches are not supported; produce without a transactional id',
    )
  }
  if (timestampTypeAt(bytes, at) === 'append') {
    return problem(
      'attributes',
      'the timestamp type is append time, which only the broker sets; must be create time',
    )
  }
  return checkStoredAttributes(bytes, at)
}

const knownAttributes = Object.values(attributeBits).reduce((all, bits) => all | bits, 0)

function checkStoredAttributes(bytes: Uint8Array, at: number): BatchProblem | undefined {
  const unknown = attributesAt(bytes, at) & ~knownAttributes & 0xffff
  if (unknown !== 0) {
    return problem('attributes', `attribute bits 0x${unknown.toString(16)} mean nothing, must be 0`)
  }
  const code = compressionAt(bytes, at)
  return compressionName(code) === undefined
    ? problem('compression', `compression number ${code} means nothing; 0 to ${compressionCodes.zstd} do`)
    : undefined
}

/** Without a producer id, clients fill epoch and sequence with 0 or -1 as they like: nobody reads them. */
function checkProducer(bytes: Uint8Array, at: number): BatchProblem | undefined {
  const producerId = producerIdAt(bytes, at)
  if (producerId === -1) return undefined
  if (producerId < -1 || !Number.isSafeInteger(producerId)) {
    return problem('producer', `producer id is ${producerId}, must be -1 (none) or 0 to 2^53 - 1`)
  }
  const producerEpoch = producerEpochAt(bytes, at)
  const baseSequence = baseSequenceAt(bytes, at)
  if (producerEpoch >= 0 && baseSequence >= 0) return undefined
  return problem(
    'producer',
    `producer ${producerId} has epoch ${producerEpoch} and base sequence ${baseSequence}, both must be 0 or more`,
  )
}

function checkProducedCount(bytes: Uint8Array, at: number): BatchProblem | undefined {
  const count = recordCountAt(bytes, at)
  if (count < 1) return problem('count', `the header counts ${count} records, must be at least 1`)
  const lastOffsetDelta = lastOffsetDeltaAt(bytes, at)
  return lastOffsetDelta === count - 1
    ? undefined
    : problem(
        'offset-delta',
        `the last offset delta is ${lastOffsetDelta}, must be ${count - 1} with ${count} records`,
      )
}

function checkStoredOffsets(bytes: Uint8Array, at: number): BatchProblem | undefined {
  const baseOffset = baseOffsetAt(bytes, at)
  const lastOffsetDelta = lastOffsetDeltaAt(bytes, at)
  const count = recordCountAt(bytes, at)
  if (baseOffset < 0 || lastOffsetDelta < 0 || !Number.isSafeInteger(baseOffset + lastOffsetDelta)) {
    return problem(
      'offset-delta',
      `base offset is ${baseOffset} and last offset delta ${lastOffsetDelta}, both must be 0 or more and their sum at most 2^53 - 1`,
    )
  }
  return count >= 0 && count <= lastOffsetDelta + 1
    ? undefined
    : problem(
        'count',
        `the header counts ${count} records, offset deltas 0 to ${lastOffsetDelta} allow 0 to ${lastOffsetDelta + 1}`,
      )
}

/** That both times are exact numbers. */
function checkTimestampFields(bytes: Uint8Array, at: number): BatchProblem | undefined {
  const base = baseTimestampAt(bytes, at)
  const max = maxTimestampAt(bytes, at)
  return Number.isSafeInteger(base) && Number.isSafeInteger(max)
    ? undefined
    : problem(
        'timestamp',
        `base timestamp is ${base} and max timestamp ${max}, both must be within ±(2^53 - 1)`,
      )
}

/** The records of an uncompressed batch, and what the header says of them. */
function checkRecords(bytes: Uint8Array, at: number, limits?: BatchLimits): BatchProblem | undefined {
  return checkRecordSection(bytes, at, bytes, at + BATCH_HEADER_BYTES, at + batchBytesAt(bytes, at), limits)
}

/** Uncompressed records in `[start, end)` of `section`, and what the header at `at` of `bytes` says of them. */
export function checkRecordSection(
  bytes: Uint8Array,
  at: number,
  section: Uint8Array,
  start: number,
  end: number,
  limits?: BatchLimits,
): BatchProblem | undefined {
  const count = recordCountAt(bytes, at)
  const walk = new RecordWalk()
  // Deltas that increase from 0 or more and end at n-1 at most are 0 … n-1: nothing else is to be seen.
  const damage =
    checkCount(count, end - start) ??
    walk.walk(section, start, end, count, lastOffsetDeltaAt(bytes, at), undefined)
  if (damage !== undefined) return damage
  if (count === 0 || timestampTypeAt(bytes, at) === 'append') return undefined
  const base = baseTimestampAt(bytes, at)
  const max = maxTimestampAt(bytes, at)
  const latest = base + walk.maxTimestampDelta
  const earliest = base + walk.minTimestampDelta
  if (latest !== max || !Number.isSafeInteger(earliest)) {
    return problem(
      'timestamp',
      `the times of the records go from ${earliest} to ${latest}, the header says that the max is ${max}`,
    )
  }
  return limits === undefined ? undefined : checkTimestampRange(earliest, latest, limits)
}

/** What can be said of the times inside a compressed batch: the base is the first one, the max the latest. */
function checkHeaderTimestamps(bytes: Uint8Array, at: number, limits: BatchLimits): BatchProblem | undefined {
  const base = baseTimestampAt(bytes, at)
  const max = maxTimestampAt(bytes, at)
  return max < base
    ? problem('timestamp', `the max timestamp ${max} is below the base timestamp ${base}`)
    : checkTimestampRange(base, max, limits)
}

function checkTimestampRange(
  earliest: number,
  latest: number,
  limits: BatchLimits,
): BatchProblem | undefined {
  const min = limits.timestampMin ?? -Infinity
  const max = limits.timestampMax ?? Infinity
  return earliest >= min && latest <= max
    ? undefined
    : problem(
        'timestamp-range',
        `the times of the records go from ${earliest} to ${latest}, only ${min} to ${max} are taken`,
      )
}

function problem(reason: RecordErrorReason, sentence: string): BatchProblem {
  return { reason, sentence }
}

function hex(crc: number): string {
  return `0x${crc.toString(16).padStart(8, '0')}`
}
