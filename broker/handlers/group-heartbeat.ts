/** Group heartbeat: joins a group, stays in it or leaves it; the answer waits for news, as long as the member says. */
import { ErrorCode, type ProtocolError } from '../../client/protocol/errors.ts'
import { type GroupHeartbeatRequest, JOIN_EPOCH } from '../../client/protocol/messages/group-heartbeat.ts'
import type { NamespaceStore } from '../access/namespace-store.ts'
import type { GroupService } from '../groups/group-service.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import { topicRefusal } from './authorization.ts'
import type { RequestSession } from './context.ts'
import {
  assignedPartitions,
  checkGroupId,
  checkNamespace,
  partitionsOf,
  throwRefusal,
  useRefusal,
} from './group-words.ts'
import type { Handler } from './handlers.ts'

export interface GroupHeartbeatDependencies {
  readonly groups: Pick<GroupService, 'heartbeat'>
  readonly topics: TopicTable
  readonly namespaces: Pick<NamespaceStore, 'get'>
}

/** By name, whether they are there or not: what comes into being later is shared out, too. Leaving takes no right to topics. */
function refusalOf(
  session: RequestSession,
  { groupId, memberEpoch, subscribedTopics }: GroupHeartbeatRequest,
): ProtocolError | undefined {
  const refusal = useRefusal(session, groupId)
  if (refusal || memberEpoch < JOIN_EPOCH) return refusal
  for (const name of subscribedTopics) {
    const refusal = topicRefusal(session, 'read', name)
    if (refusal) return refusal
  }
  return undefined
}

export function groupHeartbeatHandler({
  groups,
  topics,
  namespaces,
}: GroupHeartbeatDependencies): Handler<'groupHeartbeat'> {
  return async (request, { session, connection, signal, clock }) => {
    const { groupId, memberEpoch, subscribedTopics } = request
    checkGroupId(groupId)
    const refusal = refusalOf(session, request)
    if (refusal) throw refusal
    if (memberEpoch === JOIN_EPOCH) checkNamespace(namespaces, groupId)
    let seenAccess = session.access
    const caller = {
      mayStay: () => {
        // Whoever has lost his connection may come back with a newer credential, and has his session for that.
        if (!signal.aborted && session.refusal()) return false
        const { access } = session
        // Most changes of rights are about others.
        if (access === seenAccess) return true
        seenAccess = access
        return !refusalOf(session, request)
      },
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
      caller,
    )
    // What he may do can have changed while it was held back.
    const lost = session.refusal() ?? refusalOf(session, request)
    if (lost) throw lost
    if (answer.error !== ErrorCode.NONE) throwRefusal(answer)
    const { revision, isSettled, heartbeatIntervalMs, assignment, giveBackWithinMs, warning } = answer
    return {
      memberEpoch: answer.memberEpoch,
      revision,
      isSettled,
      heartbeatIntervalMs,
      assignment: assignment && assignedPartitions(assignment, topics),
      giveBackWithinMs: giveBackWithinMs === null ? null : Math.max(0, Math.floor(giveBackWithinMs)),
      warning,
    }
  }
}
