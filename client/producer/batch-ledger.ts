/**
 * Books what becomes of batches: their buffers, the senders that wait for them, the counts that flush
 * reports. Whatever was opened here is closed here, exactly once.
 */
import { BatchEncoder } from '../../storage/record/batch-encoder.ts'
import { CRC_FROM, setCrc, setProducer } from '../../storage/record/batch-header.ts'
import { tell } from '../listener.ts'
import type { ClientPorts } from '../ports.ts'
import type { ProtocolError } from '../protocol/errors.ts'
import { type Batch, FlushAccount, type WaitingSend } from './batch.ts'
import { BufferPool } from './buffer-pool.ts'
import type { ProducerSettings } from './options.ts'
import { PartitionQueue } from './partition-queue.ts'
import { HEADROOM_BYTES } from './produce-sink.ts'
import type { ProducerEpoch } from './producer-epoch.ts'
import { SEQUENCES } from './sequenced-delivery.ts'
import type { TopicRoute } from './topic-route.ts'

/** Where a stored batch stands; -1: nobody knows. */
export interface BatchPlace {
  readonly baseOffset: number
  /** The broker's time, where the topic takes that. */
  readonly logAppendTimeMs: number
}

export class BatchLedger {
  /** Batches that are opened now are counted here. */
  account = new FlushAccount()
  readonly #settings: ProducerSettings
  readonly #ports: ClientPorts
  readonly #epoch: ProducerEpoch | undefined
  readonly #pool: BufferPool

  /** With `epoch`: of an idempotent producer. */
  constructor(settings: ProducerSettings, ports: ClientPorts, epoch: ProducerEpoch | undefined) {
    this.#settings = settings
    this.#ports = ports
    this.#epoch = epoch
    this.#pool = new BufferPool(settings.batchBytes, HEADROOM_BYTES)
  }

  /** Memory of all batches that are filled, wait or are in flight. */
  get usedBytes(): number {
    return this.#pool.usedBytes
  }

  /** Another batch may be begun. */
  get hasMemory(): boolean {
    return this.#pool.usedBytes < this.#settings.bufferBytesMax
  }

