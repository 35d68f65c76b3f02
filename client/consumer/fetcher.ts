/**
 * Fetches for one consumer from one broker: which partitions to ask for, how many bytes, and what an answer
 * means for each. A partition is in at most one fetch at a time; the next fetch leaves as soon as the last
 * frame of an answer is in, while its batches wait to be handed out.
 *
 * It never asks for more than the consumer has room for, and never hands on what was asked for before a seek.
 */
import { backoffDelayMs } from '../backoff.ts'
import type { BrokerLink } from '../broker-link.ts'
import type { Connection } from '../connection.ts'
import { DelayGroup } from '../delay-group.ts'
import type { ClientPorts } from '../ports.ts'
import { apis } from '../protocol/api.ts'
import { decodeHeader } from '../protocol/codec.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import type { Frame } from '../protocol/frame.ts'
import {
  type FetchData,
  type FetchedPartition,
  type FetchResponse,
  fetchData,
} from '../protocol/messages/fetch.ts'
import { RETRY_BACKOFF, staleMetadataCodes } from '../retry.ts'
import { sameTopicId } from '../topic-id.ts'
import type { Cursor } from './cursor.ts'
import type { ConsumerSettings } from './options.ts'

/** The consumer, as its fetcher sees it. */
export interface FetchHost {
  /** Bytes that were received and not yet handed out. */
  bufferedBytes(): number
  /** Each partition has room of its own, so that none waits for others to be handed out. Undefined: they share all room. */
  readonly lanes?:
    | {
        /** Bytes of each partition. */
        bytesMax(): number
        /** Bytes of a partition that were received and not yet handed out. */
        bufferedBytes(cursor: Cursor): number
        /** Partitions that have got room since the last call. */
        takeFreed(): readonly Cursor[]
      }
    | undefined
  /** Whole batches of the cursor's partition, in order, beginning with its `fetchOffset`. */
  arrived(cursor: Cursor, body: Uint8Array, header: FetchData): void
  /** The broker does not hold the cursor's `fetchOffset`. */
  outOfRange(cursor: Cursor, answer: FetchedPartition): void
  /** The topic must be asked for again before the cursor goes on. */
  stale(cursor: Cursor): void
  failed(cursor: Cursor, error: ProtocolError): void
}

/** A partition of a fetch, and of which epoch of its cursor. */
interface Wanted {
  readonly cursor: Cursor
  readonly topicId: Uint8Array
  readonly epoch: number
}

/**
 * More than one, so that a partition that was sought or resumed does not wait for a long poll over the
 * others to end.
 */
const FETCHES_IN_FLIGHT_MAX = 4

export class Fetcher {
  readonly #link: BrokerLink
  readonly #ports: ClientPorts
  readonly #settings: ConsumerSettings
  readonly #host: FetchHost
  readonly #delays: DelayGroup
  /** Cursors that may be fetchable, in the order in which they are asked for. */
  readonly #ready = new Set<Cursor>()
  #inFlight = 0
  /** Bytes that were asked for and have not come. */
  #reservedBytes = 0
  #closed = false

  constructor(link: BrokerLink, ports: ClientPorts, settings: ConsumerSettings, host: FetchHost) {
    this.#link = link
    this.#ports = ports
    this.#settings = settings
    this.#host = host
    this.#delays = new DelayGroup(ports.timers)
  }

  /** Something changed for `cursor`; it is fetched when it may be. */
  wake(cursor: Cursor): void {
    if (!cursor.isFetchable) return
    this.#ready.add(cursor)
    this.pump()
  }

