/**
 * Whether the next commit begins at once or waits a moment to be filled.
 *
 * A commit costs two syncs, a wake-up of the writing thread and a turn of the event loop, whatever its size; at full
 * load half as many of twice the size save a tenth of the broker's work. So a commit that follows a large one
 * waits until as much is there again, for {@link FILLING_MS_MAX} at most. Nobody waits at an even or a low load.
 *
 * Producers that cannot send more before they are answered would only be held up. While they wait little
 * comes, and after such a wait the next commits do not wait: first one, then 2, 4, … up to
 * {@link PAUSE_COMMITS_MAX}, until a wait was worth it again.
 */

import type { After } from '../ports.ts'

/** The longest a commit waits. */
export const FILLING_MS_MAX = 2

/** Of the largest commit: after so much the next one may wait, and a wait that brings so much was worth it. */
const LARGE_SHARE = 1 / 8
/** With so much a commit begins: larger ones gain little and cost latency. */
const ENOUGH_SHARE = 1 / 2
const PAUSE_COMMITS_MAX = 64

/** The rule alone: knows no time. */
export class FillingRule {
  readonly #largeBytes: number
  readonly #enoughBytes: number
  #lastBytes = 0
  /** What was there when the wait began. */
  #startBytes = 0
  /** Commits that do not wait after a wait in vain; how many of them are left. */
  #pause = 0
  #pauseLeft = 0

  constructor(commitBytesMax: number) {
    this.#largeBytes = commitBytesMax * LARGE_SHARE
    this.#enoughBytes = commitBytesMax * ENOUGH_SHARE
  }

  isEnough(queuedBytes: number): boolean {
    return queuedBytes >= this.#enoughBytes
  }

  /** Asked once before each commit of appends, with what waits for it. */
  shouldWait(queuedBytes: number): boolean {
    if (this.#lastBytes < this.#largeBytes || this.isEnough(queuedBytes)) return false
    if (this.#pauseLeft === 0) {
      this.#startBytes = queuedBytes
      return true
    }
    this.#pauseLeft--
    return false
  }

  /** A wait is over, with so much. */
  waited(queuedBytes: number): void {
    const isWorthIt = this.isEnough(queuedBytes) || queuedBytes - this.#startBytes >= this.#largeBytes
    this.#pause = isWorthIt ? 0 : Math.min(PAUSE_COMMITS_MAX, Math.max(1, 2 * this.#pause))
    this.#pauseLeft = this.#pause
  }

  /** A commit has begun, with so much. */
  began(bytes: number): void {
    this.#lastBytes = bytes
  }
}

/** The waits of one log, of which there is one at a time. */
export class CommitFilling {
  readonly #rule: FillingRule
  readonly #soon: (run: () => void) => void
  readonly #after: After | undefined
  #begin: (() => void) | undefined

  /** Without `after` nothing ever waits. */
  constructor(commitBytesMax: number, soon: (run: () => void) => void, after: After | undefined) {
    this.#rule = new FillingRule(commitBytesMax)
    this.#soon = soon
    this.#after = after
  }

  /** Resolves when the next commit may begin; `queuedBytes` tells what waits for it. */
  async wait(queuedBytes: () => number): Promise<void> {
    const after = this.#after
    if (!after || !this.#rule.shouldWait(queuedBytes())) return
    await new Promise<void>((resolve) => {
      const timer = after(FILLING_MS_MAX, resolve)
      this.#begin = () => {
        timer.cancel()
        resolve()
      }
    })
    this.#begin = undefined
    this.#rule.waited(queuedBytes())
  }

  /** Something has come: ends a wait, when the turn has handled its events, if it is enough or cannot wait. */
  came(queuedBytes: number, isUrgent: boolean): void {
    if (!this.#begin || !(isUrgent || this.#rule.isEnough(queuedBytes))) return
    this.#soon(this.#begin)
    this.#begin = undefined
  }

  /** A commit has begun, with so much. */
  began(bytes: number): void {
    this.#rule.began(bytes)
  }
}
