/**
 * The batches that fill, and when they have waited long enough: at the end of the turn, or `lingerMs` after
 * their first record. A due batch still takes records until it can be sent, so that a busy connection gets
 * larger batches by itself. Not for ever: the time a batch has for its delivery begins with its first record,
 * and its last one should not get much less.
 */
import type { Clock, Timer, Timers } from '../ports.ts'
import type { PartitionQueue } from './partition-queue.ts'

export interface OpenBatchesHost {
  /** The batch of a queue may be sent. */
  due(queue: PartitionQueue): void
  /** The batch of a queue has been due for so long that it takes no more records. */
  old(queue: PartitionQueue): void
  /** Some became due, or old, between turns. */
  changed(): void
}

export class OpenBatches {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #lingerMs: number
  readonly #oldAfterMs: number
  readonly #host: OpenBatchesHost
  /** Not due yet, in order of opening and therefore of becoming due. */
  readonly #lingering = new Set<PartitionQueue>()
  readonly #due = new Set<PartitionQueue>()
  #dueTimer: Timer | undefined
  #oldTimer: Timer | undefined

  constructor(clock: Clock, timers: Timers, lingerMs: number, oldAfterMs: number, host: OpenBatchesHost) {
    this.#clock = clock
    this.#timers = timers
    this.#lingerMs = lingerMs
    this.#oldAfterMs = oldAfterMs
    this.#host = host
  }

  add(queue: PartitionQueue): void {
    this.#lingering.add(queue)
  }

  /** The batch of `queue` has been finished. */
  remove(queue: PartitionQueue): void {
    this.#lingering.delete(queue)
    this.#due.delete(queue)
  }

  /** Every batch that fills, the oldest first. */
  all(): PartitionQueue[] {
    return [...this.#due, ...this.#lingering]
  }

  /** Makes every batch due. */
  dueAll(): void {
    for (const queue of this.#lingering) this.#makeDue(queue)
  }

  /** The present turn of the event loop has ended. */
  turnEnded(): void {
    if (this.#lingerMs === 0) this.dueAll()
    else this.#dueByTime()
  }

  close(): void {
    this.#dueTimer?.cancel()
    this.#oldTimer?.cancel()
  }

  #dueByTime(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const queue of this.#lingering) {
      const leftMs = queue.openedAtMs + this.#lingerMs - nowMs
      if (leftMs <= 0) this.#makeDue(queue)
      else {
        this.#dueTimer ??= this.#timers.after(leftMs, () => {
          this.#dueTimer = undefined
          this.#dueByTime()
          this.#host.changed()
        })
        return
      }
    }
  }

  #makeDue(queue: PartitionQueue): void {
    this.#lingering.delete(queue)
    this.#due.add(queue)
    queue.isDue = true
    this.#host.due(queue)
    this.#watchAge()
  }

  /** Looks from time to time whether due batches are still there: most have left long before. */
  #watchAge(): void {
    this.#oldTimer ??= this.#timers.after(this.#oldAfterMs, () => {
      this.#oldTimer = undefined
      const upToMs = this.#clock.monotonicMs() - this.#oldAfterMs - this.#lingerMs
      for (const queue of this.#due) if (queue.openedAtMs <= upToMs) this.#host.old(queue)
      if (this.#due.size > 0) this.#watchAge()
      this.#host.changed()
    })
  }
}
