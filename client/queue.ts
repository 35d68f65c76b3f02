/**
 * A first-in first-out queue that never moves its elements: a ring that doubles when full. `Array.shift`
 * moves every element of a long queue, and these queues stand on the path of every batch.
 */
export class Queue<T> {
  #ring: (T | undefined)[] = new Array(8).fill(undefined)
  #head = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  push(element: T): void {
    if (this.#length === this.#ring.length) this.#grow()
    this.#ring[(this.#head + this.#length) & (this.#ring.length - 1)] = element
    this.#length++
  }

  /** Puts an element in front of all others. */
  unshift(element: T): void {
    if (this.#length === this.#ring.length) this.#grow()
    this.#head = (this.#head - 1) & (this.#ring.length - 1)
    this.#ring[this.#head] = element
    this.#length++
  }

  /** The oldest element, left where it is. */
  peek(): T | undefined {
    return this.#ring[this.#head]
  }

  /** From the oldest on; the queue must not change meanwhile. */
  *[Symbol.iterator](): Generator<T> {
    for (let i = 0; i < this.#length; i++) yield this.#ring[(this.#head + i) & (this.#ring.length - 1)] as T
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined
    const element = this.#ring[this.#head]
    // The queue must not keep what it gave away alive.
    this.#ring[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#ring.length - 1)
    this.#length--
    return element
  }

  #grow(): void {
    const ring = new Array<T | undefined>(this.#ring.length * 2).fill(undefined)
    for (let i = 0; i < this.#length; i++) ring[i] = this.#ring[(this.#head + i) & (this.#ring.length - 1)]
    this.#ring = ring
    this.#head = 0
  }
}
