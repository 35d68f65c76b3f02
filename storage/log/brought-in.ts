/**
 * Values that were read from the disk a moment ago, so that they are in the page cache still. Bounded; the one that was
 * brought in first is forgotten first.
 */
import type { SegmentId } from '../segment-store.ts'

/** More values than a segment has. */
const SEQUENCES_MAX = 2 ** 32

export class BroughtIn {
  readonly #valuesMax: number
  readonly #trustedMs: number
  /** When, in the order of that. */
  readonly #atMs = new Map<number, number>()

  constructor(valuesMax: number, trustedMs: number) {
    this.#valuesMax = valuesMax
    this.#trustedMs = trustedMs
  }

  add(segment: SegmentId, firstSequence: number, count: number, nowMs: number): void {
    for (let sequence = firstSequence; sequence < firstSequence + count; sequence++) {
      const key = keyOf(segment, sequence)
      this.#atMs.delete(key)
      this.#atMs.set(key, nowMs)
    }
    for (const oldest of this.#atMs.keys()) {
      if (this.#atMs.size <= this.#valuesMax) return
      this.#atMs.delete(oldest)
    }
  }

  has(segment: SegmentId, sequence: number, nowMs: number): boolean {
    const atMs = this.#atMs.get(keyOf(segment, sequence))
    return atMs !== undefined && nowMs - atMs <= this.#trustedMs
  }
}

function keyOf(segment: SegmentId, sequence: number): number {
  return segment * SEQUENCES_MAX + sequence
}
