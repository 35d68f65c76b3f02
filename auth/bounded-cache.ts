/**
 * A map that never holds more than so many entries: the one unused for longest goes first. What strangers can
 * make us remember is remembered in one of these.
 */
export class BoundedCache<V> {
  readonly #entriesMax: number
  /** In the order of use: a Map keeps the order in which its keys came. */
  readonly #entries = new Map<string, V>()

  constructor(entriesMax: number) {
    if (!(entriesMax >= 1)) throw new RangeError(`a cache of ${entriesMax} entries holds nothing`)
    this.#entriesMax = entriesMax
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): V | undefined {
    const value = this.#entries.get(key)
    if (value === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, value)
    return value
  }

  set(key: string, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size <= this.#entriesMax) return
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest)
      return
    }
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }
}
