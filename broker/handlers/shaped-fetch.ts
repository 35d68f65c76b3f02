/**
 * A fetch of a part of the records, or of batches unpacked: what is sent is made from what is stored. As long as too little
 * came of it, it looks on by itself, also at what is written meanwhile, until its time is over; then it tells how far it has come.
 *
 * Promises that work in one turn of the event loop is bounded however much is stored (`scan-turns.ts`), that it ends with
 * its connection, its credential and its deadline, that nothing is sent for which the right is gone by then, and that at
 * most one piece that was made waits for a connection that does not take it. The offsets it tells are ones it has looked at.
 */
import type { FetchRequest } from '../../client/protocol/messages/fetch.ts'
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import type { ShardLog } from '../../storage/log/shard-log.ts'
import type { Crc32c } from '../../storage/record/crc32c.ts'
import { emptyBatch } from '../../storage/record/empty-batch.ts'
import type { Examined, FetchShaper, ReaderWish, ShapedSlice } from '../filters/fetch-shaper.ts'
import type { Purgatory } from '../purgatory.ts'
import type { FetchSink, RequestContext } from './context.ts'
import {
  checkAccess,
  checkRange,
  type FetchCursor,
  takeSource,
  throwIfEnded,
  visibleEnd,
} from './fetch-cursor.ts'
import { partitionErrorOf } from './partition-error.ts'
import type { ScanTurns } from './scan-turns.ts'
import type { StoredPieces } from './stored-pieces.ts'

export interface ShapedFetchDependencies {
  readonly log: ShardLog
  /** Of the same log, for who looks through much. */
  readonly pieces: StoredPieces
  readonly shaper: FetchShaper
  readonly turns: ScanTurns
  readonly purgatory: Purgatory
  readonly crc32c: Crc32c
}

/** Stored bytes that are looked at as one piece. */
export const PIECE_BYTES = 512 * 1024
/** Who wants no wait at all is looked for all the same, so long. */
const LOOK_MS = 10
/** Room for the frame of a batch. */
export const HEADROOM_BYTES = 128

/** One partition, and what is known of it beside how far it was read. */
interface Scan {
  readonly cursor: FetchCursor
  /** How far the client knows that it was looked at. */
  toldOffset: number
  /** Offset up to which the disk was asked for what comes next. */
  preparedOffset: number
}

export class ShapedFetch {
  readonly #parts: ShapedFetchDependencies
  readonly #request: FetchRequest
  readonly #wish: ReaderWish
  readonly #sink: FetchSink
  readonly #context: RequestContext
  readonly #scans: readonly Scan[]
  /** Until then it waits, and until then it looks. */
  readonly #deadlineMs: number
  readonly #lookUntilMs: number
  #bytes = 0
  #hasProgressed = false

  constructor(
    parts: ShapedFetchDependencies,
    request: FetchRequest,
    wish: ReaderWish,
    cursors: readonly FetchCursor[],
    sink: FetchSink,
    context: RequestContext,
  ) {
    this.#parts = parts
    this.#request = request
    this.#wish = wish
    this.#sink = sink
    this.#context = context
    this.#scans = cursors.map((cursor) => ({ cursor, toldOffset: cursor.offset, preparedOffset: -1 }))
    const nowMs = context.clock.monotonicMs()
    this.#deadlineMs = nowMs + request.maxWaitMs
    this.#lookUntilMs = nowMs + Math.max(LOOK_MS, request.maxWaitMs)
  }

