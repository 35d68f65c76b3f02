/**
 * Damage is met again by everyone who reads there: it is reported once for each place. Bounded: when very
 * many places are damaged some are reported again, never none.
 */
import type { Damage, DamageError } from './log-error.ts'

const PLACES_MAX = 10_000

export class DamageReports {
  readonly #report: (error: DamageError) => void
  readonly #places = new Set<string>()
  #count = 0

  constructor(report: (error: DamageError) => void) {
    this.#report = report
  }

  /** Places reported since the start. */
  get count(): number {
    return this.#count
  }

  met(error: DamageError): void {
    const place = placeOf(error.damage)
    if (this.#places.has(place)) return
    if (this.#places.size >= PLACES_MAX) this.#places.clear()
    this.#places.add(place)
    this.#count++
    this.#report(error)
  }
}

function placeOf({ topicId, partition, firstOffset, segment, sequence }: Damage): string {
  return [topicId.join('.'), partition, firstOffset, segment, sequence].join('/')
}
