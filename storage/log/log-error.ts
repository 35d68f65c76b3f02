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
