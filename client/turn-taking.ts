/** Those who wait for the same room: called once each when there is some, and each in his turn first. */

export class TurnTaking {
  #waiting = new Set<() => void>()

  /** `run` is called once, at the next {@link give}. */
  add(run: () => void): void {
    this.#waiting.add(run)
  }

  /** There is room, perhaps not for all: whoever finds none adds himself again. */
  give(): void {
    if (this.#waiting.size === 0) return
    const [first, ...others] = this.#waiting
    this.#waiting = new Set()
    first()
    for (const run of others) run()
    // Whoever came first and still waits has had his turn.
    if (this.#waiting.delete(first)) this.#waiting.add(first)
  }
}
