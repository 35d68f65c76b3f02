/** One timer for the deadlines of all batches: set for the earliest, looked at again when it has passed. */
import type { DelayGroup } from '../delay-group.ts'
import type { Clock, Timer } from '../ports.ts'

export class DeliveryDeadline {
  readonly #clock: Clock
  readonly #delays: DelayGroup
  readonly #timeoutMs: number
  readonly #expire: (upToMs: number) => void
  #timer: Timer | undefined
  #sinceMs = Number.POSITIVE_INFINITY

  /** `expire(t)`: what came at `t` or before is late, unless it is settled. */
  constructor(clock: Clock, delays: DelayGroup, timeoutMs: number, expire: (upToMs: number) => void) {
    this.#clock = clock
    this.#delays = delays
    this.#timeoutMs = timeoutMs
    this.#expire = expire
  }

  /** Something came at `sinceMs` of the monotonic clock. */
  watch(sinceMs: number): void {
    if (sinceMs >= this.#sinceMs) return
    this.#timer?.cancel()
    this.#sinceMs = sinceMs
    const leftMs = Math.max(0, sinceMs + this.#timeoutMs - this.#clock.monotonicMs())
    this.#timer = this.#delays.after(leftMs, () => {
      this.#sinceMs = Number.POSITIVE_INFINITY
      this.#expire(this.#clock.monotonicMs() - this.#timeoutMs)
    })
  }
}
