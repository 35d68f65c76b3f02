/**
 * Groups of the kind `consumer`: members join, say that they are alive, get partitions and give them back, leave, and
 * are removed. The shape is that of Kafka's KIP-848: one heartbeat does it all, the broker assigns, and a change
 * stops nobody but those whose partitions move.
 *
 * A partition goes from one member to another only when the first has said that it gave it back, has left, or has been
 * removed; and members are removed only when by their own clock they have stopped or had been told to (README).
 *
 * Pure but for what it notes of liveness, which decides nothing by itself: state is read, never changed.
 */
import { ErrorCode } from '../../client/protocol/errors.ts'
import { type Decision, type GroupLimits, NO_RECORDS } from './decision.ts'
import { type AssignmentContext, assignmentDueMs, settle } from './group-assignment.ts'
import { GroupDraft } from './group-draft.ts'
import type { CurrentAssignment, GroupValue, MemberValue } from './group-record.ts'
import type { Group } from './group-state.ts'
import {
  type HeartbeatAnswer,
  type HeartbeatRequest,
  JOIN_EPOCH,
  LEAVE_EPOCH,
  refusedHeartbeat,
  STATIC_LEAVE_EPOCH,
} from './heartbeat-request.ts'
import { isSlow, isStuck, type MemberLiveness, revocationDeadlineMs, sessionDeadlineMs } from './liveness.ts'
import { isHeld, NONE_HELD, partitionsOfHeld } from './partitions.ts'
import { NEWCOMER, reconcile } from './reconcile.ts'

/** The request has passed `problemOfHeartbeat`. */
export function heartbeat(
  group: Group | undefined,
  request: HeartbeatRequest,
  context: AssignmentContext,
): Decision<HeartbeatAnswer> {
  const { memberId, memberEpoch } = request
  const known = group?.members.get(memberId)
  if (memberEpoch < JOIN_EPOCH) return leave(group, known, request, context)
  if (!group || !known) return join(group, request, context)
  const current = group.currents.get(memberId) ?? NEWCOMER
  const fence = whyFenced(current, request)
  if (fence) return refuse(ErrorCode.FENCED_MEMBER_EPOCH, fence)

  const { liveness, now } = context
  const seen = liveness.of(memberId)
  seen.heardAtMs = Math.max(seen.heardAtMs, request.receivedAtMs)
  seen.sinceProgressMs = request.sinceProgressMs
  const member = isSameMember(known, request) ? known : memberOf(request)
  if (!isSlow(seen, member)) seen.warnedAtMs = null
  else if (isStuck(seen, member, now.monotonicMs)) return removeStuck(group, request, context)
  else seen.warnedAtMs ??= now.monotonicMs

  const isQuiet =
    member === known &&
    current.state === 'stable' &&
    current.memberEpoch === group.value.assignmentEpoch &&
    liveness.topicsRevision === context.topics.revision &&
    assignmentDueMs(group, context) > now.monotonicMs
  if (isQuiet) return decided(NO_RECORDS, group, request, member, current, context)
  const draft = new GroupDraft(group.groupId, group)
  if (member !== known) draft.putMember(memberId, member)
  settle(draft, member !== known && isOtherSubscription(known, member), context)
  return reconciled(draft, request, member, context)
}

function join(
  group: Group | undefined,
  request: HeartbeatRequest,
  context: AssignmentContext,
): Decision<HeartbeatAnswer> {
  const { groupId, memberId, memberEpoch, instanceId, owned } = request
  if (memberEpoch !== JOIN_EPOCH)
    return refuse(
      ErrorCode.UNKNOWN_MEMBER_ID,
      `group ${groupId} has no member ${memberId}: it left or was removed; it gives up its partitions and joins under a new id`,
    )
  if (owned.size > 0) return refuse(ErrorCode.INVALID_REQUEST, 'a member that joins owns no partitions')
  const draft = new GroupDraft(groupId, group)
  const formerId = instanceId === null ? undefined : group?.instances.get(instanceId)
  if (formerId !== undefined && group?.currents.get(formerId)?.state !== 'away')
    return refuse(
      ErrorCode.UNRELEASED_INSTANCE_ID,
      `instance ${instanceId} of group ${groupId} is member ${formerId}, which has neither left nor been silent for its session timeout`,
    )
  const { membersPerGroupMax } = context.limits
  if (formerId === undefined && draft.memberCount >= membersPerGroupMax)
    return refuse(
      ErrorCode.GROUP_MAX_SIZE_REACHED,
      `group ${groupId} has ${draft.memberCount} members, at most ${membersPerGroupMax} are allowed`,
    )
  const member = memberOf(request)
  const former = formerId === undefined ? undefined : group?.members.get(formerId)
  if (former && formerId !== undefined) {
    const target = draft.target(formerId)
    draft.removeMember(formerId)
    draft.putTarget(memberId, target)
  }
  draft.putMember(memberId, member)
  const seen = context.liveness.of(memberId)
  seen.heardAtMs = request.receivedAtMs
  seen.sinceProgressMs = request.sinceProgressMs
  settle(draft, !former || isOtherSubscription(former, member), context)
  return reconciled(draft, request, member, context)
}

