/**
 * The shaper of a node: what one reader had looked at serves all whose filters are live on the partition.
 *
 * A batch is looked at when the first reader comes to it: for the group of his filter (`live-filters.ts`), on the event loop
 * where that is little and else in the pool. Others who come to it meanwhile wait for the same scan, and who comes later finds it
 * in the cache. Nothing of the log's memory is held across a turn.
 *
 * Promises: what a reader gets depends on the stored bytes and his wish alone, not on others or on what is in the cache; no more
 * is kept than the bounds say; a scan that failed leaves nothing behind and its readers may try again.
 */
import type { ReadSlice } from '../../storage/log/log-reader.ts'
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import { baseOffsetAt } from '../../storage/record/batch-header.ts'
import type { Crc32c } from '../../storage/record/crc32c.ts'
import type { CodecPool } from '../codec-pool/codec-pool.ts'
import type { Clock } from '../ports.ts'
import type { FetchShaper, ReaderWish, ShapedSlice, Skipped } from './fetch-shaper.ts'
import { LingeringFilters } from './lingering-filters.ts'
import { type FilterGroup, type LiveFilter, LiveFilters } from './live-filters.ts'
import type { MatchResult } from './match-task.ts'
import { INLINE_UNPACKED_BYTES_MAX, PackedBatches } from './packed-batches.ts'
import type { RecordPattern } from './pattern.ts'
import { Scan, type ScannedBatch, Stretch } from './scan.ts'
import { PartitionScans, ScanCache } from './scan-cache.ts'
import { type DeliveryTools, deliver, type Reader, type ScannedBytes } from './scan-delivery.ts'
import { SharedPatternsMaker } from './shared-patterns.ts'
import { SpareBuffers } from './spare-buffers.ts'
import { unpackedSlice } from './unpacked-slices.ts'

/** What is known of batches, for all partitions together. */
const CACHE_BYTES_MAX = 64 * 1024 * 1024
/** Unpacked records of one scan beyond this share of the cache are not kept. */
const SECTION_SHARE = 1 / 8
/** Batches of so many bytes are looked at together. */
const STRETCH_BYTES_ENOUGH = 512 * 1024
/** Records of so many bytes, when they are unpacked. */
const RECORD_BYTES_ENOUGH = 1024 * 1024
/** More filters, or more text, are never compiled on the event loop: it takes a fifth of a ms, and 0.05 for each. */
const INLINE_FILTERS_MAX = 8
const INLINE_TEXT_CHARS_MAX = 4096

export interface SharingShaperOptions {
  readonly pool: CodecPool
  readonly crc32c: Crc32c
  readonly clock: Clock
  /** What the records of one batch may take unpacked. */
  readonly decompressedBytesMax: number
  readonly cacheBytesMax?: number
}

export interface ShaperStats {
  /** Records held against a filter, for each reader; in whatever way that was known. */
  readonly examined: number
  /** Of these, records that were handed out, in batches of which all match or in parts of others. */
  readonly matched: number
  /** Of these, records with a value that is no JSON although the filter asks for it. */
  readonly notJson: number
  /** Scans begun, and the bytes of their batches as stored. */
  readonly scans: number
  readonly scannedBytes: number
  /** Batches of which a reader found that they were looked at, or are being looked at, for another one. */
  readonly sharedBatches: number
  readonly cacheBytes: number
  readonly cacheBytesMax: number
  /** Filters that are live on a partition, each counted there. */
  readonly liveFilters: number
}

/** Batches of a log, and how often that had been cut when they were read. */
interface SliceBytes extends ScannedBytes {
  readonly end: number
  readonly upTo: number
  readonly truncations: number
}

/** What there is of one partition. */
interface Partition {
  readonly log: PartitionLog
  readonly filters: LiveFilters
  scans: PartitionScans
  /** Of the log, when `scans` was begun. */
  truncations: number
}

export class SharingShaper implements FetchShaper {
  readonly #pool: CodecPool
  readonly #clock: Clock
  readonly #decompressedBytesMax: number
  readonly #tools: DeliveryTools
  readonly #cache: ScanCache
  readonly #maker = new SharedPatternsMaker()
  readonly #spares = new SpareBuffers()
  readonly #partitions = new Map<PartitionLog, Partition>()
  readonly #lingering: LingeringFilters<Partition>
  #examined = 0
  #matched = 0
  #notJson = 0
  #scans = 0
  #scannedBytes = 0
  #sharedBatches = 0

