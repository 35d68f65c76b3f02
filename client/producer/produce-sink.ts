/**
 * Sends the batches of one producer to one broker, as fast as the broker's window allows: full batches each
 * in a frame built in the headroom before them, without a copy; small ones of many partitions together.
 *
 * It promises that every batch it was given is settled once. What a refusal means, and order, are the business
 * of the partition's delivery; bytes and senders are the ledger's.
 */
import { backoffDelayMs } from '../backoff.ts'
import type { BrokerLink } from '../broker-link.ts'
import type { Connection } from '../connection.ts'
import { DelayGroup } from '../delay-group.ts'
import type { ClientPorts } from '../ports.ts'
import { apis } from '../protocol/api.ts'
import { encodeHeader, encodeRequest } from '../protocol/codec.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import { writeFrameBefore } from '../protocol/frame.ts'
import type { ProducedPartition, ProduceRequest } from '../protocol/messages/produce.ts'
import { Queue } from '../queue.ts'
import { RETRY_BACKOFF, staleMetadataCodes } from '../retry.ts'
import { sameTopicId } from '../topic-id.ts'
import type { Batch } from './batch.ts'
import type { BatchPlace } from './batch-ledger.ts'
import type { Requeued } from './partition-delivery.ts'
import type { PartitionQueue } from './partition-queue.ts'
import type { TopicRoute } from './topic-route.ts'

/** Free bytes in front of every batch: room for the frame header and the header of a one-partition request. */
export const HEADROOM_BYTES = 128
/** Batches below this size share a request with others, up to {@link COMBINED_BYTES_MAX} together. */
const SMALL_BATCH_BYTES = 16 * 1024
const COMBINED_BYTES_MAX = 64 * 1024

/** The producer, as its sink sees it. */
export interface SinkHost {
  readonly acks: number
  /** Longest the broker may take, in ms. */
  readonly timeoutMs: number
  /** Whether batches may be sent; if not, the host sees to that, and pumps. */
  isReady(): boolean
  /** Finishes the batch that fills. */
  seal(queue: PartitionQueue): Batch
  /** Writes the sequence into a batch whose bytes do not have it. */
  stamp(batch: Batch): void
  acknowledged(batch: Batch, place: BatchPlace): void
  /** A batch of `queue` is about to fail: those behind it may have to be numbered anew. */
  failing(queue: PartitionQueue): void
  failed(batch: Batch, error: ProtocolError): void
  /** Another producer has taken the place of this one. Returns the reason as its users should read it. */
  fenced(error: ProtocolError): ProtocolError
  /** What is in flight of `queue` is settled; some of it may wait again. */
  requeued(queue: PartitionQueue): void
  /** The topic must be asked for again. */
  stale(route: TopicRoute): void
  /** An answer was dealt with: there may be room for more records, and the window may have changed. */
  answered(): void
}

export class ProduceSink {
  readonly #link: BrokerLink
  readonly #ports: ClientPorts
  readonly #host: SinkHost
  readonly #ready = new Queue<PartitionQueue>()
  readonly #delays: DelayGroup
  readonly #pump = () => this.pump()
  #unansweredCount = 0

  constructor(link: BrokerLink, ports: ClientPorts, host: SinkHost) {
    this.#link = link
    this.#ports = ports
    this.#host = host
    this.#delays = new DelayGroup(ports.timers)
  }

  /** Nothing is in flight. */
  get isQuiet(): boolean {
    return this.#unansweredCount === 0
  }

  /** `queue` may have something to send. Does not send yet. */
  list(queue: PartitionQueue): void {
    if (queue.isListed || !queue.canSend) return
    queue.isListed = true
    this.#ready.push(queue)
  }

