/** List offsets: the earliest or latest offset a reader may use, or the first record at or after a time. */
import { ErrorCode } from '../../client/protocol/errors.ts'
import {
  type ListedOffset,
  type ListOffsetsRequest,
  type ListOffsetsResponse,
  OFFSET_EARLIEST,
  OFFSET_LATEST,
} from '../../client/protocol/messages/list-offsets.ts'
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import type { ShardLog } from '../../storage/log/shard-log.ts'
import type { Timers } from '../ports.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import type { RequestContext, RequestSession } from './context.ts'
import { findPartition, partitionErrorOf } from './partition-error.ts'

export interface ListOffsetsDependencies {
  readonly topics: TopicTable
  readonly log: ShardLog
  readonly timers: Timers
}

export function listOffsetsHandler({ topics, log: shard, timers }: ListOffsetsDependencies) {
  function lookUp(log: PartitionLog, timestampMs: number): { offset: number; timestampMs: number } {
    if (timestampMs === OFFSET_EARLIEST) return { offset: log.logStartOffset, timestampMs: -1 }
    if (timestampMs === OFFSET_LATEST) return { offset: log.lastStableOffset, timestampMs: -1 }
    return shard.findTimestamp(log, timestampMs, log.lastStableOffset) ?? { offset: -1, timestampMs: -1 }
  }

  async function answer(
    asked: ListOffsetsRequest['partitions'][number],
    session: RequestSession,
  ): Promise<ListedOffset> {
    const { topicId, partition } = asked
    const none = { topicId, partition, timestamp: -1, offset: -1, leaderEpoch: -1 }
    const found = findPartition(topics, asked, session, 'describe')
    if ('error' in found) return { ...none, error: found.error, message: found.message }
    if (asked.timestamp < OFFSET_EARLIEST)
      return {
        ...none,
        error: ErrorCode.INVALID_REQUEST,
        message: `timestamp is ${asked.timestamp}; it must be a time in ms since 1970, -1 (latest) or -2 (earliest)`,
      }
    try {
      if (asked.timestamp >= 0) await shard.prepareTimestamp(found.log, asked.timestamp)
      const { offset, timestampMs } = lookUp(found.log, asked.timestamp)
      const { leaderEpoch } = found.log
      return { ...none, error: ErrorCode.NONE, message: null, timestamp: timestampMs, offset, leaderEpoch }
    } catch (error) {
      return { ...none, ...partitionErrorOf(error) }
    }
  }

  return async (request: ListOffsetsRequest, context: RequestContext): Promise<ListOffsetsResponse> => {
    const partitions: ListedOffset[] = []
    for (const asked of request.partitions) {
      partitions.push(await answer(asked, context.session))
      if (asked.timestamp < 0) continue
      // A look-up by time reads, and may unpack, what is stored: the others get their turn in between.
      await new Promise<void>((resolve) => timers.soon(resolve))
      if (context.signal.aborted) break
    }
    return { partitions }
  }
}
