/**
 * The batches of one partition on their way to its leader: one that fills, some that wait, a few in flight.
 * It decides what may be sent and what is sent again. Pure state: no network, no time.
 *
 * The promise is order: records of a partition are stored in the order in which they were taken, up to
 * repetitions after a lost connection. So after a refusal nothing is sent until everything in flight is
 * settled, then all that was refused goes again in the old order. If meanwhile a later batch was stored, or
 * may have been, an earlier one that was refused is **overtaken**: sending it again would put it behind, so it
 * has failed, and its sender is told.
 *
 * One case is left that no client can see: a batch is refused, a later one is stored, and the connection is
 * lost before either answer. With one batch in flight it cannot happen; producer ids will end it for all.
 */
import type { BatchEncoder } from '../../storage/record/batch-encoder.ts'
import { ErrorCode, type ProtocolError } from '../protocol/errors.ts'
import { Queue } from '../queue.ts'
import type { Batch, FlushAccount, WaitingSend } from './batch.ts'
import type { TopicRoute } from './topic-route.ts'

/** After these a batch may be stored all the same: a write that failed may have reached the disk before it did. */
const unknownOutcomeCodes: ReadonlySet<number | undefined> = new Set([
  ErrorCode.DISCONNECTED,
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.KAFKA_STORAGE_ERROR,
])

/** Refused batches went back into the queue. */
export interface Requeued {
  /** The latest reason. */
  readonly refusal: ProtocolError
  /** These did not: they have failed. */
  readonly overtaken: readonly Batch[]
}

export class PartitionQueue {
  readonly route: TopicRoute
  readonly partition: number
  readonly encoder: BatchEncoder
  /** Of the batch that fills: its buffer, its senders, its account, when its first record came. */
  buffer: Uint8Array | undefined
  sends: WaitingSend[] | undefined
  account: FlushAccount | undefined
  openedAtMs = 0
  /** The batch that fills has waited long enough; it still takes records until it is sent. */
  isDue = false
  /** Finished batches, in order. */
  readonly sealed = new Queue<Batch>()
  /** Waits before it sends again. */
  isResting = false
  /** In the sender's list of partitions with something to send. */
  isListed = false
  /** Refusals since the last acknowledgement, for the back-off. */
  attempts = 0
  readonly #maxInFlight: number
  #inFlight: Batch[] = []
  #refusedCount = 0
  #sequence = 0
  #acknowledgedSequence = 0

  constructor(route: TopicRoute, partition: number, encoder: BatchEncoder, maxInFlight: number) {
    this.route = route
    this.partition = partition
    this.encoder = encoder
    this.#maxInFlight = maxInFlight
  }

  get canSend(): boolean {
    const isOpen = !this.isResting && this.#refusedCount === 0 && this.#inFlight.length < this.#maxInFlight
    return isOpen && (this.sealed.length > 0 || this.isDue)
  }

  /** Bytes of the batch that would be sent next. */
  get nextBytes(): number {
    return this.sealed.peek()?.bytes.length ?? this.encoder.byteLength
  }

  /** A batch was handed to the connection. */
  sent(batch: Batch): void {
    batch.sequence = ++this.#sequence
    this.#inFlight.push(batch)
  }

  /** A batch is stored. */
  acknowledged(batch: Batch): Requeued | undefined {
    this.#settle(batch)
    this.attempts = 0
    this.#acknowledgedSequence = Math.max(this.#acknowledgedSequence, batch.sequence)
    return this.#requeue()
  }

  /** A batch is refused for good. */
  rejected(batch: Batch): Requeued | undefined {
    this.#settle(batch)
    return this.#requeue()
  }

  /** A batch in flight was refused but may be sent again. */
  refused(batch: Batch, error: ProtocolError): Requeued | undefined {
    batch.refusal = error
    this.#refusedCount++
    return this.#requeue(error)
  }

  #settle(batch: Batch): void {
    this.#inFlight.splice(this.#inFlight.indexOf(batch), 1)
  }

  /** Once everything in flight is settled or refused, puts the refused back in front, in order. */
  #requeue(latest?: ProtocolError): Requeued | undefined {
    if (this.#refusedCount === 0 || this.#refusedCount < this.#inFlight.length) return undefined
    const refused = this.#inFlight
    const refusal = latest ?? (refused[refused.length - 1].refusal as ProtocolError)
    this.#inFlight = []
    this.#refusedCount = 0
    const overtaken: Batch[] = []
    let isLaterStored = false
    for (const batch of refused.reverse()) {
      const isUnknown = unknownOutcomeCodes.has(batch.refusal?.code)
      const isOvertaken = batch.sequence < this.#acknowledgedSequence || (isLaterStored && !isUnknown)
      if (isOvertaken) overtaken.unshift(batch)
      else this.sealed.unshift(batch)
      isLaterStored ||= isUnknown
    }
    return { refusal, overtaken }
  }
}
