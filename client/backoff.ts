/**
 * How long to wait before trying again: exponential back-off with full jitter. A thousand agents whose
 * broker comes back must not come back in the same millisecond, so the delay is drawn from the whole range
 * below a ceiling that doubles. Pure: the draw is an argument.
 */

export interface BackoffLimits {
  /** Ceiling of the first delay. */
  readonly backoffMinMs: number
  /** Ceiling of every delay. */
  readonly backoffMaxMs: number
}

/** An hour: whatever a server asks for, somebody who comes back later looks dead; and timers overflow at 2^31. */
const DELAY_MS_MAX = 3_600_000

/**
 * The delay before attempt `attempt` (1 is the first retry), in ms; `unit` is drawn from [0, 1).
 * Never below `atLeastMs`, which is what a server may have asked for.
 */
export function backoffDelayMs(limits: BackoffLimits, attempt: number, unit: number, atLeastMs = 0): number {
  // 2^30 is beyond every ceiling; without the cap a long outage would overflow to Infinity * 0.
  const ceilingMs = Math.min(limits.backoffMaxMs, limits.backoffMinMs * 2 ** Math.min(attempt - 1, 30))
  return Math.min(DELAY_MS_MAX, atLeastMs + unit * ceilingMs)
}