  /** Queues for the partitions of a route that have none; returns them. */
  createQueues(route: TopicRoute, count: number): PartitionQueue[] {
    const created: PartitionQueue[] = []
    for (let partition = route.queues.length; partition < count; partition++)
      created.push(this.#createQueue(route, partition))
    route.queues.push(...created)
    return created
  }

  #createQueue(route: TopicRoute, partition: number): PartitionQueue {
    const { batchBytes, maxInFlight } = this.#settings
    const encoder = new BatchEncoder({
      crc32c: this.#ports.crc32c,
      codecs: this.#ports.codecs,
      bytesMax: batchBytes,
      headroomBytes: HEADROOM_BYTES,
      allocate: (bytes) => this.#allocate(queue, bytes),
    })
    const queue = new PartitionQueue(route, partition, encoder, maxInFlight, this.#epoch)
    return queue
  }

  /** The first record of a batch has been taken. */
  opened(queue: PartitionQueue, nowMs: number): void {
    queue.openedAtMs = nowMs
    queue.account = this.account
    this.account.opened()
  }

  /** Finishes the batch that fills. */
  seal(queue: PartitionQueue): Batch {
    const { encoder, buffer, sends, account, openedAtMs, delivery, sequences } = queue
    if (!buffer || !account) throw new Error('a batch that was never opened')
    const { compression, compressionLevel } = this.#settings
    const packing = compressionLevel === undefined ? { compression } : { compression, compressionLevel }
    const count = encoder.recordCount
    const epoch = sequences?.isNumbered ? this.#epoch : undefined
    const bytes = epoch
      ? encoder.finish({
          ...packing,
          producerId: epoch.producerId,
          producerEpoch: epoch.producerEpoch,
          baseSequence: (sequences?.nextSequence ?? 0) % SEQUENCES,
        })
      : encoder.finish(packing)
    const batch: Batch = {
      queue,
      bytes,
      buffer,
      count,
      createdAtMs: openedAtMs,
      sends,
      account,
      sentOrder: 0,
      baseSequence: -1,
      isStamped: epoch !== undefined || sequences === undefined,
      isNumberedBySender: queue.isNumberedBySender,
      mayBeStored: false,
      refusal: undefined,
    }
    delivery.sealed(batch)
    queue.buffer = undefined
    queue.sends = undefined
    queue.account = undefined
    queue.isDue = false
    queue.isNumberedBySender = false
    return batch
  }

  /** Writes id, epoch and sequence into a batch that was finished before they were known, or with others. */
  stamp(batch: Batch): void {
    const { bytes, baseSequence } = batch
    const { producerId, producerEpoch } = this.#epoch as ProducerEpoch
    setProducer(bytes, 0, producerId, producerEpoch, baseSequence % SEQUENCES)
    setCrc(bytes, 0, this.#ports.crc32c(bytes.subarray(CRC_FROM)))
    batch.isStamped = true
  }

  acknowledged(batch: Batch, { baseOffset, logAppendTimeMs }: BatchPlace): void {
    const { queue, count, sends, account } = batch
    const topic = queue.route.name
    const { partition } = queue
    account.acknowledged += count
    if (sends)
      for (const { index, timestampMs, isDuplicate, resolve } of sends) {
        const offset = baseOffset < 0 ? -1 : baseOffset + index
        const storedMs = logAppendTimeMs < 0 ? timestampMs : logAppendTimeMs
        if (isDuplicate) resolve({ topic, partition, offset, timestampMs: storedMs, isDuplicate })
        else resolve({ topic, partition, offset, timestampMs: storedMs })
      }
    this.#close(batch)
    tell(this.#ports.timers, this.#settings.onDelivery, { topic, partition, baseOffset, count })
  }

  failed(batch: Batch, error: ProtocolError): void {
    const { queue, count, sends, account } = batch
    account.failedWith(error, count)
    if (sends) for (const { reject } of sends) reject(error)
    this.#close(batch)
    const { partition, route } = queue
    tell(this.#ports.timers, this.#settings.onDelivery, {
      topic: route.name,
      partition,
      baseOffset: -1,
      count,
      error,
    })
  }

  /** A record that was never part of a batch has failed. */
  recordFailed(error: Error, send: WaitingSend | undefined, account: FlushAccount): void {
    account.failedWith(error, 1)
    send?.reject(error)
    account.closed()
  }

  /**
   * A record whose number says that it was given before: it is stored already, or settled together with the
   * one that is on its way.
   */
  repeated(
    queue: PartitionQueue,
    sequence: number,
    timestampMs: number,
    send: WaitingSend | undefined,
  ): void {
    const { account } = this
    const { sequences, route, partition } = queue
    if (!sequences) throw new Error('a numbered record of a producer without sequences')
    account.opened()
    const settled: WaitingSend = {
      index: 0,
      timestampMs,
      isDuplicate: true,
      resolve: (place) => {
        account.acknowledged++
        account.duplicates++
        send?.resolve(place)
        account.closed()
      },
      reject: (error) => {
        account.failedWith(error as Error, 1)
        send?.reject(error)
        account.closed()
      },
    }
    const unknown = { topic: route.name, partition, offset: -1, timestampMs: -1, isDuplicate: true } as const
    if (sequence < sequences.storedSequence) settled.resolve(unknown)
    else {
      const batch = sequences.holding(sequence)
      settled.index = sequence - (batch?.baseSequence ?? sequences.nextSequence)
      const holder = batch ?? queue
      holder.sends ??= []
      holder.sends.push(settled)
    }
  }

  #close({ buffer, account }: Batch): void {
    this.#pool.give(buffer)
    account.closed()
  }

  #allocate(queue: PartitionQueue, bytes: number): Uint8Array {
    const outgrown = queue.buffer
    queue.buffer = this.#pool.take(bytes)
    // The encoder copies from it as soon as this returns, before anybody else can take it.
    if (outgrown) this.#pool.give(outgrown)
    return queue.buffer
  }
}
