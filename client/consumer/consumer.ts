/**
 * Reads partitions: fetches ahead within a bound, and hands out events or whole batches in order of offset,
 * each once, also over lost connections. Positions live here; as a member of a group it commits what was processed.
 *
 * One reader at a time: {@link Consumer.batches} and the iteration over events hand out of the same queue.
 * Breaking out of a loop leaves the consumer where it is, so that another loop goes on from there.
 */
import type { ConsumedRecord } from '../../storage/record/record.ts'
import type { BrokerLink } from '../broker-link.ts'
import { Gate } from '../gate.ts'
import { GroupReading } from '../group/group-reading.ts'
import type { Hand } from '../group/work-in-hand.ts'
import { TIMEOUT_MS_MAX } from '../options.ts'
import type { ClientPorts, Timer } from '../ports.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import type { FetchData, FetchedPartition } from '../protocol/messages/fetch.ts'
import type { Topic, TopicDirectory } from '../topic-directory.ts'
import { readArriving } from './arriving-batches.ts'
import { BatchInHand } from './batch-in-hand.ts'
import { BatchQueue, type WaitingBatches } from './batch-queue.ts'
import type { BatchReader, ConsumedBatch, PlacedRecord, RecordView } from './consumed-batch.ts'
import { Cursor, NO_END } from './cursor.ts'
import { Fetcher } from './fetcher.ts'
import {
  type CommitPoint,
  done,
  firstOffsetOf,
  hasNoneWanted,
  iterator,
  known,
  nameOf,
  obey,
  outOfRange,
  pointBehind,
  tellLost,
} from './handing-out.ts'
import { NewestLocator } from './newest-locator.ts'
import { OffsetLocator } from './offset-locator.ts'
import { type ConsumerSettings, type PartitionName, type StartPosition, startPosition } from './options.ts'
import { type FilterCounts, FilterTally } from './record-filter.ts'
import { type PartitionSupply, Subscription } from './subscription.ts'
import { TimeOrderedQueue } from './time-ordered-queue.ts'

/** Where a consumer stands. */
export interface PartitionPosition extends PartitionName {
  /** Offset of the next record to be handed out; undefined while it is being looked up. */
  readonly position: number | undefined
  /** Offset after the last record that could be read when the broker answered last; undefined before. */
  readonly highWatermark: number | undefined
  readonly isPaused: boolean
}

/** What the client makes a consumer with. */
export interface ConsumerPlace<R> {
  readonly view: RecordView<R> | undefined
  readonly clientName: string
  readonly onClosed: () => void
}

/** An offset out of range is looked up again so often before that counts as a failure. */
const RELOCATIONS_MAX = 5

export class Consumer<R extends PlacedRecord = ConsumedRecord> implements AsyncIterable<R> {
  readonly #ports: ClientPorts
  readonly #settings: ConsumerSettings
  readonly #reader: BatchReader<R>
  readonly #queue: WaitingBatches<R>
  readonly #cursors = new Map<string, Cursor>()
  readonly #subscription: PartitionSupply
  readonly #group: GroupReading<R> | undefined
  readonly #locator: OffsetLocator
  readonly #newest: NewestLocator
  readonly #fetcher: Fetcher
  readonly #stops: (() => void)[] = []
  readonly #hand = new BatchInHand<R>()
  readonly #filtered = new FilterTally()
  /** Opened at every change that somebody who waits may care for. */
  readonly #news = new Gate()
  /** Opens {@link #news} when what waits is due; somebody waits for it. */
  #alarm: Timer | undefined
  /** Why reading ends, behind everything that was received before. */
  #failure: { readonly error: unknown } | undefined
  #isClosed = false
  #closed: Promise<void> | undefined

