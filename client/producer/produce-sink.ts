/**
 * Sends the batches of one producer to one broker, as fast as the broker's window allows: full batches each
 * in a frame built in the headroom before them, without a copy; small ones of many partitions together.
 *
 * It promises that every batch it was given is settled once, and knows by the error table whether a refusal
 * is final. Order is the partition queue's business, bytes and senders are the ledger's.
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
import type { PartitionQueue, Requeued } from './partition-queue.ts'
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
  /** Finishes the batch that fills. */
  seal(queue: PartitionQueue): Batch
  acknowledged(batch: Batch, produced: ProducedPartition): void
  failed(batch: Batch, error: ProtocolError): void
  /** Refused batches of `queue` wait again. */
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

  constructor(link: BrokerLink, ports: ClientPorts, host: SinkHost) {
    this.#link = link
    this.#ports = ports
    this.#host = host
    this.#delays = new DelayGroup(ports.timers)
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
    if (!connection) return
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
    queue.sent(batch)
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
    const request: ProduceRequest = {
      acks: this.#host.acks,
      timeoutMs: this.#host.timeoutMs,
      transactionalId: null,
      partitions: batches.map(({ queue, bytes }) => ({
        topicId: topicIdOf(queue),
        partition: queue.partition,
        leaderEpoch: queue.route.topic?.partitions[queue.partition]?.leaderEpoch ?? -1,
        bytes: bytes.length,
      })),
    }
    const topicIds = request.partitions.map(({ topicId }) => topicId)
    const bodyBytes = batches.reduce((sum, { bytes }) => sum + bytes.length, 0)
    const frame = batches.length === 1 ? frameAround(batches[0], correlationId, request) : undefined
    const bodies = batches.map(({ bytes }) => bytes)
    connection.produce(
      correlationId,
      frame ?? encodeRequest(apis.produce, correlationId, request, bodies),
      bodyBytes,
      {
        answer: (produced) => this.#answered(batches, topicIds, produced),
        failure: (error) => {
          for (const batch of batches) this.#refused(batch, error)
          this.#settled()
        },
      },
    )
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
      throw new ProtocolError(ErrorCode.INVALID_REQUEST, error.message)
    }
    for (let i = 0; i < batches.length; i++) {
      const { error, message } = produced[i]
      if (error !== ErrorCode.NONE) this.#refused(batches[i], new ProtocolError(error, message ?? undefined))
      else {
        this.#requeued(batches[i].queue, batches[i].queue.acknowledged(batches[i]))
        this.#host.acknowledged(batches[i], produced[i])
      }
    }
    this.#settled()
  }

  #refused(batch: Batch, error: ProtocolError): void {
    const { queue } = batch
    if (staleMetadataCodes.has(error.code)) this.#host.stale(queue.route)
    if (error.retriable) this.#requeued(queue, queue.refused(batch, error))
    else {
      this.#requeued(queue, queue.rejected(batch))
      this.#host.failed(batch, error)
    }
  }

  #requeued(queue: PartitionQueue, requeued: Requeued | undefined): void {
    this.list(queue)
    if (!requeued) return
    const { refusal, overtaken } = requeued
    for (const batch of overtaken) this.#host.failed(batch, overtakenError(batch, refusal))
    this.#host.requeued(queue)
    // A new connection is the remedy for a lost one, and the link has waited for it.
    if (refusal.code === ErrorCode.DISCONNECTED) return
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
    this.#host.answered()
    this.#link.connection?.whenRoom(this.#pump)
  }
}

function topicIdOf(queue: PartitionQueue): Uint8Array {
  const { topic } = queue.route
  if (!topic) throw new Error(`a batch of topic ${queue.route.name}, whose id is not known`)
  return topic.topicId
}

/** The frame of a request with one batch, in the headroom before it; undefined when that is too small. */
function frameAround(batch: Batch, correlationId: number, request: ProduceRequest): Uint8Array | undefined {
  const { key, versionMax, request: type } = apis.produce
  const header = encodeHeader(type, request)
  return writeFrameBefore(batch.bytes, HEADROOM_BYTES, key, versionMax, 0, correlationId, header)
}

function overtakenError({ queue, refusal }: Batch, latest: ProtocolError): ProtocolError {
  const { code, message } = refusal ?? latest
  return new ProtocolError(
    code,
    `topic ${queue.route.name}, partition ${queue.partition}: ${message} A later batch was, or may have been, ` +
      'stored meanwhile: sending this one again would put it out of order.',
    { cause: refusal },
  )
}
