/**
 * The present turn of the event loop: what the time of its records is, and that something is done when it has
 * ended. The clock is looked at rarely, because a look costs more than encoding a record.
 */
import type { Clock, Timers } from '../ports.ts'

/** For so many records the clock is not looked at again. */
const RECORDS_PER_CLOCK_LOOK = 64

export class Turn {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #ended: () => void
  #clockLooksLeft = 0
  #timestampMs = 0
  #hasBegun = false

  constructor(clock: Clock, timers: Timers, ended: () => void) {
    this.#clock = clock
    this.#timers = timers
    this.#ended = ended
  }

  /** Timestamp of a record that comes now and brings none. */
  now(): number {
    if (this.#clockLooksLeft === 0) {
      this.#clockLooksLeft = RECORDS_PER_CLOCK_LOOK
      this.#timestampMs = this.#clock.nowMs()
      this.begin()
    }
    this.#clockLooksLeft--
    return this.#timestampMs
  }

  /** The end of this turn will be told. */
  begin(): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    this.#timers.soon(() => {
      this.#hasBegun = false
      this.#clockLooksLeft = 0
      this.#ended()
    })
  }
}
