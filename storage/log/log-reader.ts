/**
 * Reading a partition: from an offset, by time, and the batch boundaries that truncation and
 * retention need. Never changes anything. Reads one stored value at a time and keeps none.
 */
import { decodeBatch } from '../record/batch-decoder.ts'
import { baseOffsetAt, compressionAt, lastOffsetAt } from '../record/batch-header.ts'
import { type CompressionCodecs, compressionName } from '../record/compression.ts'
import type { Crc32c } from '../record/crc32c.ts'
import { RecordError } from '../record/record-error.ts'
import type { SegmentId } from '../segment-store.ts'
import { batchEndOf, type Walked, walkBatches } from './batch-walk.ts'
import { LogError } from './log-error.ts'
import type { PartitionLog } from './partition-log.ts'
import type { RangeView } from './ranges.ts'
import type { SegmentCatalog } from './segment-catalog.ts'
import { identifyValue } from './value.ts'

/** Unpacked on the event loop to find a record by its time; a batch that is larger is answered by its first. */
const UNPACKED_BYTES_MAX = 8 * 1024 * 1024

/** `value.subarray(start, end)` are whole record batches. */
export interface ReadSlice {
  readonly value: Uint8Array
  readonly start: number
  readonly end: number
  /** The offset to read next. */
  readonly nextOffset: number
}

/** One run and what of it is alive. */
interface LiveRun {
  readonly segment: SegmentId
  readonly runs: RangeView
  readonly index: number
  /** Truncation may have cut the run: nothing at or above this is alive. */
  readonly endOffset: number
}

export class LogReader {
  readonly #catalog: SegmentCatalog
  readonly #codecs: CompressionCodecs
  readonly #crc32c: Crc32c

  constructor(catalog: SegmentCatalog, codecs: CompressionCodecs, crc32c: Crc32c) {
    this.#catalog = catalog
    this.#codecs = codecs
    this.#crc32c = crc32c
  }

  read(log: PartitionLog, offset: number, upTo: number, bytesMax: number): ReadSlice | undefined {
    const run = this.#locate(log, offset)
    if (!run || run.runs.baseOffset(run.index) >= upTo) return undefined
    const { value, where } = this.#value(log, run)
    const { runs, index } = run
    const position = runs.position(index)
    const positionEnd = position + runs.length(index)
    const endMax = Math.min(upTo, run.endOffset)

    let start = position
    let next = runs.baseOffset(index)
    let batchEnd = batchEndOf(value, start, positionEnd, next, where)
    while (lastOffsetAt(value, start) < offset) {
      next = lastOffsetAt(value, start) + 1
      start = batchEnd
      // The offset lies in a gap behind the last live batch of this run.
      const isLast = start >= positionEnd || baseOffsetAt(value, start) >= run.endOffset
      if (isLast) return this.read(log, run.endOffset, upTo, bytesMax)
      batchEnd = batchEndOf(value, start, positionEnd, next, where)
    }
    const whole = endMax >= runs.endOffset(index) && positionEnd - start <= bytesMax
    if (whole) return { value, start, end: positionEnd, nextOffset: runs.endOffset(index) }

    let end = start
    for (;;) {
      const lastOffset = lastOffsetAt(value, end)
      if (lastOffset >= endMax || (end > start && batchEnd - start > bytesMax)) break
      next = lastOffset + 1
      end = batchEnd
      if (end >= positionEnd) break
      batchEnd = batchEndOf(value, end, positionEnd, next, where)
    }
    return end === start ? undefined : { value, start, end, nextOffset: next }
  }

  /**
   * About how many bytes there are to read; stops counting at `bytesMax`. Reads nothing: of a sealed segment
   * it counts the share of the bytes that goes with the share of the offsets.
   */
  readableBytes(log: PartitionLog, offset: number, upTo: number, bytesMax: number): number {
    let bytes = 0
    for (const ranges of [log.extents.view(), log.active.runs.view()]) {
      for (let at = ranges.find(offset); at < ranges.count && bytes < bytesMax; at++) {
        const baseOffset = ranges.baseOffset(at)
        if (baseOffset >= upTo) return bytes
        const endOffset = ranges.endOffset(at)
        const offsets = Math.min(upTo, endOffset) - Math.max(offset, baseOffset)
        bytes += Math.max(1, Math.floor((ranges.length(at) * offsets) / (endOffset - baseOffset)))
      }
    }
    return bytes
  }

  findTimestamp(
    log: PartitionLog,
    timestampMs: number,
    upTo: number,
  ): { offset: number; timestampMs: number } | undefined {
    for (const run of this.liveRuns(log, timestampMs)) {
      for (const batch of this.#batches(log, run)) {
        if (batch.baseOffset >= upTo) return undefined
        if (batch.maxTimestampMs < timestampMs || batch.lastOffset < log.logStartOffset) continue
        const found = this.#findInBatch(log, batch, timestampMs)
        if (found && found.offset < upTo) return found
      }
    }
    return undefined
  }

