/**
 * Looks for data whose time is over, again and again and when asked to, never two looks at once. A look that fails is told
 * and does not end the looking: the next may succeed.
 */
import type { PartitionLog } from '../storage/log/partition-log.ts'
import type { RetentionPolicy, RetentionReport } from '../storage/log/retention.ts'
import type { Clock, Timer, Timers } from './ports.ts'
import type { TopicTable } from './topics/topic-table.ts'

export interface RetentionTimerOptions {
  readonly log: {
    enforceRetention(
      nowMs: number,
      policyOf: (log: PartitionLog) => RetentionPolicy | undefined,
    ): Promise<RetentionReport>
  }
  readonly topics: TopicTable
  readonly clock: Clock
  readonly timers: Timers
  readonly intervalMs: number
  readonly onEnforced: (report: RetentionReport) => void
  readonly onError: (error: unknown) => void
}

export class RetentionTimer {
  readonly #options: RetentionTimerOptions
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

  /** Resolves when no look is under way; none begins any more. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    await this.#looking
  }

  #schedule(): void {
    if (this.#isStopped) return
    const { timers, intervalMs } = this.#options
    const delayMs = this.#isUrgent ? 0 : intervalMs
    this.#isUrgent = false
    this.#timer = timers.after(delayMs, () => {
      this.#looking = this.#look().finally(() => {
        this.#looking = undefined
        this.#schedule()
      })
    })
  }

  async #look(): Promise<void> {
    const { log, topics, clock, onEnforced, onError } = this.#options
    try {
      // A partition without a topic is being deleted; its data goes another way.
      onEnforced(await log.enforceRetention(clock.nowMs(), ({ topicId }) => topics.byId(topicId)?.config))
    } catch (error) {
      onError(error)
    }
  }
}
