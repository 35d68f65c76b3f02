/** What the log refuses, and why. Accidents of the disk are StorageErrors and pass through unchanged. */
import type { SegmentId } from '../segment-store.ts'

export type LogErrorCode =
  /** The offset lies below the log start or above what may be read. */
  | 'OFFSET_OUT_OF_RANGE'
  /** A follower append does not begin at or after the log end, or its epoch goes back. */
  | 'NOT_CONTIGUOUS'
  /** Bytes on disk are not what was written: a {@link DamageError}. */
  | 'DAMAGED'
  /** More is waiting to be written than the limit allows; nothing was taken. */
  | 'QUEUE_FULL'
  | 'UNKNOWN_PARTITION'
  /** A batch of an epoch of its producer that is not the present one. */
  | 'PRODUCER_FENCED'
  /** Something before the batch is missing that its producer has sent. */
  | 'SEQUENCE_GAP'
  /** The batch is stored already, where is not remembered. */
  | 'SEQUENCE_STORED'
  /** Nothing is known of the producer (any more), and the batch is not its first. */
  | 'UNKNOWN_PRODUCER'
  | 'CLOSED'
  | 'MISUSE'

export class LogError extends Error {
  readonly code: LogErrorCode

  constructor(code: LogErrorCode, message: string) {
    super(message)
    this.name = 'LogError'
    this.code = code
  }
}

/** What of a partition cannot be served because of damage, and where it lies. Offsets are inclusive. */
export interface Damage {
  readonly topicId: Uint8Array
  readonly partition: number
  readonly firstOffset: number
  readonly lastOffset: number
  readonly segment: SegmentId
  /** The value the bytes are in; undefined where the segment's index is damaged. */
  readonly sequence: number | undefined
  /** What is wrong with the bytes. */
  readonly reason: string
}

/** Bytes on disk are not what was written. What lies outside the range can be served. */
export class DamageError extends LogError {
  readonly damage: Damage

  constructor(damage: Damage) {
    super('DAMAGED', damageSentence(damage))
    this.name = 'DamageError'
    this.damage = damage
  }
}

function damageSentence({
  topicId,
  partition,
  firstOffset,
  lastOffset,
  segment,
  sequence,
  reason,
}: Damage): string {
  const topic = Array.from(topicId, (byte) => byte.toString(16).padStart(2, '0')).join('')
  const place = sequence === undefined ? `segment ${segment}` : `segment ${segment}, value ${sequence}`
  return `partition ${partition} of topic ${topic}, offsets ${firstOffset} to ${lastOffset} are damaged: ${place}: ${reason}`
}
