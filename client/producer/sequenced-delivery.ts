/**
 * Delivery with sequences: the broker stores a batch only behind the one before it, and knows one that it has
 * stored already. So whatever is lost or refused on the way, the same bytes are sent again in the same order,
 * and every record is stored once.
 *
 * A sequence counts the records of this producer in the partition; here without wrapping, on the wire modulo
 * 2^31. A batch is numbered when it takes no more records.
 *
 * When one fails, those behind it are refused by the broker, because one is missing before them. Once nothing
 * is in flight there are two ways on:
 *
 * - The broker has certainly stored neither the failed batch nor any behind it: what waits moves down in the
 *   count, and the next batch takes the sequence of the failed one.
 * - It may have, an answer was lost: the **epoch must end**. The broker begins a new one, takes no more of the
 *   old, and tells how many records it holds ({@link SequencedDelivery.restart}). Only then is anything sent
 *   that waits, and nothing of which that is not known.
 *
 * A batch that may be stored is never sent under another sequence before the broker has said that it is not.
 */
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import type { Queue } from '../queue.ts'
import type { Batch } from './batch.ts'
import {
  type PartitionDelivery,
  type Requeued,
  unknownOutcomeCodes,
  type Verdict,
} from './partition-delivery.ts'
import type { ProducerEpoch } from './producer-epoch.ts'
import { gapError } from './record-sequence.ts'

/** How many sequences there are on the wire. */
export const SEQUENCES = 2 ** 31

const none = Number.POSITIVE_INFINITY
const NEVER = -1

/** What a partition holds of this producer. */
export interface Held {
  /** How many records. */
  readonly nextSequence: number
  /** Offset of the last of them. */
  readonly lastOffset: number
}

/** What became of batches that waited while the epoch changed. */
export interface Restarted {
  /** They are stored, the first record at `baseOffset`; -1: nobody knows. */
  readonly stored: readonly { readonly batch: Batch; readonly baseOffset: number }[]
  readonly failed: Requeued['failed']
}

export class SequencedDelivery implements PartitionDelivery {
  readonly #epoch: ProducerEpoch
  readonly #waiting: Queue<Batch>
  readonly #maxInFlight: number
  #generation: number
  #inFlight: Batch[] = []
  #refusedCount = 0
  #nextSequence = 0
  #storedSequence = 0
  /** Lowest sequence of a batch that has failed, as long as others are numbered as if it had not. */
  #gapAt = none
  #needsEpoch = false

  constructor(epoch: ProducerEpoch, waiting: Queue<Batch>, maxInFlight: number) {
    this.#epoch = epoch
    // Something of an earlier life may be stored under the name.
    this.#generation = epoch.isNamed ? NEVER : epoch.generation
    this.#waiting = waiting
    this.#maxInFlight = maxInFlight
  }

  /** Sequence of the first record of the batch that is numbered next. */
  get nextSequence(): number {
    return this.#nextSequence
  }

  /** Every record below this sequence is stored. */
  get storedSequence(): number {
    return this.#storedSequence
  }

  /** It can only go on in a new epoch. */
  get needsEpoch(): boolean {
    return this.#needsEpoch
  }

  /** Batches are numbered as the broker will see them. */
  get isNumbered(): boolean {
    const isCurrent = this.#epoch.isKnown && this.#generation === this.#epoch.generation
    return isCurrent && this.#gapAt === none && !this.#needsEpoch
  }

