/**
 * Where requests wait: fetches for bytes, produces for their replicas. A waiter names the partitions it
 * depends on and asks its question again whenever one of them advances.
 *
 * A waiter leaves when its question is answered, at its deadline, or when its caller is gone; it is
 * then in no list any more. The number of waiters is bounded by the requests in flight.
 */
import type { PartitionLog } from '../storage/log/partition-log.ts'
import type { Timers } from './ports.ts'

interface Waiter {
  readonly isDone: () => boolean
  readonly leave: (done: boolean) => void
}

export class Purgatory {
  readonly #timers: Timers
  readonly #waiters = new Map<PartitionLog, Set<Waiter>>()
  #size = 0
  #released = false

  constructor(timers: Timers) {
    this.#timers = timers
  }

  /** Requests waiting. */
  get size(): number {
    return this.#size
  }

  /**
   * Resolves true as soon as `isDone` holds, false when `timeoutMs` have passed, `signal` aborted or
   * {@link release} was called. `isDone` is asked at once and after each advance of one of `logs`.
   */
  wait(
    logs: readonly PartitionLog[],
    isDone: () => boolean,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (isDone()) return Promise.resolve(true)
    if (timeoutMs <= 0 || signal.aborted || this.#released) return Promise.resolve(false)
    return new Promise((resolve) => {
      const leave = (done: boolean) => {
        timer.cancel()
        signal.removeEventListener('abort', abandon)
        for (const log of logs) this.#remove(log, waiter)
        this.#size--
        resolve(done)
      }
      const abandon = () => leave(false)
      const waiter: Waiter = { isDone, leave }
      const timer = this.#timers.after(timeoutMs, abandon)
      signal.addEventListener('abort', abandon)
      for (const log of logs) this.#add(log, waiter)
      this.#size++
    })
  }

  /** Readers of the partition may see more than before, or it is gone: its waiters ask again. */
  advanced(log: PartitionLog): void {
    const waiters = this.#waiters.get(log)
    if (!waiters) return
    for (const waiter of [...waiters]) if (waiter.isDone()) waiter.leave(true)
  }

  /** Something else than an advance may have changed the answers: everyone asks again. */
  reconsider(): void {
    for (const waiter of this.#everyone()) if (waiter.isDone()) waiter.leave(true)
  }

  /** Nobody waits any more, now or later: the node is stopping. */
  release(): void {
    this.#released = true
    for (const waiter of this.#everyone()) waiter.leave(false)
  }

  #everyone(): Set<Waiter> {
    return new Set([...this.#waiters.values()].flatMap((waiters) => [...waiters]))
  }

  #add(log: PartitionLog, waiter: Waiter): void {
    const waiters = this.#waiters.get(log)
    if (waiters) waiters.add(waiter)
    else this.#waiters.set(log, new Set([waiter]))
  }

  #remove(log: PartitionLog, waiter: Waiter): void {
    const waiters = this.#waiters.get(log)
    waiters?.delete(waiter)
    if (waiters?.size === 0) this.#waiters.delete(log)
  }
}
