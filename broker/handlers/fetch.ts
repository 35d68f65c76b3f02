/**
 * Fetch: waits until there is something to read, streams stored values to the sink one at a time, then
 * answers how each partition stands. Partitions are served in turns, so that none starves another.
 *
 * Readers see nothing above the high watermark. Nothing read is held across an await. What is not in memory is
 * brought there before it is read, so that the event loop does not wait for the disk.
 */
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type {
  FetchedPartition,
  FetchPartition,
  FetchRequest,
  FetchResponse,
} from '../../client/protocol/messages/fetch.ts'
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import type { ShardLog } from '../../storage/log/shard-log.ts'
import type { Purgatory } from '../purgatory.ts'
import type { Topic, TopicTable } from '../topics/topic-table.ts'
import type { FetchSink, RequestContext, RequestSession } from './context.ts'
import {
  findPartition,
  type PartitionError,
  partitionErrorOf,
  refuseRepeated,
  topicErrorOf,
} from './partition-error.ts'

export interface FetchDependencies {
  readonly topics: TopicTable
  readonly log: ShardLog
  readonly purgatory: Purgatory
}

export type FetchHandler = (
  request: FetchRequest,
  sink: FetchSink,
  context: RequestContext,
) => Promise<FetchResponse>

/** How far one partition of a fetch has come. */
interface Cursor {
  readonly asked: FetchPartition
  readonly topic: Topic | undefined
  /** Undefined as well once the right to read it is gone: nothing more is told of it then. */
  log: PartitionLog | undefined
  offset: number
  bytesLeft: number
  bytes: number
  error: PartitionError | undefined
}

export function fetchHandler({ topics, log: shard, purgatory }: FetchDependencies): FetchHandler {
  function open(asked: FetchPartition, session: RequestSession): Cursor {
    const found = findPartition(topics, asked, session, 'read')
    const cursor: Cursor = {
      asked,
      topic: 'topic' in found ? found.topic : undefined,
      log: 'log' in found ? found.log : undefined,
      offset: asked.fetchOffset,
      bytesLeft: Math.max(1, asked.partitionMaxBytes),
      bytes: 0,
      error: 'error' in found ? found : undefined,
    }
    checkRange(cursor, session)
    return cursor
  }

  /** Sends one slice of the partition; false when there is nothing more to send for it. */
  function sendSlice(cursor: Cursor, sink: FetchSink, session: RequestSession, bytesLeft: number): boolean {
    const { log, asked } = cursor
    if (!log || cursor.error || cursor.bytesLeft <= 0) return false
    checkRange(cursor, session)
    if (cursor.error) return false
    try {
      const slice = shard.read(log, cursor.offset, visibleEnd(log), Math.min(bytesLeft, cursor.bytesLeft))
      if (!slice) return false
      const bytes = slice.end - slice.start
      sink.data(
        {
          topicId: asked.topicId,
          partition: asked.partition,
          highWatermark: log.highWatermark,
          logStartOffset: log.logStartOffset,
        },
        slice.value,
        slice.start,
        slice.end,
      )
      cursor.offset = slice.nextOffset
      cursor.bytes += bytes
      cursor.bytesLeft -= bytes
      return true
    } catch (error) {
      cursor.error = partitionErrorOf(error)
      return false
    }
  }

  /** Undefined, which is most of the time: what comes next is in memory. */
  function prepare({ log, error, offset, bytesLeft }: Cursor, bytesMax: number): Promise<void> | undefined {
    if (!log || error || bytesLeft <= 0 || offset >= visibleEnd(log)) return undefined
    return shard.prepare(log, offset, Math.min(bytesMax, bytesLeft))
  }

  async function stream(
    cursors: Cursor[],
    sink: FetchSink,
    bytesMax: number,
    { signal, session }: RequestContext,
  ): Promise<void> {
    let bytesLeft = bytesMax
    for (let open = cursors; open.length > 0 && bytesLeft > 0; ) {
      const next: Cursor[] = []
      for (const cursor of open) {
        if (bytesLeft <= 0) return
        const ready = prepare(cursor, bytesLeft)
        if (ready) await ready
        // Many fetches may wait for the same connection to drain, and only some of them fit.
        while (!sink.canWrite()) await sink.writable()
        if (signal.aborted) return
        throwIfEnded(session)
        const before = cursor.bytes
        if (sendSlice(cursor, sink, session, bytesLeft)) next.push(cursor)
        bytesLeft -= cursor.bytes - before
      }
      open = next
    }
  }

  return async (request, sink, context) => {
    refuseRepeated(request.partitions)
    if (request.filter !== null || request.compressions !== null)
      throw new ProtocolError(ErrorCode.INVALID_REQUEST, 'this server neither filters nor unpacks')
    const { session } = context
    const cursors = request.partitions.map((asked) => open(asked, session))
    await purgatory.wait(
      cursors.flatMap(({ log }) => (log ? [log] : [])),
      () => session.refusal() !== undefined || isReady(cursors, request.minBytes, shard, session),
      request.maxWaitMs,
      context.signal,
      session,
    )
    throwIfEnded(session)
    await stream(cursors, sink, request.maxBytes, context)
    return { partitions: cursors.map(standing) }
  }
}

/** What readers may see; read committed and read uncommitted differ only once there are transactions. */
function visibleEnd(log: PartitionLog): number {
  return log.lastStableOffset
}

/** The credential may have come to its end while the fetch was parked, or while its client read slowly. */
function throwIfEnded(session: RequestSession): void {
  const refusal = session.refusal()
  if (refusal) throw refusal
}

function isReady(
  cursors: readonly Cursor[],
  bytesMin: number,
  shard: ShardLog,
  session: RequestSession,
): boolean {
  let bytes = 0
  for (const cursor of cursors) {
    checkRange(cursor, session)
    if (cursor.error || !cursor.log) return true
    if (cursor.offset < visibleEnd(cursor.log))
      bytes += shard.readableBytes(cursor.log, cursor.offset, visibleEnd(cursor.log), bytesMin - bytes)
    if (bytes >= bytesMin) return true
  }
  return bytes >= bytesMin
}

/** Asked again whenever time has passed: logs are deleted and cut, and rights are taken away. */
function checkRange(cursor: Cursor, session: RequestSession): void {
  const { log, topic, offset } = cursor
  if (!log || !topic || cursor.error) return
  const refusal = topicErrorOf(session, topic, 'read')
  if (refusal) {
    cursor.error = refusal
    cursor.log = undefined
  } else if (log.dropped)
    cursor.error = { error: ErrorCode.UNKNOWN_TOPIC_ID, message: 'the topic was deleted' }
  else if (offset < log.logStartOffset || offset > log.durableOffset)
    cursor.error = {
      error: ErrorCode.OFFSET_OUT_OF_RANGE,
      message: `offset ${offset} is outside ${log.logStartOffset} to ${log.durableOffset}`,
    }
}

function standing({ asked, log, error, bytes }: Cursor): FetchedPartition {
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
    examined: 0,
    notJson: 0,
  }
}
