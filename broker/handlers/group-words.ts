/** What handlers of groups have in common: names and rights, partitions there and back, refusals. */
import type { Operation } from '../../auth/acl/operation.ts'
import { namespaceOf, parseQualifiedName, quoteName } from '../../auth/acl/qualified-name.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { AssignedPartitions } from '../../client/protocol/messages/group-heartbeat.ts'
import type { NamespaceStore } from '../access/namespace-store.ts'
import type { Refusal } from '../groups/decision.ts'
import { type Partitions, PartitionsBuilder } from '../groups/partitions.ts'
import { topicIdKey } from '../topics/topic-id.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import { notAuthorized } from './authorization.ts'
import type { RequestSession } from './context.ts'

export function unknownGroup(groupId: string): ProtocolError {
  return new ProtocolError(ErrorCode.GROUP_ID_NOT_FOUND, `there is no group named ${quoteName(groupId)}`)
}

/** Throws where the name is none. */
export function checkGroupId(groupId: string): void {
  const parsed = parseQualifiedName(groupId)
  if ('problem' in parsed)
    throw new ProtocolError(
      ErrorCode.INVALID_GROUP_ID,
      `the group name ${quoteName(groupId)} ${parsed.problem}`,
    )
}

/** Why the caller may not do this to a group of that name, whether there is one or not; undefined: he may. */
export function groupRefusal(
  session: RequestSession,
  operation: Operation,
  groupId: string,
): ProtocolError | undefined {
  if (session.allows(operation, 'group', groupId)) return undefined
  if (!session.allows('describe', 'group', groupId)) return unknownGroup(groupId)
  return notAuthorized(session, operation, 'group', groupId)
}

/**
 * Why the caller may neither join nor commit; undefined: he may. A group need not be there for that, so that it is not is no
 * answer.
 */
export function useRefusal(session: RequestSession, groupId: string): ProtocolError | undefined {
  return session.allows('read', 'group', groupId)
    ? undefined
    : notAuthorized(session, 'read', 'group', groupId)
}

/**
 * Throws where the namespace of a group that may come to be is not there: nothing is left for whoever has its name next. In the very
 * turn in which the group is made: a namespace that goes waits for what is in it.
 */
export function checkNamespace(namespaces: Pick<NamespaceStore, 'get'>, groupId: string): void {
  const namespace = namespaceOf(groupId)
  if (!namespaces.get(namespace))
    throw new ProtocolError(
      ErrorCode.INVALID_GROUP_ID,
      `the group name ${quoteName(groupId)} is in a namespace that is not there; octopus namespace create ${namespace} makes it`,
    )
}

export function throwRefusal({ error, message }: Refusal): void {
  if (error !== ErrorCode.NONE) throw new ProtocolError(error, message ?? undefined)
}

/** Names of topics that have gone since are left out: their partitions are on their way out, too. */
export function assignedPartitions(partitions: Partitions, topics: TopicTable): AssignedPartitions[] {
  const assigned: AssignedPartitions[] = []
  for (const [key, numbers] of partitions) {
    const topic = topics.byIdKey(key)
    if (topic) assigned.push({ topicId: topic.topicId, topic: topic.name, partitions: [...numbers] })
  }
  return assigned
}

/** In any order. A partition that is named twice is left for the coordinator to refuse. */
export function partitionsOf(
  owned: readonly { readonly topicId: Uint8Array; readonly partitions: readonly number[] }[],
): Partitions {
  const builder = new PartitionsBuilder()
  for (const { topicId, partitions } of owned) {
    const key = topicIdKey(topicId)
    for (const partition of partitions) builder.add(key, partition)
  }
  return builder.build()
}
