/**
 * Fetch: a long poll over many partitions, answered by a stream of frames with one correlation id.
 *
 * Every frame but the last carries the flag MORE, a {@link fetchData} header and, as its body, whole
 * record batches of one partition. The last frame carries a {@link fetchResponse} header, one entry
 * per requested partition, and no body. An error of a partition does not disturb the others.
 *
 * The first batch of a data frame contains the requested offset, so it may begin below it: the
 * reader skips records below the offset it asked for.
 */
import { int8, int32, int53, list, nullable, struct, text, topicId, uint32 } from '../schema.ts'

export const fetchRequest = struct('FetchRequest', {
  /** Longest wait for `minBytes`; 0 answers at once. */
  maxWaitMs: int32,
  minBytes: uint32,
  /** Bound on all data frames together; the first batch is sent even if it is larger. */
  maxBytes: uint32,
  /** 0 read uncommitted (up to the high watermark), 1 read committed (up to the last stable offset). */
  isolationLevel: int8,
  partitions: list(
    struct('FetchPartition', {
      topicId,
      partition: int32,
      /** Leader epoch the client believes in; -1: not checked. */
      leaderEpoch: int32,
      fetchOffset: int53,
      /** Epoch of the last record the client has of this partition; -1: none (KIP-320). */
      lastFetchedEpoch: int32,
      partitionMaxBytes: uint32,
    }),
  ),
})

export const fetchData = struct('FetchData', {
  topicId,
  partition: int32,
  highWatermark: int53,
  logStartOffset: int53,
})

export const fetchResponse = struct('FetchResponse', {
  partitions: list(
    struct('FetchedPartition', {
      topicId,
      partition: int32,
      error: int32,
      message: nullable(text()),
      highWatermark: int53,
      lastStableOffset: int53,
      logStartOffset: int53,
      leaderEpoch: int32,
      /** Bytes of this partition's data frames in this answer. */
      bytes: uint32,
    }),
  ),
})
