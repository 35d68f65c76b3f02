/** Describe producers: how far partitions hold what one producer sent, only what is durable. */
import { ErrorCode } from '../../client/protocol/errors.ts'
import type {
  DescribedProducer,
  DescribeProducersRequest,
} from '../../client/protocol/messages/describe-producers.ts'
import type { ProducerStanding } from '../../storage/log/producer-state.ts'
import type { ShardLog } from '../../storage/log/shard-log.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import type { RequestSession } from './context.ts'
import type { Handler } from './handlers.ts'
import { findPartition, refuseRepeated } from './partition-error.ts'

export interface DescribeProducersDependencies {
  readonly topics: TopicTable
  readonly log: Pick<ShardLog, 'describeProducer'>
}

const UNKNOWN: ProducerStanding = {
  producerEpoch: -1,
  lastSequence: -1,
  nextSequence: -1,
  lastOffset: -1,
  lastTimestampMs: -1,
}

export function describeProducersHandler(
  dependencies: DescribeProducersDependencies,
): Handler<'describeProducers'> {
  const { topics, log: shard } = dependencies

  function answer(
    { topicId, partition }: DescribeProducersRequest['partitions'][number],
    producerId: number,
    session: RequestSession,
  ): DescribedProducer {
    // Describe and no more: a producer that may only write learns from it where it stands.
    const found = findPartition(topics, { topicId, partition, leaderEpoch: -1 }, session, 'describe')
    if ('error' in found) return { topicId, partition, ...found, ...UNKNOWN }
    const standing = shard.describeProducer(found.log, producerId) ?? UNKNOWN
    return { topicId, partition, error: ErrorCode.NONE, message: null, ...standing }
  }

  return async ({ producerId, partitions }, { session }) => {
    refuseRepeated(partitions)
    return { partitions: partitions.map((asked) => answer(asked, producerId, session)) }
  }
}
