/**
 * Describe producers: how far partitions hold what one producer sent, only what is durable. Of an id without a name
 * its owner alone is told: who asks takes what is there for his own, and does not send it again.
 */
import { ErrorCode } from '../../client/protocol/errors.ts'
import type {
  DescribedProducer,
  DescribeProducersRequest,
} from '../../client/protocol/messages/describe-producers.ts'
import type { ProducerStanding } from '../../storage/log/producer-state.ts'
import type { ShardLog } from '../../storage/log/shard-log.ts'
import type { NamelessOwners } from '../producers/nameless-owners.ts'
import { hasName } from '../producers/producer-ids.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import { notTheirs, ownerOf } from './authorization.ts'
import type { RequestSession } from './context.ts'
import type { Handler } from './handlers.ts'
import { findPartition, refuseRepeated } from './partition-error.ts'

export interface DescribeProducersDependencies {
  readonly topics: TopicTable
  readonly log: Pick<ShardLog, 'describeProducer'>
  readonly nameless: Pick<NamelessOwners, 'ownerOf'>
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
  const { topics, log: shard, nameless } = dependencies

  function answer(
    { topicId, partition }: DescribeProducersRequest['partitions'][number],
    producerId: number,
    session: RequestSession,
  ): DescribedProducer {
    // Describe and no more: a producer that may only write learns from it where it stands.
    const found = findPartition(topics, { topicId, partition, leaderEpoch: -1 }, session, 'describe')
    if ('error' in found) return { topicId, partition, ...found, ...UNKNOWN }
    if (!hasName(producerId) && nameless.ownerOf(producerId) !== ownerOf(session)) {
      const { code, message } = notTheirs(producerId)
      return { topicId, partition, error: code, message, ...UNKNOWN }
    }
    const standing = shard.describeProducer(found.log, producerId) ?? UNKNOWN
    return { topicId, partition, error: ErrorCode.NONE, message: null, ...standing }
  }

  return async ({ producerId, partitions }, { session }) => {
    refuseRepeated(partitions)
    return { partitions: partitions.map((asked) => answer(asked, producerId, session)) }
  }
}
