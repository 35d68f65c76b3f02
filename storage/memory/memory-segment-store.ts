/**
 * A segment store in memory that forgets what was not synced: for tests and for the simulator.
 *
 * It keeps the promises of {@link SegmentStore} and, to show errors of its callers, no more: `read` returns values
 * that are not durable yet, and always in the same buffer, which the next read overwrites.
 * After its disk has crashed every call is refused.
 */

import {
  type AsideSegment,
  type SegmentDescriptor,
  type SegmentId,
  type SegmentStore,
  StorageError,
} from '../segment-store.ts'
import { checkAsideBytes, checkIndexRange } from '../segment-store-checks.ts'
import { type AsideHost, MemoryAsideSegment } from './memory-aside-segment.ts'
import type { Change, MemoryDisk, MemorySegment } from './memory-disk.ts'

export { MemoryDisk } from './memory-disk.ts'

/** Decides when writes become durable. */
export interface Syncs {
  /**
   * Resolves when what was written before this call is durable; rejects if it cannot be made so, which is a
   * failed write. May stay open for ever if the disk is to crash.
   */
  wait(): Promise<void>
}

export interface MemorySegmentStoreOptions {
  readonly disk: MemoryDisk
  /** What the values of a segment may cost together. */
  readonly segmentBytes?: number
  /** Default: everything is durable one microtask after it was written. */
  readonly syncs?: Syncs
}

/** Bytes a value costs besides its own. */
const VALUE_OVERHEAD_BYTES = 16
const VALUE_BYTES_MAX = 12 * 1024 * 1024
/** As in the store on LMDB: so large an index always fits, a larger one as far as there is room for values. */
const INDEX_SHARE = 0.08
const SEQUENCE_MAX = 0x7fff_ffff
const AT_ONCE: Syncs = { wait: () => Promise.resolve() }

export class MemorySegmentStore implements SegmentStore {
  readonly kind = 'memory'
  readonly #disk: MemoryDisk
  readonly #segmentBytes: number
  readonly #syncs: Syncs
  readonly #inFlight = new Set<Promise<void>>()
  /** Being removed or replaced. */
  readonly #leaving = new Set<SegmentId>()
  #crashes: number | undefined
  #isWriting = false
  /** Values handed over and not durable yet. */
  #appending:
    | { readonly segment: SegmentId; readonly first: number; readonly values: Uint8Array[] }
    | undefined
  #isClosed = false
  #failure: StorageError | undefined
  /** A Buffer, as LMDB's is: whoever keeps what its `slice` gives keeps a view of the next value. */
  #readBuffer = Buffer.alloc(64 * 1024)

  constructor(options: MemorySegmentStoreOptions) {
    this.#disk = options.disk
    this.#segmentBytes = options.segmentBytes ?? 1024 * 1024
    this.#syncs = options.syncs ?? AT_ONCE
  }

  get failure(): StorageError | undefined {
    return this.#failure
  }