/** Why somebody who says this of itself cannot be the member; undefined: it can. */
function whyFenced(current: CurrentAssignment, request: HeartbeatRequest): string | undefined {
  const { memberId, memberEpoch, owned } = request
  if (current.state === 'away') return `member ${memberId} has left; it joins under a new id`
  if (memberEpoch > current.memberEpoch)
    return `member ${memberId} is at epoch ${current.memberEpoch}, not at ${memberEpoch}`
  for (const [key, partitions] of owned)
    for (const partition of partitions)
      if (!isHeld(current.held, key, partition) && !isHeld(current.revoking, key, partition))
        return `member ${memberId} says that it owns a partition ${partition} that is not assigned to it (any more)`
  return undefined
}

function reconciled(
  draft: GroupDraft,
  request: HeartbeatRequest,
  member: MemberValue,
  context: AssignmentContext,
): Decision<HeartbeatAnswer> {
  const { memberId, owned, revision } = request
  const before = draft.current(memberId) ?? NEWCOMER
  const current = reconcile({
    current: before,
    target: draft.target(memberId),
    targetEpoch: draft.value.assignmentEpoch,
    owned,
    revision,
    isFree: (key, partition) => draft.isFree(memberId, key, partition),
  })
  const seen = context.liveness.of(memberId)
  if (current !== before) {
    draft.putCurrent(memberId, current)
    if (current.held !== before.held) seen.revokingSinceMs = context.now.monotonicMs
  }
  // After a restart the time to give back begins again.
  if (current.revoking.size === 0) seen.revokingSinceMs = null
  else seen.revokingSinceMs ??= context.now.monotonicMs
  return decided(draft.records(), draft, request, member, current, context)
}

function decided(
  records: Decision<HeartbeatAnswer>['records'],
  group: Pick<GroupDraft, 'value'>,
  request: HeartbeatRequest,
  member: MemberValue,
  current: CurrentAssignment,
  context: AssignmentContext,
): Decision<HeartbeatAnswer> {
  const seen = context.liveness.of(request.memberId)
  const answer: HeartbeatAnswer = {
    error: ErrorCode.NONE,
    message: null,
    memberEpoch: current.memberEpoch,
    revision: current.revision,
    isSettled: isSettled(current, group.value),
    assignment: request.revision === current.revision ? null : partitionsOfHeld(current.held),
    giveBackWithinMs:
      seen.revokingSinceMs === null ? null : revocationDeadlineMs(seen, member) - context.now.monotonicMs,
    warning: seen.warnedAtMs === null ? null : warningOf(seen, member),
    heartbeatIntervalMs: intervalMs(member, context.limits),
  }
  const nextDeadlineMs = Math.min(
    sessionDeadlineMs(seen, member),
    revocationDeadlineMs(seen, member),
    assignmentDueMs(group, context),
  )
  return { records, answer, nextDeadlineMs }
}

function isSettled(
  { state, memberEpoch }: CurrentAssignment,
  { epoch, assignmentEpoch }: GroupValue,
): boolean {
  return state === 'stable' && memberEpoch === assignmentEpoch && assignmentEpoch === epoch
}

export function warningOf({ sinceProgressMs }: MemberLiveness, { maxProcessingMs }: MemberValue): string {
  return `no progress for ${sinceProgressMs} ms: beyond ${maxProcessingMs} ms (maxProcessingMs) its partitions go to others`
}

/** Three heartbeats fit into a session. */
function intervalMs({ sessionTimeoutMs }: MemberValue, { heartbeatIntervalMs }: GroupLimits): number {
  return Math.min(heartbeatIntervalMs, Math.floor(sessionTimeoutMs / 3))
}

