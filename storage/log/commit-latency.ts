/**
 * What commits take now, and what they take when nothing is read from the disk: for each a running
 * estimate of the duration that nine of ten commits stay below. Time comes as an argument.
 */

/** Share of the commits that stay below the estimate. */
const QUANTILE = 0.9
/** How far one commit moves the estimate. */
const STEP_NOW = 0.1
const STEP_QUIET = 0.03
/** Commits this long after a read are still beside it: what it had queued in the disk is done by then. */
const BESIDE_MS = 100
/** Without a commit for so long nobody commits. */
const IDLE_MS = 1_000

export class CommitLatency {
  #nowMs: number | undefined
  #quietMs: number | undefined
  #committedAtMs = Number.NEGATIVE_INFINITY
  #readAtMs = Number.NEGATIVE_INFINITY

  /** A commit became durable at `atMs`, after `durationMs`. */
  committed(atMs: number, durationMs: number): void {
    const isQuiet = atMs - durationMs - this.#readAtMs > BESIDE_MS
    if (isQuiet) this.#quietMs = follow(this.#quietMs, durationMs, STEP_QUIET)
    this.#nowMs = isQuiet ? this.#quietMs : follow(this.#nowMs, durationMs, STEP_NOW)
    this.#committedAtMs = atMs
  }

  /** Something came from the disk. */
  read(atMs: number): void {
    this.#readAtMs = atMs
  }

  /** What commits take at this time, in ms; undefined: nobody commits. */
  now(atMs: number): number | undefined {
    return atMs - this.#committedAtMs > IDLE_MS ? undefined : this.#nowMs
  }

  /** What they take when nothing is read; undefined: not known yet. */
  get quietMs(): number | undefined {
    return this.#quietMs
  }
}

/** Up by much and seldom, down by little and often: at rest where the shares hold. */
function follow(estimate: number | undefined, durationMs: number, step: number): number {
  if (estimate === undefined) return durationMs
  return estimate * (durationMs > estimate ? 1 + step * QUANTILE : 1 - step * (1 - QUANTILE))
}
