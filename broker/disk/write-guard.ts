/**
 * Gives up on writes that do not come back: a disk can hang instead of failing, and whoever waits for it must be
 * told all the same.
 *
 * A write that takes long is told once; after the timeout it counts as failed, and so does the disk: what the
 * write does later is never looked at again. Time the process did not run (stopped, a suspended machine) does not
 * count: it is measured in ticks of a timer, of which a process that sleeps has none.
 */
import { StorageError } from '../../storage/segment-store.ts'
import type { Timer, Timers } from '../ports.ts'

export interface WriteGuardOptions {
  readonly timers: Timers
  readonly timeoutMs: number
  /** A write has not come back for a while; it may yet. */
  readonly onSlow: (sentence: string) => void
}

interface Write {
  /** For people: `a commit to DIR`. */
  readonly what: string
  readonly path: string
  readonly giveUp: (error: StorageError) => void
  ageMs: number
  isSlow: boolean
}

/** Ages are right to so much. */
const TICK_MS = 250
/** Far beyond what a healthy disk takes. */
const SLOW_AFTER_MS = 5_000

export class WriteGuard {
  readonly #options: WriteGuardOptions
  readonly #slowAfterMs: number
  readonly #writes = new Set<Write>()
  #timer: Timer | undefined

  constructor(options: WriteGuardOptions) {
    this.#options = options
    this.#slowAfterMs = Math.min(SLOW_AFTER_MS, options.timeoutMs / 2)
  }

  /** One sentence for each write that takes suspiciously long at this moment. */
  get slow(): readonly string[] {
    return [...this.#writes].filter(({ isSlow }) => isSlow).map(slowSentence)
  }

  /**
   * Settles as `write` does, or rejects with WRITE_FAILED when that has not happened within the timeout, after
   * `onGivenUp` was told.
   */
  watch<T>(
    what: string,
    path: string,
    write: Promise<T>,
    onGivenUp: (error: StorageError) => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const giveUp = (error: StorageError) => {
        onGivenUp(error)
        reject(error)
      }
      const entry: Write = { what, path, giveUp, ageMs: 0, isSlow: false }
      this.#writes.add(entry)
      this.#timer ??= this.#nextTick()
      write.then(
        (value) => {
          this.#writes.delete(entry)
          resolve(value)
        },
        (error) => {
          this.#writes.delete(entry)
          reject(error)
        },
      )
    })
  }

  #nextTick(): Timer {
    return this.#options.timers.after(TICK_MS, () => {
      for (const write of this.#writes) this.#age(write)
      this.#timer = this.#writes.size > 0 ? this.#nextTick() : undefined
    })
  }

  #age(write: Write): void {
    const { timeoutMs, onSlow } = this.#options
    write.ageMs += TICK_MS
    if (write.ageMs >= timeoutMs) {
      this.#writes.delete(write)
      const sentence = `${write.what} has not come back for ${seconds(timeoutMs)}: the disk hangs, nothing more is written`
      write.giveUp(new StorageError('WRITE_FAILED', sentence, { path: write.path }))
    } else if (write.ageMs >= this.#slowAfterMs && !write.isSlow) {
      write.isSlow = true
      onSlow(slowSentence(write))
    }
  }
}

function slowSentence({ what, ageMs }: Write): string {
  return `${what} has not come back for ${seconds(ageMs)}; the disk is very slow or hangs`
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1).replace(/\.0$/, '')} s`
}
