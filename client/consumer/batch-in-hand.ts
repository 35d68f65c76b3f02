/**
 * The batch whose records are being handed out one by one: whose it is, and how far. The cursor's position is behind
 * the whole batch already, so as long as some of it is left the true position is known here.
 */
import type { ConsumedBatch, PlacedRecord } from './consumed-batch.ts'
import type { Cursor } from './cursor.ts'

export class BatchInHand<R extends PlacedRecord> {
  #batch: ConsumedBatch<R> | undefined
  #cursor: Cursor | undefined
  #records: readonly R[] = []
  #index = 0

  /** Some of it is left. */
  get hasNext(): boolean {
    return this.#index < this.#records.length
  }

  /** The next record; only while {@link hasNext}. */
  next(): R {
    return this.#records[this.#index++]
  }

  /** Whose it is; undefined: there is none. */
  get cursor(): Cursor | undefined {
    return this.#cursor
  }

  /** Takes up a batch. Throws what is wrong with its records, and then keeps nothing. */
  take(cursor: Cursor, batch: ConsumedBatch<R>): void {
    this.drop()
    this.#records = batch.records
    this.#batch = batch
    this.#cursor = cursor
  }

  /** What is left is not handed out. */
  drop(): void {
    this.#batch = undefined
    this.#cursor = undefined
    this.#records = []
    this.#index = 0
  }

  /** The same if it is of this cursor, which will go on, or elsewhere, from what was handed out. */
  dropOf(cursor: Cursor): void {
    if (this.#cursor !== cursor) return
    cursor.position = this.positionOf(cursor)
    this.drop()
  }

  /** What is left, as a batch, which is no longer in hand. */
  takeRest(): ConsumedBatch<R> | undefined {
    const rest = this.hasNext ? this.#batch?.startingAt(this.#records[this.#index].offset) : undefined
    this.drop()
    return rest
  }

  /**
   * Offset of the first record behind `offset` that somebody may still want, when everything before `offset` is done: further than
   * `offset` only if that is where the last of what was handed out ends.
   */
  passedFrom(cursor: Cursor, offset: number): number {
    const isOfHand = this.#cursor === cursor && this.#index > 0
    const end = isOfHand ? this.#records[this.#index - 1].offset + 1 : cursor.handedOutEnd
    return end === offset ? Math.max(offset, this.positionOf(cursor)) : offset
  }

  /** Offset of the next record of the cursor's partition to be handed out. */
  positionOf(cursor: Cursor): number {
    return this.#cursor === cursor && this.hasNext ? this.#records[this.#index].offset : cursor.position
  }
}
