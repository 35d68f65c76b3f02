/**
 * Long looks through memory, those of all connections one after the other: a few milliseconds in each turn of the event
 * loop, however many were asked for, so that nobody else waits for them. Connections take turns; of one connection a
 * scan begins when the one before has ended, so that what is held is bounded by the number of connections.
 *
 * Promises that every scan ends: with what it found, with its error, or, once its connection is gone, with undefined.
 */
import type { Clock, Timers } from '../ports.ts'

const TURN_MS_MAX = 3

/** Goes on where it stopped; what it does between two steps must take far less than a turn. */
export type Scan<T> = Generator<undefined, T, undefined>

interface Job {
  /** True: it has ended. */
  step(): boolean
}

export class ScanQueue {
  readonly #timers: Pick<Timers, 'soon'>
  /** By connection, in the order in which they come to their turn. */
  readonly #jobsOf = new Map<number, Job[]>()

  constructor(timers: Pick<Timers, 'soon'>) {
    this.#timers = timers
  }

  /** @param connection whose turn it takes */
  run<T>(
    connection: number,
    signal: AbortSignal,
    clock: Pick<Clock, 'monotonicMs'>,
    scan: Scan<T>,
  ): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const step = () => {
        try {
          const { done, value } = signal.aborted ? { done: true, value: undefined } : scan.next()
          if (done) resolve(value)
          return done === true
        } catch (error) {
          reject(error)
          return true
        }
      }
      const jobs = this.#jobsOf.get(connection)
      if (jobs) jobs.push({ step })
      else this.#jobsOf.set(connection, [{ step }])
      if (!jobs && this.#jobsOf.size === 1) this.#timers.soon(() => this.#turn(clock))
    })
  }

  #turn(clock: Pick<Clock, 'monotonicMs'>): void {
    const startMs = clock.monotonicMs()
    const isOver = () => clock.monotonicMs() - startMs > TURN_MS_MAX
    do {
      const next = this.#jobsOf.entries().next().value
      if (!next) return
      const [connection, jobs] = next
      let hasEnded = false
      do hasEnded = jobs[0].step()
      while (!hasEnded && !isOver())
      if (hasEnded) jobs.shift()
      // The others come first now.
      this.#jobsOf.delete(connection)
      if (jobs.length > 0) this.#jobsOf.set(connection, jobs)
    } while (!isOver())
    if (this.#jobsOf.size > 0) this.#timers.soon(() => this.#turn(clock))
  }
}
