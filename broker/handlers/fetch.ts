/**
 * Fetch: waits until there is something to read, streams stored values to the sink one at a time, then
 * answers how each partition stands. Partitions are served in turns, so that none starves another.
 *
 * Readers see nothing above the high watermark. Nothing read is held across an await. What is not in memory is
 * brought there before it is read, so that the event loop does not wait for the disk. Who wants something else than
 * what is stored, as it is stored, is served by `shaped-fetch.ts`.
 */
import type { FetchRequest, FetchResponse } from '../../client/protocol/messages/fetch.ts'
import type { ShardLog } from '../../storage/log/shard-log.ts'
import { CompiledPatterns } from '../filters/compiled-patterns.ts'
import type { ReaderWish } from '../filters/fetch-shaper.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import type { FetchSink, RequestContext, RequestSession } from './context.ts'
import {
  checkRange,
  type FetchCursor,
  openCursor,
  standing,
  takeSource,
  throwIfEnded,
  visibleEnd,
} from './fetch-cursor.ts'
import { partitionErrorOf, refuseRepeated } from './partition-error.ts'
import { readerWish, takesLong } from './reader-wish.ts'
import { HEADROOM_BYTES, PIECE_BYTES, ShapedFetch, type ShapedFetchDependencies } from './shaped-fetch.ts'
import { StoredPieces } from './stored-pieces.ts'

export interface FetchDependencies extends Omit<ShapedFetchDependencies, 'pieces'> {
  readonly topics: TopicTable
}

export type FetchHandler = (
  request: FetchRequest,
  sink: FetchSink,
  context: RequestContext,
) => Promise<FetchResponse>

export function fetchHandler(parts: FetchDependencies): FetchHandler {
  const { topics, log: shard, purgatory } = parts
  const patterns = new CompiledPatterns()
  const shaping = { ...parts, pieces: new StoredPieces(shard, PIECE_BYTES, HEADROOM_BYTES) }

  /** Sends one slice of the partition; false when there is nothing more to send for it. */
  function sendSlice(
    cursor: FetchCursor,
    sink: FetchSink,
    session: RequestSession,
    bytesLeft: number,
  ): boolean {
    const { log } = cursor
    if (!log || cursor.error || cursor.bytesLeft <= 0) return false
    checkRange(cursor, session)
    if (cursor.error) return false
    try {
      const slice = shard.read(log, cursor.offset, visibleEnd(log), Math.min(bytesLeft, cursor.bytesLeft))
      if (!slice) return false
      const bytes = slice.end - slice.start
      sink.data(takeSource(cursor, log), slice.value, slice.start, slice.end)
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
  function prepare(
    { log, error, offset, bytesLeft }: FetchCursor,
    bytesMax: number,
  ): Promise<void> | undefined {
    if (!log || error || bytesLeft <= 0 || offset >= visibleEnd(log)) return undefined
    return shard.prepare(log, offset, Math.min(bytesMax, bytesLeft))
  }

  async function stream(
    cursors: FetchCursor[],
    sink: FetchSink,
    bytesMax: number,
    { signal, session }: RequestContext,
  ): Promise<void> {
    let bytesLeft = bytesMax
    for (let open = cursors; open.length > 0 && bytesLeft > 0; ) {
      const next: FetchCursor[] = []
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
    const { session, connection } = context
    let wish: ReaderWish | undefined
    if (takesLong(request, patterns))
      await parts.turns.run(connection.id, () => {
        wish = readerWish(request, patterns)
        return undefined
      })
    else wish = readerWish(request, patterns)
    const cursors = request.partitions.map((asked) => openCursor(topics, asked, session))
    if (wish) {
      await new ShapedFetch(shaping, request, wish, cursors, sink, context).run()
      return { partitions: cursors.map(standing) }
    }
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

function isReady(
  cursors: readonly FetchCursor[],
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
