/**
 * When a credential is renewed, ahead of its end: late enough not to bother the issuer, early enough to try again, and
 * not at the same moment as the thousand others that were started together. Pure: the draw is an argument.
 */

/** No two renewals ahead of time are closer together, however short a credential lives. */
export const RENEWAL_DELAY_MS_MIN = 1_000
/** Longest that a renewal is ahead of the end, twice with the worst draw. */
const MARGIN_MS_MAX = 60_000

/**
 * The delay before a credential that is good for `leftMs` more is renewed, in ms; `unit` is drawn from [0, 1). The
 * margin is a fifth of what is left and at most a minute, and the draw makes it up to twice that: an hour is renewed
 * in its 59th minute, ten seconds after six to eight. A source that has nothing newer yet is asked again after most
 * of what is left then.
 */
export function renewalDelayMs(leftMs: number, unit: number): number {
  const marginMs = Math.min(leftMs / 5, MARGIN_MS_MAX)
  return Math.max(RENEWAL_DELAY_MS_MIN, leftMs - marginMs * (1 + unit))
}