  /** Sends what may be sent. To be called whenever room has become free. */
  pump(): void {
    const connection = this.#link.connection
    if (this.#closed || !connection || this.#inFlight >= FETCHES_IN_FLIGHT_MAX) return
    const { fetchBytesMax, prefetchBytesMax, partitionFetchBytesMax } = this.#settings
    if (this.#host.lanes) {
      this.#pumpLanes(connection, this.#host.lanes)
      return
    }
    if (this.#ready.size === 0) return
    const roomBytes = prefetchBytesMax - this.#host.bufferedBytes() - this.#reservedBytes
    // Small fetches cost as much as large ones, so wait for the room of half a usual one.
    if (roomBytes < Math.min(fetchBytesMax, prefetchBytesMax) / 2) return
    const wanted: Wanted[] = []
    for (const cursor of this.#ready)
      if (cursor.isFetchable) wanted.push({ cursor, topicId: cursor.topic.topicId, epoch: cursor.epoch })
    this.#ready.clear()
    if (wanted.length > 0)
      this.#send(
        connection,
        wanted,
        Math.min(roomBytes, fetchBytesMax, connection.hello.limits.fetchBytesMax),
        partitionFetchBytesMax,
      )
  }

  /** Asks for the partitions of which less than half of their room is taken, for at most the other half. */
  #pumpLanes(connection: Connection, lanes: NonNullable<FetchHost['lanes']>): void {
    const { fetchBytesMax, partitionFetchBytesMax } = this.#settings
    const halfBytes = Math.max(1, Math.min(partitionFetchBytesMax, Math.floor(lanes.bytesMax() / 2)))
    for (const cursor of lanes.takeFreed()) this.#ready.add(cursor)
    const wanted: Wanted[] = []
    for (const cursor of this.#ready)
      if (cursor.isFetchable && lanes.bufferedBytes(cursor) < halfBytes)
        wanted.push({ cursor, topicId: cursor.topic.topicId, epoch: cursor.epoch })
    // Who has enough comes back when something of it is taken.
    this.#ready.clear()
    if (wanted.length === 0) return
    const bytesMax = Math.min(fetchBytesMax, connection.hello.limits.fetchBytesMax, wanted.length * halfBytes)
    this.#send(connection, wanted, bytesMax, halfBytes)
  }

  close(): void {
    this.#closed = true
    this.#ready.clear()
    this.#delays.cancelAll()
  }

  #send(
    connection: Connection,
    wanted: readonly Wanted[],
    maxBytes: number,
    partitionMaxBytes: number,
  ): void {
    const { maxWaitMs, isolationLevel, filter, compressions } = this.#settings
    // Who goes to an end that is there already needs no wait for what comes behind it.
    const hasEnds = filter !== null && wanted.every(({ cursor }) => Number.isFinite(cursor.endOffset))
    const minBytes = hasEnds ? 0 : this.#settings.minBytes
    for (const { cursor } of wanted) cursor.fetching = true
    this.#inFlight++
    this.#reservedBytes += maxBytes
    let unusedBytes = maxBytes
    let last = 0
    const over = () => {
      this.#inFlight--
      this.#reservedBytes -= unusedBytes
      for (const { cursor, epoch } of wanted) if (cursor.epoch === epoch) cursor.fetching = false
    }
    connection.start(
      apis.fetch,
      {
        maxWaitMs,
        minBytes,
        maxBytes,
        isolationLevel,
        partitions: wanted.map(({ cursor, topicId }) => ({
          topicId,
          partition: cursor.partition,
          leaderEpoch: cursor.leaderEpoch,
          fetchOffset: cursor.fetchOffset,
          lastFetchedEpoch: cursor.lastFetchedEpoch,
          partitionMaxBytes,
        })),
        filter,
        compressions,
      },
      {
        data: (frame) => {
          const header = decodeHeader(fetchData, frame.header)
          const usedBytes = Math.min(unusedBytes, frame.body.length)
          unusedBytes -= usedBytes
          this.#reservedBytes -= usedBytes
          // Frames of one partition follow each other, so the search begins where the last one ended.
          last = indexOf(wanted, header, last)
          this.#data(wanted[last], frame, header)
        },
        answer: (response) => {
          over()
          this.#answered(wanted, response)
        },
        failure: (error) => {
          over()
          const present = wanted.filter(({ cursor, epoch }) => cursor.epoch === epoch)
          this.#refused(
            present.map(({ cursor }) => cursor),
            error,
          )
          for (const { cursor } of wanted) this.wake(cursor)
        },
      },
      maxWaitMs,
    )
  }

