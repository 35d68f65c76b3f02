/** Produce: record batches for many partitions, acknowledged when they are durable. */
import { int8, int32, int53, list, nullable, struct, text, topicId, uint32 } from '../schema.ts'

export const produceRequest = struct('ProduceRequest', {
  /** -1 all in-sync replicas durable, 1 leader durable, 0 answered when queued (not durable). */
  acks: int8,
  timeoutMs: int32,
  transactionalId: nullable(text(249)),
  /**
   * One entry per partition; the frame's body is their batches one after the other, in this order.
   * A partition may appear once.
   */
  partitions: list(
    struct('ProducePartition', {
      topicId,
      partition: int32,
      /** Leader epoch the client believes in; -1: not checked. */
      leaderEpoch: int32,
      /** Bytes of the body that belong to this entry: one or more whole record batches. */
      bytes: uint32,
    }),
  ),
})

/**
 * One answer frame may answer several produce requests of its connection: those whose batches became
 * durable in the same commit. The frame's correlation id is that of the first answer.
 */
export const produceResponse = struct('ProduceResponse', {
  /** Bytes of produce requests the client may have unanswered from now on; see flow control. */
  windowBytes: uint32,
  answers: list(
    struct('ProduceAnswer', {
      correlationId: uint32,
      partitions: list(
        struct('ProducedPartition', {
          topicId,
          partition: int32,
          error: int32,
          message: nullable(text()),
          /** Offset of the first record; -1 with an error. */
          baseOffset: int53,
          /** Broker's time for topics stamped by the broker, else -1. */
          logAppendTimeMs: int53,
          logStartOffset: int53,
        }),
      ),
    }),
  ),
})
