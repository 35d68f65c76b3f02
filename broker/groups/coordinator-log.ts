/**
 * The log of a coordinator: one partition of an internal topic, whose records are all that ever changes a group, and the view
 * that lets old ones leave. A record sets the value of its key, or removes it.
 *
 * It promises: records appended together are durable together and in order; `load` gives the state of the last durable
 * record, whenever the process ended; the log does not grow without bound. It knows nothing of what records mean.
 */

import type { PartitionLog } from '../../storage/log/partition-log.ts'
import type { ShardLog } from '../../storage/log/shard-log.ts'
import { decodeBatch } from '../../storage/record/batch-decoder.ts'
import { BatchEncoder } from '../../storage/record/batch-encoder.ts'
import { batchBytesAt } from '../../storage/record/batch-header.ts'
import type { Crc32c } from '../../storage/record/crc32c.ts'
import { StorageError } from '../../storage/segment-store.ts'
import type { Clock, Timer, Timers } from '../ports.ts'
import { type CoordinatorView, viewKey } from './coordinator-view.ts'

/** What changes one thing a coordinator knows. */
export interface CoordinatorRecord {
  /** What it is about, up to 400 bytes. */
  readonly key: Uint8Array
  /** Null: it is no more. */
  readonly value: Uint8Array | null
}

export interface CoordinatorLogOptions {
  readonly log: Pick<ShardLog, 'append' | 'read' | 'prepare'>
  /** Undefined: nothing was ever appended. */
  readonly partition: PartitionLog | undefined
  /** Makes it, before the first append. */
  readonly create: () => Promise<PartitionLog>
  readonly view: CoordinatorView
  readonly crc32c: Crc32c
  readonly clock: Clock
  readonly timers: Timers
  /** Told of a view that could not be written; the log goes on, and does not get shorter. */
  readonly onProblem: (error: Error) => void
}

/** More than any decision takes: its records are in one batch, so that after a crash all of them are there or none. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024
/** Of decisions that share a batch. */
const SHARED_BYTES_MAX = 256 * 1024
/** Lengths and deltas of one record, at most. */
const RECORD_BYTES = 32
const READ_BYTES = 1024 * 1024
/** The view follows after so many records, or after so long when there is anything to follow. */
const VIEW_RECORDS_MAX = 100_000
const VIEW_INTERVAL_MS = 5_000

export class CoordinatorLog {
  readonly #options: CoordinatorLogOptions
  readonly #encoder: BatchEncoder
  #partition: PartitionLog | undefined
  /** Newest values of keys of the view that it does not have, durable ones only. */
  #changed = new Map<string, Uint8Array | null>()
  #changedRecords = 0
  /** Offset after the last durable record. */
  #durableOffset: number
  #creating: Promise<PartitionLog> | undefined
  /** Of this turn. */
  #waiting: (readonly CoordinatorRecord[])[] = []
  #turn: Promise<void> | undefined
  #settling: Promise<unknown> = Promise.resolve()
  #viewing: Promise<void> | undefined
  #timer: Timer | undefined
  #isViewBroken = false
  #isClosed = false

  constructor(options: CoordinatorLogOptions) {
    this.#options = options
    this.#encoder = new BatchEncoder({ crc32c: options.crc32c, bytesMax: BATCH_BYTES_MAX })
    this.#partition = options.partition
    this.#durableOffset = options.partition?.durableOffset ?? 0
  }

  /** Where it is; undefined: nothing was ever appended. */
  get partition(): PartitionLog | undefined {
    return this.#partition
  }

  /** What lies before this offset may leave the log. */
  get keptFromOffset(): number {
    return this.#options.view.offset
  }

  /** Every key with its newest value, in an order in which they may be replayed. Called before anything is appended, or after a failure. */
  async load(replay: (record: CoordinatorRecord) => void): Promise<void> {
    const { log, view, crc32c } = this.#options
    const partition = this.#partition
    await this.#viewing
    if (!partition) return
    for (const record of await view.load()) replay(record)
    this.#changed = new Map()
    this.#changedRecords = 0
    let offset = Math.max(view.offset, partition.logStartOffset)
    while (offset < partition.highWatermark) {
      await log.prepare(partition, offset, READ_BYTES)
      const slice = log.read(partition, offset, partition.highWatermark, READ_BYTES)
      if (!slice) break
      const source = { topic: 'internal', partition: partition.partition }
      for (let at = slice.start; at < slice.end; at += batchBytesAt(slice.value, at))
        for (const record of decodeBatch(slice.value, at, source, { fromOffset: offset, crc32c })) {
          if (record.key === null) continue
          // Copies: the slice is this call's only for now.
          const key = record.key.slice()
          const value = record.value === null ? null : record.value.slice()
          replay({ key, value })
          this.#changes({ key, value })
        }
      offset = slice.nextOffset
    }
    this.#durableOffset = offset
  }

