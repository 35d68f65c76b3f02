/**
 * Where requests wait: fetches for bytes, produces for their replicas. A waiter names the partitions it
 * depends on and asks its question again whenever one of them advances.
 *
 * A waiter leaves when its question is answered, at its deadline, or when its caller is gone; it is
 * then in no list any more. The number of waiters is bounded by the requests in flight.
 *
 * When rights change, those ask again whose caller they are about, a few in each turn of the event loop: however many
 * wait and however often rules change, everybody else is served in between.
 */
import type { PartitionLog } from '../storage/log/partition-log.ts'
import type { Timers } from './ports.ts'

interface Waiter {
  readonly isDone: () => boolean
  readonly leave: (done: boolean) => void
}

/** On whose behalf requests wait. */
export interface Caller {
  /** Whether it may do more or less, or nothing any more, since this was last asked. */
  hasChanged(): boolean
}

/** Looked at in one turn of the event loop: callers, and those of their requests that ask again. */
const RECONSIDERED_PER_TURN = 64

export class Purgatory {
  readonly #timers: Timers
  readonly #waiters = new Map<PartitionLog, Set<Waiter>>()
  readonly #byCaller = new Map<Caller, Set<Waiter>>()
  #size = 0
  #released = false
  #isReconsidering = false
  /** Asked for while it was under way. */
  #isReconsideredAgain = false

  constructor(timers: Timers) {
    this.#timers = timers
  }

  /** Requests waiting. */
  get size(): number {
    return this.#size
  }

  /**
   * Resolves true as soon as `isDone` holds, false when `timeoutMs` have passed, `signal` aborted or
   * {@link release} was called. `isDone` is asked at once, after each advance of one of `logs`, and after a change of
   * what `caller` may do; undefined: it does not depend on that.
   */
  wait(
    logs: readonly PartitionLog[],
    isDone: () => boolean,
    timeoutMs: number,
    signal: AbortSignal,
    caller?: Caller,
  ): Promise<boolean> {
    if (isDone()) return Promise.resolve(true)
    if (timeoutMs <= 0 || signal.aborted || this.#released) return Promise.resolve(false)
    return new Promise((resolve) => {
      const leave = (done: boolean) => {
        timer.cancel()
        signal.removeEventListener('abort', abandon)
        for (const log of logs) exclude(this.#waiters, log, waiter)
        if (caller) exclude(this.#byCaller, caller, waiter)
        this.#size--
        resolve(done)
      }
      const abandon = () => leave(false)
      const waiter: Waiter = { isDone, leave }
      const timer = this.#timers.after(timeoutMs, abandon)
      signal.addEventListener('abort', abandon)
      for (const log of logs) include(this.#waiters, log, waiter)
      if (caller) include(this.#byCaller, caller, waiter)
      this.#size++
    })
  }

  /** Readers of the partition may see more than before, or it is gone: its waiters ask again. */
  advanced(log: PartitionLog): void {
    const waiters = this.#waiters.get(log)
    if (!waiters) return
    for (const waiter of [...waiters]) if (waiter.isDone()) waiter.leave(true)
  }

  /** Somebody may do more or less than before: those whom it is about ask again, soon. */
  reconsider(): void {
    if (this.#isReconsidering) {
      this.#isReconsideredAgain = true
      return
    }
    this.#isReconsidering = true
    this.#reconsiderFrom([...this.#byCaller.keys()], 0)
  }

  #reconsiderFrom(callers: readonly Caller[], start: number): void {
    let at = start
    for (let looks = 0; at < callers.length && looks < RECONSIDERED_PER_TURN; at++) {
      const waiters = this.#byCaller.get(callers[at])
      looks++
      if (!waiters || !callers[at].hasChanged()) continue
      looks += waiters.size
      for (const waiter of [...waiters]) if (waiter.isDone()) waiter.leave(true)
    }
    if (at < callers.length) {
      this.#timers.soon(() => this.#reconsiderFrom(callers, at))
      return
    }
    this.#isReconsidering = false
    if (!this.#isReconsideredAgain) return
    this.#isReconsideredAgain = false
    this.#timers.soon(() => this.reconsider())
  }

  /** Nobody waits any more, now or later: the node is stopping. */
  release(): void {
    this.#released = true
    for (const waiter of this.#everyone()) waiter.leave(false)
  }

  #everyone(): Set<Waiter> {
    return new Set([...this.#waiters.values()].flatMap((waiters) => [...waiters]))
  }
}

function include<K>(index: Map<K, Set<Waiter>>, key: K, waiter: Waiter): void {
  const waiters = index.get(key)
  if (waiters) waiters.add(waiter)
  else index.set(key, new Set([waiter]))
}

function exclude<K>(index: Map<K, Set<Waiter>>, key: K, waiter: Waiter): void {
  const waiters = index.get(key)
  waiters?.delete(waiter)
  if (waiters?.size === 0) index.delete(key)
}
