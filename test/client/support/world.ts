/**
 * Virtual time and chance for tests of the client: nothing happens but what the test lets happen, in an order
 * that depends on the seed alone. A minute of timeouts takes a millisecond.
 */
import type { Clock, Random, Timer, Timers } from '../../../client/ports.ts'

interface Event {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

/** Bound on the events of one wait: more means that somebody turns in circles. */
const EVENTS_MAX = 2_000_000

/** Start of virtual time on the wall clock. */
export const EPOCH_MS = 1_700_000_000_000

export class World {
  readonly seed: number
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  #state: number
  #nowMs = 0
  #order = 0
  #events: Event[] = []
  #soon: (() => void)[] = []

  constructor(seed = 1) {
    this.seed = seed
    this.#state = seed >>> 0
    this.clock = { nowMs: () => EPOCH_MS + Math.floor(this.#nowMs), monotonicMs: () => this.#nowMs }
    this.timers = {
      after: (delayMs, run) => this.after(delayMs, run),
      soon: (run) => {
        this.#soon.push(run)
      },
    }
    this.random = { unit: () => this.unit() }
  }

  get nowMs(): number {
    return this.#nowMs
  }

  /** Timers and deliveries that are still to come. */
  get pendingCount(): number {
    return this.#events.length + this.#soon.length
  }

  /** 0 ≤ x < 1, from the seed (mulberry32). */
  unit(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number, 0 ≤ n < `count`. */
  below(count: number): number {
    return Math.floor(this.unit() * count)
  }

  after(delayMs: number, run: () => void): Timer {
    const event = { atMs: this.#nowMs + delayMs, order: this.#order++, run }
    // The queue is kept sorted; most events come last.
    let at = this.#events.length
    while (at > 0 && this.#events[at - 1].atMs > event.atMs) at--
    this.#events.splice(at, 0, event)
    return {
      cancel: () => {
        const index = this.#events.indexOf(event)
        if (index >= 0) this.#events.splice(index, 1)
      },
    }
  }

  /** Lets virtual time pass until `promise` is settled, and gives its outcome. Throws when nothing is left to happen. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const settle = () => {
      settled = true
    }
    promise.then(settle, settle)
    for (let count = 0; ; count++) {
      await turn()
      if (settled) return promise
      if (count > EVENTS_MAX) throw new Error(`seed ${this.seed}: no end after ${count} events`)
      if (!this.#step(Number.POSITIVE_INFINITY)) throw new Error(`seed ${this.seed}: waits for ever`)
    }
  }

  /** Lets a stretch of virtual time pass. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    do await turn()
    while (this.#step(endMs))
    this.#nowMs = endMs
  }

  /** One turn of the event loop: what is due, or the next event. False: nothing up to `endMs`. */
  #step(endMs: number): boolean {
    if (this.#soon.length > 0) {
      const soon = this.#soon
      this.#soon = []
      for (const run of soon) run()
      return true
    }
    const next = this.#events[0]
    if (!next || next.atMs > endMs) return false
    this.#events.shift()
    this.#nowMs = Math.max(this.#nowMs, next.atMs)
    next.run()
    return true
  }
}

/** Every promise that can settle now has settled. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
