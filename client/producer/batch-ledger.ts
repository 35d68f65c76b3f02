/**
 * Books what becomes of batches: their buffers, the senders that wait for them, the counts that flush
 * reports. Whatever was opened here is closed here, exactly once.
 */
import { BatchEncoder } from '../../storage/record/batch-encoder.ts'
import { tell } from '../listener.ts'
import type { ClientPorts } from '../ports.ts'
import type { ProtocolError } from '../protocol/errors.ts'
import type { ProducedPartition } from '../protocol/messages/produce.ts'
import { type Batch, FlushAccount, type WaitingSend } from './batch.ts'
import { BufferPool } from './buffer-pool.ts'
import type { ProducerSettings } from './options.ts'
import { PartitionQueue } from './partition-queue.ts'
import { HEADROOM_BYTES } from './produce-sink.ts'
import type { TopicRoute } from './topic-route.ts'

export class BatchLedger {
  /** Batches that are opened now are counted here. */
  account = new FlushAccount()
  readonly #settings: ProducerSettings
  readonly #ports: ClientPorts
  readonly #pool: BufferPool

  constructor(settings: ProducerSettings, ports: ClientPorts) {
    this.#settings = settings
    this.#ports = ports
    this.#pool = new BufferPool(settings.batchBytes, HEADROOM_BYTES)
  }

  /** Memory of all batches that are filled, wait or are in flight. */
  get usedBytes(): number {
    return this.#pool.usedBytes
  }

  createQueue(route: TopicRoute, partition: number): PartitionQueue {
    const { batchBytes, maxInFlight } = this.#settings
    const encoder = new BatchEncoder({
      crc32c: this.#ports.crc32c,
      codecs: this.#ports.codecs,
      bytesMax: batchBytes,
      headroomBytes: HEADROOM_BYTES,
      allocate: (bytes) => this.#allocate(queue, bytes),
    })
    const queue = new PartitionQueue(route, partition, encoder, maxInFlight)
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
    const { encoder, buffer, sends, account, openedAtMs } = queue
    if (!buffer || !account) throw new Error('a batch that was never opened')
    const count = encoder.recordCount
    const bytes = encoder.finish({ compression: this.#settings.compression })
    queue.buffer = undefined
    queue.sends = undefined
    queue.account = undefined
    queue.isDue = false
    const refusal = undefined
    return { queue, bytes, buffer, count, createdAtMs: openedAtMs, sends, account, sequence: 0, refusal }
  }

  acknowledged(batch: Batch, { baseOffset, logAppendTimeMs }: ProducedPartition): void {
    const { queue, count, sends, account } = batch
    const topic = queue.route.name
    const { partition } = queue
    account.acknowledged += count
    if (sends)
      for (const { index, timestampMs, resolve } of sends)
        resolve({
          topic,
          partition,
          offset: baseOffset < 0 ? -1 : baseOffset + index,
          timestampMs: logAppendTimeMs < 0 ? timestampMs : logAppendTimeMs,
        })
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
