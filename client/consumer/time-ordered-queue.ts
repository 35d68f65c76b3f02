/**
 * What was fetched and waits to be handed out, in the order of timestamps over all partitions, each partition in the
 * order of its offsets; with a pace also not before it is due. A batch is handed out in pieces, cut where another
 * partition has its turn.
 *
 * Nothing is handed out while a partition has nothing here but will have: something earlier may be in what comes. That
 * ends for each partition where it ended when reading began; behind that, nobody waits for it. So each partition must
 * get room for itself ({@link bytesOf}), or the others could take all of it and wait for ever.
 */
import { Queue } from '../queue.ts'
import type { Arrived, WaitingBatches } from './batch-queue.ts'
import type { ConsumedBatch, PlacedRecord } from './consumed-batch.ts'
import type { Cursor } from './cursor.ts'
import type { ConsumerSettings } from './options.ts'
import { Pace } from './pace.ts'

export interface TimeOrder {
  /** Every partition that is read. */
  cursors(): Iterable<Cursor>
  /** Every partition is known that was there at the start. */
  isComplete(): boolean
  /** Undefined: as fast as they come. */
  readonly pace?: Pace | undefined
  monotonicMs(): number
}

/** What waits of one partition; its first batch may have been handed out in part. */
interface Lane<R extends PlacedRecord> {
  readonly cursor: Cursor
  readonly queue: Queue<Arrived<R>>
  /** Timestamp of the next record; undefined: to be looked up, since what is first may be another. */
  nextMs: number | undefined
  /** Epoch of the cursor that `nextMs` is of. */
  epoch: number
  bytes: number
  /** Index of the next record of the first batch. */
  index: number
}

export class TimeOrderedQueue<R extends PlacedRecord> implements WaitingBatches<R> {
  readonly #order: TimeOrder
  readonly #lanes = new Map<Cursor, Lane<R>>()
  /** A lane for each partition that is read; undefined: to be made anew. Looked through for every piece, so it is a list. */
  #list: readonly Lane<R>[] | undefined
  /** Lanes that have got room. */
  readonly #freed = new Set<Cursor>()
  #bytes = 0
  #dueInMs: number | undefined

  constructor(order: TimeOrder) {
    this.#order = order
  }

  /** The queue for somebody with these settings; undefined: he takes batches as they arrive. */
  static wanted<R extends PlacedRecord>(
    { order, speed }: Pick<ConsumerSettings, 'order' | 'speed'>,
    host: Omit<TimeOrder, 'pace'>,
  ): TimeOrderedQueue<R> | undefined {
    if (order !== 'time') return undefined
    return new TimeOrderedQueue({ ...host, pace: speed === undefined ? undefined : new Pace(speed) })
  }

  get bytes(): number {
    return this.#bytes
  }

  get dueInMs(): number | undefined {
    return this.#dueInMs
  }

  /** Bytes that wait of one partition. */
  bytesOf(cursor: Cursor): number {
    const lane = this.#lanes.get(cursor)
    if (lane) this.#dropStale(lane)
    return lane?.bytes ?? 0
  }

  /** Partitions of which something was taken since the last call. */
  takeFreed(): Cursor[] {
    const freed = [...this.#freed]
    this.#freed.clear()
    return freed
  }

  push(cursor: Cursor, what: ConsumedBatch<R> | Error): void {
    const lane = this.#laneOf(cursor)
    lane.queue.push({ cursor, epoch: cursor.epoch, what })
    lane.nextMs = undefined
    this.#count(lane, what, 1)
  }

  shift(): Arrived<R> | undefined {
    this.#dueInMs = undefined
    let isAwaited = !this.#order.isComplete()
    let first: Lane<R> | undefined
    let firstMs = Number.POSITIVE_INFINITY
    let secondMs = Number.POSITIVE_INFINITY
    this.#list ??= this.#makeList()
    for (const lane of this.#list) {
      if (lane.nextMs === undefined || lane.epoch !== lane.cursor.epoch) {
        const head = this.#head(lane)
        if (!head) {
          isAwaited ||= lane.cursor.isAwaited
          continue
        }
        // Errors and losses have no time of their own.
        if (!hasRecords(head.what)) return this.#takeWhole(lane)
        lane.nextMs = head.what.records[lane.index].timestampMs
        lane.epoch = lane.cursor.epoch
      }
      const timestampMs = lane.nextMs
      if (timestampMs < firstMs) {
        secondMs = firstMs
        firstMs = timestampMs
        first = lane
      } else if (timestampMs < secondMs) secondMs = timestampMs
    }
    if (isAwaited || !first) return undefined
    const { pace } = this.#order
    if (!pace) return this.#take(first, secondMs)
    const nowMs = this.#order.monotonicMs()
    const waitMs = pace.waitMs(firstMs, nowMs)
    if (waitMs === 0) return this.#take(first, Math.min(secondMs, pace.timeMs(nowMs)))
    this.#dueInMs = waitMs
    return undefined
  }

  cursorsChanged(): void {
    this.#list = undefined
  }

  restart(): void {
    this.#order.pace?.restart()
  }

  clear(): void {
    this.#lanes.clear()
    this.#list = undefined
    this.#freed.clear()
    this.#bytes = 0
    this.#dueInMs = undefined
  }

  #laneOf(cursor: Cursor): Lane<R> {
    let lane = this.#lanes.get(cursor)
    if (!lane) {
      lane = { cursor, queue: new Queue(), nextMs: undefined, epoch: 0, bytes: 0, index: 0 }
      this.#lanes.set(cursor, lane)
    }
    return lane
  }

