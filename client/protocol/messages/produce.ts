/** Produce: record batches for many partitions, acknowledged when they are durable. */
import { field, int8, int53, list, nullable, struct, type TypeOf, text, uint32 } from '../schema.ts'
import { believedLeaderEpoch, error, message, partition, timeoutMs, topicId } from './recurring-fields.ts'

export const produceRequest = struct('ProduceRequest', {
  acks: field(
    int8,
    'When to answer: -1 durable on all in-sync replicas, 1 durable on the leader, 0 queued, not durable.',
  ),
  timeoutMs,
  transactionalId: field(nullable(text(249)), 'Transaction the batches belong to; null: none.'),
  partitions: field(
    list(
      struct('ProducePartition', {
        topicId,
        partition,
        leaderEpoch: believedLeaderEpoch,
        bytes: field(
          uint32,
          'Bytes of the body that belong to this entry: one or more whole record batches, exactly one if it is compressed.',
        ),
      }),
    ),
    'One entry per partition, none twice; the body is their batches one after the other, in this order.',
  ),
})

/**
 * One answer frame may answer several produce requests of its connection: those whose batches became
 * durable in the same commit. The frame's correlation id is that of the first answer.
 */
export const produceResponse = struct('ProduceResponse', {
  windowBytes: field(
    uint32,
    'Body bytes of produce requests the client may have unanswered from now on; see flow control.',
  ),
  answers: field(
    list(
      struct('ProduceAnswer', {
        correlationId: field(uint32, 'The request this answers.'),
        partitions: field(
          list(
            struct('ProducedPartition', {
              topicId,
              partition,
              error,
              message,
              baseOffset: field(int53, 'Offset of the first record; -1 with an error or with acks 0.'),
              logAppendTimeMs: field(
                int53,
                'The broker’s time of the records, ms since 1970, for topics whose records it stamps; else, and with acks 0, -1.',
              ),
              logStartOffset: field(int53, 'Offset of the first record the partition has; -1 with an error.'),
            }),
          ),
          'One entry per partition of the request, in its order.',
        ),
      }),
    ),
    'One or more requests; within this frame in the order in which they were sent.',
  ),
})

export type ProduceRequest = TypeOf<typeof produceRequest>
export type ProduceResponse = TypeOf<typeof produceResponse>
export type ProduceAnswer = ProduceResponse['answers'][number]
export type ProducedPartition = ProduceAnswer['partitions'][number]