  #findInBatch(
    log: PartitionLog,
    batch: Walked & { value: Uint8Array },
    timestampMs: number,
  ): { offset: number; timestampMs: number } | undefined {
    const compression = compressionName(compressionAt(batch.value, batch.start))
    // A batch this node cannot look into is answered by its first record: earlier, never later.
    const firstOfBatch = {
      offset: Math.max(batch.baseOffset, log.logStartOffset),
      timestampMs: batch.maxTimestampMs,
    }
    if (compression !== 'none' && !(compression && this.#codecs[compression])) return firstOfBatch
    const options = {
      fromOffset: log.logStartOffset,
      codecs: this.#codecs,
      crc32c: this.#crc32c,
      decompressedBytesMax: UNPACKED_BYTES_MAX,
    }
    try {
      const source = { topic: '', partition: log.partition }
      const records = decodeBatch(batch.value, batch.start, source, options)
      const record = records.find((candidate) => candidate.timestampMs >= timestampMs)
      return record && { offset: record.offset, timestampMs: record.timestampMs }
    } catch (error) {
      // What a producer compressed is looked into here for the first time, and may be nonsense.
      if (error instanceof RecordError) return firstOfBatch
      throw error
    }
  }

  /** Base offset of the live batch that holds `offset`; `offset` itself in a gap, or where nothing is alive below. */
  batchBoundary(log: PartitionLog, offset: number): number {
    if (offset <= log.logStartOffset) return offset
    const run = this.#locate(log, offset)
    if (!run || run.runs.baseOffset(run.index) >= offset) return Math.min(offset, log.logEndOffset)
    for (const batch of this.#batches(log, run))
      if (batch.lastOffset >= offset) return Math.min(batch.baseOffset, offset)
    return offset
  }

  /**
   * Bytes, below `offset`, of the range (run of the active segment, or extent of a sealed one) that
   * `offset` cuts in two; 0 where it cuts none.
   */
  keptBytes(log: PartitionLog, offset: number): number {
    const extents = log.extents.view()
    const at = extents.find(offset)
    if (at < extents.count) {
      if (extents.baseOffset(at) >= offset) return 0
      return this.#bytesBelow(log, extents.container(at), this.#runs(extents, at), offset)
    }
    const active = log.active.runs.view()
    const run = active.find(offset)
    if (run >= active.count || active.baseOffset(run) >= offset) return 0
    return this.#bytesOfRunBelow(
      log,
      { segment: this.#catalog.activeSegment, runs: active, index: run, endOffset: active.endOffset(run) },
      offset,
    )
  }

  /** Bytes below `offset` of the first range that ends above it: what a log start there leaves dead. */
  deadBytesAt(log: PartitionLog, offset: number): number {
    return this.keptBytes(log, offset)
  }

  #bytesBelow(log: PartitionLog, segment: SegmentId, runs: RangeView, offset: number): number {
    let bytes = 0
    for (let index = 0; index < runs.count && runs.baseOffset(index) < offset; index++)
      bytes +=
        runs.endOffset(index) <= offset
          ? runs.length(index)
          : this.#bytesOfRunBelow(log, { segment, runs, index, endOffset: runs.endOffset(index) }, offset)
    return bytes
  }

  #bytesOfRunBelow(log: PartitionLog, run: LiveRun, offset: number): number {
    let bytes = 0
    for (const batch of this.#batches(log, run)) {
      if (batch.lastOffset >= offset) break
      bytes += batch.end - batch.start
    }
    return bytes
  }

  /** Runs with live records, from the log start on; only those that reach `timestampMinMs`. */
  *liveRuns(log: PartitionLog, timestampMinMs = Number.NEGATIVE_INFINITY): Generator<LiveRun> {
    for (let offset = log.logStartOffset; ; ) {
      const extents = log.extents.view()
      const at = extents.find(offset)
      if (at < extents.count && extents.maxTimestampMs(at) < timestampMinMs) {
        offset = extents.endOffset(at)
        continue
      }
      const run = this.#locate(log, offset)
      if (!run) return
      if (run.runs.maxTimestampMs(run.index) >= timestampMinMs) yield run
      offset = Math.max(run.endOffset, offset + 1)
    }
  }

  /** Live batches of a run. The value is valid until the next read. */
  *batchesOf(log: PartitionLog, run: LiveRun): Generator<Walked> {
    yield* this.#batches(log, run)
  }

  *#batches(log: PartitionLog, run: LiveRun): Generator<Walked & { value: Uint8Array }> {
    const { value, where } = this.#value(log, run)
    const position = run.runs.position(run.index)
    const end = position + run.runs.length(run.index)
    for (const batch of walkBatches(value, position, end, run.runs.baseOffset(run.index), where)) {
      if (batch.baseOffset >= run.endOffset) return
      yield { ...batch, value }
    }
  }

  /** The first live run that ends above `offset`. */
  #locate(log: PartitionLog, offset: number): LiveRun | undefined {
    const extents = log.extents.view()
    for (let at = extents.find(offset); at < extents.count; at++) {
      const runs = this.#runs(extents, at)
      const index = runs.find(offset)
      const endOffset = extents.endOffset(at)
      if (index < runs.count && runs.baseOffset(index) < endOffset)
        return {
          segment: extents.container(at),
          runs,
          index,
          endOffset: Math.min(endOffset, runs.endOffset(index)),
        }
    }
    const runs = log.active.runs.view()
    const index = runs.find(offset)
    if (index >= runs.count) return undefined
    return { segment: this.#catalog.activeSegment, runs, index, endOffset: runs.endOffset(index) }
  }

  #runs(extents: RangeView, at: number): RangeView {
    return this.#catalog.indexes.runs(extents.container(at), extents.position(at))
  }

  #value(log: PartitionLog, run: LiveRun): { value: Uint8Array; where: () => string } {
    const sequence = run.runs.container(run.index)
    const where = () =>
      `partition ${log.partition} of topic ${hex(log.topicId)}, segment ${run.segment}, value ${sequence}`
    const value = this.#catalog.store.read(run.segment, sequence)
    const problem = value ? identifyValue(value, run.segment, sequence) : 'the value is missing'
    if (!value || problem) throw new LogError('DAMAGED', `${where()}: ${problem}`)
    return { value, where }
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
