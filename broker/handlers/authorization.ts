/**
 * What handlers ask about each thing a request names, and what is answered where the caller may not.
 *
 * What he may not describe looks like what does not exist: same code, same sentence, decided before it is
 * looked for. What he may describe and not use is refused by name.
 */
import { bitOf, NO_OPERATIONS, type Operation, type OperationBits } from '../../auth/acl/operation.ts'
import { formatResourcePattern, type ResourceType } from '../../auth/acl/resource.ts'
import { namesOf } from '../../auth/principal.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import { parseTopicConfig } from '../topics/topic-config.ts'
import { TOPIC_ID_BYTES } from '../topics/topic-id.ts'
import type { Topic, TopicTable } from '../topics/topic-table.ts'
import type { RequestSession } from './context.ts'

const codeOfType: Readonly<Record<ResourceType, number>> = {
  cluster: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
  namespace: ErrorCode.NAMESPACE_AUTHORIZATION_FAILED,
  topic: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  group: ErrorCode.GROUP_AUTHORIZATION_FAILED,
  producer: ErrorCode.PRODUCER_NAME_AUTHORIZATION_FAILED,
  'transactional-id': ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}

const DESCRIBE = bitOf('describe')

/** The caller in text form: `user:ada`. */
export function callerOf(session: RequestSession): string {
  return namesOf(session.identity.principal)[0]
}

/** Whose a producer id without a name is. An ID is never empty, so nobody is called as those are who show none. */
export function ownerOf({ identity }: RequestSession): string {
  return identity.principal.isAnonymous ? '' : identity.principal.name
}

export function notTheirs(producerId: number): ProtocolError {
  return new ProtocolError(
    ErrorCode.UNKNOWN_PRODUCER_ID,
    `producer ${producerId} is somebody else's or nobody's; ask for a new id`,
  )
}

export function notAuthorized(
  session: RequestSession,
  operation: Operation,
  type: ResourceType,
  name: string,
  match: 'literal' | 'prefix' = 'literal',
): ProtocolError {
  const what = formatResourcePattern({ type, name, match })
  return new ProtocolError(codeOfType[type], `${callerOf(session)} may not ${operation} ${what}`)
}

export function unknownTopicName(name: string): ProtocolError {
  return new ProtocolError(
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    `there is no topic named ${JSON.stringify(name)}`,
  )
}

/** Asked about in place of what does not exist, so that it takes the same steps as what may not be seen. */
const NO_TOPIC: Topic = {
  name: '',
  topicId: new Uint8Array(TOPIC_ID_BYTES),
  idKey: '',
  partitions: 0,
  config: parseTopicConfig({}),
  configValues: {},
  createdAtMs: 0,
  isInternal: false,
  logs: [],
}

/** What the caller may do to what was found, or to nothing: the same work for both. */
export function bitsOnFound(session: RequestSession, topic: Topic | undefined): OperationBits {
  const bits = session.bitsOnTopic(topic ?? NO_TOPIC)
  return topic ? bits : NO_OPERATIONS
}

/** The topic if there is one and the caller may describe it. */
export function visibleTopic(session: RequestSession, topic: Topic | undefined): Topic | undefined {
  return (bitsOnFound(session, topic) & DESCRIBE) !== 0 ? topic : undefined
}

/** The same by its name, which decides before it is looked whether there is one. */
export function visibleTopicNamed(
  session: RequestSession,
  topics: Pick<TopicTable, 'byName'>,
  name: string,
): Topic | undefined {
  return (session.access.bitsOn('topic', name) & DESCRIBE) !== 0 ? topics.byName(name) : undefined
}

/** Those of all topics that the caller may describe, in order of name. */
export function visibleTopics(session: RequestSession, topics: TopicTable): Topic[] {
  const { access } = session
  // Not through what the session remembers: there may be more topics than it does.
  return topics.list().filter((topic) => (access.bitsOn('topic', topic.name) & DESCRIBE) !== 0)
}

/** Why the caller may not do this to a topic of that name, whether there is one or not; undefined: he may. */
export function topicRefusal(
  session: RequestSession,
  operation: Operation,
  name: string,
): ProtocolError | undefined {
  const bits = session.access.bitsOn('topic', name)
  if ((bits & bitOf(operation)) !== 0) return undefined
  return (bits & DESCRIBE) === 0 ? unknownTopicName(name) : notAuthorized(session, operation, 'topic', name)
}
