/** What the log refuses, and why. Accidents of the disk are StorageErrors and pass through unchanged. */
export type LogErrorCode =
  /** The offset lies below the log start or above what may be read. */
  | 'OFFSET_OUT_OF_RANGE'
  /** A follower append does not begin at or after the log end, or its epoch goes back. */
  | 'NOT_CONTIGUOUS'
  /** Bytes on disk are not what was written; the sentence names partition and offset. */
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
