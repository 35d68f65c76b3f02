/** Describe topics: what each partition holds and every config with its value in force. */
import { ErrorCode } from '../../client/protocol/errors.ts'
import { describeTopicConfig } from '../topics/topic-config.ts'
import type { Topic, TopicTable } from '../topics/topic-table.ts'
import type { Handler, ResponseOf } from './handlers.ts'
import type { NodeIdentity } from './node-identity.ts'
import { replicasOf } from './replicas.ts'

type Described = ResponseOf<'describeTopics'>['topics'][number]

export interface DescribeTopicsDependencies {
  readonly identity: NodeIdentity
  readonly topics: TopicTable
}

export function describeTopicsHandler({
  identity,
  topics,
}: DescribeTopicsDependencies): Handler<'describeTopics'> {
  function known(topic: Topic): Described {
    return {
      error: ErrorCode.NONE,
      message: null,
      name: topic.name,
      topicId: topic.topicId,
      isInternal: topic.isInternal,
      createdAtMs: topic.createdAtMs,
      partitions: topic.logs.map((log) => ({
        ...replicasOf(log, identity.nodeId),
        logStartOffset: log.logStartOffset,
        highWatermark: log.highWatermark,
        lastStableOffset: log.lastStableOffset,
        logEndOffset: log.logEndOffset,
        bytes: log.bytes,
      })),
      configs: describeTopicConfig(topic.configValues),
    }
  }

  function unknown(name: string): Described {
    return {
      error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      message: `there is no topic named ${JSON.stringify(name)}`,
      name,
      topicId: null,
      isInternal: false,
      createdAtMs: -1,
      partitions: [],
      configs: [],
    }
  }

  return async ({ names }) => ({
    topics:
      names === null
        ? topics.list().map(known)
        : names.map((name) => {
            const topic = topics.byName(name)
            return topic ? known(topic) : unknown(name)
          }),
  })
}
