/** Describe producers: how far partitions hold what one producer sent. */
import { field, int16, int32, int53, list, struct, type TypeOf } from '../schema.ts'
import { error, message, partition, topicId } from './recurring-fields.ts'

export const describeProducersRequest = struct('DescribeProducersRequest', {
  producerId: field(
    int53,
    'The producer. Of an id without a name its owner alone is told; the others get UNKNOWN_PRODUCER_ID.',
  ),
  partitions: field(
    list(struct('DescribeProducersPartition', { topicId, partition })),
    'Where to look; no partition twice.',
  ),
})

export const describeProducersResponse = struct('DescribeProducersResponse', {
  partitions: field(
    list(
      struct('DescribedProducer', {
        topicId,
        partition,
        error,
        message,
        producerEpoch: field(
          int16,
          'Epoch of its last batch; -1: the partition knows nothing of it (any more), and its next batch begins at sequence 0.',
        ),
        lastSequence: field(int32, 'Sequence of its last durable record; -1: unknown.'),
        nextSequence: field(
          int53,
          'How many records it has there, which is the sequence of its next one before wrapping at 2^31; -1: unknown.',
        ),
        lastOffset: field(int53, 'Offset of its last durable record; -1: unknown.'),
        lastTimestampMs: field(
          int53,
          'When its last batch was made durable, ms since 1970 by the broker’s clock; -1: unknown.',
        ),
      }),
    ),
    'One entry per partition of the request, in its order.',
  ),
})

export type DescribeProducersRequest = TypeOf<typeof describeProducersRequest>
export type DescribeProducersResponse = TypeOf<typeof describeProducersResponse>
export type DescribedProducer = DescribeProducersResponse['partitions'][number]