  /**
   * Resolves when all of them are durable. Rejects with LogError or StorageError: which of them are is then known only to
   * {@link load}. What is appended together is there together or not at all; what is appended in one turn shares a batch.
   */
  append(records: readonly CoordinatorRecord[]): Promise<void> {
    this.#waiting.push(records)
    if (this.#turn) return this.#turn
    this.#turn = new Promise<void>((resolve) => this.#options.timers.soon(resolve)).then(() => {
      this.#turn = undefined
      return this.#write()
    })
    this.#settling = Promise.allSettled([this.#settling, this.#turn])
    return this.#turn
  }

  /** Resolves when everything that was appended has become durable, or has failed. */
  async settled(): Promise<void> {
    for (let seen: Promise<unknown> | undefined; seen !== this.#settling; ) {
      seen = this.#settling
      await seen
    }
  }

  async #write(): Promise<void> {
    const decisions = this.#waiting
    this.#waiting = []
    if (!this.#partition) await this.#create()
    const nowMs = this.#options.clock.nowMs()
    const batches: Promise<number>[] = []
    for (const records of decisions) {
      if (this.#encoder.recordCount > 0 && this.#encoder.byteLength + bytesOf(records) > SHARED_BYTES_MAX)
        batches.push(this.#appendBatch())
      for (const { key, value } of records) {
        if (this.#encoder.append(nowMs, key, value)) continue
        batches.push(this.#appendBatch())
        this.#encoder.append(nowMs, key, value)
      }
    }
    batches.push(this.#appendBatch())
    // All of them: who is told of a failure may read the log at once.
    const outcomes = await Promise.allSettled(batches)
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    for (const records of decisions) for (const record of records) this.#changes(record)
    // Not the end of the log: what others appended may be durable, too, and is not yet among the changes.
    for (const outcome of outcomes)
      if (outcome.status === 'fulfilled') this.#durableOffset = Math.max(this.#durableOffset, outcome.value)
    if (this.#changedRecords >= VIEW_RECORDS_MAX) this.#follow()
    else this.#followLater()
  }

  /** Lets the view follow to the end. Nothing may be appended any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#viewing
    if (this.#changed.size > 0 && !this.#isViewBroken) await this.#writeView()
    await this.#options.view.close()
  }

  async #create(): Promise<void> {
    this.#creating ??= this.#options.create().finally(() => {
      this.#creating = undefined
    })
    this.#partition = await this.#creating
  }

  /** Offset after the batch. */
  async #appendBatch(): Promise<number> {
    const { recordCount } = this.#encoder
    const partition = this.#partition as PartitionLog
    const { baseOffset } = await this.#options.log.append(this, partition, this.#encoder.finish())
    return baseOffset + recordCount
  }

  #changes({ key, value }: CoordinatorRecord): void {
    this.#changed.set(viewKey(key), value)
    this.#changedRecords++
  }

  #followLater(): void {
    if (this.#timer || this.#viewing || this.#isClosed || this.#isViewBroken) return
    this.#timer = this.#options.timers.after(VIEW_INTERVAL_MS, () => {
      this.#timer = undefined
      this.#follow()
    })
  }

  #follow(): void {
    if (this.#viewing || this.#isClosed || this.#isViewBroken) return
    this.#timer?.cancel()
    this.#timer = undefined
    this.#viewing = this.#writeView().finally(() => {
      this.#viewing = undefined
      if (this.#changed.size > 0) this.#followLater()
    })
  }

  async #writeView(): Promise<void> {
    const changed = this.#changed
    this.#changed = new Map()
    this.#changedRecords = 0
    try {
      await this.#options.view.write(changed, this.#durableOffset)
    } catch (error) {
      // What came meanwhile is newer.
      for (const [key, value] of this.#changed) changed.set(key, value)
      this.#changed = changed
      if (!(error instanceof StorageError)) throw error
      this.#isViewBroken = error.code !== 'NO_SPACE'
      this.#options.onProblem(error)
    }
  }
}

/** About what they take in a batch. */
function bytesOf(records: readonly CoordinatorRecord[]): number {
  let bytes = 0
  for (const { key, value } of records) bytes += key.length + (value?.length ?? 0) + RECORD_BYTES
  return bytes
}
