/**
 * The indexes of sealed segments: their heads in memory, the runs of a partition brought in when a
 * reader needs them and kept in a bounded cache, with some pages of the stored indexes below it.
 *
 * A sealed segment whose stored index could not be used has the one rebuilt from its values here, for as
 * long as the process lives; so have single partitions whose runs were damaged in it.
 */
import type { Crc32c } from '../record/crc32c.ts'
import type { SegmentId, SegmentStore } from '../segment-store.ts'
import { StorageError } from '../segment-store.ts'
import { IndexCache } from './index-cache.ts'
import { IndexPages } from './index-pages.ts'
import { IndexSummary } from './index-summary.ts'
import { RANGE_STRIDE, RangeView } from './ranges.ts'
import { rescanRuns, type WantedRuns } from './rescan-runs.ts'
import {
  decodeIndexHead,
  INDEX_HEAD_BYTES,
  type IndexHead,
  indexDamaged,
  producersAt,
  ROW_BYTES,
  RowColumn,
  RUN_BYTES,
  runsAt,
} from './segment-index.ts'

export interface IndexCacheStats {
  readonly bytes: number
  readonly bytesMax: number
  /** Look-ups that found what they needed in memory, and those that read it. */
  readonly hits: number
  readonly loads: number
  /** Indexes, and runs, rebuilt from the values of segments whose stored index is missing or damaged; not bounded. */
  readonly rebuiltBytes: number
}

/** Of the room for indexes, for pages: 10,000 partitions with a batch each make an index of 30. */
const PAGES_SHARE = 1 / 2
/** So few runs are sooner read from their page again than kept apart, for which ten thousand partitions would need much memory. */
const FEW_RUNS = 16

interface Sealed {
  readonly head: IndexHead
  /** The whole index, where the stored one could not be used. */
  readonly rebuilt: Uint8Array | undefined
}

/** Bytes of an index. */
interface Place {
  readonly start: number
  readonly end: number
}

/** Where the runs of a row are, and what they must add up to. */
interface RunBlock extends Place {
  readonly crc: number
  readonly lastAppendMs: number
}

export class SealedIndexes {
  readonly #store: SegmentStore
  readonly #crc32c: Crc32c
  readonly #onWarning: (sentence: string) => void
  readonly #cache: IndexCache
  readonly #pages: IndexPages
  readonly #sealed = new Map<SegmentId, Sealed>()
  /** Runs that had to be found in the values of a segment, by its rows; kept as long as the segment. */
  readonly #rescanned = new Map<SegmentId, Map<number, RangeView>>()
  #loads = 0
  #pageHits = 0
  #rebuiltBytes = 0

  constructor(
    store: SegmentStore,
    crc32c: Crc32c,
    cacheBytesMax: number,
    onWarning: (sentence: string) => void = () => {},
  ) {
    this.#store = store
    this.#onWarning = onWarning
    this.#crc32c = crc32c
    this.#pages = new IndexPages(Math.floor(cacheBytesMax * PAGES_SHARE))
    this.#cache = new IndexCache(cacheBytesMax - this.#pages.bytesMax)
  }

  add(segment: SegmentId, head: IndexHead): void {
    this.#sealed.set(segment, { head, rebuilt: undefined })
  }

  /** The stored index cannot be used: this one stands for it. */
  addRebuilt(segment: SegmentId, bytes: Uint8Array): void {
    this.#sealed.set(segment, { head: decodeIndexHead(bytes, bytes.length, segment), rebuilt: bytes })
    this.#rebuiltBytes += bytes.length
  }

  has(segment: SegmentId): boolean {
    return this.#sealed.has(segment)
  }

