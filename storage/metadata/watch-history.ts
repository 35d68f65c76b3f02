/**
 * The last changes of a metadata store, so that a watch can begin in the past. Bounded by the number of
 * changes and by their bytes; what is older is forgotten ("compacted") and must be listed again. Pure.
 */

import type { Change } from './metadata-view.ts'

export interface HistoryLimits {
  readonly changesMax: number
  readonly bytesMax: number
}

/** Room for the churn of minutes on a busy cluster; a broker that missed more lists again. */
export const defaultHistoryLimits: HistoryLimits = { changesMax: 1000, bytesMax: 16 * 1024 * 1024 }

export class WatchHistory {
  readonly #limits: HistoryLimits
  /** Revisions without gaps: `#changes[i].revision === #floor + 1 + i`. */
  readonly #changes: Change[] = []
  #floor: number
  #bytes = 0

  /** `revision`: of the content the store came up with; how it came about is not known. */
  constructor(revision: number, limits: HistoryLimits) {
    this.#floor = revision
    this.#limits = limits
  }

  /** The newest forgotten revision: every change after it is here. */
  get floor(): number {
    return this.#floor
  }

  /** The change of a revision after the floor; undefined where it has not happened yet. */
  at(revision: number): Change | undefined {
    return this.#changes[revision - this.#floor - 1]
  }

  /** Takes the next change. It stays even if it alone exceeds the limits, until the next one comes. */
  append(change: Change): void {
    this.#changes.push(change)
    this.#bytes += changeBytes(change)
    while (this.#changes.length > 1 && this.#exceeded()) {
      this.#bytes -= changeBytes(this.#changes[0])
      this.#changes.shift()
      this.#floor++
    }
  }

  #exceeded(): boolean {
    return this.#changes.length > this.#limits.changesMax || this.#bytes > this.#limits.bytesMax
  }
}

function changeBytes(change: Change): number {
  let bytes = 0
  for (const event of change.events) {
    bytes += event.kind === 'put' ? event.entry.key.length + event.entry.value.length : event.key.length
  }
  return bytes
}
