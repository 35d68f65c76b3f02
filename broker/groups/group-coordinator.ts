/**
 * The heart of consumer groups: every request about a group becomes a decision, records and an answer; `replay` takes
 * the records in. No clock, no disk, no timers: see the README for what the performer around it owes.
 *
 * What depends on the kind of group stands in a file of its own (`consumer-group.ts`); offsets, listing and deletion are
 * the same for all kinds.
 */
import { ErrorCode } from '../../client/protocol/errors.ts'
import { expireMembers, heartbeat, memberDeadlineMs } from './consumer-group.ts'
import {
  type Decision,
  type GroupLimits,
  type GroupTopics,
  NO_RECORDS,
  type Now,
  type Refusal,
} from './decision.ts'
import {
  type DescribedGroup,
  deleteGroup,
  describeGroup,
  type ListedGroup,
  listGroup,
  tombstonesOf,
} from './group-admin.ts'
import type { AssignmentContext } from './group-assignment.ts'
import { GroupDraft } from './group-draft.ts'
import type { GroupRecord } from './group-record.ts'
import { type Group, GroupState } from './group-state.ts'
import {
  type HeartbeatAnswer,
  type HeartbeatRequest,
  problemOfHeartbeat,
  refusedHeartbeat,
} from './heartbeat-request.ts'
import { GroupLiveness } from './liveness.ts'
import {
  commitOffsets,
  type Decided,
  deleteOffsets,
  expireOffsets,
  fetchOffsets,
  type OffsetCommitAnswer,
  type OffsetCommitRequest,
  type OffsetDeleteRequest,
  type OffsetFetchAnswer,
  type OffsetFetchRequest,
} from './offsets.ts'

const NEVER_MS = Number.POSITIVE_INFINITY

export interface GroupCoordinatorOptions {
  readonly limits: GroupLimits
  /** Now, on the monotonic clock: sessions of members that are replayed begin here. */
  readonly startedAtMs: number
}

export class GroupCoordinator {
  readonly #limits: GroupLimits
  readonly #startedAtMs: number
  readonly #state = new GroupState()
  readonly #liveness = new Map<string, GroupLiveness>()

  constructor({ limits, startedAtMs }: GroupCoordinatorOptions) {
    this.#limits = limits
    this.#startedAtMs = startedAtMs
  }

  /** For reading. */
  get state(): Pick<GroupState, 'group' | 'groups' | 'groupCount' | 'records'> {
    return this.#state
  }