  constructor(
    link: BrokerLink,
    directory: TopicDirectory,
    ports: ClientPorts,
    settings: ConsumerSettings,
    { view, clientName, onClosed }: ConsumerPlace<R>,
  ) {
    this.#stops.push(onClosed)
    this.#ports = ports
    this.#settings = settings
    this.#reader = { codecs: ports.codecs, view, window: settings.window }
    const ordered = TimeOrderedQueue.wanted<R>(settings, {
      cursors: () => this.#cursors.values(),
      isComplete: () => this.#subscription.isComplete,
      monotonicMs: () => ports.clock.monotonicMs(),
    })
    this.#queue = ordered ?? new BatchQueue()
    const stale = (cursor: Cursor) => this.#subscription.refresh(cursor.source.topic)
    const failed = (cursor: Cursor, error: ProtocolError) => this.#failed(cursor, error)
    const located = (cursor: Cursor) => {
      // Whoever waited for its newest records may have an end to ask for.
      this.#locator.poke()
      this.#fetcher.wake(cursor)
      this.#news.open()
    }
    this.#fetcher = new Fetcher(link, ports, settings, {
      bufferedBytes: () => this.#queue.bytes,
      lanes: ordered && {
        bytesMax: () => settings.prefetchBytesMax / this.#cursors.size,
        bufferedBytes: (cursor) => ordered.bytesOf(cursor),
        takeFreed: () => ordered.takeFreed(),
      },
      arrived: (cursor, body, header) => this.#arrived(cursor, body, header),
      outOfRange: (cursor, answer) => this.#outOfRange(cursor, answer),
      stale,
      failed,
    })
    this.#locator = new OffsetLocator(link, ports, settings.isolationLevel, {
      cursors: () => [...this.#cursors.values()],
      located,
      stale,
      failed,
    })
    this.#newest = new NewestLocator(link, ports, settings, {
      cursors: () => [...this.#cursors.values()],
      isComplete: () => this.#subscription.isComplete,
      located,
      stale,
      failed,
    })
    this.#group =
      settings.group &&
      new GroupReading(link, directory, ports, settings, clientName, {
        cursors: this.#cursors,
        hand: this.#hand,
        found: (topic, partition, start) => this.#found(topic, partition, start, false),
        known: (topic) => this.#known(topic),
        changed: () => {
          this.#locator.poke()
          this.#news.open()
        },
        failedAt: (cursor, error) => this.#failed(cursor, error),
        failed: (error) => this.#fail(error),
      })
    this.#subscription =
      this.#group?.subscription ??
      new Subscription(link, directory, ports, settings, {
        found: (topic, partition, start, isAdded) => this.#found(topic, partition, start, isAdded),
        complete: () => {
          this.#newest.poke()
          this.#news.open()
        },
        known: (topic) => this.#known(topic),
        gone: (name, error) => this.#gone(name, error),
      })
    this.#stops.push(
      link.watch({
        up: () => {
          this.#newest.pump()
          this.#fetcher.pump()
        },
        down: () => undefined,
        failed: (error) => this.#fail(error),
      }),
    )
    const abort = (reason: unknown) => {
      this.#fail(reason)
      void this.close()
    }
    if (settings.signal) this.#stops.push(obey(settings.signal, abort))
    if (link.failure) this.#fail(link.failure)
    else if (!this.#isClosed) this.#subscription.start()
  }

  /**
   * Resolves when every partition has been found and its starting position is known: with `from: 'latest'`,
   * what is written from then on will be read. Rejects when that has failed for good.
   */
  async ready(): Promise<void> {
    for (;;) {
      this.#throwIfDead()
      if (this.#isClosed) throw new ProtocolError(ErrorCode.CLOSED)
      const isLooking = this.#some((cursor) => cursor.isLocating)
      if (this.#subscription.isComplete && !isLooking) return
      await this.#news.wait()
    }
  }

  /**
   * Events, one by one. Ends when the consumer is closed, or with `untilEnd` at the end. Throws a
   * {@link ProtocolError} when a partition cannot be read on; {@link seek} is the way out of that.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<R, undefined> {
    const work = this.#group?.work.newHand()
    if (work)
      return iterator(
        () => this.#nextOfGroup(work),
        () => work.abandons(),
      )
    return iterator(() =>
      this.#hand.hasNext ? Promise.resolve({ value: this.#hand.next(), done: false }) : this.#nextRecord(),
    )
  }

  /** Batches as they were written: faster than events. Otherwise as the iteration over events. */
  batches(): AsyncIterableIterator<ConsumedBatch<R>, undefined> {
    const work = this.#group?.work.newHand()
    if (!work) return iterator(() => this.#nextBatch())
    return iterator(
      () => {
        work.releases()
        return work.watches(this.#nextBatch(work))
      },
      () => work.abandons(),
    )
  }

  /**
   * Keeps for the group how far this consumer is, durably: up to and with one event or batch, or, without an argument, all that was
   * handed out. Rejects with a {@link ProtocolError} that names the partition when it is not this consumer's any more: what was
   * processed since will be handed out again, to others. Throws RangeError without a group.
   */
  async commit(
    upTo?: CommitPoint | ConsumedBatch<R>,
    { metadata = '' }: { readonly metadata?: string } = {},
  ): Promise<void> {
    if (!this.#group) throw new RangeError('commit: this consumer has no group; give the option group')
    await this.#group.commit(upTo && pointBehind(upTo), metadata)
  }

  /** Stops fetching and handing out, for some partitions or all. What was fetched will be fetched again. */
  pause(partitions?: readonly PartitionName[]): void {
    for (const cursor of this.#chosen(partitions)) {
      if (cursor.paused) continue
      this.#hand.dropOf(cursor)
      cursor.paused = true
      cursor.rewind()
    }
    this.#locator.poke()
    this.#fetcher.pump()
    this.#news.open()
  }

  resume(partitions?: readonly PartitionName[]): void {
    this.#queue.restart()
    for (const cursor of this.#chosen(partitions)) {
      if (this.#group?.isHeldBack(cursor)) continue
      cursor.paused = false
      this.#fetcher.wake(cursor)
    }
  }

  /**
   * Goes elsewhere in a partition: the next record of it to be handed out is the one there. Also the way on after
   * an error of the partition. Throws RangeError when the partition is not one of this consumer's (yet).
   */
  seek(topic: string, partition: number, to: number | StartPosition): void {
    const cursor = this.#cursorOf({ topic, partition })
    const start = startPosition('to', typeof to === 'number' ? { offset: to } : to)
    this.#hand.dropOf(cursor)
    // Of a copy, so that the newest of this partition are counted alone.
    cursor.seek(typeof start === 'object' ? { ...start } : start)
    this.#queue.restart()
    this.#locator.poke()
    this.#newest.poke()
    this.#fetcher.wake(cursor)
    this.#news.open()
  }

  /** Offset of the next record of a partition to be handed out; undefined while it is being looked up. */
  position(topic: string, partition: number): number | undefined {
    return known(this.#hand.positionOf(this.#cursorOf({ topic, partition })))
  }

  /** Every partition that is read, and how far. */
  positions(): PartitionPosition[] {
    return [...this.#cursors.values()].map((cursor) => ({
      ...cursor.source,
      position: known(this.#hand.positionOf(cursor)),
      highWatermark: known(cursor.highWatermark),
      isPaused: cursor.paused,
    }))
  }

  /** What the broker has looked at for this consumer's filter. */
  get filtered(): FilterCounts {
    return this.#filtered.counts
  }

  /**
   * Ends every iteration and drops what was fetched. A member of a group commits what was processed and leaves the group;
   * others take over at once. Resolves when that is done, within seconds also without a broker. Calling it again is harmless.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#isClosed = true
    this.#fetcher.close()
    this.#locator.close()
    this.#newest.close()
    this.#group?.holdAll()
    this.#alarm?.cancel()
    this.#queue.clear()
    this.#hand.drop()
    this.#news.open()
    await this.#subscription.close()
    for (const stop of this.#stops) stop()
  }

  #nextOfGroup(work: Hand): Promise<IteratorResult<R, undefined>> {
    if (this.#hand.hasNext && work.goesOn(this.#hand.cursor)) {
      const value = this.#hand.next()
      work.offset = value.offset
      return Promise.resolve({ value, done: false })
    }
    work.releases()
    if (work.isTurnDue) return work.watches(work.turn().then(() => this.#nextRecord(work)))
    return work.watches(this.#nextRecord(work))
  }

  /** Nothing is awaited between taking a batch and having it in place, or at work. */
  async #nextRecord(work?: Hand): Promise<IteratorResult<R, undefined>> {
    this.#group?.subscription.checkClock()
    while (!this.#hand.hasNext) {
      const batch = this.#takeBatch()
      if (batch) this.#enterBatch(batch)
      else if (this.#isOver()) return done
      else await this.#wait()
    }
    const value = this.#hand.next()
    work?.holds(this.#hand.cursor as Cursor, value.offset)
    return { value, done: false }
  }

  async #nextBatch(work?: Hand): Promise<IteratorResult<ConsumedBatch<R>, undefined>> {
    for (;;) {
      const batch = this.#hand.takeRest() ?? this.#takeBatch()
      if (!batch) {
        if (this.#isOver()) return done
        await this.#wait()
      } else if (!hasNoneWanted(batch)) {
        work?.holds(this.#cursorOf(batch), firstOffsetOf(batch))
        return { value: batch, done: false }
      }
    }
  }

  /** Waits for news, or for what is here to be due. */
  #wait(): Promise<void> {
    const { dueInMs } = this.#queue
    this.#alarm?.cancel()
    this.#alarm = undefined
    if (dueInMs !== undefined)
      this.#alarm = this.#ports.timers.after(Math.min(dueInMs, TIMEOUT_MS_MAX), () => this.#news.open())
    return this.#group?.work.resting(this.#news.wait()) ?? this.#news.wait()
  }

  /** The next batch in the queue. Throws the error that stands in its place. */
  #takeBatch(): ConsumedBatch<R> | undefined {
    this.#group?.subscription.checkClock()
    for (;;) {
      const next = this.#queue.shift()
      // Room may have become free also when nothing came of it: batches that were for nobody, or without records.
      this.#fetcher.pump()
      if (!next) return undefined
      if (next.what instanceof Error) throw next.what
      if (!next.what.isLost) return next.what
      tellLost(next.what, this.#settings.onLost)
    }
  }

  /** Everything that was received is handed out: whether that is the end. Throws why nothing more will come. */
  #isOver(): boolean {
    if (this.#queue.dueInMs !== undefined) return false
    this.#throwIfDead()
    if (this.#isClosed) return true
    // A member that has nothing to read may have tomorrow.
    if (this.#group && !this.#settings.untilEnd) return false
    return this.#subscription.isComplete && !this.#some((cursor) => !cursor.isFinished)
  }

  #enterBatch(batch: ConsumedBatch<R>): void {
    const cursor = this.#cursorOf(batch)
    try {
      this.#hand.take(cursor, batch)
    } catch (error) {
      // None of it has been handed out, so the position is before it, and nothing behind it may come.
      cursor.position = Math.max(batch.baseOffset, batch.fromOffset)
      cursor.rewind()
      cursor.fail(error as Error)
      throw error
    }
  }

  #arrived(cursor: Cursor, body: Uint8Array, header: FetchData): void {
    this.#filtered.told(header)
    const crc32c = this.#settings.checkCrc ? this.#ports.crc32c : undefined
    try {
      readArriving(cursor, body, header.highWatermark, this.#reader, crc32c, (batch) =>
        this.#queue.push(cursor, batch),
      )
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#failed(cursor, error)
    }
    this.#news.open()
  }

  #outOfRange(cursor: Cursor, { logStartOffset, highWatermark }: FetchedPartition): void {
    const { onOutOfRange } = this.#settings
    const mayLookAgain = ++cursor.attempts <= RELOCATIONS_MAX
    if (mayLookAgain && cursor.relocate(onOutOfRange === 'fail' ? undefined : onOutOfRange)) {
      this.#locator.poke()
      this.#newest.poke()
      return
    }
    this.#failed(cursor, outOfRange(cursor, logStartOffset, highWatermark))
  }

  /** The partition is not read on; the reader is told when it has had everything before. */
  #failed(cursor: Cursor, error: ProtocolError): void {
    cursor.fail(error)
    this.#queue.push(cursor, error)
    this.#newest.poke()
    this.#news.open()
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#fetcher.close()
    this.#locator.close()
    this.#newest.close()
    // It never rejects, and nothing waits for it: reading is over.
    void this.#subscription.close()
    this.#news.open()
  }

  /** Throws if everything that was received is handed out and nothing more will come. */
  #throwIfDead(): void {
    if (this.#failure) throw this.#failure.error
    let failure: Error | undefined
    for (const cursor of this.#cursors.values()) {
      if (!cursor.failure && !cursor.isFinished) return
      failure ??= cursor.failure
    }
    if (failure) throw failure
  }

  #found(topic: Topic, partition: number, start: StartPosition, isAdded: boolean): void {
    const { untilEnd, endOffset, endTimeMs, order } = this.#settings
    const end = isAdded ? NO_END : { untilEnd, endOffset, endTimeMs, isOrdered: order === 'time' }
    const cursor = new Cursor(topic, partition, start, end)
    this.#cursors.set(nameOf(cursor.source), cursor)
    this.#queue.cursorsChanged()
    this.#locator.poke()
    this.#fetcher.wake(cursor)
  }

  #known(topic: Topic): void {
    this.#newest.known(topic)
    for (const cursor of this.#cursors.values()) if (cursor.source.topic === topic.name) cursor.topic = topic
  }

  #gone(name: string, error: ProtocolError): void {
    const cursors = [...this.#cursors.values()].filter(({ source }) => source.topic === name)
    if (cursors.length === 0) this.#fail(error)
    for (const cursor of cursors) this.#failed(cursor, error)
  }

  #chosen(partitions: readonly PartitionName[] | undefined): Cursor[] {
    return partitions ? partitions.map((name) => this.#cursorOf(name)) : [...this.#cursors.values()]
  }

  #cursorOf(name: PartitionName): Cursor {
    const cursor = this.#cursors.get(nameOf(name))
    if (cursor) return cursor
    throw new RangeError(
      `partition ${name.partition} of ${name.topic} is not read here, or not found yet: await ready()`,
    )
  }

  #some(is: (cursor: Cursor) => boolean): boolean {
    for (const cursor of this.#cursors.values()) if (is(cursor)) return true
    return false
  }
}
