/**
 * The pace of a replay: which time of the past it is now, when time there runs at `speed` times ours. The first
 * record asked about begins it. Pure state; "now" is an argument, ms that never go back.
 */
export class Pace {
  readonly #speed: number
  #isRunning = false
  #beganAtMs = 0
  #firstMs = 0

  constructor(speed: number) {
    this.#speed = speed
  }

  /** How long from `nowMs` on a record of the past has to wait; 0: it is due. */
  waitMs(timestampMs: number, nowMs: number): number {
    // A record without a time has nothing to wait for, nor can the others be counted from it.
    if (timestampMs < 0) return 0
    if (!this.#isRunning) {
      this.#isRunning = true
      this.#beganAtMs = nowMs
      this.#firstMs = timestampMs
    }
    return Math.max(0, (timestampMs - this.timeMs(nowMs)) / this.#speed)
  }

  /** Records up to this timestamp are due. */
  timeMs(nowMs: number): number {
    return this.#firstMs + (nowMs - this.#beganAtMs) * this.#speed
  }

  /** The next record asked about begins it anew. */
  restart(): void {
    this.#isRunning = false
  }
}
