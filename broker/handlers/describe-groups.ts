/** Describe groups: members, what they read, and how they fare. */
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { DescribedGroup, DescribedMember } from '../../client/protocol/messages/groups.ts'
import type { DescribedMember as KnownMember } from '../groups/group-admin.ts'
import type { GroupService } from '../groups/group-service.ts'
import type { Partitions } from '../groups/partitions.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import { visibleTopic } from './authorization.ts'
import type { RequestSession } from './context.ts'
import { assignedPartitions, checkGroupId, groupRefusal, unknownGroup } from './group-words.ts'
import type { Handler } from './handlers.ts'

export function describeGroupsHandler(
  groups: Pick<GroupService, 'describe'>,
  topics: TopicTable,
): Handler<'describeGroups'> {
  /** Topics he may not see are left out. */
  const visible = (partitions: Partitions, session: RequestSession) =>
    assignedPartitions(partitions, topics).filter(({ topicId }) =>
      visibleTopic(session, topics.byId(topicId)),
    )

  function told(member: KnownMember, session: RequestSession): DescribedMember {
    const { topics: names, assigned, revoking, target, clientHost, sinceProgressMs } = member
    return {
      memberId: member.memberId,
      instanceId: member.instanceId,
      clientName: member.clientName,
      address: clientHost,
      memberEpoch: member.memberEpoch,
      state: member.state,
      subscribedTopics: names.filter((name) => session.allows('describe', 'topic', name)),
      assigned: visible(assigned, session),
      revoking: visible(revoking, session),
      target: visible(target, session),
      sessionTimeoutMs: member.sessionTimeoutMs,
      sinceHeardMs: Math.max(0, Math.floor(member.sinceHeardMs)),
      maxProcessingMs: member.maxProcessingMs,
      processingMs: sinceProgressMs === null ? null : Math.floor(sinceProgressMs),
      warning: member.warning,
    }
  }

  async function describe(groupId: string, session: RequestSession): Promise<DescribedGroup> {
    checkGroupId(groupId)
    const refusal = groupRefusal(session, 'describe', groupId)
    if (refusal) throw refusal
    const group = await groups.describe(groupId)
    if (!group) throw unknownGroup(groupId)
    const { groupKind, phase, epoch, assignmentEpoch, assignor, emptySinceMs, members } = group
    return {
      groupId,
      error: ErrorCode.NONE,
      message: null,
      kind: groupKind,
      state: phase,
      groupEpoch: epoch,
      assignmentEpoch,
      assignor,
      emptySinceMs,
      members: members
        .map((member) => told(member, session))
        .sort((a, b) => (a.memberId < b.memberId ? -1 : 1)),
    }
  }

  return async ({ groups: names }, { session }) => ({
    groups: await Promise.all(
      names.map((groupId) => describe(groupId, session).catch((error) => refused(groupId, error))),
    ),
  })
}

function refused(groupId: string, error: unknown): DescribedGroup {
  if (!(error instanceof ProtocolError) || error.code === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS) throw error
  return {
    groupId,
    error: error.code,
    message: error.message,
    kind: '',
    state: '',
    groupEpoch: 0,
    assignmentEpoch: 0,
    assignor: '',
    emptySinceMs: null,
    members: [],
  }
}
