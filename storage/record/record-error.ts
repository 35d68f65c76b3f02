/**
 * What can be wrong with a record batch. One list of reasons serves the validator, which answers with a
 * {@link BatchProblem} because a bad batch from outside is nothing exceptional, and the decoder, which
 * throws a {@link RecordError} because the bytes it reads were checked before.
 */

export type RecordErrorReason =
  /** The bytes end before the batch does. */
  | 'truncated'
  /** Not magic 2: an older message format, or no record batch at all. */
  | 'magic'
  /** The length field is smaller than the header it counts. */
  | 'size'
  /** The batch is larger than the caller takes. */
  | 'too-large'
  /** The checksum does not match the bytes. */
  | 'crc'
  /** Attribute bits that mean nothing, or that a producer may not set. */
  | 'attributes'
  /** A control batch where only data is taken. */
  | 'control'
  /** A transactional batch where transactions are not supported. */
  | 'transactional'
  /** A codec that is unknown, not supported or not at hand, or compressed bytes it cannot take. */
  | 'compression'
  /** The record count does not fit the bytes or the last offset delta. */
  | 'count'
  /** An offset or offset delta is out of order or out of range. */
  | 'offset-delta'
  /** A timestamp contradicts the header, or is no exact integer. */
  | 'timestamp'
  /** A timestamp lies outside the range the caller takes. */
  | 'timestamp-range'
  /** A varint is too long, too large or cut off. */
  | 'varint'
  /** Lengths inside a record contradict each other or the batch. */
  | 'structure'
  /** Producer id, epoch and sequence contradict each other. */
  | 'producer'

/** Why a batch is refused: a reason for programs, a sentence with the figures for people. */
export interface BatchProblem {
  readonly reason: RecordErrorReason
  readonly sentence: string
}

export class RecordError extends Error {
  readonly reason: RecordErrorReason

  constructor(reason: RecordErrorReason, message: string, options?: { cause: unknown }) {
    super(message, options)
    this.name = 'RecordError'
    this.reason = reason
  }
}
