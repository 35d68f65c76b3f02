/** Id and epoch that an idempotent producer stamps into its batches. State alone; `idempotence.ts` changes it. */
import type { ProtocolError } from '../protocol/errors.ts'

export class ProducerEpoch {
  /** Sequences go on where the epoch before left them; without a name each epoch begins at 0. */
  readonly isNamed: boolean
  /** -1: there was never one. */
  producerId = -1
  producerEpoch = -1
  /** Batches may be stamped with it. */
  isKnown = false
  /** No batch is sent until everything in flight is settled and the next epoch has begun. */
  isEnding = false
  /** Counts epochs: sequences that were given in an earlier one mean nothing. */
  generation = 0
  /** Why there will never be another one: the producer has been fenced. */
  failure: ProtocolError | undefined

  constructor(isNamed: boolean) {
    this.isNamed = isNamed
  }

  begin(producerId: number, producerEpoch: number): void {
    this.producerId = producerId
    this.producerEpoch = producerEpoch
    this.isKnown = true
    this.isEnding = false
    this.generation++
  }

  /** There is none for now; the next one that is asked for follows on id and epoch that are left. */
  lose(): void {
    this.isKnown = false
    this.isEnding = false
  }
}