  #makeList(): Lane<R>[] {
    const list = Array.from(this.#order.cursors(), (cursor) => this.#laneOf(cursor))
    const cursors = new Set(list.map(({ cursor }) => cursor))
    for (const [cursor, lane] of this.#lanes) {
      if (cursors.has(cursor)) continue
      this.#bytes -= lane.bytes
      this.#lanes.delete(cursor)
    }
    return list
  }

  /** What is first in a lane and for somebody: with records that can be looked at, or something to be told whole. */
  #head(lane: Lane<R>): Arrived<R> | undefined {
    for (;;) {
      this.#dropStale(lane)
      const head = lane.queue.peek()
      if (!head || head.what instanceof Error || head.what.isLost) return head
      if (!hasRecords(head.what) || head.what.records.length > 0) return head
      this.#drop(lane)
      head.cursor.handedOut(head.what.lastOffset)
    }
  }

  /** A failure holds until a seek has healed it; a batch only as long as nothing moved the cursor. */
  #dropStale(lane: Lane<R>): void {
    for (let head = lane.queue.peek(); head; head = lane.queue.peek()) {
      const { cursor, epoch, what } = head
      if (what instanceof Error ? cursor.failure === what : cursor.epoch === epoch) return
      this.#drop(lane)
    }
  }

  /** The records of the first batch up to one that is later than `untilMs`, at least one. */
  #take(lane: Lane<R>, untilMs: number): Arrived<R> | undefined {
    const head = lane.queue.peek() as Arrived<R>
    const batch = head.what as ConsumedBatch<R>
    const { records } = batch
    const from = lane.index
    let to = from + 1
    while (to < records.length && records[to].timestampMs <= untilMs) to++
    if (to === records.length && from === 0) return this.#takeWhole(lane)
    const piece = { ...head, what: batch.slice(from, to) }
    if (to === records.length) this.#takeWhole(lane)
    else {
      lane.index = to
      lane.nextMs = records[to].timestampMs
      head.cursor.handedOutBefore(records[to].offset)
    }
    return piece
  }

  #takeWhole(lane: Lane<R>): Arrived<R> | undefined {
    const head = this.#drop(lane)
    if (head && !(head.what instanceof Error)) head.cursor.handedOut(head.what.lastOffset)
    return head
  }

  #drop(lane: Lane<R>): Arrived<R> | undefined {
    const head = lane.queue.shift()
    if (head) this.#count(lane, head.what, -1)
    lane.index = 0
    lane.nextMs = undefined
    this.#freed.add(lane.cursor)
    return head
  }

  #count(lane: Lane<R>, what: ConsumedBatch<R> | Error, sign: 1 | -1): void {
    if (what instanceof Error) return
    lane.bytes += sign * what.bytes
    this.#bytes += sign * what.bytes
  }
}

/** False for an error, for what was lost, and for damage, of which whoever looks at the records is told. */
function hasRecords<R extends PlacedRecord>(what: ConsumedBatch<R> | Error): what is ConsumedBatch<R> {
  if (what instanceof Error || what.isLost) return false
  try {
    return what.records.length >= 0
  } catch {
    // The records are looked at once more when the batch has been handed out, and the error is thrown there.
    return false
  }
}
