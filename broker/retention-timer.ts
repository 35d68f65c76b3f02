/**
 * Looks for data whose time is over, and for files that are mostly dead: again and again, after so much was
 * written, and when asked to; never two looks at once. A look that fails is told and does not end the
 * looking: the next may succeed.
 *
 * What limits bytes must follow the writing and not the clock: at 300 MB/s five seconds are 1.5 GB too many.
 * But a look at very many partitions takes its time, and never more than a small share of all time.
 */
import type { PartitionLog } from '../storage/log/partition-log.ts'
import type { RelocationReport } from '../storage/log/relocation.ts'
import type { RetentionPolicy, RetentionReport } from '../storage/log/retention.ts'
import type { Clock, Timer, Timers } from './ports.ts'

export interface RetentionTimerOptions {
  readonly log: {
    enforceRetention(
      nowMs: number,
      policyOf: (log: PartitionLog) => RetentionPolicy | undefined,
    ): Promise<RetentionReport>
    relocate(signal: AbortSignal): Promise<RelocationReport>
  }
  readonly policyOf: (log: PartitionLog) => RetentionPolicy | undefined
  readonly partitionCount: () => number
  readonly clock: Clock
  readonly timers: Timers
  readonly intervalMs: number
  /** Bytes written between two looks, at most. */
  readonly writtenBytesMax: number
  readonly onEnforced: (report: RetentionReport) => void
  readonly onRelocated: (report: RelocationReport) => void
  readonly onError: (error: unknown) => void
}

/** A look rests so many times as long as it worked, unless it is asked for. */
const REST_FACTOR = 20
/** What a look works for one partition, at most; what it takes beyond that is waiting for the disk, which disturbs nobody. */
const PARTITION_WORK_MS_MAX = 0.02
/** For all that does not go with partitions. */
const WORK_MS_MAX = 1

export class RetentionTimer {
  readonly #options: RetentionTimerOptions
  readonly #stopping = new AbortController()
  #writtenBytes = 0
  /** When enough was written for a look, it comes no sooner than this. */
  #restsUntilMs = 0
  #timer: Timer | undefined
  #looking: Promise<void> | undefined
  #isUrgent = false
  #isStopped = false

  constructor(options: RetentionTimerOptions) {
    this.#options = options
    this.#schedule()
  }

  /** Looks at once, or as soon as the look under way is over. */
  lookNow(): void {
    this.#isUrgent = true
    if (this.#looking) return
    this.#timer?.cancel()
    this.#schedule()
  }

  /** So much was written since the last call. */
  wrote(bytes: number): void {
    const { writtenBytesMax } = this.#options
    const wasEnough = this.#writtenBytes >= writtenBytesMax
    this.#writtenBytes += bytes
    if (wasEnough || this.#writtenBytes < writtenBytesMax || this.#looking) return
    this.#timer?.cancel()
    this.#schedule()
  }

  /** Resolves when no look is under way; none begins any more. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stopping.abort()
    this.#timer?.cancel()
    await this.#looking
  }

  #schedule(): void {
    if (this.#isStopped) return
    const { timers } = this.#options
    const delayMs = this.#delayMs()
    this.#isUrgent = false
    this.#timer = timers.after(delayMs, () => {
      this.#looking = this.#look().finally(() => {
        this.#looking = undefined
        this.#schedule()
      })
    })
  }

  #delayMs(): number {
    const { clock, intervalMs, writtenBytesMax } = this.#options
    if (this.#isUrgent) return 0
    if (this.#writtenBytes < writtenBytesMax) return intervalMs
    return Math.min(intervalMs, Math.max(0, this.#restsUntilMs - clock.monotonicMs()))
  }

  async #look(): Promise<void> {
    const { log, policyOf, partitionCount, clock, onEnforced, onRelocated, onError } = this.#options
    this.#writtenBytes = 0
    const startMs = clock.monotonicMs()
    try {
      onEnforced(await log.enforceRetention(clock.nowMs(), policyOf))
      const endMs = clock.monotonicMs()
      const workMsMax = WORK_MS_MAX + PARTITION_WORK_MS_MAX * partitionCount()
      this.#restsUntilMs = endMs + REST_FACTOR * Math.min(workMsMax, endMs - startMs)
      const report = await log.relocate(this.#stopping.signal)
      // There may be more to rewrite, and meanwhile there was more to let go.
      if (report.relocated.length > 0) this.#isUrgent = true
      onRelocated(report)
    } catch (error) {
      onError(error)
    }
  }
}