  #data({ cursor, epoch }: Wanted, frame: Frame, header: FetchData): void {
    if (this.#closed || cursor.epoch !== epoch || cursor.failure) return
    this.#host.arrived(cursor, frame.body, header)
  }

  #answered(wanted: readonly Wanted[], response: FetchResponse): void {
    if (this.#closed) return
    // Who got nothing, perhaps because others took all the bytes, stands first in the next fetch.
    const fed: Cursor[] = []
    for (let i = 0; i < wanted.length; i++) {
      const { cursor, epoch, topicId } = wanted[i]
      const entry = response.partitions[i]
      if (!entry || entry.partition !== cursor.partition || !sameTopicId(entry.topicId, topicId))
        throw new ProtocolError(
          ErrorCode.INVALID_REQUEST,
          `a fetch answer whose entry ${i} is not of the partition asked for`,
        )
      if (cursor.epoch !== epoch || cursor.failure) continue
      if (entry.error !== ErrorCode.NONE) this.#partitionRefused(cursor, entry)
      else {
        cursor.attempts = 0
        cursor.highWatermark = entry.highWatermark
        if (entry.bytes > 0) fed.push(cursor)
        else if (cursor.isFetchable) this.#ready.add(cursor)
      }
    }
    for (const cursor of fed) if (cursor.isFetchable) this.#ready.add(cursor)
    // Cursors that were sought meanwhile waited for a fetch to be over.
    for (const { cursor } of wanted) if (cursor.isFetchable) this.#ready.add(cursor)
    this.pump()
  }

  #partitionRefused(cursor: Cursor, entry: FetchedPartition): void {
    const { topic, partition } = cursor.source
    const cause = new ProtocolError(entry.error, entry.message ?? undefined)
    const sentence = `fetch of topic ${topic}, partition ${partition}, offset ${cursor.fetchOffset}: ${cause.message}`
    if (entry.error === ErrorCode.OFFSET_OUT_OF_RANGE) this.#host.outOfRange(cursor, entry)
    else this.#refused([cursor], new ProtocolError(entry.error, sentence))
  }

  /** Tries again later, or gives the cursors up: the error table knows. */
  #refused(cursors: readonly Cursor[], error: ProtocolError): void {
    if (this.#closed) return
    for (const cursor of cursors) if (staleMetadataCodes.has(error.code)) this.#host.stale(cursor)
    // Damage is retriable for producers. For a reader the disk has it, and it will not heal.
    if (!error.retriable || error.code === ErrorCode.CORRUPT_MESSAGE)
      for (const cursor of cursors) this.#host.failed(cursor, error)
    else if (error.code === ErrorCode.DISCONNECTED) for (const cursor of cursors) this.wake(cursor)
    else this.#rest(cursors, error.retryAfterMs)
  }

  #rest(cursors: readonly Cursor[], atLeastMs: number): void {
    let attempts = 0
    for (const cursor of cursors) {
      cursor.resting = true
      attempts = Math.max(attempts, ++cursor.attempts)
    }
    this.#delays.after(backoffDelayMs(RETRY_BACKOFF, attempts, this.#ports.random.unit(), atLeastMs), () => {
      for (const cursor of cursors) {
        cursor.resting = false
        this.wake(cursor)
      }
    })
  }
}

/** Which of the partitions asked for a data frame is of; searched from `from` on, round. */
function indexOf(wanted: readonly Wanted[], { topicId, partition }: FetchData, from: number): number {
  for (let step = 0; step < wanted.length; step++) {
    const index = (from + step) % wanted.length
    if (wanted[index].cursor.partition === partition && sameTopicId(wanted[index].topicId, topicId))
      return index
  }
  throw new ProtocolError(
    ErrorCode.INVALID_REQUEST,
    `fetched data of partition ${partition}, which was not asked for`,
  )
}
