/** List offsets: earliest, latest, or the first record at or after a time. */
import { int8, int32, int53, list, nullable, struct, text, topicId } from '../schema.ts'

/** Special values of `timestamp`, as in Kafka. */
export const OFFSET_LATEST = -1
export const OFFSET_EARLIEST = -2

export const listOffsetsRequest = struct('ListOffsetsRequest', {
  isolationLevel: int8,
  partitions: list(
    struct('ListOffsetsPartition', {
      topicId,
      partition: int32,
      leaderEpoch: int32,
      /** Time in ms since 1970, or -1 latest, -2 earliest. */
      timestamp: int53,
    }),
  ),
})

export const listOffsetsResponse = struct('ListOffsetsResponse', {
  partitions: list(
    struct('ListedOffset', {
      topicId,
      partition: int32,
      error: int32,
      message: nullable(text()),
      /** Timestamp of the record found; -1 for latest, earliest, or none found. */
      timestamp: int53,
      /** -1: no record at or after the time. */
      offset: int53,
      leaderEpoch: int32,
    }),
  ),
})
