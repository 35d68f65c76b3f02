/**
 * Reading a partition from an offset, and the batch boundaries that truncation and retention need. Never
 * changes anything. Reads one stored value at a time and keeps none.
 *
 * Every batch is checked before it is handed out, every time. What is damaged is refused by its range of
 * offsets, what lies before and behind it is served.
 */
import { lastOffsetDeltaAt } from '../record/batch-header.ts'
import { hasGoodCrc, headedBatchEnd } from './batch-walk.ts'
import type { LiveRun, LiveRuns } from './live-runs.ts'
import type { PartitionLog } from './partition-log.ts'

/** `value.subarray(start, end)` are whole record batches. */
export interface ReadSlice {
  readonly value: Uint8Array
  readonly start: number
  readonly end: number
  /** The offset to read next. */
  readonly nextOffset: number
}

export class LogReader {
  readonly #runs: LiveRuns

  constructor(runs: LiveRuns) {
    this.#runs = runs
  }

  /** Throws DamageError where the batch that holds `offset` is damaged. */
  read(log: PartitionLog, offset: number, upTo: number, bytesMax: number): ReadSlice | undefined {
    const run = this.#runs.locate(log, offset)
    if (!run || run.runs.baseOffset(run.index) >= upTo) return undefined
    const bytes = this.#runs.bytesOf(log, run)
    const endMax = Math.min(upTo, run.endOffset)

    // By headers to the batch that holds the offset.
    let start = bytes.start
    let next = bytes.baseOffset
    for (;;) {
      const end = headedBatchEnd(bytes, start, next)
      if (end < 0) return this.#readBesideDamage(log, run, offset, endMax, bytesMax)
      const endOffset = next + lastOffsetDeltaAt(bytes.value, start) + 1
      if (endOffset > offset) break
      start = end
      next = endOffset
    }

    let end = start
    while (end < bytes.end) {
      const batchEnd = headedBatchEnd(bytes, end, next)
      if (batchEnd >= 0) {
        const endOffset = next + lastOffsetDeltaAt(bytes.value, end) + 1
        if (endOffset > endMax || (end > start && batchEnd - start > bytesMax)) break
        if (hasGoodCrc(bytes.value, end, batchEnd, this.#runs.crc32c)) {
          next = endOffset
          end = batchEnd
          continue
        }
      }
      if (end === start) return this.#readBesideDamage(log, run, offset, endMax, bytesMax)
      break
    }
    return end === start ? undefined : { value: bytes.value, start, end, nextOffset: next }
  }

  /** The run is damaged somewhere up to where `offset` is: every batch of it is checked to find what can be trusted. */
  #readBesideDamage(
    log: PartitionLog,
    run: LiveRun,
    offset: number,
    endMax: number,
    bytesMax: number,
  ): ReadSlice | undefined {
    let slice: ReadSlice | undefined
    for (const span of this.#runs.spans(log, run)) {
      if (span.endOffset <= offset) continue
      if (slice && (span.damage !== undefined || span.end - slice.start > bytesMax)) break
      if (span.damage !== undefined || !span.value)
        throw this.#runs.damaged(log, run, span.damage ?? '', span)
      if (span.endOffset > endMax) break
      const { value, end } = span
      slice = { value, start: slice?.start ?? span.start, end, nextOffset: span.endOffset }
    }
    return slice
  }

  /**
   * About how many bytes there are to read; stops counting at `bytesMax`. Reads nothing: of a sealed segment
   * it counts the share of the bytes that goes with the share of the offsets. Damage counts as enough: a
   * reader who waits for more must be told of it.
   */
  readableBytes(log: PartitionLog, offset: number, upTo: number, bytesMax: number): number {
    let bytes = 0
    for (const ranges of [log.extents.view(), log.active.runs.view()]) {
      for (let at = ranges.find(offset); at < ranges.count && bytes < bytesMax; at++) {
        const baseOffset = ranges.baseOffset(at)
        if (baseOffset >= upTo) return bytes
        if (ranges.isLost(at)) return bytesMax
        const endOffset = ranges.endOffset(at)
        const offsets = Math.min(upTo, endOffset) - Math.max(offset, baseOffset)
        bytes += Math.max(1, Math.floor((ranges.length(at) * offsets) / (endOffset - baseOffset)))
      }
    }
    return bytes
  }

  /**
   * Where a log that is cut at `offset` ends: where the last live batch ends that lies below it as a whole. At the log
   * start where there is none, and at `offset` itself where that is not above the log start. Never in a gap: of
   * one at its end a log would know nothing after a restart.
   */
  endCutAt(log: PartitionLog, offset: number): number {
    if (offset <= log.logStartOffset) return offset
    const end = this.#runs.endBelow(log, this.#batchBoundary(log, offset))
    return Math.max(end ?? 0, log.logStartOffset)
  }

  /** Base offset of the live batch that holds `offset`; `offset` itself in a gap. */
  #batchBoundary(log: PartitionLog, offset: number): number {
    const run = this.#runs.locate(log, offset)
    if (!run || run.runs.baseOffset(run.index) >= offset) return offset
    for (const span of this.#runs.spans(log, run))
      if (span.endOffset > offset) return Math.min(span.baseOffset, offset)
    return offset
  }

  /**
   * Bytes, below `offset`, of the range (run of the active segment, or extent of a sealed one) that
   * `offset` cuts in two; 0 where it cuts none. A damaged stretch that is cut counts to what lies above.
   */
  keptBytes(log: PartitionLog, offset: number): number {
    const extents = log.extents.view()
    const at = extents.find(offset)
    const ranges = at < extents.count ? extents : log.active.runs.view()
    const index = ranges.find(offset)
    if (index >= ranges.count || ranges.baseOffset(index) >= offset) return 0
    let bytes = 0
    for (let from = ranges.baseOffset(index); from < offset; ) {
      const run = this.#runs.locate(log, from)
      if (!run || run.runs.baseOffset(run.index) >= offset) break
      bytes += run.endOffset <= offset ? run.runs.length(run.index) : this.#bytesBelow(log, run, offset)
      from = run.endOffset
    }
    return bytes
  }

  #bytesBelow(log: PartitionLog, run: LiveRun, offset: number): number {
    let bytes = 0
    for (const span of this.#runs.spans(log, run)) {
      if (span.endOffset > offset) break
      bytes += span.end - span.start
    }
    return bytes
  }
}
