/**
 * Many ranges of numbers, each with a number of its own: which of them hold a value, in the time of a binary
 * search and of what is found. The bounds cut the line into points and the gaps between them; each range
 * stands at the few nodes of a tree over these that cover it together (a segment tree), so that space grows
 * with n log n also when all ranges lie in each other.
 */

export interface NumberRange {
  readonly low: number
  readonly lowInclusive: boolean
  readonly high: number
  readonly highInclusive: boolean
  readonly id: number
}

export class RangeTable {
  /** Ascending, each once. Bound n is piece 2n + 1, the gap before it piece 2n. */
  readonly #bounds: Float64Array
  readonly #pieceCount: number
  /** Node n has the ids from starts[n] to starts[n + 1]; the parent of node n is n >> 1, piece p is node pieceCount + p. */
  readonly #starts: Int32Array
  readonly #ids: Int32Array

  constructor(ranges: readonly NumberRange[]) {
    // 0 and -0 are one bound; a set takes them as one.
    const bounds = Float64Array.from(new Set(ranges.flatMap(({ low, high }) => [low, high]))).sort()
    this.#bounds = bounds
    this.#pieceCount = bounds.length * 2 + 1
    const nodeCount = this.#pieceCount * 2
    this.#starts = new Int32Array(nodeCount + 1)
    for (const range of ranges) this.#atNodesOf(range, (node) => this.#starts[node + 1]++)
    for (let node = 0; node < nodeCount; node++) this.#starts[node + 1] += this.#starts[node]
    this.#ids = new Int32Array(this.#starts[nodeCount])
    const filled = this.#starts.slice()
    for (const range of ranges) {
      this.#atNodesOf(range, (node) => {
        this.#ids[filled[node]++] = range.id
      })
    }
  }

  /** The nodes that together cover a range: at most two on each level of the tree. */
  #atNodesOf({ low, lowInclusive, high, highInclusive }: NumberRange, visit: (node: number) => void): void {
    let from = this.#pieceCount + this.#firstFrom(low) * 2 + (lowInclusive ? 1 : 2)
    let to = this.#pieceCount + this.#firstFrom(high) * 2 + (highInclusive ? 2 : 1)
    for (; from < to; from >>= 1, to >>= 1) {
      if ((from & 1) !== 0) visit(from++)
      if ((to & 1) !== 0) visit(--to)
    }
  }

  /** As of a text table. */
  find(value: number, found: Int32Array, count: number): number {
    const bound = this.#firstFrom(value)
    const piece = bound * 2 + (bound < this.#bounds.length && this.#bounds[bound] === value ? 1 : 0)
    const starts = this.#starts
    for (let node = this.#pieceCount + piece; node > 0; node >>= 1) {
      for (let at = starts[node]; at < starts[node + 1]; at++) found[count++] = this.#ids[at]
    }
    return count
  }

  /** Index of the first bound that is not below the value. */
  #firstFrom(value: number): number {
    let low = 0
    let high = this.#bounds.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#bounds[middle] < value) low = middle + 1
      else high = middle
    }
    return low
  }
}
