/**
 * What becomes of the finished batches of one partition between two ends: waiting to be sent, and settled. Pure
 * decisions, in two kinds: with sequences, by which the broker tells order and repetition
 * (`sequenced-delivery.ts`), and without (`unsequenced-delivery.ts`).
 */
import { ErrorCode, type ProtocolError } from '../protocol/errors.ts'
import type { Batch } from './batch.ts'

/** What a refusal means for a batch. */
export type Verdict =
  /** It is sent again. */
  | 'again'
  /** It has failed. */
  | 'failed'
  /** It is stored already; nobody knows where any more. */
  | 'stored'
  /** It has failed, and whatever this producer sends will: another one has taken its place. */
  | 'fenced'

/** Everything that was in flight is settled or waits again. */
export interface Requeued {
  /** Why to rest before sending again; undefined: no reason to. */
  readonly refusal: ProtocolError | undefined
  /** These do not wait again: they have failed. */
  readonly failed: readonly { readonly batch: Batch; readonly error: ProtocolError }[]
}

export interface PartitionDelivery {
  /** Whether one more batch may be in flight. */
  readonly canSend: boolean
  /** A batch takes no more records; it will wait behind all others. */
  sealed(batch: Batch): void
  /** A batch was handed to the connection. */
  sent(batch: Batch): void
  verdict(batch: Batch, refusal: ProtocolError): Verdict
  /** A batch in flight is stored. */
  acknowledged(batch: Batch): Requeued | undefined
  /** A batch in flight was refused but may be sent again. */
  refused(batch: Batch, refusal: ProtocolError): Requeued | undefined
  /** A batch in flight has failed. */
  rejected(batch: Batch): Requeued | undefined
  /** A batch that waited has failed and waits no more; {@link settle} follows. */
  dropped(batch: Batch): void
  settle(): Requeued | undefined
}

/** After these a batch may be stored all the same: a write that failed may have reached the disk before it did. */
export const unknownOutcomeCodes: ReadonlySet<number | undefined> = new Set([
  ErrorCode.UNKNOWN_SERVER_ERROR,
  ErrorCode.DISCONNECTED,
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.KAFKA_STORAGE_ERROR,
])
