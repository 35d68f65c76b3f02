/**
 * Which are the newest records of several partitions together, and how far back one has to look to know. Pure.
 *
 * A record counts as being as late as the latest before it in its partition, among those looked at. So of each
 * partition it is the last so many, and a record that came late hides none. Of records that count as equally late the
 * one that is nearer to the end of its partition is newer, then the one of the earlier partition.
 *
 * Offsets may have gaps, so nothing is decided by counting them: each partition is looked at a little more than its
 * share back, and four times as far whenever all that was found there belongs to the newest. What is looked at is
 * so a small multiple of what is wanted, however much is stored.
 */

/** Offsets to look at, `fromOffset` up to, without, `endOffset`. */
export interface WantedRange {
  /** Index of the partition. */
  readonly index: number
  readonly fromOffset: number
  readonly endOffset: number
}

export interface PartitionBounds {
  readonly startOffset: number
  /** Exclusive. */
  readonly endOffset: number
}

interface Tail {
  readonly bounds: PartitionBounds
  /** Everything from here on was looked at, or is being. */
  fromOffset: number
  /** What was found before the present range was asked for. */
  older: { readonly offsets: readonly number[]; readonly times: readonly number[] }
  offsets: number[]
  times: number[]
}

/** How much further one looks each time. */
const FURTHER = 4

export class NewestChoice {
  readonly #count: number
  readonly #tails: readonly Tail[]
  /** How many records of each partition are among the newest. */
  #kept: readonly number[] = []

  constructor(count: number, bounds: readonly PartitionBounds[]) {
    this.#count = count
    this.#tails = bounds.map((each) => ({
      bounds: each,
      fromOffset: each.endOffset,
      older: { offsets: [], times: [] },
      offsets: [],
      times: [],
    }))
  }

  /**
   * What has to be looked at next; nothing: it is decided. To be called again when every record of those ranges was
   * told to {@link saw}.
   */
  wanted(): WantedRange[] {
    const held = this.#tails.reduce((sum, { bounds }) => sum + bounds.endOffset - bounds.startOffset, 0)
    // Everything there is.
    if (held <= this.#count) return []
    for (const tail of this.#tails) {
      tail.offsets = tail.offsets.concat(tail.older.offsets)
      tail.times = tail.times.concat(tail.older.times)
      tail.older = { offsets: [], times: [] }
    }
    this.#kept = this.#choose()
    const share = Math.min(this.#count, Math.ceil((1.25 * this.#count) / this.#tails.length) + 4)
    const ranges: WantedRange[] = []
    this.#tails.forEach((tail, index) => {
      const { bounds, fromOffset } = tail
      const isEnough = this.#kept[index] < tail.offsets.length || tail.offsets.length >= this.#count
      if (fromOffset <= bounds.startOffset || isEnough) return
      const width = Math.max(share, FURTHER * (bounds.endOffset - fromOffset))
      tail.fromOffset = Math.max(bounds.startOffset, bounds.endOffset - width)
      tail.older = { offsets: tail.offsets, times: tail.times }
      tail.offsets = []
      tail.times = []
      ranges.push({ index, fromOffset: tail.fromOffset, endOffset: fromOffset })
    })
    return ranges
  }

  /** A record of a range that was wanted; in order of offset within a range. */
  saw(index: number, offset: number, timestampMs: number): void {
    const tail = this.#tails[index]
    tail.offsets.push(offset)
    tail.times.push(timestampMs)
  }

  /** Offset of the first of the newest records in each partition, its end where there is none. Once it is decided. */
  starts(): number[] {
    return this.#tails.map(({ bounds, offsets }, index) => {
      if (this.#kept.length === 0) return bounds.startOffset
      const kept = this.#kept[index]
      return kept === 0 ? bounds.endOffset : offsets[offsets.length - kept]
    })
  }

  /** Takes the newest from the ends of the partitions, one by one. */
  #choose(): number[] {
    const latest = this.#tails.map(({ times }) => runningMaximum(times))
    const kept = latest.map(() => 0)
    const head = (index: number) => latest[index][latest[index].length - 1 - kept[index]]
    const isNewer = (a: number, b: number) => {
      const [first, second] = [head(a), head(b)]
      if (first !== second) return first > second
      return kept[a] !== kept[b] ? kept[a] < kept[b] : a < b
    }
    /** A heap of the partitions that have some left, the one with the newest first. */
    const heap = kept.map((_, index) => index).filter((index) => latest[index].length > 0)
    for (let at = heap.length >> 1; at >= 0; at--) sink(heap, at, isNewer)
    for (let taken = 0; taken < this.#count && heap.length > 0; taken++) {
      const index = heap[0]
      kept[index]++
      if (kept[index] === latest[index].length) {
        const last = heap.pop() as number
        if (heap.length > 0) heap[0] = last
      }
      sink(heap, 0, isNewer)
    }
    return kept
  }
}

function runningMaximum(times: readonly number[]): Float64Array {
  const latest = Float64Array.from(times)
  for (let i = 1; i < latest.length; i++) latest[i] = Math.max(latest[i], latest[i - 1])
  return latest
}

function sink(heap: number[], from: number, isBefore: (a: number, b: number) => boolean): void {
  for (let at = from; ; ) {
    let first = at
    for (const child of [2 * at + 1, 2 * at + 2])
      if (child < heap.length && isBefore(heap[child], heap[first])) first = child
    if (first === at) return
    const index = heap[at]
    heap[at] = heap[first]
    heap[first] = index
    at = first
  }
}
