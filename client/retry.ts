/** What producers and consumers do about a refusal that the error table calls retriable. */
import type { BackoffLimits } from './backoff.ts'
import { ErrorCode } from './protocol/errors.ts'

/** Delays before a refused partition is tried again on a connection that holds. */
export const RETRY_BACKOFF: BackoffLimits = { backoffMinMs: 50, backoffMaxMs: 1_000 }

/** Refusals that mean: what the client believes of the topic is out of date. */
export const staleMetadataCodes: ReadonlySet<number> = new Set([
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.LEADER_NOT_AVAILABLE,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.FENCED_LEADER_EPOCH,
  ErrorCode.UNKNOWN_LEADER_EPOCH,
  ErrorCode.UNKNOWN_TOPIC_ID,
])
