/**
 * What a start makes of values whose directories cannot be read. Such a value may have held batches of any
 * partition, and their offsets were given out: they are never given again.
 *
 * - A partition that goes on later, above where it ended before the value, has lost what lies between.
 * - One of which nothing later is known has lost what the batches of the value could be of it: those that
 *   begin where it ended. Where not even the batches can be read, it goes on far above.
 *
 * What is lost is a range without bytes: readers are told of it, the partition goes on behind it.
 */
import type { SegmentId } from '../segment-store.ts'
import type { Payload } from './directory-repair.ts'
import type { PartitionLog } from './partition-log.ts'

/** More than one value can number, and few enough that it may happen thousands of times. */
export const OFFSETS_SKIPPED = 2 ** 40

export interface LostValue {
  readonly segment: SegmentId
  readonly sequence: number
  readonly payload: Payload
  /** When the value before it was committed: nothing in it is much younger. */
  readonly committedAtMs: number
}

export class LostValues {
  /** In journal order. */
  readonly #all: LostValue[] = []
  /** How many had been met when the partition was met last; absent: it was not met since the first. */
  readonly #metBefore = new Map<PartitionLog, number>()

  get any(): boolean {
    return this.#all.length > 0
  }

  get last(): LostValue | undefined {
    return this.#all.at(-1)
  }

  add(value: LostValue): void {
    this.#all.push(value)
  }

  /** Lost values behind everything that is known of the partition, in journal order. */
  behind(log: PartitionLog): readonly LostValue[] {
    return this.#all.slice(this.#metBefore.get(log) ?? 0)
  }

  /** Something of the partition was met in the journal. */
  met(log: PartitionLog): void {
    this.#metBefore.set(log, this.#all.length)
  }

  /** Where a partition of which nothing at all is known has to begin, at least. */
  get startOfUnknown(): number {
    const ofControls = this.#all.some(({ payload }) => payload.kind === 'controls') ? OFFSETS_SKIPPED : 0
    return Math.max(ofControls, endAfter(this.#all, 0))
  }
}

/** Where a partition that ended at `offset` may end after the lost values at most. */
export function endAfter(values: readonly LostValue[], offset: number): number {
  // Whose a batch is, is not known: the partition may end behind any that begins where it may have ended.
  const ends = new Set([offset])
  let last = offset
  const add = (end: number) => {
    ends.add(end)
    if (end > last) last = end
  }
  for (const { payload } of values) {
    if (payload.kind === 'unknown') add(last + OFFSETS_SKIPPED)
    else if (payload.kind === 'batches')
      for (const { baseOffset, endOffset } of payload.batches) if (ends.has(baseOffset)) add(endOffset)
  }
  return last
}
