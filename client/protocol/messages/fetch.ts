/**
 * Fetch: a long poll over many partitions, answered by a stream of frames with one correlation id.
 *
 * Every frame but the last carries the flag MORE, a {@link fetchData} header and, as its body, whole
 * record batches of one partition. The last frame carries a {@link fetchResponse} header, one entry
 * per requested partition, and no body. An error of a partition does not disturb the others.
 *
 * The first batch of a data frame contains the requested offset, so it may begin below it: the
 * reader skips records below the offset it asked for.
 *
 * With a filter only the records that match are sent, in their batches and with their offsets: what lies between was
 * looked at. How far a stretch without a match was looked at is told by a batch without records.
 */
import {
  field,
  int8,
  int32,
  int53,
  list,
  nullable,
  struct,
  type TypeOf,
  text,
  uint31,
  uint32,
  withDefault,
} from '../schema.ts'
import { believedLeaderEpoch, error, leaderEpoch, message, partition, topicId } from './recurring-fields.ts'

const highWatermark = field(
  int53,
  'Offset after the last record a reader may see: durable on as many replicas as the topic asks for.',
)
/** Characters of a filter. */
export const FILTER_CHARACTERS_MAX = 65_536

const logStartOffset = field(int53, 'Offset of the first record the partition has.')

export const fetchRequest = struct('FetchRequest', {
  maxWaitMs: field(uint31, 'Longest wait for `minBytes`, in ms; 0 answers at once.'),
  minBytes: field(uint32, 'Record batch bytes to wait for, over all partitions.'),
  maxBytes: field(
    uint32,
    'Bound on the record batch bytes of the whole answer; the first batch is sent even if it is larger.',
  ),
  isolationLevel: field(
    int8,
    '0 read uncommitted: up to the high watermark; 1 read committed: up to the last stable offset.',
  ),
  partitions: field(
    list(
      struct('FetchPartition', {
        topicId,
        partition,
        leaderEpoch: believedLeaderEpoch,
        fetchOffset: field(int53, 'Offset of the first record wanted.'),
        lastFetchedEpoch: field(
          int32,
          'Leader epoch of the last record the client has of this partition, so that a truncation is noticed; -1: it has none.',
        ),
        partitionMaxBytes: field(
          uint32,
          'Bound on the record batch bytes of this partition; the first batch is sent even if it is larger.',
        ),
      }),
    ),
    'What to read, none twice; served in turns, so that none starves another.',
  ),
  filter: field(
    nullable(text(FILTER_CHARACTERS_MAX)),
    'Pattern, as JSON, that a record must match to be sent; `minBytes` and `maxBytes` are of what is sent. null: every record.',
  ),
  compressions: field(
    nullable(list(text(16), 16)),
    'Names of the codecs the client can unpack (gzip, snappy, lz4, zstd; none always can be): batches of others come unpacked. null: all.',
  ),
})

export const fetchData = struct('FetchData', {
  topicId,
  partition,
  highWatermark,
  logStartOffset,
  examined: field(
    withDefault(int53, 0),
    'Records of the partition that were held against the filter since the frame before, those of this frame included; 0 without a filter.',
  ),
  notJson: field(
    withDefault(int53, 0),
    'How many of them have a value that is no JSON, which the filter asks for.',
  ),
})

export const fetchResponse = struct('FetchResponse', {
  partitions: field(
    list(
      struct('FetchedPartition', {
        topicId,
        partition,
        error,
        message,
        highWatermark: field(int53, `${highWatermark.meaning} -1: unknown.`),
        lastStableOffset: field(
          int53,
          'Offset before which every transaction is decided; at most the high watermark. -1: unknown.',
        ),
        logStartOffset: field(int53, `${logStartOffset.meaning} -1: unknown.`),
        leaderEpoch,
        bytes: field(uint32, 'Record batch bytes of this partition in the data frames of this answer.'),
      }),
    ),
    'One entry per partition of the request, in its order.',
  ),
})

export type FetchRequest = TypeOf<typeof fetchRequest>
export type FetchPartition = FetchRequest['partitions'][number]
export type FetchData = TypeOf<typeof fetchData>
export type FetchResponse = TypeOf<typeof fetchResponse>
export type FetchedPartition = FetchResponse['partitions'][number]
