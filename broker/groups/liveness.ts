/**
 * What the coordinator has seen of members and writes nowhere: when each was heard, whether it gets on. After a
 * restart everybody counts as just heard; nobody loses anything by it but time.
 */
import type { MemberValue } from './group-record.ts'

export interface MemberLiveness {
  heardAtMs: number
  /** Since when it is to give partitions back, or more of them; null: it has nothing to give back. */
  revokingSinceMs: number | null
  /** When it was warned that it makes no progress; null: all is well. */
  warnedAtMs: number | null
  /** What it said last; null: it works on nothing. */
  sinceProgressMs: number | null
}

export class GroupLiveness {
  readonly members = new Map<string, MemberLiveness>()
  /** When targets were last computed. */
  assignedAtMs = Number.NEGATIVE_INFINITY
  /** Revision of the topics for which the subscription was last looked at. */
  topicsRevision = Number.NaN
  readonly #startedAtMs: number

  /** @param startedAtMs when the coordinator began, on the monotonic clock */
  constructor(startedAtMs: number) {
    this.#startedAtMs = startedAtMs
  }

  of(memberId: string): MemberLiveness {
    let known = this.members.get(memberId)
    if (!known) {
      known = { heardAtMs: this.#startedAtMs, revokingSinceMs: null, warnedAtMs: null, sinceProgressMs: null }
      this.members.set(memberId, known)
    }
    return known
  }
}

export function sessionDeadlineMs(liveness: MemberLiveness, { sessionTimeoutMs }: MemberValue): number {
  return liveness.heardAtMs + sessionTimeoutMs
}

/**
 * When a member that does not give back is removed. Not before its session could have run out: a member that has heard
 * nothing of the revocation has by then stopped by itself, because nothing it sent was answered.
 */
export function revocationDeadlineMs(
  { revokingSinceMs }: MemberLiveness,
  { rebalanceTimeoutMs, sessionTimeoutMs }: MemberValue,
): number {
  if (revokingSinceMs === null) return Number.POSITIVE_INFINITY
  return revokingSinceMs + Math.max(rebalanceTimeoutMs, sessionTimeoutMs)
}

/** Whether a member that has made no progress for so long is warned: from half of what it allowed itself on. */
export function isSlow({ sinceProgressMs }: MemberLiveness, { maxProcessingMs }: MemberValue): boolean {
  return maxProcessingMs !== null && sinceProgressMs !== null && sinceProgressMs >= maxProcessingMs / 2
}

/** Whether it is removed for it: it is beyond all it allowed itself, and was warned half of that ago. */
export function isStuck(liveness: MemberLiveness, member: MemberValue, monotonicMs: number): boolean {
  const { sinceProgressMs, warnedAtMs } = liveness
  const { maxProcessingMs } = member
  if (maxProcessingMs === null || sinceProgressMs === null || warnedAtMs === null) return false
  return sinceProgressMs >= maxProcessingMs && monotonicMs - warnedAtMs >= maxProcessingMs / 2
}
