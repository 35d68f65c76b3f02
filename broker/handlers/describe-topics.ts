/** Describe topics: what each partition holds, what of it goes within the hour, and every config with its value in force. */
import { ErrorCode } from '../../client/protocol/errors.ts'
import { forecastRetention } from '../../storage/log/retention-forecast.ts'
import { describeTopicConfig } from '../topics/topic-config.ts'
import type { Topic, TopicTable } from '../topics/topic-table.ts'
import { unknownTopicName, visibleTopicNamed, visibleTopics } from './authorization.ts'
import type { Handler, ResponseOf } from './handlers.ts'
import type { NodeIdentity } from './node-identity.ts'
import { replicasOf } from './replicas.ts'

type Described = ResponseOf<'describeTopics'>['topics'][number]

const HOUR_MS = 3_600_000

export interface DescribeTopicsDependencies {
  readonly identity: NodeIdentity
  readonly topics: TopicTable
}

export function describeTopicsHandler({
  identity,
  topics,
}: DescribeTopicsDependencies): Handler<'describeTopics'> {
  function known(topic: Topic, nowMs: number): Described {
    return {
      error: ErrorCode.NONE,
      message: null,
      name: topic.name,
      topicId: topic.topicId,
      isInternal: topic.isInternal,
      createdAtMs: topic.createdAtMs,
      partitions: topic.logs.map((log) => {
        const forecast = forecastRetention(log, topic.config, nowMs, HOUR_MS)
        return {
          ...replicasOf(log, identity.nodeId),
          logStartOffset: log.logStartOffset,
          highWatermark: log.highWatermark,
          lastStableOffset: log.lastStableOffset,
          logEndOffset: log.logEndOffset,
          bytes: log.bytes,
          nextHourLogStartOffset: forecast.logStartOffset,
          nextHourLeavingBytes: forecast.bytes,
        }
      }),
      configs: describeTopicConfig(topic.configValues),
    }
  }

  function unknown(name: string): Described {
    return {
      error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      message: unknownTopicName(name).message,
      name,
      topicId: null,
      isInternal: false,
      createdAtMs: -1,
      partitions: [],
      configs: [],
    }
  }

  return async ({ names }, { clock, session }) => ({
    topics:
      names === null
        ? visibleTopics(session, topics).map((topic) => known(topic, clock.nowMs()))
        : names.map((name) => {
            const topic = visibleTopicNamed(session, topics, name)
            return topic ? known(topic, clock.nowMs()) : unknown(name)
          }),
  })
}
