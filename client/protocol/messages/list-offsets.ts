/** List offsets: earliest, latest, or the first record at or after a time. */
import { field, int8, int53, list, struct, type TypeOf } from '../schema.ts'
import { believedLeaderEpoch, error, leaderEpoch, message, partition, topicId } from './recurring-fields.ts'

/** Special values of `timestamp`, as in Kafka. */
export const OFFSET_LATEST = -1
export const OFFSET_EARLIEST = -2

export const listOffsetsRequest = struct('ListOffsetsRequest', {
  isolationLevel: field(int8, 'What "latest" means: 0 the high watermark, 1 the last stable offset.'),
  partitions: field(
    list(
      struct('ListOffsetsPartition', {
        topicId,
        partition,
        leaderEpoch: believedLeaderEpoch,
        timestamp: field(
          int53,
          'A time in ms since 1970: the first record with this timestamp or a later one; -1 latest: the offset after the last record; -2 earliest: the offset of the first record.',
        ),
      }),
    ),
    'What to look up.',
  ),
})

export const listOffsetsResponse = struct('ListOffsetsResponse', {
  partitions: field(
    list(
      struct('ListedOffset', {
        topicId,
        partition,
        error,
        message,
        timestamp: field(int53, 'Timestamp of the record found; -1 for latest, earliest, or none found.'),
        offset: field(int53, 'The offset; -1: no record at or after the time, or an error.'),
        leaderEpoch,
      }),
    ),
    'One entry per partition of the request, in its order.',
  ),
})

export type ListOffsetsRequest = TypeOf<typeof listOffsetsRequest>
export type ListOffsetsResponse = TypeOf<typeof listOffsetsResponse>
export type ListedOffset = ListOffsetsResponse['partitions'][number]
