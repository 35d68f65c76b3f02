/**
 * Whether a batch of an idempotent producer is appended, is a duplicate, or is refused: Kafka's rules, asked
 * once a batch at the moment it would get its offset.
 *
 * Batches of one commit come one after the other before any of them is durable, so what the partition knows
 * is overlaid with what this commit is about to make of it. The overlay lasts for one partition's part of
 * one commit; then it is thrown away, whether the commit succeeds or not. What is durable enters the
 * state by its own way.
 *
 * Nothing is allocated for a batch. Time comes in as an argument, and so does what names say.
 */
import {
  appendBatch,
  beginRow,
  offsetOfBatch,
  ProducerColumn,
  ROW_NUMBERS,
  sequenceDistance,
} from './producer-row.ts'
import type { ProducerState } from './producer-state.ts'

/**
 * What stands behind a producer id: an epoch of 0 or more is that of its name, and no other is good;
 * {@link NAMELESS}: the newest epoch counts that the partition has seen; {@link NAME_EXPIRED}: it had a name that is gone.
 */
export type StandingOf = (producerId: number) => number

export const NAMELESS = -1
export const NAME_EXPIRED = -2

export type Verdict =
  /** It is next: append it at the offset that was given. */
  | 'append'
  /** Stored already, at {@link SequenceCheck.originalOffset}. */
  | 'duplicate'
  /** Another epoch counts. */
  | 'fenced'
  /** Something before it is missing. */
  | 'gap'
  /** Stored already, where is not remembered any more. */
  | 'old'
  /** Nothing is known of the producer, and this is not its first batch. */
  | 'unknown'

const { epoch: EPOCH, nextSequence: NEXT } = ProducerColumn
const DRAFTS_AT_FIRST = 16
const NONE = -1

export class SequenceCheck<P extends object> {
  readonly #state: ProducerState<P>
  readonly #standingOf: StandingOf
  readonly #oldestEpochOf: (producerId: number) => number
  /** Draft by producer, of the partition at hand. */
  readonly #drafts = new Map<number, number>()
  #cells = new Float64Array(DRAFTS_AT_FIRST * ROW_NUMBERS)
  #partition: P | undefined
  #nowMs = 0
  /** After `duplicate`: the base offset of the batch that is stored. */
  originalOffset = NONE
  /** After any other verdict than `append` and `duplicate`: what would have been right, for the sentence. */
  expectedEpoch = NONE
  expectedSequence = NONE

  /** @param oldestEpochOf of a producer without a name: batches of older epochs are refused everywhere */
  constructor(
    state: ProducerState<P>,
    standingOf: StandingOf,
    oldestEpochOf: (producerId: number) => number = () => 0,
  ) {
    this.#state = state
    this.#standingOf = standingOf
    this.#oldestEpochOf = oldestEpochOf
  }

  /** The batches asked about from now on are of this partition, in a commit of this time. */
  begin(partition: P, nowMs: number): void {
    this.#partition = partition
    this.#nowMs = nowMs
    if (this.#drafts.size > 0) this.#drafts.clear()
  }

  /**
   * @param firstSequence as on the wire
   * @param baseOffset what the batch gets if it is appended
   */
  check(
    producerId: number,
    epoch: number,
    firstSequence: number,
    records: number,
    baseOffset: number,
  ): Verdict {
    const standing = this.#standingOf(producerId)
    this.expectedEpoch = standing
    this.expectedSequence = NONE
    if (standing === NAME_EXPIRED) return 'unknown'
    const isNamed = standing >= 0
    if (isNamed && epoch !== standing) return 'fenced'
    if (!isNamed) {
      const oldest = this.#oldestEpochOf(producerId)
      this.expectedEpoch = oldest
      if (epoch < oldest) return 'fenced'
    }

    const at = this.#find(producerId)
    if (at === NONE) {
      if (firstSequence !== 0) return 'unknown'
      const fresh = this.#fresh(producerId)
      beginRow(this.#cells, fresh, producerId, epoch, 0)
    } else {
      const cells = this.#cells
      this.expectedEpoch = cells[at + EPOCH]
      this.expectedSequence = cells[at + NEXT]
      if (!isNamed && epoch < cells[at + EPOCH]) return 'fenced'
      if (!isNamed && epoch > cells[at + EPOCH]) {
        this.expectedSequence = 0
        if (firstSequence !== 0) return 'gap'
        beginRow(cells, at, producerId, epoch, 0)
      } else {
        const distance = sequenceDistance(cells, at, firstSequence)
        if (distance !== 0) {
          this.originalOffset = offsetOfBatch(cells, at, firstSequence, records)
          if (this.originalOffset !== NONE) return 'duplicate'
          return distance > 0 ? 'gap' : 'old'
        }
      }
    }
    appendBatch(this.#cells, this.#draftAt(producerId), epoch, records, baseOffset)
    return 'append'
  }

  /** Where the draft is, made of what is known if there is none yet; -1: nothing is known. */
  #find(producerId: number): number {
    const draft = this.#drafts.get(producerId)
    if (draft !== undefined) return draft * ROW_NUMBERS
    const known = this.#state.find(this.#partition as P, producerId, this.#nowMs)
    if (known === NONE) return NONE
    const at = this.#fresh(producerId)
    const { cells } = this.#state
    for (let i = 0; i < ROW_NUMBERS; i++) this.#cells[at + i] = cells[known + i]
    return at
  }

  #draftAt(producerId: number): number {
    return (this.#drafts.get(producerId) as number) * ROW_NUMBERS
  }

  #fresh(producerId: number): number {
    const draft = this.#drafts.size
    const at = draft * ROW_NUMBERS
    if (at === this.#cells.length) {
      const larger = new Float64Array(this.#cells.length * 2)
      larger.set(this.#cells)
      this.#cells = larger
    }
    this.#drafts.set(producerId, draft)
    return at
  }
}