function leave(
  group: Group | undefined,
  member: MemberValue | undefined,
  request: HeartbeatRequest,
  context: AssignmentContext,
): Decision<HeartbeatAnswer> {
  const { groupId, memberId, memberEpoch, instanceId } = request
  if (!group || !member)
    return refuse(
      ErrorCode.UNKNOWN_MEMBER_ID,
      `group ${groupId} has no member ${memberId}: it left or was removed`,
    )
  if (memberEpoch === STATIC_LEAVE_EPOCH && instanceId !== member.instanceId)
    return refuse(ErrorCode.INVALID_REQUEST, `member ${memberId} is not instance ${instanceId}`)
  const draft = new GroupDraft(groupId, group)
  const current = group.currents.get(memberId) ?? NEWCOMER
  const seen = context.liveness.of(memberId)
  if (memberEpoch === LEAVE_EPOCH) {
    draft.removeMember(memberId)
    settle(draft, true, context)
  } else if (current.state !== 'away') {
    seen.heardAtMs = Math.max(seen.heardAtMs, request.receivedAtMs)
    seen.revokingSinceMs = null
    draft.putCurrent(memberId, {
      memberEpoch: STATIC_LEAVE_EPOCH,
      revision: current.revision + 1,
      state: 'away',
      held: NONE_HELD,
      revoking: NONE_HELD,
    })
  }
  return {
    records: draft.records(),
    answer: { ...refusedHeartbeat(ErrorCode.NONE, ''), message: null, memberEpoch },
    nextDeadlineMs: Math.min(sessionDeadlineMs(seen, member), assignmentDueMs(draft, context)),
  }
}

/** It says itself that its work has not moved for longer than it allowed. */
function removeStuck(
  group: Group,
  { memberId, sinceProgressMs }: HeartbeatRequest,
  context: AssignmentContext,
): Decision<HeartbeatAnswer> {
  const draft = new GroupDraft(group.groupId, group)
  draft.removeMember(memberId)
  settle(draft, true, context)
  const { maxProcessingMs } = group.members.get(memberId)!
  const sentence = `member ${memberId} was warned, made no progress for ${sinceProgressMs} ms and was removed (maxProcessingMs ${maxProcessingMs})`
  return {
    records: draft.records(),
    answer: refusedHeartbeat(ErrorCode.FENCED_MEMBER_EPOCH, sentence),
    nextDeadlineMs: assignmentDueMs(draft, context),
  }
}

/** Removes who is silent or does not give back, and computes targets that are due. */
export function expireMembers(group: Group, draft: GroupDraft, context: AssignmentContext): void {
  const { now, liveness } = context
  let hasChanged = false
  for (const memberId of liveness.members.keys())
    if (!group.members.has(memberId)) liveness.members.delete(memberId)
  for (const [memberId, member] of group.members) {
    const seen = liveness.of(memberId)
    if (group.currents.get(memberId)?.revoking.size) seen.revokingSinceMs ??= now.monotonicMs
    if (Math.min(sessionDeadlineMs(seen, member), revocationDeadlineMs(seen, member)) > now.monotonicMs)
      continue
    draft.removeMember(memberId)
    hasChanged = true
  }
  if (group.members.size > 0) settle(draft, hasChanged, context)
}

/** When the next of these is due. */
export function memberDeadlineMs(draft: GroupDraft, context: AssignmentContext): number {
  let earliest = assignmentDueMs(draft, context)
  for (const [memberId, member] of draft.members()) {
    const seen = context.liveness.of(memberId)
    earliest = Math.min(earliest, sessionDeadlineMs(seen, member), revocationDeadlineMs(seen, member))
  }
  return earliest
}

function refuse(error: number, message: string): Decision<HeartbeatAnswer> {
  return {
    records: NO_RECORDS,
    answer: refusedHeartbeat(error, message),
    nextDeadlineMs: Number.POSITIVE_INFINITY,
  }
}

function memberOf(request: HeartbeatRequest): MemberValue {
  const {
    instanceId,
    clientName,
    clientHost,
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    maxProcessingMs,
    assignor,
  } = request
  const topics = isAscending(request.topics) ? request.topics : [...new Set(request.topics)].sort()
  return {
    instanceId,
    clientName,
    clientHost,
    topics,
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    maxProcessingMs,
    assignor,
  }
}

function isAscending(names: readonly string[]): boolean {
  for (let i = 1; i < names.length; i++) if (names[i - 1] >= names[i]) return false
  return true
}

function isSameMember(known: MemberValue, request: HeartbeatRequest): boolean {
  return (
    known.instanceId === request.instanceId &&
    known.clientName === request.clientName &&
    known.clientHost === request.clientHost &&
    known.sessionTimeoutMs === request.sessionTimeoutMs &&
    known.rebalanceTimeoutMs === request.rebalanceTimeoutMs &&
    known.maxProcessingMs === request.maxProcessingMs &&
    known.assignor === request.assignor &&
    isSameTopics(known.topics, request.topics)
  )
}

function isSameTopics(known: readonly string[], named: readonly string[]): boolean {
  const topics = isAscending(named) ? named : [...new Set(named)].sort()
  return known.length === topics.length && known.every((name, i) => name === topics[i])
}

function isOtherSubscription(before: MemberValue, after: MemberValue): boolean {
  return before.assignor !== after.assignor || !isSameTopics(before.topics, after.topics)
}
