/**
 * How much of one turn of the event loop goes into work that a thread could do as well. Each piece is small, but a request
 * may have thousands of them, and everybody else waits for the end of the turn.
 */
import type { Clock, Timers } from '../ports.ts'

export class TurnBudget {
  readonly #msMax: number
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #timers: Pick<Timers, 'soon'>
  /** In the present turn. */
  #spentMs = 0
  #isCounting = false

  constructor(msMax: number, clock: Pick<Clock, 'monotonicMs'>, timers: Pick<Timers, 'soon'>) {
    this.#msMax = msMax
    this.#clock = clock
    this.#timers = timers
  }

  /** Nothing more should be done in this turn. */
  get isSpent(): boolean {
    return this.#spentMs >= this.#msMax
  }

  spend<T>(work: () => T): T {
    if (!this.#isCounting) {
      this.#isCounting = true
      this.#timers.soon(() => {
        this.#isCounting = false
        this.#spentMs = 0
      })
    }
    const startedAtMs = this.#clock.monotonicMs()
    try {
      return work()
    } finally {
      this.#spentMs += this.#clock.monotonicMs() - startedAtMs
    }
  }
}
