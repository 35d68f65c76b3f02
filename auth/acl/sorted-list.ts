/** Items kept in order, with the same one perhaps several times. A change moves pointers and compares a few items. */
export class SortedList<T> {
  readonly #items: T[] = []
  readonly #compare: (a: T, b: T) => number

  /** @param compare 0 only for what is the same */
  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare
  }

  at(index: number): T | undefined {
    return this.#items[index]
  }

  add(item: T): void {
    this.#items.splice(this.indexFrom(item), 0, item)
  }

  /** One of those that are the same; nothing where there is none. */
  remove(item: T): void {
    const index = this.indexFrom(item)
    const found = this.#items[index]
    if (found !== undefined && this.#compare(found, item) === 0) this.#items.splice(index, 1)
  }

  /** Where the first stands that is not before `item`. */
  indexFrom(item: T): number {
    let low = 0
    let high = this.#items.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#compare(this.#items[middle], item) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

export function compareText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
