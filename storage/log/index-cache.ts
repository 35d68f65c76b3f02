/**
 * Runs of sealed segments that were needed lately, one block for each partition and segment. Bounded by
 * bytes; the block that was not needed for the longest time goes first. Segment numbers are never used
 * twice, so what a removed segment leaves here does no harm and goes like the rest.
 */
import type { SegmentId } from '../segment-store.ts'
import type { RangeView } from './ranges.ts'

/** What a block takes besides its numbers, about: the array, the view and its place in the map. */
const BLOCK_OVERHEAD_BYTES = 256
/** Rows of a segment are fewer: an index of so many would be larger than any segment. */
const ROWS_MAX = 2 ** 24

export class IndexCache {
  readonly bytesMax: number
  /** In the order in which they were needed last. */
  readonly #blocks = new Map<number, RangeView>()
  #bytes = 0
  #hits = 0

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }
  /** How often a block was there. */
  get hits(): number {
    return this.#hits
  }

  has(segment: SegmentId, row: number): boolean {
    return this.#blocks.has(keyOf(segment, row))
  }

  get(segment: SegmentId, row: number): RangeView | undefined {
    const key = keyOf(segment, row)
    const block = this.#blocks.get(key)
    if (!block) return undefined
    this.#hits++
    this.#blocks.delete(key)
    this.#blocks.set(key, block)
    return block
  }

  /** A block larger than the whole cache is not kept. */
  put(segment: SegmentId, row: number, block: RangeView): void {
    const key = keyOf(segment, row)
    const known = this.#blocks.get(key)
    if (known) this.#remove(key, known)
    if (bytesOf(block) > this.bytesMax) return
    this.#blocks.set(key, block)
    this.#bytes += bytesOf(block)
    for (const [oldest, old] of this.#blocks) {
      if (this.#bytes <= this.bytesMax) return
      this.#remove(oldest, old)
    }
  }

  #remove(key: number, block: RangeView): void {
    this.#blocks.delete(key)
    this.#bytes -= bytesOf(block)
  }
}

function keyOf(segment: SegmentId, row: number): number {
  return segment * ROWS_MAX + row
}

function bytesOf(block: RangeView): number {
  return block.columns.byteLength + BLOCK_OVERHEAD_BYTES
}