  /** Sends what the connection takes; partitions take turns, batch by batch. */
  pump(): void {
    const connection = this.#link.connection
    if (!connection || !this.#ready.peek() || !this.#host.isReady()) return
    for (let queue = this.#ready.peek(); queue; queue = this.#ready.peek()) {
      if (queue.canSend && !connection.admits(queue.nextBytes)) {
        connection.whenRoom(this.#pump)
        return
      }
      this.#ready.shift()
      queue.isListed = false
      if (queue.canSend) this.#sendFrom(connection, queue)
    }
  }

  close(): void {
    this.#delays.cancelAll()
  }

  #sendFrom(connection: Connection, queue: PartitionQueue): void {
    const first = this.#take(queue)
    if (first.bytes.length < SMALL_BATCH_BYTES && this.#ready.length > 0)
      this.#send(connection, this.#gather(connection, first))
    else this.#send(connection, [first])
  }

  #take(queue: PartitionQueue): Batch {
    const batch = queue.sealed.shift() ?? this.#host.seal(queue)
    if (!batch.isStamped) this.#host.stamp(batch)
    queue.delivery.sent(batch)
    this.list(queue)
    return batch
  }

  /** More small batches, one of each partition that is next in turn. */
  #gather(connection: Connection, first: Batch): Batch[] {
    const batches = [first]
    const queues = new Set([first.queue])
    let bytes = first.bytes.length
    for (let queue = this.#ready.peek(); queue && !queues.has(queue); queue = this.#ready.peek()) {
      if (queue.canSend) {
        bytes += queue.nextBytes
        if (queue.nextBytes >= SMALL_BATCH_BYTES || bytes > COMBINED_BYTES_MAX || !connection.admits(bytes))
          break
      }
      this.#ready.shift()
      queue.isListed = false
      if (!queue.canSend) continue
      queues.add(queue)
      batches.push(this.#take(queue))
    }
    return batches
  }

  #send(connection: Connection, batches: readonly Batch[]): void {
    const correlationId = connection.nextCorrelationId()
    const topicIds = batches.map(({ queue }) => topicIdOf(queue))
    const bodyBytes = batches.reduce((sum, { bytes }) => sum + bytes.length, 0)
    const frame = batches.length === 1 ? this.#frameAround(batches[0], correlationId) : undefined
    this.#unansweredCount++
    connection.produce(correlationId, frame ?? this.#frameOf(batches, correlationId), bodyBytes, {
      answer: (produced) => this.#answered(batches, topicIds, produced),
      failure: (error) => {
        for (const batch of batches) this.#refused(batch, error)
        this.#settled()
      },
    })
  }

  #requestFor(batches: readonly Batch[]): ProduceRequest {
    return {
      acks: this.#host.acks,
      timeoutMs: this.#host.timeoutMs,
      transactionalId: null,
      partitions: batches.map(({ queue, bytes }) => ({
        topicId: topicIdOf(queue),
        partition: queue.partition,
        leaderEpoch: leaderEpochOf(queue),
        bytes: bytes.length,
      })),
    }
  }

  /** The frame of a request with these batches, in memory of its own. */
  #frameOf(batches: readonly Batch[], correlationId: number): Uint8Array {
    const bodies = batches.map(({ bytes }) => bytes)
    return encodeRequest(apis.produce, correlationId, this.#requestFor(batches), bodies)
  }

  /** The frame of a request with one batch, in the headroom before it; undefined when that is too small. */
  #frameAround(batch: Batch, correlationId: number): Uint8Array | undefined {
    const { key, versionMax } = apis.produce
    return writeFrameBefore(
      batch.bytes,
      HEADROOM_BYTES,
      key,
      versionMax,
      0,
      correlationId,
      this.#headerFor(batch),
    )
  }

  /** A partition whose batches are all alike sends the same header each time: it is made once. */
  #headerFor(batch: Batch): Uint8Array {
    const { queue, bytes } = batch
    const topicId = topicIdOf(queue)
    const leaderEpoch = leaderEpochOf(queue)
    const last = queue.lastHeader
    if (last?.bodyBytes === bytes.length && last.topicId === topicId && last.leaderEpoch === leaderEpoch)
      return last.header
    const header = encodeHeader(apis.produce.request, this.#requestFor([batch]))
    queue.lastHeader = { header, topicId, leaderEpoch, bodyBytes: bytes.length }
    return header
  }

  #answered(
    batches: readonly Batch[],
    topicIds: readonly Uint8Array[],
    produced: readonly ProducedPartition[],
  ): void {
    const matches = batches.every(
      ({ queue }, i) =>
        produced[i]?.partition === queue.partition && sameTopicId(produced[i].topicId, topicIds[i]),
    )
    if (!matches || produced.length !== batches.length) {
      const error = new ProtocolError(
        ErrorCode.DISCONNECTED,
        'a produce answer that does not match its request',
      )
      for (const batch of batches) this.#refused(batch, error)
      this.#settled()
      throw new ProtocolError(ErrorCode.INVALID_REQUEST, error.message)
    }
    for (let i = 0; i < batches.length; i++) {
      const { error, message } = produced[i]
      if (error === ErrorCode.NONE) this.#stored(batches[i], produced[i])
      else this.#refused(batches[i], new ProtocolError(error, message ?? undefined))
    }
    this.#settled()
  }

  #stored(batch: Batch, place: BatchPlace): void {
    batch.queue.attempts = 0
    this.requeued(batch.queue, batch.queue.delivery.acknowledged(batch))
    this.#host.acknowledged(batch, place)
  }

  #refused(batch: Batch, error: ProtocolError): void {
    const { queue } = batch
    const { delivery } = queue
    if (staleMetadataCodes.has(error.code)) this.#host.stale(queue.route)
    const verdict = delivery.verdict(batch, error)
    if (verdict === 'again') this.requeued(queue, delivery.refused(batch, error))
    else if (verdict === 'stored') this.#stored(batch, nowhere)
    else {
      const reason = verdict === 'fenced' ? this.#host.fenced(error) : error
      this.#host.failing(queue)
      const requeued = delivery.rejected(batch)
      this.#host.failed(batch, reason)
      this.requeued(queue, requeued)
    }
  }

  /** What a delivery says when everything in flight is settled. */
  requeued(queue: PartitionQueue, requeued: Requeued | undefined): void {
    this.list(queue)
    if (!requeued) return
    const { refusal, failed } = requeued
    for (const { batch, error } of failed) this.#host.failed(batch, error)
    this.#host.requeued(queue)
    // A new connection is the remedy for a lost one, and the link has waited for it.
    if (!refusal || refusal.code === ErrorCode.DISCONNECTED) return
    queue.isResting = true
    const delayMs = backoffDelayMs(
      RETRY_BACKOFF,
      ++queue.attempts,
      this.#ports.random.unit(),
      refusal.retryAfterMs,
    )
    this.#delays.after(delayMs, () => {
      queue.isResting = false
      this.list(queue)
      this.pump()
    })
  }

  /** Other producers may have waited longer for the room that an answer makes. */
  #settled(): void {
    this.#unansweredCount--
    this.#host.answered()
    if (this.#ready.peek()) this.#link.connection?.whenRoom(this.#pump)
  }
}

const nowhere: BatchPlace = { baseOffset: -1, logAppendTimeMs: -1 }

function topicIdOf(queue: PartitionQueue): Uint8Array {
  const { topic } = queue.route
  if (!topic) throw new Error(`a batch of topic ${queue.route.name}, whose id is not known`)
  return topic.topicId
}

/** -1: not known. */
function leaderEpochOf({ route, partition }: PartitionQueue): number {
  return route.topic?.partitions[partition]?.leaderEpoch ?? -1
}
