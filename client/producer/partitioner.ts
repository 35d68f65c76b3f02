/**
 * Which partition a record goes to: the one the record names, else the one Kafka's default partitioner
 * gives its key, else (no key) a "sticky" one that changes when a batch of it has left.
 *
 * Sticky means full batches: sixteen partitions share the records of one turn as one large batch and not
 * as sixteen small ones.
 */
import { murmur2 } from './murmur2.ts'

/**
 * Chooses a partition, 0 ≤ p < `partitionCount`, for a record that names none; `undefined` leaves it to the
 * sticky choice. Must be pure. `key` is what the record carries, not yet encoded.
 */
export type Partitioner = (
  key: Uint8Array | string | null,
  partitionCount: number,
  topic: string,
) => number | undefined

/** Text keys are hashed as their UTF-8. Most are short, so they are encoded here and not on the heap. */
const SCRATCH_CHARACTERS = 1024
/** UTF-8 has at most three bytes for each UTF-16 unit. */
const scratch = new Uint8Array(SCRATCH_CHARACTERS * 3)
const encoder = new TextEncoder()

/** Kafka's default: `toPositive(murmur2(key)) % partitionCount`; no key, no choice. */
export const murmur2Partitioner: Partitioner = (key, partitionCount) => {
  if (key === null) return undefined
  const hash = typeof key === 'string' ? murmur2Text(key) : murmur2(key)
  return (hash & 0x7fffffff) % partitionCount
}

function murmur2Text(key: string): number {
  if (key.length > SCRATCH_CHARACTERS) return murmur2(encoder.encode(key))
  let length = 0
  for (; length < key.length; length++) {
    const unit = key.charCodeAt(length)
    if (unit > 0x7f) return murmur2(scratch, encoder.encodeInto(key, scratch).written)
    scratch[length] = unit
  }
  return murmur2(scratch, length)
}

/** The sticky choice of one topic. Walks round the partitions from a random start, so that loads even out. */
export class StickyPartition {
  #partition: number
  #count: number

  /** `unit` is drawn from [0, 1). */
  constructor(partitionCount: number, unit: number) {
    this.#count = partitionCount
    this.#partition = Math.floor(unit * partitionCount)
  }

  get partition(): number {
    return this.#partition
  }

  /** A batch of `partition` has left or is full: the next records without a key go elsewhere. */
  moveOn(partition: number): void {
    if (partition === this.#partition) this.#partition = (partition + 1) % this.#count
  }

  /** Partitions were added. */
  resize(partitionCount: number): void {
    this.#count = partitionCount
  }
}