  /** Resolves when everything was sent but the last frame. Rejects when the request as a whole is refused by now. */
  async run(): Promise<void> {
    const { signal, session, clock } = this.#context
    const { purgatory } = this.#parts
    const isWoken = () => session.refusal() !== undefined || this.#scans.some((scan) => this.#isWoken(scan))
    const logs = this.#scans.flatMap(({ cursor }) => cursor.log ?? [])
    const leave = this.#subscribe()
    try {
      for (let isOver = false; !isOver; ) {
        throwIfEnded(session)
        await this.#sweep()
        const leftMs = this.#deadlineMs - clock.monotonicMs()
        isOver = leftMs <= 0 || this.#isAnswered()
        if (!isOver && !signal.aborted)
          isOver = !(await purgatory.wait(logs, isWoken, leftMs, signal, session))
        if (signal.aborted) return
      }
      throwIfEnded(session)
      await this.#tellProgress()
    } finally {
      leave()
    }
  }

  #subscribe(): () => void {
    const { filter } = this.#wish
    if (!filter) return () => {}
    const ends = this.#scans.flatMap(({ cursor: { log, offset } }) =>
      log ? this.#parts.shaper.subscribe(log, filter, offset) : [],
    )
    return () => {
      for (const end of ends) end()
    }
  }

  /** Partitions in turns, as far as there is something to read, room for what comes of it, and time. */
  async #sweep(): Promise<void> {
    const { signal, clock } = this.#context
    for (let open = this.#scans; open.length > 0; ) {
      const next: Scan[] = []
      for (const scan of open) {
        if (!this.#hasMore(scan)) continue
        if (await this.#look(scan)) next.push(scan)
        if (signal.aborted) return
        // However long the first piece takes, its client gets on.
        if (this.#hasProgressed && clock.monotonicMs() >= this.#lookUntilMs) return
      }
      if (this.#scans.some(({ cursor }) => cursor.error)) return
      open = next
    }
  }

  /** Looks at one piece, or finds out what has to be waited for. False: there is nothing more to look at for now. */
  async #look(scan: Scan): Promise<boolean> {
    const { turns } = this.#parts
    let hasMore = true
    /** What is waited for, while others have their turn. */
    let obstacle: Promise<unknown> | undefined
    let made: ShapedSlice | undefined
    try {
      await turns.run(this.#context.connection.id, () => {
        const found = this.#context.signal.aborted ? undefined : this.#piece(scan)
        if (found === undefined) hasMore = false
        else if ('obstacle' in found) obstacle = found.obstacle
        else if (found instanceof Promise)
          return found.then((slice) => {
            made = slice
          })
        else this.#send(scan, found)
        return undefined
      })
    } catch (error) {
      // A right that is gone hides what went wrong.
      throwIfEnded(this.#context.session)
      checkAccess(scan.cursor, this.#context.session)
      scan.cursor.error ??= partitionErrorOf(error)
      return false
    }
    if (obstacle) await obstacle
    if (made) {
      // Many fetches may wait for the same connection to drain, and only some of them fit.
      while (!this.#sink.canWrite()) await this.#sink.writable()
      if (!this.#context.signal.aborted) this.#send(scan, made)
    }
    return hasMore
  }

  /** The next piece; undefined: there is none that may be read now. Throws what a log may throw. */
  #piece(scan: Scan): ShapedSlice | Promise<ShapedSlice> | { obstacle: Promise<unknown> } | undefined {
    const { log: shard, shaper, pieces } = this.#parts
    const { cursor } = scan
    const { log } = cursor
    if (!log || !this.#hasMore(scan)) return undefined
    if (!this.#sink.canWrite()) return { obstacle: this.#sink.writable() }
    for (let known = this.#known(cursor, log); known; known = this.#known(cursor, log)) {
      if (known instanceof Promise) return { obstacle: known }
      this.#passed(cursor, known)
      if (!this.#hasMore(scan)) return undefined
    }
    const { offset } = cursor
    const bytesMax = this.#pieceBytes(cursor)
    if (scan.preparedOffset !== offset) {
      scan.preparedOffset = offset
      const ready = shard.prepare(log, offset, bytesMax)
      if (ready) return { obstacle: ready }
    }
    const reader = this.#wish.filter ? pieces : shard
    const slice = reader.read(log, offset, visibleEnd(log), bytesMax)
    return slice && shaper.shape(log, slice, this.#wish, offset)
  }

  #known({ offset }: FetchCursor, log: PartitionLog): ReturnType<FetchShaper['skip']> {
    const { filter } = this.#wish
    return filter && this.#parts.shaper.skip(log, filter, offset, visibleEnd(log))
  }

  /** What is unpacked may become much larger: that is done batch by batch. */
  #pieceBytes({ bytesLeft }: FetchCursor): number {
    if (this.#wish.compressions) return 1
    return Math.min(PIECE_BYTES, bytesLeft, this.#request.maxBytes - this.#bytes)
  }

  #send(scan: Scan, slice: ShapedSlice): void {
    const { session } = this.#context
    const { cursor } = scan
    throwIfEnded(session)
    checkAccess(cursor, session)
    const { log } = cursor
    if (!log || cursor.error) return
    this.#passed(cursor, slice)
    const { value, start, end } = slice
    if (start === end) return
    this.#sink.data(takeSource(cursor, log), value, start, end)
    this.#bytes += end - start
    cursor.bytes += end - start
    cursor.bytesLeft -= end - start
    scan.toldOffset = slice.endOffset
  }

  #passed(
    cursor: FetchCursor,
    { nextOffset, examined, notJson }: Examined & { readonly nextOffset: number },
  ): void {
    cursor.offset = nextOffset
    cursor.examined += examined
    cursor.notJson += notJson
    this.#hasProgressed = true
  }

  /** How far each partition was looked at behind what was sent of it. */
  async #tellProgress(): Promise<void> {
    const { signal, session } = this.#context
    for (const { cursor, toldOffset } of this.#scans) {
      if (cursor.offset <= toldOffset) continue
      while (!this.#sink.canWrite()) await this.#sink.writable()
      if (signal.aborted) return
      throwIfEnded(session)
      checkAccess(cursor, session)
      const { log, offset } = cursor
      if (!log || log.dropped) continue
      const stretch = { offset: toldOffset, endOffset: offset, leaderEpoch: epochBefore(log, offset) }
      const batch = emptyBatch(stretch, this.#parts.crc32c, HEADROOM_BYTES)
      const value = new Uint8Array(batch.buffer)
      this.#sink.data(takeSource(cursor, log), value, HEADROOM_BYTES, value.length)
      cursor.bytes += batch.length
    }
  }

  #isAnswered(): boolean {
    const { minBytes } = this.#request
    return (
      this.#bytes >= minBytes ||
      this.#scans.some(({ cursor }) => cursor.error) ||
      (this.#scans.length > 0 && !this.#scans.some((scan) => this.#canGoOn(scan)))
    )
  }

  /** There is something to be told, or to be looked at. */
  #isWoken(scan: Scan): boolean {
    return this.#hasMore(scan) || scan.cursor.error !== undefined
  }

  #hasMore(scan: Scan): boolean {
    const { cursor } = scan
    checkRange(cursor, this.#context.session)
    return cursor.log !== undefined && cursor.offset < visibleEnd(cursor.log) && this.#canGoOn(scan)
  }

  /** There is room for more of it. The last of a room is not worth looking for what fits. */
  #canGoOn({ cursor: { log, error, bytes, bytesLeft, asked } }: Scan): boolean {
    if (!log || error) return false
    const { maxBytes } = this.#request
    return (
      hasRoom(bytesLeft, bytes, asked.partitionMaxBytes) &&
      hasRoom(maxBytes - this.#bytes, this.#bytes, maxBytes)
    )
  }
}

function hasRoom(bytesLeft: number, bytes: number, bytesMax: number): boolean {
  return bytesLeft > 0 && (bytes === 0 || bytesLeft >= Math.min(PIECE_BYTES, bytesMax) / 4)
}

function epochBefore(log: PartitionLog, offset: number): number {
  return log.epochs.epochAt(offset - 1)
}
