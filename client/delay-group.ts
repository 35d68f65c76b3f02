/** Timers that belong together and end together: what is closed must not keep a process alive. */
import type { Timer, Timers } from './ports.ts'

export class DelayGroup {
  readonly #timers: Timers
  readonly #running = new Set<Timer>()

  constructor(timers: Timers) {
    this.#timers = timers
  }

  /** As {@link Timers.after}. */
  after(delayMs: number, run: () => void): Timer {
    const timer = this.#timers.after(delayMs, () => {
      this.#running.delete(timer)
      run()
    })
    this.#running.add(timer)
    return {
      cancel: () => {
        timer.cancel()
        this.#running.delete(timer)
      },
    }
  }

  /** None of the delays that are running ends. */
  cancelAll(): void {
    for (const timer of this.#running) timer.cancel()
    this.#running.clear()
  }
}