  constructor({ pool, crc32c, clock, decompressedBytesMax, cacheBytesMax }: SharingShaperOptions) {
    this.#pool = pool
    this.#clock = clock
    this.#decompressedBytesMax = decompressedBytesMax
    this.#tools = {
      packed: new PackedBatches(pool, decompressedBytesMax),
      crc32c,
      onMatched: (records) => {
        this.#matched += records
      },
    }
    this.#cache = new ScanCache(cacheBytesMax ?? CACHE_BYTES_MAX)
    this.#lingering = new LingeringFilters((partition, filter) => this.#remove(partition, filter))
  }

  shape(
    log: PartitionLog,
    slice: ReadSlice,
    wish: ReaderWish,
    fromOffset: number,
  ): ShapedSlice | Promise<ShapedSlice> {
    if (!wish.filter) return unpackedSlice(log, slice, wish, fromOffset, this.#tools)
    const { value, start, end, nextOffset: upTo } = slice
    const bytes = { value, start, end, upTo, areOwn: true, truncations: log.truncations }
    const shaped = this.#filtered(log, bytes, wish.filter, wish, fromOffset)
    if (!(shaped instanceof Promise)) return this.#count(shaped)
    return shaped.then((late) => this.#count(late))
  }

  skip(
    log: PartitionLog,
    filter: RecordPattern,
    fromOffset: number,
    upTo: number,
  ): Skipped | Promise<void> | undefined {
    const partition = this.#partitions.get(log)
    const live = partition?.filters.get(filter.text)
    if (!partition || !live || partition.truncations !== log.truncations) return undefined
    let nextOffset = fromOffset
    let examined = 0
    let notJson = 0
    for (;;) {
      const known = partition.scans.find(nextOffset, live)
      if (!known) break
      const { scan } = known
      if (scan.underWay) {
        if (nextOffset > fromOffset) break
        // Whoever began the scan is told what went wrong; the others ask again.
        const ignored = () => {}
        return scan.underWay.then(ignored, ignored)
      }
      let { batch } = known
      for (; batch < scan.known && scan.isNothing(batch, live); batch++) {
        if (scan.stretch.endOffsets[batch] > upTo) break
        const looked = scan.examined(batch, live, nextOffset)
        examined += looked.examined
        notJson += looked.notJson
        nextOffset = scan.stretch.endOffsets[batch]
        this.#sharedBatches++
      }
      if (batch < scan.known) break
    }
    if (nextOffset === fromOffset) return undefined
    live.position = nextOffset
    return this.#count({ nextOffset, examined, notJson })
  }

  subscribe(log: PartitionLog, filter: RecordPattern, fromOffset: number): () => void {
    const partition = this.#partition(log)
    const live = partition.filters.obtain(filter, fromOffset)
    this.#lingering.remove(live)
    if (live.users++ === 0) live.position = fromOffset
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      if (--live.users === 0) this.#lingering.add(partition, live, this.#clock.monotonicMs())
    }
  }

  stats(): ShaperStats {
    let liveFilters = 0
    for (const { filters } of this.#partitions.values()) liveFilters += filters.size
    return {
      examined: this.#examined,
      matched: this.#matched,
      notJson: this.#notJson,
      scans: this.#scans,
      scannedBytes: this.#scannedBytes,
      sharedBatches: this.#sharedBatches,
      cacheBytes: this.#cache.bytes,
      cacheBytesMax: this.#cache.bytesMax,
      liveFilters,
    }
  }

  #count<T extends Pick<ShapedSlice, 'examined' | 'notJson'>>(looked: T): T {
    this.#examined += looked.examined
    this.#notJson += looked.notJson
    return looked
  }

  #partition(log: PartitionLog): Partition {
    this.#lingering.expire(this.#clock.monotonicMs())
    const { truncations } = log
    const known = this.#partitions.get(log)
    if (!known) {
      const partition = {
        log,
        filters: new LiveFilters(this.#maker),
        scans: new PartitionScans(),
        truncations,
      }
      this.#partitions.set(log, partition)
      return partition
    }
    if (known.truncations !== truncations) {
      this.#cache.forget(known.scans)
      known.scans = new PartitionScans()
      known.truncations = truncations
    }
    return known
  }

  #remove(partition: Partition, filter: LiveFilter): void {
    partition.filters.remove(filter)
    if (partition.filters.size > 0) return
    // Nobody is left who could find them.
    this.#cache.forget(partition.scans)
    this.#partitions.delete(partition.log)
  }

  #filtered(
    log: PartitionLog,
    slice: SliceBytes,
    filter: RecordPattern,
    wish: ReaderWish,
    fromOffset: number,
  ): ShapedSlice | Promise<ShapedSlice> {
    const partition = this.#partition(log)
    const live = partition.filters.obtain(filter, fromOffset)
    // Without a subscription it stays for a while.
    if (live.users === 0) this.#lingering.add(partition, live, this.#clock.monotonicMs())
    // What was read before the log was cut says nothing of what it holds now.
    const scans = slice.truncations === partition.truncations ? partition.scans : new PartitionScans()
    const found = scans.find(baseOffsetAt(slice.value, slice.start), live)
    if (found) this.#sharedBatches++
    const known = found ?? { scan: this.#begin(partition, scans, live, slice), batch: 0 }
    const reader: Reader = { log, filter: live, wish, fromOffset, upTo: slice.upTo }
    const { underWay } = known.scan
    if (!underWay) return this.#deliver(reader, known, slice)
    return underWay.then((bytes) => this.#deliverLate(reader, known, bytes, slice.truncations))
  }

  #deliver(reader: Reader, known: ScannedBatch, bytes: ScannedBytes): ShapedSlice | Promise<ShapedSlice> {
    const shaped = deliver(reader, known, bytes, this.#tools)
    if (!(shaped instanceof Promise)) reader.filter.position = shaped.nextOffset
    return shaped
  }

  /** The scan that was waited for is done; others may be given the same bytes. */
  #deliverLate(
    reader: Reader,
    known: ScannedBatch,
    value: Uint8Array,
    truncations: number,
  ): ShapedSlice | Promise<ShapedSlice> {
    const { scan, batch } = known
    const start = scan.stretch.positions[batch]
    if (batch < scan.known && scan.stopAt(batch) !== 'too-many-matches')
      return this.#deliver(reader, known, { value, start, areOwn: false })
    // It did not come so far, or this one has to be asked alone.
    const { log, filter, wish, fromOffset, upTo } = reader
    const rest = { value, start, end: scan.stretch.bytes, upTo, areOwn: false, truncations }
    return this.#filtered(log, rest, filter.pattern, wish, fromOffset)
  }

  /** Has the first batches of the slice looked at. The scan may be done when this returns. */
  #begin(partition: Partition, scans: PartitionScans, live: LiveFilter, slice: SliceBytes): Scan {
    const { value, start, end, upTo } = slice
    const { filters } = partition
    const baseOffset = baseOffsetAt(value, start)
    const isTooMuch = scans.isTooMuch(baseOffset)
    const group = isTooMuch ? filters.soloOf(live) : filters.groupFor(live, baseOffset)
    const stretch = new Stretch(
      value,
      start,
      end,
      (next, bytes) =>
        bytes < STRETCH_BYTES_ENOUGH &&
        next < upTo &&
        scans.isTooMuch(next) === isTooMuch &&
        scans.find(next, live) === undefined,
    )
    const scan = new Scan(stretch, group)
    this.#scans++
    this.#scannedBytes += stretch.bytes
    const result = this.#matchNow(group, value, start, stretch.bytes)
    if (result) {
      scans.add(scan)
      this.#finish(partition, scans, scan, result)
      return scan
    }
    // Of their own, to be given away; they come back with the result.
    const bytes = this.#spares.copyOf(value.subarray(start, start + stretch.bytes))
    const limits = {
      decompressedBytesMax: this.#decompressedBytesMax,
      recordBytesEnough: RECORD_BYTES_ENOUGH,
    }
    scans.add(scan)
    const task = { kind: 'match', bytes, end: stretch.bytes, patterns: group.patterns, limits } as const
    scan.underWay = this.#pool.run(task).then(
      (result) => {
        this.#finish(partition, scans, scan, result)
        // Those who wait are told when this has returned, all before the inner one runs, and none keeps the bytes.
        queueMicrotask(() => queueMicrotask(() => this.#spares.giveBack(result.bytes)))
        return result.bytes
      },
      (error: unknown) => {
        scans.remove(scan)
        throw error
      },
    )
    return scan
  }

  /** On the event loop; undefined: that would be too much. */
  #matchNow(group: FilterGroup, value: Uint8Array, start: number, bytes: number): MatchResult | undefined {
    if (group.size > INLINE_FILTERS_MAX || group.textChars > INLINE_TEXT_CHARS_MAX) return undefined
    if (this.#pool.shouldOffload('match', bytes)) return undefined
    const bytesMax = Math.min(this.#decompressedBytesMax, INLINE_UNPACKED_BYTES_MAX)
    const result = this.#pool.performNow({
      kind: 'match',
      bytes: value.subarray(start, start + bytes),
      end: bytes,
      patterns: group.patterns,
      limits: { decompressedBytesMax: bytesMax, recordBytesEnough: bytesMax },
    })
    const { stop } = result
    if (typeof stop !== 'object' || stop.reason !== 'too-large') return result
    if (bytesMax === this.#decompressedBytesMax) return result
    // Few bytes are many unpacked: the batches before that one are done, and it goes to the pool when it comes first.
    return result.table[0] > 0 ? { ...result, stop: undefined } : undefined
  }

  #finish(partition: Partition, scans: PartitionScans, scan: Scan, result: MatchResult): void {
    scan.finish(result, this.#cache.bytesMax * SECTION_SHARE)
    if (scan.known < scan.stretch.batches) scans.remove(scan, scan.known)
    // The log was cut meanwhile, or nobody reads it with a filter any more.
    if (partition.scans !== scans || this.#partitions.get(partition.log) !== partition) return
    this.#cache.keep(scan, scans)
  }
}
