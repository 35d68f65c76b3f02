/**
 * The log of a coordinator: one partition of an internal topic, whose records are all that ever changes a group, and the view
 * that lets old ones leave. A record sets the value of its key, or removes it.
 *
 * It promises: records appended together are durable together and in order; when some could not be appended, none that were
 * decided after them are, until `load`; `load` gives the state of the last durable record, whenever the process ended; the log
 * does not grow without bound. It knows nothing of what records mean.
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
  /** They go with the next write. */
  #waiting: (readonly CoordinatorRecord[])[] = []
  #next: Promise<void> | undefined
  /** Of the write under way, or the last one. Never rejects. */
  #written: Promise<void> = Promise.resolve()
  /** Why nothing is appended until the log has been loaded again. */
  #failure: { readonly error: unknown } | undefined
  #viewing: Promise<void> | undefined
  #timer: Timer | undefined
  #isLoading = false
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

  /**
   * Every key with its newest value, in an order in which they may be replayed. Called before anything is appended, or after a
   * failure: from then on it may be appended again. Rejects with StorageError, DAMAGED where view and log do not fit together.
   */
  async load(replay: (record: CoordinatorRecord) => void): Promise<void> {
    this.#isLoading = true
    try {
      this.#timer?.cancel()
      this.#timer = undefined
      await this.#viewing
      await this.settled()
      await this.#load(replay)
      this.#failure = undefined
    } finally {
      this.#isLoading = false
    }
    if (this.#changed.size > 0) this.#followLater()
  }

  async #load(replay: (record: CoordinatorRecord) => void): Promise<void> {
    const { log, view, crc32c } = this.#options
    const partition = this.#partition
    for (const record of await view.load()) replay(record)
    this.#checkViewFits()
    const changed = new Map<string, Uint8Array | null>()
    let changedRecords = 0
    let offset = view.offset
    while (partition && offset < partition.highWatermark) {
      await log.prepare(partition, offset, READ_BYTES)
      const slice = log.read(partition, offset, partition.highWatermark, READ_BYTES)
      if (!slice) throw damaged(`the log of consumer groups cannot be read from offset ${offset} on`)
      const source = { topic: 'internal', partition: partition.partition }
      for (let at = slice.start; at < slice.end; at += batchBytesAt(slice.value, at))
        for (const record of decodeBatch(slice.value, at, source, { fromOffset: offset, crc32c })) {
          if (record.key === null) continue
          // Copies: the slice is this call's only for now.
          const key = record.key.slice()
          const value = record.value === null ? null : record.value.slice()
          replay({ key, value })
          changed.set(viewKey(key), value)
          changedRecords++
        }
      offset = slice.nextOffset
    }
    // Not before all of it is known: else the view would be told of an offset that it does not reach.
    this.#changed = changed
    this.#changedRecords = changedRecords
    this.#durableOffset = offset
  }

  /** What left the log because the view had it, or what the view had from a log that is gone, would be missed by nobody. */
  #checkViewFits(): void {
    const { offset } = this.#options.view
    const { logStartOffset, highWatermark } = this.#partition ?? { logStartOffset: 0, highWatermark: 0 }
    if (offset >= logStartOffset && offset <= highWatermark) return
    throw damaged(
      `the view of consumer groups holds what lies below offset ${offset}, and their log offsets ${logStartOffset} to ${highWatermark}: they are not of the same time`,
    )
  }

  /**
   * Resolves when all of them are durable. Rejects with LogError or StorageError: which of them are is then known only to
   * {@link load}. What is appended together is there together or not at all; what is appended while another write is under way
   * shares a batch.
   */
  append(records: readonly CoordinatorRecord[]): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure.error)
    this.#waiting.push(records)
    if (!this.#next) {
      // One write at a time: what follows from something that could not be appended must not be appended either.
      const turn = new Promise<void>((resolve) => this.#options.timers.soon(resolve))
      const writing = Promise.all([turn, this.#written]).then(() => this.#write())
      this.#next = writing
      this.#written = writing.catch((error: unknown) => {
        this.#failure = { error }
      })
    }
    return this.#next
  }

  /** Resolves when everything that was appended has become durable, or has failed. */
  async settled(): Promise<void> {
    for (let seen: Promise<unknown> | undefined; seen !== this.#written; ) {
      seen = this.#written
      await seen
    }
  }

  async #write(): Promise<void> {
    const decisions = this.#waiting
    this.#waiting = []
    this.#next = undefined
    if (this.#failure) throw this.#failure.error
    this.#partition ??= await this.#options.create()
    const nowMs = this.#options.clock.nowMs()
    for (const records of decisions) {
      if (this.#encoder.recordCount > 0 && this.#encoder.byteLength + bytesOf(records) > SHARED_BYTES_MAX)
        await this.#appendBatch()
      for (const { key, value } of records) {
        if (this.#encoder.append(nowMs, key, value)) continue
        await this.#appendBatch()
        this.#encoder.append(nowMs, key, value)
      }
    }
    await this.#appendBatch()
    for (const records of decisions) for (const record of records) this.#changes(record)
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

  async #appendBatch(): Promise<void> {
    const { recordCount } = this.#encoder
    const partition = this.#partition as PartitionLog
    const { baseOffset } = await this.#options.log.append(this, partition, this.#encoder.finish())
    this.#durableOffset = baseOffset + recordCount
  }

  #changes({ key, value }: CoordinatorRecord): void {
    this.#changed.set(viewKey(key), value)
    this.#changedRecords++
  }

  #followLater(): void {
    if (this.#timer || this.#viewing || this.#isLoading || this.#isClosed || this.#isViewBroken) return
    this.#timer = this.#options.timers.after(VIEW_INTERVAL_MS, () => {
      this.#timer = undefined
      this.#follow()
    })
  }

  #follow(): void {
    if (this.#viewing || this.#isLoading || this.#isClosed || this.#isViewBroken) return
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

function damaged(problem: string): StorageError {
  return new StorageError('DAMAGED', `${problem}; restore the data directory from a backup, as a whole`)
}

/** About what they take in a batch. */
function bytesOf(records: readonly CoordinatorRecord[]): number {
  let bytes = 0
  for (const { key, value } of records) bytes += key.length + (value?.length ?? 0) + RECORD_BYTES
  return bytes
}
