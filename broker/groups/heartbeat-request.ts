/** What a member says in a heartbeat, what it is told, and what cannot be a heartbeat. */
import { ErrorCode } from '../../client/protocol/errors.ts'
import { assignors } from './assignors/assignor.ts'
import type { Decision, GroupLimits, Refusal } from './decision.ts'
import { NO_PARTITIONS, type Partitions } from './partitions.ts'

/** Epochs that are no epochs. */
export const JOIN_EPOCH = 0
export const LEAVE_EPOCH = -1
/** A static member that will be back: its partitions are kept for it as long as its session lasts. */
export const STATIC_LEAVE_EPOCH = -2

/** Says everything each time, so that nothing depends on an earlier heartbeat having arrived. */
export interface HeartbeatRequest {
  readonly groupId: string
  /** Chosen by the member, random, never used again once it has left or was fenced. */
  readonly memberId: string
  /** What it was told last; 0 to join, -1 to leave, -2 to leave as a static member that will be back. */
  readonly memberEpoch: number
  readonly instanceId: string | null
  readonly clientName: string
  readonly clientHost: string
  /** Names, in any order; they need not exist. */
  readonly topics: readonly string[]
  readonly assignor: string | null
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly maxProcessingMs: number | null
  /** How long its oldest unfinished work has made no progress; null: it works on nothing. */
  readonly sinceProgressMs: number | null
  /** Of the newest assignment it has acted on; 0: it had none. */
  readonly revision: number
  /** What it may be reading or working on, now that it has acted on that. */
  readonly owned: Partitions
  /** When it came in, on the monotonic clock. */
  readonly receivedAtMs: number
}

export interface HeartbeatAnswer extends Refusal {
  /** To be said in the next heartbeat; of a refusal -1. */
  readonly memberEpoch: number
  readonly revision: number
  /** It has all that its target says, and that is the present one. */
  readonly isSettled: boolean
  /** All it is to have from now on; null: what the revision it named says. */
  readonly assignment: Partitions | null
  /** How long it may take, from when it sent its heartbeat, to give back what it no longer is to have; null: nothing. */
  readonly giveBackWithinMs: number | null
  /** What it should know before it is removed; null: all is well. */
  readonly warning: string | null
  /** When to come again at the latest. */
  readonly heartbeatIntervalMs: number
}

/** Whether the answer may wait for something to tell, up to the heartbeat interval of the member. */
export function mayBeHeld({ records, answer }: Decision<HeartbeatAnswer>): boolean {
  return (
    records.length === 0 &&
    answer.error === ErrorCode.NONE &&
    answer.assignment === null &&
    answer.warning === null
  )
}

export function refusedHeartbeat(error: number, message: string): HeartbeatAnswer {
  return {
    error,
    message,
    memberEpoch: LEAVE_EPOCH,
    revision: 0,
    isSettled: false,
    assignment: NO_PARTITIONS,
    giveBackWithinMs: null,
    warning: null,
    heartbeatIntervalMs: 0,
  }
}

const IDS_CHARACTERS_MAX = 249

/** Undefined: nothing is wrong with it. Whether the group id is a name was asked where the request came in. */
export function problemOfHeartbeat(request: HeartbeatRequest, limits: GroupLimits): Refusal | undefined {
  const { memberId, memberEpoch, instanceId, topics, assignor, maxProcessingMs } = request
  if (memberId === '' || memberId.length > IDS_CHARACTERS_MAX)
    return invalid(`a member id has 1 to ${IDS_CHARACTERS_MAX} characters, this one has ${memberId.length}`)
  if (instanceId !== null && (instanceId === '' || instanceId.length > IDS_CHARACTERS_MAX))
    return invalid(
      `an instance id has 1 to ${IDS_CHARACTERS_MAX} characters, this one has ${instanceId.length}`,
    )
  if (memberEpoch < STATIC_LEAVE_EPOCH) return invalid(`there is no member epoch ${memberEpoch}`)
  if (memberEpoch === STATIC_LEAVE_EPOCH && instanceId === null)
    return invalid('only a member with an instance id leaves with member epoch -2')
  if (memberEpoch < JOIN_EPOCH) return undefined
  for (const list of request.owned.values())
    for (let i = 1; i < list.length; i++)
      if (list[i - 1] >= list[i])
        return invalid(`owned partitions ascend within a topic, ${list[i]} stands behind ${list[i - 1]}`)
  if (topics.length > limits.subscribedTopicsMax)
    return invalid(
      `a member subscribes to at most ${limits.subscribedTopicsMax} topics, not to ${topics.length}`,
    )
  if (assignor !== null && !assignors.has(assignor))
    return {
      error: ErrorCode.UNSUPPORTED_ASSIGNOR,
      message: `there is no assignor ${JSON.stringify(assignor.slice(0, 80))}, there are ${[...assignors.keys()].join(', ')}`,
    }
  if (maxProcessingMs !== null && maxProcessingMs < 1)
    return invalid(`maxProcessingMs is at least 1, not ${maxProcessingMs}`)
  return problemOfTimes(request, limits)
}

function problemOfTimes(request: HeartbeatRequest, limits: GroupLimits): Refusal | undefined {
  const { sessionTimeoutMs, rebalanceTimeoutMs } = request
  const { sessionTimeoutMsMin, sessionTimeoutMsMax } = limits
  if (sessionTimeoutMs < sessionTimeoutMsMin || sessionTimeoutMs > sessionTimeoutMsMax)
    return invalid(
      `sessionTimeoutMs is from ${sessionTimeoutMsMin} to ${sessionTimeoutMsMax} on this server, not ${sessionTimeoutMs}`,
    )
  if (rebalanceTimeoutMs < 1) return invalid(`rebalanceTimeoutMs is at least 1, not ${rebalanceTimeoutMs}`)
  return undefined
}

function invalid(message: string): Refusal {
  return { error: ErrorCode.INVALID_REQUEST, message }
}
