/**
 * Live filters that no fetch has at the moment: long polls come and go, and what was made for a filter is of use when it comes
 * back. For a while, and not too many: who has waited longest goes first.
 */
import type { LiveFilter } from './live-filters.ts'

const LINGER_MS = 10_000
const TEXT_CHARS_MAX = 4 * 1024 * 1024
const FILTERS_MAX = 16_384

export class LingeringFilters<Partition> {
  /** Who was left last stands last. */
  readonly #filters = new Map<LiveFilter, { readonly partition: Partition; readonly untilMs: number }>()
  readonly #end: (partition: Partition, filter: LiveFilter) => void
  #textChars = 0

  /** @param end told of each whose time is over, or for whom there is no room */
  constructor(end: (partition: Partition, filter: LiveFilter) => void) {
    this.#end = end
  }

  get size(): number {
    return this.#filters.size
  }

  /** From now on, again if it is here already. */
  add(partition: Partition, filter: LiveFilter, nowMs: number): void {
    this.remove(filter)
    this.#filters.set(filter, { partition, untilMs: nowMs + LINGER_MS })
    this.#textChars += filter.pattern.text.length
    for (const [oldest, { partition }] of this.#filters) {
      if (this.#textChars <= TEXT_CHARS_MAX && this.#filters.size <= FILTERS_MAX) break
      if (oldest === filter) break
      this.remove(oldest)
      this.#end(partition, oldest)
    }
  }

  /** Somebody has it again. */
  remove(filter: LiveFilter): void {
    if (this.#filters.delete(filter)) this.#textChars -= filter.pattern.text.length
  }

  /** To be called now and then. */
  expire(nowMs: number): void {
    for (const [oldest, { partition, untilMs }] of this.#filters) {
      if (nowMs < untilMs) return
      this.remove(oldest)
      this.#end(partition, oldest)
    }
  }
}