  remove(segment: SegmentId): void {
    this.#rebuiltBytes -= this.#sealed.get(segment)?.rebuilt?.length ?? 0
    for (const runs of this.#rescanned.get(segment)?.values() ?? [])
      this.#rebuiltBytes -= runs.columns.byteLength
    this.#sealed.delete(segment)
    this.#rescanned.delete(segment)
  }

  /** Whether any of them has a snapshot of producers. */
  holdProducers(): boolean {
    for (const { head } of this.#sealed.values()) if (head.producerBytes > 0) return true
    return false
  }

  stats(): IndexCacheStats {
    return {
      bytes: this.#cache.bytes + this.#pages.bytes,
      bytesMax: this.#cache.bytesMax + this.#pages.bytesMax,
      hits: this.#cache.hits + this.#pageHits,
      loads: this.#loads,
      rebuiltBytes: this.#rebuiltBytes,
    }
  }

  /** Whether {@link runs} will not wait for the disk; not said of what is damaged. */
  isLoaded(segment: SegmentId, row: number): boolean {
    if (this.#cache.has(segment, row) || this.#rescanned.get(segment)?.has(row)) return true
    const sealed = this.#sealed.get(segment)
    if (!sealed) return false
    if (sealed.rebuilt) return true
    const { start, end } = rowPlace(sealed.head, row)
    const bytes = this.#pages.get(segment, start, end)
    if (!bytes) return false
    const place = runsOf(sealed.head, bytes)
    const runs = place && this.#pages.get(segment, place.start, place.end)
    // Damaged ones are not what {@link load} may find in the values.
    return runs !== undefined && this.#crc32c(runs) === cellOf(bytes, RowColumn.runsCrc)
  }

  /**
   * The runs of a partition that has some in a sealed segment, valid for ever. Where they are not in the cache the
   * event loop waits for the disk: see {@link load}.
   * @throws StorageError DAMAGED, naming the segment, when they are not what was written
   */
  runs(segment: SegmentId, row: number): RangeView {
    const known = this.#cache.get(segment, row) ?? this.#rescanned.get(segment)?.get(row)
    if (known) return known
    const { head, rebuilt } = this.#of(segment)
    let isHit = true
    const store = (start: number, end: number) => {
      isHit = false
      return this.#store.readIndexNow(segment, start, end)
    }
    const read = ({ start, end }: Place) =>
      rebuilt?.subarray(start, end) ?? this.#pages.readNow(segment, start, end, head.bytes, store)
    const block = this.#locate(segment, head, read(rowPlace(head, row)))
    const bytes = read(block)
    if (isHit) this.#pageHits++
    else this.#loads++
    return this.#keep(segment, row, block, bytes)
  }

  /**
   * Brings the runs of a partition into memory; the event loop does not wait. Where the index is damaged they are
   * looked for in the values of the segment, if it is said what they must be. Rejects as {@link runs} throws.
   */
  async load(segment: SegmentId, row: number, wanted?: WantedRuns): Promise<void> {
    if (this.#cache.has(segment, row) || this.#rescanned.get(segment)?.has(row)) return
    try {
      await this.#read(segment, row)
    } catch (error) {
      if (!wanted || !(error instanceof StorageError) || error.code !== 'DAMAGED') throw error
      const runs = await rescanRuns(this.#store, segment, wanted, this.#crc32c)
      if (!runs) throw error
      this.#keepRescanned(segment, row, runs)
      this.#onWarning(`${error.message}: the runs of partition ${wanted.partition} were found in its values`)
    }
  }

  async #read(segment: SegmentId, row: number): Promise<void> {
    const { head, rebuilt } = this.#of(segment)
    if (rebuilt) {
      this.runs(segment, row)
      return
    }
    const store = (start: number, end: number) => this.#store.readIndex(segment, start, end)
    const read = ({ start, end }: Place) => this.#pages.read(segment, start, end, head.bytes, store)
    const block = this.#locate(segment, head, await read(rowPlace(head, row)))
    this.#keep(segment, row, block, await read(block))
    this.#loads++
  }

  /** Whether the stored index could not be used, so that one made of the values stands for it. */
  isRebuilt(segment: SegmentId): boolean {
    return this.#of(segment).rebuilt !== undefined
  }

  /** The producer snapshot stored with a sealed segment; undefined: it has none, or its stored index cannot be used. */
  async producers(segment: SegmentId): Promise<Uint8Array | undefined> {
    const { head, rebuilt } = this.#of(segment)
    if (rebuilt || head.producerBytes === 0) return undefined
    const start = producersAt(head)
    return this.#store.readIndex(segment, start, start + head.producerBytes)
  }

  #keepRescanned(segment: SegmentId, row: number, runs: RangeView): void {
    // Removed meanwhile.
    if (!this.#sealed.has(segment)) return
    const rows = this.#rescanned.get(segment) ?? new Map<number, RangeView>()
    this.#rescanned.set(segment, rows)
    rows.set(row, runs)
    this.#rebuiltBytes += runs.columns.byteLength
  }

  /** The whole summary of a sealed segment. Rejects with StorageError DAMAGED when it is not what was written. */
  async summary(segment: SegmentId): Promise<IndexSummary> {
    const { head, rebuilt } = this.#of(segment)
    const bytes = rebuilt ?? (await this.#store.readIndex(segment, 0, head.summaryBytes))
    if (!bytes) throw indexDamaged(segment, 'it is missing')
    return IndexSummary.decode(bytes, head.bytes, segment, this.#crc32c)
  }

  #of(segment: SegmentId): Sealed {
    const sealed = this.#sealed.get(segment)
    if (!sealed) throw new StorageError('MISUSE', `segment ${segment} is not sealed, or removed`)
    return sealed
  }

  #locate(segment: SegmentId, head: IndexHead, row: Uint8Array | undefined): RunBlock {
    if (!row) throw indexDamaged(segment, 'it is missing')
    const first = cellOf(row, RowColumn.firstRun)
    const place = runsOf(head, row)
    if (!place)
      throw indexDamaged(
        segment,
        `a partition has runs ${first} to ${first + cellOf(row, RowColumn.runCount)} of ${head.runs}`,
      )
    const lastAppendMs = cellOf(row, RowColumn.lastAppendMs) || Number.POSITIVE_INFINITY
    return { ...place, crc: cellOf(row, RowColumn.runsCrc), lastAppendMs }
  }

  #keep(segment: SegmentId, row: number, block: RunBlock, bytes: Uint8Array | undefined): RangeView {
    if (!bytes) throw indexDamaged(segment, 'it is missing')
    if (this.#crc32c(bytes) !== block.crc)
      throw indexDamaged(segment, `the checksum of row ${row} does not match`)
    // A copy of its own, at an address that Float64Array takes, and that keeps no larger buffer alive.
    const count = bytes.length / RUN_BYTES
    const columns = new Float64Array(count * RANGE_STRIDE)
    new Uint8Array(columns.buffer).set(bytes)
    const runs = new RangeView(columns, 0, count, block.lastAppendMs)
    if (count > FEW_RUNS || !this.#pages.get(segment, block.start, block.end))
      this.#cache.put(segment, row, runs)
    return runs
  }
}

function rowPlace(head: IndexHead, row: number): Place {
  if (row < 0 || row >= head.partitions)
    throw new StorageError('MISUSE', `row ${row} of an index with ${head.partitions}`)
  const start = INDEX_HEAD_BYTES + row * ROW_BYTES
  return { start, end: start + ROW_BYTES }
}

function cellOf(row: Uint8Array, column: number): number {
  return new DataView(row.buffer, row.byteOffset, row.byteLength).getFloat64(column * 8, true)
}

/** Where the runs of a row are; undefined: what it says cannot be. */
function runsOf(head: IndexHead, row: Uint8Array): Place | undefined {
  const first = cellOf(row, RowColumn.firstRun)
  const count = cellOf(row, RowColumn.runCount)
  const isWithin =
    Number.isInteger(first) &&
    Number.isInteger(count) &&
    first >= 0 &&
    count > 0 &&
    first + count <= head.runs
  return isWithin ? { start: runsAt(head, first), end: runsAt(head, first + count) } : undefined
}
