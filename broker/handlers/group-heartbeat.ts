/** Group heartbeat: joins a group, stays in it or leaves it; the answer waits for news, as long as the member says. */
import { ErrorCode } from '../../client/protocol/errors.ts'
import { JOIN_EPOCH } from '../../client/protocol/messages/group-heartbeat.ts'
import type { GroupService } from '../groups/group-service.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import { topicRefusal } from './authorization.ts'
import { assignedPartitions, checkMayUse, partitionsOf, throwRefusal } from './group-words.ts'
import type { Handler } from './handlers.ts'

export interface GroupHeartbeatDependencies {
  readonly groups: Pick<GroupService, 'heartbeat'>
  readonly topics: TopicTable
}

export function groupHeartbeatHandler({
  groups,
  topics,
}: GroupHeartbeatDependencies): Handler<'groupHeartbeat'> {
  return async (request, { session, connection, signal, clock }) => {
    const { groupId, memberEpoch, subscribedTopics } = request
    checkMayUse(session, groupId)
    // By name, whether they are there or not: what comes into being later is shared out, too.
    if (memberEpoch >= JOIN_EPOCH)
      for (const name of subscribedTopics) {
        const refusal = topicRefusal(session, 'read', name)
        if (refusal) throw refusal
      }
    const { memberId, instanceId, clientName, assignor, sessionTimeoutMs, rebalanceTimeoutMs } = request
    const answer = await groups.heartbeat(
      {
        groupId,
        memberId,
        memberEpoch,
        instanceId,
        clientName,
        clientHost: connection.remoteAddress,
        topics: subscribedTopics,
        assignor,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        maxProcessingMs: request.maxProcessingMs,
        sinceProgressMs: request.processingMs,
        revision: request.revision,
        owned: partitionsOf(request.owned),
        receivedAtMs: clock.monotonicMs(),
      },
      request.maxWaitMs,
      signal,
    )
    if (answer.error !== ErrorCode.NONE) throwRefusal(answer)
    const { revision, heartbeatIntervalMs, assignment, giveBackWithinMs, warning } = answer
    return {
      memberEpoch: answer.memberEpoch,
      revision,
      heartbeatIntervalMs,
      assignment: assignment && assignedPartitions(assignment, topics),
      giveBackWithinMs: giveBackWithinMs === null ? null : Math.max(0, Math.floor(giveBackWithinMs)),
      warning,
    }
  }
}
