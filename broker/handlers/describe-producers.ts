/** Describe producers: how far partitions hold what one producer sent, only what is durable. */
import { ErrorCode } from '../../client/protocol/errors.ts'
import type {
  DescribedProducer,
  DescribeProducersRequest,
} from '../../client/protocol/messages/describe-producers.ts'
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import type { Handler } from './handlers.ts'
import { findPartition, refuseRepeated } from './partition-error.ts'

/** What a partition knows of a producer; fields as in the answer. */
export type ProducerStanding = Pick<
  DescribedProducer,
  'producerEpoch' | 'lastSequence' | 'nextSequence' | 'lastOffset' | 'lastTimestampMs'
>

export interface DescribeProducersDependencies {
  readonly topics: TopicTable
  /** Undefined: nothing is known (any more). */
  readonly describe: (log: PartitionLog, producerId: number) => ProducerStanding | undefined
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
  const { topics, describe } = dependencies

  function answer(
    { topicId, partition }: DescribeProducersRequest['partitions'][number],
    producerId: number,
  ): DescribedProducer {
    const found = findPartition(topics, { topicId, partition, leaderEpoch: -1 })
    if ('error' in found) return { topicId, partition, ...found, ...UNKNOWN }
    const standing = describe(found.log, producerId) ?? UNKNOWN
    return { topicId, partition, error: ErrorCode.NONE, message: null, ...standing }
  }

  return async ({ producerId, partitions }) => {
    refuseRepeated(partitions)
    return { partitions: partitions.map((asked) => answer(asked, producerId)) }
  }
}
