/**
 * The appends of one partition that wait: how many there are, and when those that waited at a moment are settled,
 * whatever has come since. Costs nothing per append but two counts.
 */
interface Barrier {
  readonly generation: number
  left: number
  readonly pass: () => void
}

export class AppendBarrier {
  #waiting = 0
  #generation = 0
  #barriers: Barrier[] | undefined

  /** How many wait. */
  get waiting(): number {
    return this.#waiting
  }

  /** An append waits from now on; what this returns goes to {@link leave}. */
  enter(): number {
    this.#waiting++
    return this.#generation
  }

  /** An append is settled. */
  leave(generation: number): void {
    this.#waiting--
    if (!this.#barriers) return
    for (const barrier of this.#barriers)
      if (generation < barrier.generation && --barrier.left === 0) barrier.pass()
    const left = this.#barriers.filter((barrier) => barrier.left > 0)
    this.#barriers = left.length > 0 ? left : undefined
  }

  /** Resolves when everything that waits now is settled. */
  passed(): Promise<void> {
    if (this.#waiting === 0) return Promise.resolve()
    const generation = ++this.#generation
    return new Promise((pass) => {
      this.#barriers ??= []
      this.#barriers.push({ generation, left: this.#waiting, pass })
    })
  }
}
