/**
 * How fast data that is not in memory may be read, beside commits that wait for the same disk. A decision
 * and nothing else: time, bytes and latencies come as arguments.
 *
 * While nobody commits there is no limit. Beside commits the rate falls while they take clearly longer than they do
 * when nothing is read, and rises again while they do not; it never falls below what a replay needs to be of use.
 */

/** Reading goes on at this rate whatever the commits do: a little more than the 100 MB/s that are promised. */
const BYTES_PER_SECOND_MIN = 115_000_000
/** Faster than this is no limit for the disks there are. */
const BYTES_PER_SECOND_MAX = 4_000_000_000
const BYTES_PER_SECOND_FIRST = 150_000_000
/** Commits may take so many times as long as they do alone. */
const SLOWDOWN_MAX = 1.25
const FALL = 0.7
const RISE = 1.1
/** A new rate shows in the latencies after so long. */
const SETTLING_MS = 100
/** However much a step read: the next one waits no longer than this. */
const PAUSE_MS_MAX = 250

export interface ReadStep {
  readonly startedAtMs: number
  /** Bytes that really came from the disk. */
  readonly diskBytes: number
  /** What commits take now; undefined: nobody commits. */
  readonly commitMs: number | undefined
  /** What they take when nothing is read; undefined: not known yet. */
  readonly quietCommitMs: number | undefined
}

export class ReadPace {
  #bytesPerSecond = BYTES_PER_SECOND_FIRST
  #changedAtMs = Number.NEGATIVE_INFINITY
  #nextAtMs = Number.NEGATIVE_INFINITY

  get bytesPerSecond(): number {
    return this.#bytesPerSecond
  }

  /** How long the next step has to wait, in ms. */
  pauseMs(nowMs: number): number {
    return Math.max(0, this.#nextAtMs - nowMs)
  }

  /** A step has ended. */
  stepped({ startedAtMs, diskBytes, commitMs, quietCommitMs }: ReadStep): void {
    // What was in memory cost the disk nothing, and a disk that nobody waits for need not be spared.
    if (diskBytes === 0 || commitMs === undefined) return
    this.#adjust(startedAtMs, commitMs, quietCommitMs)
    const pauseMs = Math.min(PAUSE_MS_MAX, (diskBytes / this.#bytesPerSecond) * 1000)
    this.#nextAtMs = startedAtMs + pauseMs
  }

  #adjust(nowMs: number, commitMs: number, quietCommitMs: number | undefined): void {
    if (nowMs - this.#changedAtMs < SETTLING_MS) return
    this.#changedAtMs = nowMs
    const isSlow = quietCommitMs === undefined || commitMs > quietCommitMs * SLOWDOWN_MAX
    const rate = this.#bytesPerSecond * (isSlow ? FALL : RISE)
    this.#bytesPerSecond = Math.min(BYTES_PER_SECOND_MAX, Math.max(BYTES_PER_SECOND_MIN, rate))
  }
}
