/** The partitions a member of a group has, and what is said of them. */
import type { PartitionName } from '../consumer/options.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import type { GroupHeartbeatRequest } from '../protocol/messages/group-heartbeat.ts'
import { topicIdText } from '../topic-id.ts'

export interface Held extends PartitionName {
  readonly key: string
  readonly topicId: Uint8Array
  state: 'starting' | 'reading' | 'revoking'
  /** Its last commit is on its way. */
  isLeaving: boolean
  /** What was committed last; -1: nothing by this member. */
  committedOffset: number
}

/** As a heartbeat says it. */
export function byTopic(held: Iterable<Held>): GroupHeartbeatRequest['owned'] {
  const topics = new Map<string, { topicId: Uint8Array; partitions: number[] }>()
  for (const { topicId, partition } of held) {
    const id = topicIdText(topicId)
    const topic = topics.get(id) ?? { topicId, partitions: [] }
    topics.set(id, topic)
    topic.partitions.push(partition)
  }
  return [...topics.values()]
}

export function notHeld({ topic, partition }: PartitionName): ProtocolError {
  return new ProtocolError(
    ErrorCode.UNKNOWN_MEMBER_ID,
    `partition ${partition} of ${topic} is not this consumer's (any more): another member of the group may read it`,
  )
}

export function groupError(groupId: string, cause: ProtocolError): ProtocolError {
  return new ProtocolError(cause.code, `group ${groupId}: ${cause.message}`, { cause })
}

/** The topic may be there later, or assigned to nobody. */
export function again(cause: ProtocolError): ProtocolError {
  return new ProtocolError(ErrorCode.UNKNOWN_TOPIC_ID, cause.message, { cause })
}

/** The next heartbeat says more. */
export function ignoreRefusal(error: unknown): void {
  if (!(error instanceof ProtocolError)) throw error
}