  replay(record: GroupRecord): void {
    this.#state.replay(record)
    if (record.value !== null) return
    if (!this.#state.group(record.groupId)) this.#liveness.delete(record.groupId)
    else if (record.kind === 'member') this.#liveness.get(record.groupId)?.members.delete(record.memberId)
  }

  /** The last decision about the group is not performed: what it took note of is as if it had not been seen. */
  dropped(groupId: string): void {
    const liveness = this.#liveness.get(groupId)
    if (liveness) liveness.topicsRevision = Number.NaN
    if (!this.#state.group(groupId)) this.#liveness.delete(groupId)
  }

  /** Join, go on, give back, leave. */
  heartbeat(request: HeartbeatRequest, now: Now, topics: GroupTopics): Decision<HeartbeatAnswer> {
    const group = this.#state.group(request.groupId)
    const problem = problemOfHeartbeat(request, this.#limits) ?? this.#problemOfRoom(request.groupId, group)
    if (problem) {
      const answer = refusedHeartbeat(problem.error, problem.message ?? '')
      return { records: NO_RECORDS, answer, nextDeadlineMs: NEVER_MS }
    }
    return this.#tidied(
      heartbeat(group, request, this.#context(request.groupId, now, topics)),
      request.groupId,
    )
  }

  commitOffsets(request: OffsetCommitRequest, now: Now, topics: GroupTopics): Decision<OffsetCommitAnswer> {
    const group = this.#state.group(request.groupId)
    const full = request.memberId === null ? this.#problemOfRoom(request.groupId, group) : undefined
    if (full) {
      const answer = { offsets: request.offsets.map(() => full) }
      return { records: NO_RECORDS, answer, nextDeadlineMs: NEVER_MS }
    }
    const decided = commitOffsets(group, request, now, topics, this.#limits)
    // Members' offsets do not expire; those of others do, some time.
    if (request.memberId !== null || decided.records.length === 0)
      return { ...decided, nextDeadlineMs: NEVER_MS }
    return { ...decided, nextDeadlineMs: now.monotonicMs + this.#limits.offsetsRetentionMs }
  }

  fetchOffsets(request: OffsetFetchRequest): Decision<OffsetFetchAnswer> {
    const answer = fetchOffsets(this.#state.group(request.groupId), request)
    return { records: NO_RECORDS, answer, nextDeadlineMs: NEVER_MS }
  }

  deleteOffsets(
    request: OffsetDeleteRequest,
    now: Now,
    topics: GroupTopics,
  ): Decision<Refusal & { readonly offsets: readonly Refusal[] }> {
    return this.#soon(deleteOffsets(this.#state.group(request.groupId), request, topics), now)
  }

  deleteGroup(groupId: string): Decision<Refusal> {
    return { ...deleteGroup(this.#state.group(groupId), groupId), nextDeadlineMs: NEVER_MS }
  }

  list(): ListedGroup[] {
    return Array.from(this.#state.groups(), listGroup)
  }

  /** Undefined: there is no such group. */
  describe(groupId: string, now: Now): DescribedGroup | undefined {
    const group = this.#state.group(groupId)
    return group && describeGroup(group, this.#livenessOf(groupId), now)
  }

  /** What time alone brings about: to be asked at `nextDeadlineMs`, and when a topic is gone. Costs O(members + offsets). */
  tick(groupId: string, now: Now, topics: GroupTopics): Decision<null> {
    const group = this.#state.group(groupId)
    if (!group) return { records: NO_RECORDS, answer: null, nextDeadlineMs: NEVER_MS }
    const context = this.#context(groupId, now, topics)
    const draft = new GroupDraft(groupId, group)
    expireMembers(group, draft, context)
    const { emptySinceMs } = draft.value
    const offsets = expireOffsets(group, emptySinceMs, now, topics, this.#limits)
    const isForgettable = draft.memberCount === 0 && offsets.remaining === 0
    const forgottenAtMs = isForgettable ? this.#forgottenAtMs(emptySinceMs) : NEVER_MS
    if (group.members.size === 0 && forgottenAtMs <= now.nowMs)
      return { records: tombstonesOf(group), answer: null, nextDeadlineMs: NEVER_MS }
    const nextDeadlineMs = Math.min(
      memberDeadlineMs(draft, context),
      toMonotonic(Math.min(offsets.nextExpiryMs, forgottenAtMs), now),
    )
    return { records: [...draft.records(), ...offsets.records], answer: null, nextDeadlineMs }
  }

  #forgottenAtMs(emptySinceMs: number | null): number {
    return (emptySinceMs ?? Number.NEGATIVE_INFINITY) + this.#limits.emptyGroupRetentionMs
  }

  #problemOfRoom(groupId: string, group: Group | undefined): Refusal | undefined {
    const { groupsMax } = this.#limits
    if (group || this.#state.groupCount < groupsMax) return undefined
    return {
      error: ErrorCode.POLICY_VIOLATION,
      message: `there is no room for group ${groupId}: there are ${groupsMax} already, and one goes when it has neither members nor offsets`,
    }
  }

  #context(groupId: string, now: Now, topics: GroupTopics): AssignmentContext {
    return { now, topics, limits: this.#limits, liveness: this.#livenessOf(groupId) }
  }

  #livenessOf(groupId: string): GroupLiveness {
    let liveness = this.#liveness.get(groupId)
    if (!liveness) {
      liveness = new GroupLiveness(this.#startedAtMs)
      this.#liveness.set(groupId, liveness)
    }
    return liveness
  }

  /** Nothing is kept for a group that is not there and will not be. */
  #tidied<A>(decision: Decision<A>, groupId: string): Decision<A> {
    if (decision.records.length === 0 && !this.#state.group(groupId)) this.#liveness.delete(groupId)
    return decision
  }

  #soon<A>(decided: Decided<A>, now: Now): Decision<A> {
    const nextDeadlineMs =
      decided.records.length > 0 ? now.monotonicMs + this.#limits.emptyGroupRetentionMs : NEVER_MS
    return { ...decided, nextDeadlineMs }
  }
}

function toMonotonic(wallMs: number, { nowMs, monotonicMs }: Now): number {
  return wallMs - nowMs + monotonicMs
}