  /** Some of what waits may be stored. */
  get isUncertain(): boolean {
    for (const batch of this.#waiting) if (batch.mayBeStored) return true
    return false
  }

  get canSend(): boolean {
    const isOpen = this.#refusedCount === 0 && this.#inFlight.length < this.#maxInFlight
    // Without an epoch a batch is ready all the same: that is when one is asked for.
    return isOpen && (!this.#epoch.isKnown || (this.isNumbered && !this.#epoch.isEnding))
  }

  sealed(batch: Batch): void {
    batch.baseSequence = this.#nextSequence
    this.#nextSequence += batch.count
  }

  sent(batch: Batch): void {
    this.#inFlight.push(batch)
  }

  /** The batch that the record with this sequence is on its way in; undefined: it is in none. */
  holding(sequence: number): Batch | undefined {
    const holds = ({ baseSequence, count }: Batch) =>
      sequence >= baseSequence && sequence < baseSequence + count
    for (const batch of this.#inFlight) if (holds(batch)) return batch
    for (const batch of this.#waiting) if (holds(batch)) return batch
    return undefined
  }

  verdict(batch: Batch, { code, retriable }: ProtocolError): Verdict {
    if (unknownOutcomeCodes.has(code)) batch.mayBeStored = true
    switch (code) {
      case ErrorCode.INVALID_PRODUCER_EPOCH:
        return 'fenced'
      case ErrorCode.DUPLICATE_SEQUENCE_NUMBER:
        if (batch.mayBeStored) return 'stored'
        // The broker counts more records than this producer has sent.
        this.#needsEpoch = true
        return 'failed'
      // One before it is missing: it has failed or was refused itself, or the broker has lost count.
      case ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER:
      case ErrorCode.UNKNOWN_PRODUCER_ID:
        return 'again'
      default:
        return retriable ? 'again' : 'failed'
    }
  }

  acknowledged(batch: Batch): Requeued | undefined {
    this.#remove(batch)
    this.#storedSequence = Math.max(this.#storedSequence, batch.baseSequence + batch.count)
    return this.settle()
  }

  refused(batch: Batch, refusal: ProtocolError): Requeued | undefined {
    batch.refusal = refusal
    this.#refusedCount++
    return this.settle()
  }

  rejected(batch: Batch): Requeued | undefined {
    this.#remove(batch)
    this.dropped(batch)
    return this.settle()
  }

  dropped({ baseSequence, count, mayBeStored }: Batch): void {
    // Nobody stands behind the last one.
    if (!mayBeStored && baseSequence + count === this.#nextSequence) {
      this.#nextSequence = baseSequence
      return
    }
    this.#gapAt = Math.min(this.#gapAt, baseSequence)
    this.#needsEpoch ||= mayBeStored
  }

  /** Once everything in flight is settled or refused, puts the refused back in front and mends the numbers. */
  settle(): Requeued | undefined {
    if (this.#refusedCount < this.#inFlight.length) return undefined
    if (this.#inFlight.length === 0 && this.#gapAt === none && !this.#needsEpoch) return undefined
    const refused = this.#inFlight
    this.#inFlight = []
    this.#refusedCount = 0
    for (let i = refused.length - 1; i >= 0; i--) this.#waiting.unshift(refused[i])
    const first = refused[0]?.refusal
    const isMissed = first !== undefined && missingCodes.has(first.code)
    if (this.#gapAt === none) {
      this.#needsEpoch ||= isMissed
      return { refusal: first, failed: [] }
    }
    for (const batch of this.#waiting)
      this.#needsEpoch ||= batch.mayBeStored && batch.baseSequence > this.#gapAt
    const failed = this.#needsEpoch || !this.#epoch.isKnown ? [] : this.#closeGap()
    return { refusal: isMissed ? undefined : first, failed }
  }

  /**
   * A new epoch has begun, and the broker takes nothing of the old one any more. `held`: what the partition
   * holds; undefined: it knows nothing of this producer (any more); 'untold': the broker does not say, since it does
   * not know the id for this producer's own. What another did under it is no acknowledgement.
   */
  restart(told: Held | 'untold' | undefined): Restarted {
    const stored: { batch: Batch; baseOffset: number }[] = []
    const failed: { batch: Batch; error: ProtocolError }[] = []
    const held = told === 'untold' ? undefined : told
    const mayBeForgotten = told === 'untold' || this.#storedSequence > 0
    this.#generation = this.#epoch.generation
    this.#gapAt = none
    this.#needsEpoch = false
    this.#storedSequence = this.#epoch.isNamed ? (held?.nextSequence ?? 0) : 0
    this.#nextSequence = this.#storedSequence
    for (let left = this.#waiting.length; left > 0; left--) {
      const batch = this.#waiting.shift() as Batch
      const end = batch.baseSequence + batch.count
      if (batch.mayBeStored && held && end <= held.nextSequence)
        stored.push({ batch, baseOffset: end === held.nextSequence ? held.lastOffset - batch.count + 1 : -1 })
      else if (batch.mayBeStored && (held ? batch.baseSequence < held.nextSequence : mayBeForgotten))
        failed.push({ batch, error: forgottenError(batch) })
      else this.#renumber(batch, failed)
    }
    return { stored, failed }
  }

  /** Moves what waits behind the gap down in the count. */
  #closeGap(): Requeued['failed'] {
    const failed: { batch: Batch; error: ProtocolError }[] = []
    const gapAt = this.#gapAt
    this.#gapAt = none
    this.#nextSequence = gapAt
    for (let left = this.#waiting.length; left > 0; left--) {
      const batch = this.#waiting.shift() as Batch
      if (batch.baseSequence < gapAt) this.#waiting.push(batch)
      else this.#renumber(batch, failed)
    }
    return failed
  }

  /** Numbers a batch anew and lets it wait again; fails it if its sender has told its number, and another one. */
  #renumber(batch: Batch, failed: { batch: Batch; error: ProtocolError }[]): void {
    if (batch.isNumberedBySender && batch.baseSequence !== this.#nextSequence) {
      failed.push({ batch, error: gapError(batch.queue, this.#nextSequence, batch.baseSequence) })
      return
    }
    batch.isStamped = false
    batch.mayBeStored = false
    this.sealed(batch)
    this.#waiting.push(batch)
  }

  #remove(batch: Batch): void {
    this.#inFlight.splice(this.#inFlight.indexOf(batch), 1)
  }
}

/** The broker misses what comes before a batch. */
const missingCodes: ReadonlySet<number> = new Set([
  ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
  ErrorCode.UNKNOWN_PRODUCER_ID,
])

function forgottenError({ queue, count }: Batch): ProtocolError {
  return new ProtocolError(
    ErrorCode.UNKNOWN_PRODUCER_ID,
    `topic ${queue.route.name}, partition ${queue.partition}: ${count} records were sent, their acknowledgement was ` +
      'lost, and the broker has forgotten this producer since: they may be stored or not',
  )
}
