/**
 * How far one partition of a fetch has come, and what may be done with it now: asked again whenever time has passed, since logs
 * are deleted and cut, and rights are taken away. Pure.
 */
import { ErrorCode } from '../../client/protocol/errors.ts'
import type { FetchedPartition, FetchPartition } from '../../client/protocol/messages/fetch.ts'
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import type { Topic, TopicTable } from '../topics/topic-table.ts'
import type { FetchDataSource, RequestSession } from './context.ts'
import { findPartition, type PartitionError, topicErrorOf } from './partition-error.ts'

export interface FetchCursor {
  readonly asked: FetchPartition
  readonly topic: Topic | undefined
  /** Undefined as well once the right to read it is gone: nothing more is told of it then. */
  log: PartitionLog | undefined
  /** The offset to read next. */
  offset: number
  bytesLeft: number
  bytes: number
  /** Since something was sent of it. */
  examined: number
  notJson: number
  error: PartitionError | undefined
}

export function openCursor(topics: TopicTable, asked: FetchPartition, session: RequestSession): FetchCursor {
  const found = findPartition(topics, asked, session, 'read')
  const cursor: FetchCursor = {
    asked,
    topic: 'topic' in found ? found.topic : undefined,
    log: 'log' in found ? found.log : undefined,
    offset: asked.fetchOffset,
    bytesLeft: Math.max(1, asked.partitionMaxBytes),
    bytes: 0,
    examined: 0,
    notJson: 0,
    error: 'error' in found ? found : undefined,
  }
  checkRange(cursor, session)
  return cursor
}

/** What readers may see; read committed and read uncommitted differ only once there are transactions. */
export function visibleEnd(log: PartitionLog): number {
  return log.lastStableOffset
}

/** The credential may have come to its end while the fetch was parked, or while its client read slowly. */
export function throwIfEnded(session: RequestSession): void {
  const refusal = session.refusal()
  if (refusal) throw refusal
}

/** Whether what was read of it may still be told. */
export function checkAccess(cursor: FetchCursor, session: RequestSession): void {
  const { log, topic } = cursor
  if (!log || !topic || cursor.error) return
  const refusal = topicErrorOf(session, topic, 'read')
  if (refusal) {
    cursor.error = refusal
    cursor.log = undefined
  } else if (log.dropped)
    cursor.error = { error: ErrorCode.UNKNOWN_TOPIC_ID, message: 'the topic was deleted' }
}

/** Whether it may be read on. */
export function checkRange(cursor: FetchCursor, session: RequestSession): void {
  checkAccess(cursor, session)
  const { log, offset } = cursor
  if (!log || cursor.error || (offset >= log.logStartOffset && offset <= log.durableOffset)) return
  cursor.error = {
    error: ErrorCode.OFFSET_OUT_OF_RANGE,
    message: `offset ${offset} is outside ${log.logStartOffset} to ${log.durableOffset}`,
  }
}

/** What a data frame says of the partition. Of what was examined it is said once. */
export function takeSource(cursor: FetchCursor, log: PartitionLog): FetchDataSource {
  const { asked, examined, notJson } = cursor
  cursor.examined = 0
  cursor.notJson = 0
  return {
    topicId: asked.topicId,
    partition: asked.partition,
    highWatermark: log.highWatermark,
    logStartOffset: log.logStartOffset,
    examined,
    notJson,
  }
}

export function standing({ asked, log, error, bytes }: FetchCursor): FetchedPartition {
  return {
    topicId: asked.topicId,
    partition: asked.partition,
    error: error?.error ?? ErrorCode.NONE,
    message: error?.message ?? null,
    highWatermark: log?.highWatermark ?? -1,
    lastStableOffset: log?.lastStableOffset ?? -1,
    logStartOffset: log?.logStartOffset ?? -1,
    leaderEpoch: log?.leaderEpoch ?? -1,
    bytes,
  }
}
