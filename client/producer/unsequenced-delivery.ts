/**
 * Delivery without sequences: the broker cannot tell a batch that it is sent again from a new one.
 *
 * The promise is order: records of a partition are stored in the order in which they were taken, up to
 * repetitions after a lost connection. So after a refusal nothing is sent until everything in flight is
 * settled, then all that was refused goes again in the old order. If meanwhile a later batch was stored, or
 * may have been, an earlier one that was refused is **overtaken**: sending it again would put it behind, so it
 * has failed, and its sender is told.
 *
 * One case is left that no client can see: a batch is refused, a later one is stored, and the connection is
 * lost before either answer. With one batch in flight it cannot happen, nor with sequences.
 */
import { ProtocolError } from '../protocol/errors.ts'
import type { Queue } from '../queue.ts'
import type { Batch } from './batch.ts'
import {
  type PartitionDelivery,
  type Requeued,
  unknownOutcomeCodes,
  type Verdict,
} from './partition-delivery.ts'

export class UnsequencedDelivery implements PartitionDelivery {
  readonly #waiting: Queue<Batch>
  readonly #maxInFlight: number
  #inFlight: Batch[] = []
  #refusedCount = 0
  /** How many batches were sent, and which of them was the last to be stored. */
  #sentCount = 0
  #storedOrder = 0

  constructor(waiting: Queue<Batch>, maxInFlight: number) {
    this.#waiting = waiting
    this.#maxInFlight = maxInFlight
  }

  get canSend(): boolean {
    return this.#refusedCount === 0 && this.#inFlight.length < this.#maxInFlight
  }

  sealed(): void {}

  sent(batch: Batch): void {
    batch.sentOrder = ++this.#sentCount
    this.#inFlight.push(batch)
  }

  verdict(_batch: Batch, refusal: ProtocolError): Verdict {
    return refusal.retriable ? 'again' : 'failed'
  }

  acknowledged(batch: Batch): Requeued | undefined {
    this.#remove(batch)
    this.#storedOrder = Math.max(this.#storedOrder, batch.sentOrder)
    return this.settle()
  }

  rejected(batch: Batch): Requeued | undefined {
    this.#remove(batch)
    return this.settle()
  }

  refused(batch: Batch, refusal: ProtocolError): Requeued | undefined {
    batch.refusal = refusal
    this.#refusedCount++
    return this.settle(refusal)
  }

  dropped(): void {}

  /** Once everything in flight is settled or refused, puts the refused back in front, in order. */
  settle(latest?: ProtocolError): Requeued | undefined {
    if (this.#refusedCount === 0 || this.#refusedCount < this.#inFlight.length) return undefined
    const refused = this.#inFlight
    const refusal = latest ?? (refused[refused.length - 1].refusal as ProtocolError)
    this.#inFlight = []
    this.#refusedCount = 0
    const failed: { batch: Batch; error: ProtocolError }[] = []
    let isLaterStored = false
    for (const batch of refused.reverse()) {
      const isUnknown = unknownOutcomeCodes.has(batch.refusal?.code)
      const isOvertaken = batch.sentOrder < this.#storedOrder || (isLaterStored && !isUnknown)
      if (isOvertaken) failed.unshift({ batch, error: overtakenError(batch, refusal) })
      else this.#waiting.unshift(batch)
      isLaterStored ||= isUnknown
    }
    return { refusal, failed }
  }

  #remove(batch: Batch): void {
    this.#inFlight.splice(this.#inFlight.indexOf(batch), 1)
  }
}

function overtakenError({ queue, refusal }: Batch, latest: ProtocolError): ProtocolError {
  const { code, message } = refusal ?? latest
  return new ProtocolError(
    code,
    `topic ${queue.route.name}, partition ${queue.partition}: ${message} A later batch was, or may have been, ` +
      'stored meanwhile: sending this one again would put it out of order.',
    { cause: refusal },
  )
}
