/** Time that passes when a test says so: a clock, timers and turns of the event loop in one. */
import type { Clock, Timer, Timers } from '../../broker/ports.ts'

export class ManualTime implements Clock, Timers {
  #elapsedMs = 0
  /** In the order in which they were set. */
  readonly #timers = new Set<{ readonly atMs: number; readonly run: () => void }>()
  #soon: (() => void)[] = []

  nowMs(): number {
    return 1_700_000_000_000 + this.#elapsedMs
  }

  monotonicMs(): number {
    return this.#elapsedMs
  }

  after(delayMs: number, run: () => void): Timer {
    const timer = { atMs: this.#elapsedMs + delayMs, run }
    this.#timers.add(timer)
    return {
      cancel: () => {
        this.#timers.delete(timer)
      },
    }
  }

  soon(run: () => void): void {
    this.#soon.push(run)
  }

  get timerCount(): number {
    return this.#timers.size
  }

  /** Lets promises settle, then ends the turn. */
  async turn(): Promise<void> {
    await settled()
    for (const run of this.#soon.splice(0)) run()
    await settled()
  }

  /** Runs every timer that falls due on the way, in order. */
  async advance(durationMs: number): Promise<void> {
    const endMs = this.#elapsedMs + durationMs
    for (;;) {
      let due: { readonly atMs: number; readonly run: () => void } | undefined
      for (const timer of this.#timers)
        if (timer.atMs <= endMs && (!due || timer.atMs < due.atMs)) due = timer
      if (!due) break
      this.#timers.delete(due)
      this.#elapsedMs = Math.max(this.#elapsedMs, due.atMs)
      due.run()
      await this.turn()
    }
    this.#elapsedMs = endMs
    await this.turn()
  }
}

/** After every promise that could settle has settled. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
