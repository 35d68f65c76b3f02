/** Groups as people see them: listed, described, deleted. */
import { quoteName } from '../../auth/acl/qualified-name.ts'
import { ErrorCode } from '../../client/protocol/errors.ts'
import { warningOf } from './consumer-group.ts'
import type { Now, Refusal } from './decision.ts'
import type { GroupKind, GroupRecord, MemberState } from './group-record.ts'
import type { Group } from './group-state.ts'
import type { GroupLiveness } from './liveness.ts'
import type { Decided } from './offsets.ts'
import { NO_PARTITIONS, type Partitions, partitionsOfHeld } from './partitions.ts'

/**
 * empty: no members. assigning: targets are being computed. reconciling: members are on their way to their targets.
 * stable: everybody has what it is meant to have.
 */
export type GroupPhase = 'empty' | 'assigning' | 'reconciling' | 'stable'

export interface ListedGroup {
  readonly groupId: string
  readonly groupKind: GroupKind
  readonly phase: GroupPhase
  readonly memberCount: number
}

export interface DescribedMember {
  readonly memberId: string
  readonly instanceId: string | null
  readonly clientName: string
  readonly clientHost: string
  readonly topics: readonly string[]
  readonly memberEpoch: number
  readonly state: MemberState
  readonly assigned: Partitions
  /** What it has yet to give back. */
  readonly revoking: Partitions
  readonly target: Partitions
  readonly sessionTimeoutMs: number
  readonly maxProcessingMs: number | null
  readonly sinceHeardMs: number
  /** Null: it works on nothing, or has said nothing yet. */
  readonly sinceProgressMs: number | null
  /** Null: all is well. */
  readonly warning: string | null
}

export interface DescribedGroup extends ListedGroup {
  readonly epoch: number
  readonly assignmentEpoch: number
  readonly assignor: string
  /** Ms since 1970; null: it has members. */
  readonly emptySinceMs: number | null
  readonly members: readonly DescribedMember[]
}

export function listGroup(group: Group): ListedGroup {
  const { groupId, value, members } = group
  return { groupId, groupKind: value.groupKind, phase: phaseOf(group), memberCount: members.size }
}

export function describeGroup(group: Group, liveness: GroupLiveness, now: Now): DescribedGroup {
  const { epoch, assignmentEpoch, assignor, emptySinceMs } = group.value
  const members = Array.from(group.members, ([memberId, member]): DescribedMember => {
    const seen = liveness.of(memberId)
    const current = group.currents.get(memberId)
    const { instanceId, clientName, clientHost, topics, sessionTimeoutMs, maxProcessingMs } = member
    return {
      memberId,
      instanceId,
      clientName,
      clientHost,
      topics,
      memberEpoch: current?.memberEpoch ?? 0,
      state: current?.state ?? 'stable',
      assigned: current ? partitionsOfHeld(current.held) : NO_PARTITIONS,
      revoking: current ? partitionsOfHeld(current.revoking) : NO_PARTITIONS,
      target: group.targets.get(memberId) ?? NO_PARTITIONS,
      sessionTimeoutMs,
      maxProcessingMs,
      sinceHeardMs: now.monotonicMs - seen.heardAtMs,
      sinceProgressMs: seen.sinceProgressMs,
      warning: seen.warnedAtMs === null ? null : warningOf(seen, member),
    }
  })
  return { ...listGroup(group), epoch, assignmentEpoch, assignor, emptySinceMs, members }
}

function phaseOf({ value, members, currents }: Group): GroupPhase {
  if (members.size === 0) return 'empty'
  if (value.assignmentEpoch < value.epoch) return 'assigning'
  for (const { state, memberEpoch } of currents.values())
    if (state !== 'away' && (state !== 'stable' || memberEpoch !== value.assignmentEpoch))
      return 'reconciling'
  return 'stable'
}

/** The group and its offsets, while nobody is in it. */
export function deleteGroup(group: Group | undefined, groupId: string): Decided<Refusal> {
  if (!group)
    return {
      records: [],
      answer: {
        error: ErrorCode.GROUP_ID_NOT_FOUND,
        message: `there is no group named ${quoteName(groupId)}`,
      },
    }
  if (group.members.size > 0) {
    const message = `group ${groupId} has ${group.members.size} members; it can be deleted when they have left`
    return { records: [], answer: { error: ErrorCode.NON_EMPTY_GROUP, message } }
  }
  return { records: tombstonesOf(group), answer: { error: ErrorCode.NONE, message: null } }
}

/** Of a group without members. */
export function tombstonesOf({ groupId, offsets }: Group): GroupRecord[] {
  const records: GroupRecord[] = []
  for (const [topicKey, topic] of offsets)
    for (const partition of topic.keys())
      records.push({ kind: 'offset', groupId, topicKey, partition, value: null })
  records.push({ kind: 'group', groupId, value: null })
  return records
}