  async open(): Promise<void> {
    if (this.#isClosed || this.#crashes !== undefined) throw misuse('a store can be opened only once')
    this.#crashes = this.#disk.crashes
    this.#disk.syncAll()
    this.#disk.aside.clear()
  }

  segments(): readonly SegmentDescriptor[] {
    return this.#live().map(({ id, index, bytes = this.#segmentBytes }) => ({
      id,
      sealed: index !== undefined,
      bytes,
    }))
  }

  costBytes(valueBytes: number): number {
    return valueBytes + VALUE_OVERHEAD_BYTES
  }

  roomBytes(): number {
    return this.#room(this.#active())
  }

  async append(
    firstSequence: number,
    values: readonly Uint8Array[],
    { isUrgent } = { isUrgent: false },
  ): Promise<void> {
    const segment = this.#writable()
    const costBytes = this.#checkAppend(segment, firstSequence, values)
    const copies = values.map((value) => new Uint8Array(value))
    this.#appending = { segment: segment.id, first: firstSequence, values: copies }
    // As on LMDB, where the blocks of the segment are reserved: only the guard before them is passed by.
    await this.#writeActive(isUrgent ? 0 : costBytes, () => {
      for (const value of copies) segment.values.push(value)
      segment.costBytes += costBytes
    })
  }

  read(segment: SegmentId, sequence: number): Uint8Array | undefined {
    const value = this.#segment(segment).values[sequence] ?? this.#notDurable(segment, sequence)
    if (value === undefined) return undefined
    if (this.#readBuffer.length < value.length) this.#readBuffer = Buffer.alloc(value.length)
    this.#readBuffer.fill(0xdb)
    this.#readBuffer.set(value)
    return this.#readBuffer.subarray(0, value.length)
  }

  valueCount(segment: SegmentId): number {
    return this.#segment(segment).values.length
  }

  async prefetch(_segment: SegmentId, _sequence: number, _count?: number): Promise<void> {
    this.#live()
  }

  async roll(index: Uint8Array): Promise<SegmentId> {
    const segment = this.#writable()
    this.#checkIndex(segment, index.length)
    const stored = new Uint8Array(index)
    const id = this.#disk.takeId()
    await this.#writeActive(stored.length, () => {
      segment.index = stored
      this.#disk.addSegment(id)
    })
    return id
  }

  indexBytes(segment: SegmentId): number | undefined {
    return this.#segment(segment).index?.length
  }

  async readIndex(segment: SegmentId, start?: number, end?: number): Promise<Uint8Array | undefined> {
    return this.#readIndex(segment, start, end)
  }

  readIndexNow(segment: SegmentId, start: number, end: number): Uint8Array | undefined {
    return this.#readIndex(segment, start, end)
  }

  async remove(segment: SegmentId): Promise<void> {
    const { index } = this.#segment(segment)
    if (this.#failure !== undefined) throw this.#failure
    if (index === undefined) throw misuse(`segment ${segment} is active: it can be removed after a roll`)
    await this.#replacing([segment], () => this.#durably({ apply: () => this.#disk.removeSegment(segment) }))
  }

  async beginAside(bytes: number): Promise<AsideSegment> {
    this.#checkWritable()
    checkAsideBytes(bytes)
    const free = this.#disk.freeBytes
    if (bytes > free) throw noSpace(free, bytes)
    const host: AsideHost = {
      checkWritable: () => this.#checkWritable(),
      roomBytes: (segment) => this.#room(segment),
      checkAppend: (...values) => this.#checkAppend(...values),
      checkIndex: (...index) => this.#checkIndex(...index),
      replacing: (...change) => this.#replacing(...change),
      write: (...change) => this.#write(...change),
      publish: (...segments) => this.#disk.publishAside(...segments),
      discard: (segment) => this.#disk.aside.delete(segment),
    }
    return new MemoryAsideSegment(this.#disk.addAside(bytes), host)
  }

  freeBytes(): number {
    this.#live()
    return this.#disk.freeBytes
  }

  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#crashes === this.#disk.crashes) await Promise.allSettled(this.#inFlight)
  }

  #readIndex(segment: SegmentId, start = 0, end?: number): Uint8Array | undefined {
    const { index } = this.#segment(segment)
    if (index === undefined) return undefined
    checkIndexRange(segment, index.length, start, end ?? index.length)
    return index.slice(start, end)
  }

  #checkWritable(): void {
    this.#live()
    if (this.#failure !== undefined) throw this.#failure
  }

  /** The active segment, for an append or a roll. */
  #writable(): MemorySegment {
    this.#checkWritable()
    if (this.#isWriting) throw misuse('an append or roll is still in flight')
    return this.#active()
  }

  async #writeActive(bytes: number, apply: () => void): Promise<void> {
    this.#isWriting = true
    try {
      await this.#write(bytes, apply)
    } finally {
      this.#isWriting = false
      this.#appending = undefined
    }
  }

  async #write(bytes: number, apply: () => void): Promise<void> {
    const free = this.#disk.freeBytes
    if (bytes > free) throw noSpace(free, bytes)
    try {
      await this.#durably({ apply }, this.#disk.takeFailure())
    } catch (error) {
      this.#failure = new StorageError(
        'WRITE_FAILED',
        'a write failed, nothing more is written to this store',
        { cause: error },
      )
      throw this.#failure
    }
  }

  /** Runs a change that takes these segments, neighbours in journal order, out of the set. */
  async #replacing(replaced: readonly SegmentId[], change: () => Promise<void>): Promise<void> {
    const live = this.#live()
    const place = live.findIndex(({ id }) => id === replaced[0])
    replaced.forEach((id, at) => {
      const { index } = this.#segment(id)
      if (this.#leaving.has(id)) throw misuse(`segment ${id} is being removed`)
      if (index === undefined) throw misuse(`segment ${id} is active: it cannot be replaced`)
      if (live[place + at]?.id !== id) throw misuse(`segment ${id} does not stand behind the one before it`)
    })
    if (replaced.length === 0) throw misuse('there is no segment to replace')
    for (const id of replaced) this.#leaving.add(id)
    try {
      await change()
    } finally {
      for (const id of replaced) this.#leaving.delete(id)
    }
  }

  async #durably(change: Change, fails = false): Promise<void> {
    this.#disk.write(change)
    const durable = this.#syncs.wait().then(() => {
      if (this.#crashes !== this.#disk.crashes) throw new StorageError('WRITE_FAILED', 'the disk crashed')
      if (fails) throw new StorageError('WRITE_FAILED', 'the disk was told to fail')
      this.#disk.sync(change)
    })
    this.#inFlight.add(durable)
    try {
      await durable
    } finally {
      this.#inFlight.delete(durable)
    }
  }

  #room({ bytes = this.#segmentBytes, costBytes }: MemorySegment): number {
    return Math.max(0, bytes - costBytes)
  }

  #checkIndex(segment: MemorySegment, indexBytes: number): void {
    const { id, bytes = this.#segmentBytes } = segment
    const room = Math.floor(bytes * INDEX_SHARE) + this.#room(segment)
    if (indexBytes > room)
      throw misuse(`an index of ${indexBytes} bytes does not fit: segment ${id} has room for ${room}`)
  }

  #checkAppend(segment: MemorySegment, firstSequence: number, values: readonly Uint8Array[]): number {
    const count = segment.values.length
    if (firstSequence !== count || count + values.length - 1 > SEQUENCE_MAX) {
      throw misuse(`the next sequence of segment ${segment.id} is ${count}, not ${firstSequence}`)
    }
    let cost = 0
    for (const { length } of values) {
      if (length > VALUE_BYTES_MAX)
        throw misuse(`a value of ${length} bytes is too large: at most ${VALUE_BYTES_MAX}`)
      cost += this.costBytes(length)
    }
    const room = this.#room(segment)
    if (cost > room) {
      throw misuse(
        `values that cost ${cost} bytes do not fit: segment ${segment.id} has room for ${room}; roll first`,
      )
    }
    return cost
  }

  #notDurable(segment: SegmentId, sequence: number): Uint8Array | undefined {
    const appending = this.#appending
    return appending?.segment === segment ? appending.values[sequence - appending.first] : undefined
  }

  #live(): readonly MemorySegment[] {
    if (this.#isClosed) throw misuse('the store is closed')
    if (this.#crashes === undefined) throw misuse('the store is not open')
    if (this.#crashes !== this.#disk.crashes) throw misuse('the disk crashed: open a new store on it')
    return this.#disk.segments
  }

  #active(): MemorySegment {
    const segments = this.#live()
    return segments[segments.length - 1]
  }

  #segment(id: SegmentId): MemorySegment {
    const found = this.#live().find((segment) => segment.id === id)
    if (found === undefined) throw misuse(`segment ${id} is not live`)
    return found
  }
}

function noSpace(free: number, bytes: number): StorageError {
  return new StorageError('NO_SPACE', `the disk has ${free} bytes free, too few for ${bytes}`)
}

function misuse(sentence: string): StorageError {
  return new StorageError('MISUSE', sentence)
}
