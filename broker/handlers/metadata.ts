/** Metadata: the nodes and, for each topic, who leads its partitions. */
import { ErrorCode } from '../../client/protocol/errors.ts'
import { topicIdHex } from '../topics/topic-id.ts'
import type { Topic, TopicTable } from '../topics/topic-table.ts'
import { unknownTopicName, visibleTopic, visibleTopicNamed, visibleTopics } from './authorization.ts'
import type { RequestSession } from './context.ts'
import type { Handler, RequestOf, ResponseOf } from './handlers.ts'
import type { NodeIdentity } from './node-identity.ts'
import { replicasOf } from './replicas.ts'

type Query = NonNullable<RequestOf<'metadata'>['topics']>[number]
type TopicAnswer = ResponseOf<'metadata'>['topics'][number]

export interface MetadataDependencies {
  readonly identity: NodeIdentity
  readonly topics: TopicTable
}

export function metadataHandler({ identity, topics }: MetadataDependencies): Handler<'metadata'> {
  const { nodeId, clusterId } = identity

  function known(topic: Topic): TopicAnswer {
    return {
      error: ErrorCode.NONE,
      message: null,
      name: topic.name,
      topicId: topic.topicId,
      isInternal: topic.isInternal,
      partitions: topic.logs.map((log) => ({ error: ErrorCode.NONE, ...replicasOf(log, nodeId) })),
    }
  }

  function answer({ name, topicId }: Query, session: RequestSession): TopicAnswer {
    const topic = topicId
      ? visibleTopic(session, topics.byId(topicId))
      : visibleTopicNamed(session, topics, name ?? '')
    if (topic) return known(topic)
    const unknown = { name: topicId ? null : name, topicId, isInternal: false, partitions: [] }
    if (topicId)
      return {
        error: ErrorCode.UNKNOWN_TOPIC_ID,
        message: `there is no topic with the id ${topicIdHex(topicId)}`,
        ...unknown,
      }
    if (name === null)
      return { error: ErrorCode.INVALID_REQUEST, message: 'name and topicId are both null', ...unknown }
    return {
      error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      message: unknownTopicName(name).message,
      ...unknown,
    }
  }

  return async ({ topics: queries }, { session }) => ({
    clusterId,
    controllerId: nodeId,
    brokers: [{ nodeId, url: identity.url(), rack: null }],
    topics:
      queries === null
        ? visibleTopics(session, topics).map(known)
        : queries.map((query) => answer(query, session)),
  })
}
