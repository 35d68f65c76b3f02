/**
 * How soon a worker that died is replaced: at once for a few, then one for each pause, so that work which kills every
 * worker it meets cannot make the broker do nothing but start threads. Pure.
 */
export interface RestartRate {
  readonly burst: number
  readonly refillMs: number
}

export class RestartBudget {
  readonly #burst: number
  readonly #refillMs: number
  #left: number
  #countedAtMs = 0

  constructor({ burst, refillMs }: RestartRate) {
    this.#burst = burst
    this.#refillMs = refillMs
    this.#left = burst
  }

  /** True: a worker may be started now, and that is counted. */
  take(nowMs: number): boolean {
    this.#refill(nowMs)
    if (this.#left < 1) return false
    this.#left--
    return true
  }

  /** Time until the next one may be started. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs)
    return this.#left >= 1 ? 0 : (1 - this.#left) * this.#refillMs
  }

  #refill(nowMs: number): void {
    const gained = Math.max(0, nowMs - this.#countedAtMs) / this.#refillMs
    this.#left = Math.min(this.#burst, this.#left + gained)
    this.#countedAtMs = nowMs
  }
}
