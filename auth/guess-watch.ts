/**
 * What an operator is told of guessing: from where, or at which key, and how many wrong credentials since he was told last.
 * Never a credential or a part of one; the id of a key is none.
 *
 * A line is told when an address or a key begins to wait, and then once a minute while it goes on; of all together no
 * more than ten a minute, so that guessing cannot fill the log. Pure: the clock is handed in, monotonic. Bounded.
 */
import { BoundedCache } from './bounded-cache.ts'

export interface GuessReport {
  /** Of what `source` is the name: an address (of IPv6 a /64), a user who has come in already, or the id of an API key. */
  readonly kind: 'address' | 'user' | 'key'
  readonly source: string
  /** Since the last report about it. */
  readonly refusals: number
}

const REPORT_INTERVAL_MS = 60_000
const REPORTS_PER_INTERVAL_MAX = 10
const SOURCES_MAX = 10_000

export class GuessWatch {
  readonly #report: (report: GuessReport) => void
  readonly #seen = new BoundedCache<{ refusals: number; toldAtMs: number }>(SOURCES_MAX)
  #intervalSinceMs = Number.NEGATIVE_INFINITY
  #told = 0

  constructor(report: (report: GuessReport) => void) {
    this.#report = report
  }

  /** @param isWaiting whether there have been so many that it has to wait: a mistake is not told of */
  refused(kind: GuessReport['kind'], source: string, isWaiting: boolean, nowMs: number): void {
    const key = `${kind} ${source}`
    const seen = this.#seen.get(key) ?? { refusals: 0, toldAtMs: Number.NEGATIVE_INFINITY }
    this.#seen.set(key, seen)
    seen.refusals++
    if (!isWaiting || nowMs - seen.toldAtMs < REPORT_INTERVAL_MS || !this.#mayTell(nowMs)) return
    const { refusals } = seen
    seen.refusals = 0
    seen.toldAtMs = nowMs
    this.#report({ kind, source, refusals })
  }

  #mayTell(nowMs: number): boolean {
    if (nowMs - this.#intervalSinceMs >= REPORT_INTERVAL_MS) {
      this.#intervalSinceMs = nowMs
      this.#told = 0
    }
    return this.#told++ < REPORTS_PER_INTERVAL_MAX
  }
}
