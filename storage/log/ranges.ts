/**
 * Ranges of offsets of one partition, in ascending order, and where their bytes are. Used at two levels:
 *
 * - a **run**: consecutive batches in one stored value; `container` is the value's sequence,
 *   `position` the place of its first batch in the value;
 * - an **extent**: all runs of the partition in one sealed segment; `container` is the segment's id,
 *   `position` the partition's row in that segment's index.
 *
 * A range without bytes stands for what was lost with a damaged value: its offsets were given out.
 *
 * Kept as numbers in one flat array: no object per range, so that a million of them cost 48 MB outside
 * the JavaScript heap and nothing to the garbage collector. Between ranges offsets may have gaps; they
 * never overlap.
 */

/** Numbers per range: base offset, end offset (exclusive), max timestamp, container, position, bytes. */
export const RANGE_STRIDE = 6
const BASE = 0
const END = 1
const MAX_TIMESTAMP = 2
const CONTAINER = 3
const POSITION = 4
const LENGTH = 5

/** Read access to `count` ranges of a flat array, beginning with range number `first`. */
export class RangeView {
  readonly columns: Float64Array
  readonly first: number
  readonly count: number
  /** No run here was appended later, ms since 1970; Infinity where that is not known. */
  readonly lastAppendMs: number

  constructor(columns: Float64Array, first: number, count: number, lastAppendMs = Number.POSITIVE_INFINITY) {
    this.columns = columns
    this.first = first
    this.count = count
    this.lastAppendMs = lastAppendMs
  }

  #at(index: number, column: number): number {
    return this.columns[(this.first + index) * RANGE_STRIDE + column]
  }
  baseOffset(index: number): number {
    return this.#at(index, BASE)
  }
  endOffset(index: number): number {
    return this.#at(index, END)
  }
  maxTimestampMs(index: number): number {
    return this.#at(index, MAX_TIMESTAMP)
  }
  container(index: number): number {
    return this.#at(index, CONTAINER)
  }
  position(index: number): number {
    return this.#at(index, POSITION)
  }
  /** Bytes of the record batches. */
  length(index: number): number {
    return this.#at(index, LENGTH)
  }

  /** A range without bytes stands for offsets that were given out and whose batches are lost to damage. */
  isLost(index: number): boolean {
    return this.length(index) === 0
  }

  /** Where the last range that begins below `offset` ends, `offset` where it goes on; undefined: there is none. */
  endBelow(offset: number): number | undefined {
    const at = this.find(offset)
    if (at < this.count && this.baseOffset(at) < offset) return offset
    return at > 0 ? this.endOffset(at - 1) : undefined
  }

  /** The first range that ends above `offset`: it holds the offset, or the gap before it does. `count`: none. */
  find(offset: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.endOffset(middle) > offset) high = middle
      else low = middle + 1
    }
    return low
  }

  maxTimestampOfAllMs(): number {
    let max = -1
    for (let i = 0; i < this.count; i++) max = Math.max(max, this.maxTimestampMs(i))
    return max
  }

  bytesOfAll(): number {
    let bytes = 0
    for (let i = 0; i < this.count; i++) bytes += this.length(i)
    return bytes
  }
}

/** Where every list begins: most partitions have nothing in the active segment. */
const EMPTY = new Float64Array(0)

/** A list that grows and is cut at its end, and is eaten from its front. */
export class RangeList {
  /** No range of it was appended later, ms since 1970; 0: not known. */
  lastAppendMs = 0
  #columns: Float64Array = EMPTY
  #first = 0
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Valid until the next change. */
  view(): RangeView {
    return new RangeView(this.#columns, this.#first, this.#count, this.lastAppendMs || undefined)
  }

  push(
    baseOffset: number,
    endOffset: number,
    maxTimestampMs: number,
    container: number,
    position: number,
    length: number,
  ): void {
    if ((this.#first + this.#count + 1) * RANGE_STRIDE > this.#columns.length) this.#makeRoom()
    const at = (this.#first + this.#count) * RANGE_STRIDE
    this.#columns[at + BASE] = baseOffset
    this.#columns[at + END] = endOffset
    this.#columns[at + MAX_TIMESTAMP] = maxTimestampMs
    this.#columns[at + CONTAINER] = container
    this.#columns[at + POSITION] = position
    this.#columns[at + LENGTH] = length
    this.#count++
  }

  #makeRoom(): void {
    const used = this.#columns.subarray(
      this.#first * RANGE_STRIDE,
      (this.#first + this.#count) * RANGE_STRIDE,
    )
    // Eaten ranges are reclaimed before the array grows: a log that loses as much at its start as it
    // gains at its end keeps its size.
    if (this.#first >= this.#count && this.#first > 0)
      this.#columns.copyWithin(0, used.byteOffset / 8, used.byteOffset / 8 + used.length)
    else {
      const wider = new Float64Array(Math.max(2, Math.ceil(this.#count * 1.5)) * RANGE_STRIDE)
      wider.set(used)
      this.#columns = wider
    }
    this.#first = 0
  }

  /** Keeps the first `count` ranges. */
  shorten(count: number): void {
    this.#count = Math.min(this.#count, count)
  }

  /** The last range now ends at `endOffset` and has `length` bytes. */
  cutLast(endOffset: number, length: number): void {
    const at = (this.#first + this.#count - 1) * RANGE_STRIDE
    this.#columns[at + END] = endOffset
    this.#columns[at + LENGTH] = length
  }

  /** `count` ranges from `index` on are one now, in another place. */
  merge(index: number, count: number, container: number, position: number): void {
    const merged = new RangeView(this.#columns, this.#first + index, count)
    const numbers = [
      merged.baseOffset(0),
      merged.endOffset(count - 1),
      merged.maxTimestampOfAllMs(),
      container,
      position,
      merged.bytesOfAll(),
    ]
    const at = (this.#first + index) * RANGE_STRIDE
    this.#columns.set(numbers, at)
    const end = (this.#first + this.#count) * RANGE_STRIDE
    this.#columns.copyWithin(at + RANGE_STRIDE, at + count * RANGE_STRIDE, end)
    this.#count -= count - 1
  }

  /** Drops the first range. */
  shift(): void {
    this.#first++
    this.#count--
  }

  /** The numbers of all ranges, copied. */
  toColumns(): Float64Array {
    return this.#columns.slice(this.#first * RANGE_STRIDE, (this.#first + this.#count) * RANGE_STRIDE)
  }
}
