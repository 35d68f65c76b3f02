/**
 * What is alive of a partition, run by run, and the bytes of a run. Damage is not an exception here but
 * something a run has: who serves bytes refuses, who counts them or decides on their age goes on with what
 * the index says. Every damage that is met is reported.
 */
import type { Crc32c } from '../record/crc32c.ts'
import { type SegmentId, StorageError } from '../segment-store.ts'
import { type RunBytes, type Span, walkRun } from './batch-walk.ts'
import type { DamageReports } from './damage-reports.ts'
import { DamageError } from './log-error.ts'
import type { PartitionLog } from './partition-log.ts'
import type { RangeView } from './ranges.ts'
import type { SegmentCatalog } from './segment-catalog.ts'
import { identifyValue } from './value.ts'

/** One run and what of it is alive. */
export interface LiveRun {
  readonly segment: SegmentId
  /** Of the run's value; undefined where that is not known. */
  readonly sequence: number | undefined
  readonly runs: RangeView
  readonly index: number
  /** Truncation may have cut the run: nothing at or above this is alive. */
  readonly endOffset: number
  /**
   * Why the run is known to be lost without looking at its value. Then `runs` may be the extents of the
   * partition: of a segment whose index is damaged no more is known.
   */
  readonly damage: string | undefined
}

export class LiveRuns {
  readonly crc32c: Crc32c
  readonly #catalog: SegmentCatalog
  readonly #reports: DamageReports

  constructor(catalog: SegmentCatalog, crc32c: Crc32c, reports: DamageReports) {
    this.crc32c = crc32c
    this.#catalog = catalog
    this.#reports = reports
  }

  /** The first live run that ends above `offset`. Reads the index where it is not in memory, but no value. */
  locate(log: PartitionLog, offset: number): LiveRun | undefined {
    const extents = log.extents.view()
    for (let at = extents.find(offset); at < extents.count; at++) {
      const run = this.#inExtent(extents, at, offset)
      if (run) return run
    }
    const runs = log.active.runs.view()
    const index = runs.find(offset)
    if (index >= runs.count) return undefined
    return runOf(this.#catalog.activeSegment, runs, index, runs.endOffset(index))
  }

  /**
   * Where the last live run that begins below `offset` ends, `offset` where it goes on; undefined: there is none. Reads
   * the index as {@link locate} does.
   */
  endBelow(log: PartitionLog, offset: number): number | undefined {
    const active = log.active.runs.view()
    if (active.count > 0 && active.baseOffset(0) < offset) return active.endBelow(offset)
    const extents = log.extents.view()
    for (let at = Math.min(extents.find(offset), extents.count - 1); at >= 0; at--) {
      if (extents.baseOffset(at) >= offset) continue
      const end = this.#endInExtent(extents, at, Math.min(offset, extents.endOffset(at)))
      if (end !== undefined) return end
    }
    return undefined
  }

  #endInExtent(extents: RangeView, at: number, offset: number): number | undefined {
    if (extents.isLost(at)) return offset
    try {
      return this.#catalog.indexes.runs(extents.container(at), extents.position(at)).endBelow(offset)
    } catch (error) {
      // No more is known of a segment whose index is damaged.
      if (error instanceof StorageError && error.code === 'DAMAGED') return offset
      throw error
    }
  }

  #inExtent(extents: RangeView, at: number, offset: number): LiveRun | undefined {
    const segment = extents.container(at)
    const endOffset = extents.endOffset(at)
    const whole = { segment, sequence: undefined, runs: extents, index: at, endOffset }
    if (extents.isLost(at)) return { ...whole, damage: LOST }
    let runs: RangeView
    try {
      runs = this.#catalog.indexes.runs(segment, extents.position(at))
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== 'DAMAGED') throw error
      return { ...whole, damage: error.message }
    }
    const index = runs.find(offset)
    if (index >= runs.count || runs.baseOffset(index) >= endOffset) return undefined
    return runOf(segment, runs, index, Math.min(endOffset, runs.endOffset(index)))
  }

  /**
   * Live runs from the log start on. A segment's index is not looked at where `isSkipped` says so of all that
   * the partition has in it, by the number of the extent.
   */
  *from(
    log: PartitionLog,
    isSkipped: (extents: RangeView, at: number) => boolean = () => false,
  ): Generator<LiveRun> {
    for (let offset = log.logStartOffset; ; ) {
      const extents = log.extents.view()
      const at = extents.find(offset)
      if (at < extents.count && isSkipped(extents, at)) {
        offset = extents.endOffset(at)
        continue
      }
      const run = this.locate(log, offset)
      if (!run) return
      yield run
      offset = Math.max(run.endOffset, offset + 1)
    }
  }

  /** Where a run lies, for a reader who serves its bytes. Throws {@link DamageError} where they cannot be had. */
  bytesOf(log: PartitionLog, run: LiveRun): RunBytes {
    const { runs, index, segment, sequence, damage } = run
    if (sequence === undefined || damage !== undefined) throw this.damaged(log, run, damage ?? LOST)
    const start = runs.position(index)
    const end = start + runs.length(index)
    const value = this.#read(segment, sequence)
    if (typeof value === 'string') throw this.damaged(log, run, value)
    const problem = identifyValue(value, segment, sequence)
    if (problem !== undefined) throw this.damaged(log, run, problem)
    if (end > value.length)
      throw this.damaged(log, run, `the value has ${value.length} bytes, the run should end at ${end}`)
    const baseOffset = runs.baseOffset(index)
    const leaderEpoch = log.epochs.epochAt(Math.max(baseOffset, log.logStartOffset))
    return { value, start, end, baseOffset, endOffset: runs.endOffset(index), leaderEpoch }
  }

  /**
   * The batches of a run and what is damaged of it, as far as it is alive; a run whose value cannot be had is one
   * damaged span with the bytes and the time that the index knows. The value is valid until the next read.
   */
  *spans(log: PartitionLog, run: LiveRun): Generator<Span & { readonly value: Uint8Array | undefined }> {
    const { runs, index, endOffset } = run
    let bytes: RunBytes
    try {
      bytes = this.bytesOf(log, run)
    } catch (error) {
      if (!(error instanceof DamageError)) throw error
      const start = run.damage === undefined ? runs.position(index) : 0
      yield {
        start,
        end: start + runs.length(index),
        baseOffset: runs.baseOffset(index),
        endOffset,
        maxTimestampMs: runs.maxTimestampMs(index),
        damage: error.damage.reason,
        value: undefined,
      }
      return
    }
    for (const span of walkRun(bytes, this.crc32c)) {
      if (span.baseOffset >= endOffset) return
      if (span.damage !== undefined) this.damaged(log, run, span.damage, span)
      const maxTimestampMs = span.damage === undefined ? span.maxTimestampMs : runs.maxTimestampMs(index)
      yield { ...span, maxTimestampMs, value: bytes.value }
    }
  }

  /** An error for a run, or for a stretch of it; reported. */
  damaged(
    log: PartitionLog,
    run: LiveRun,
    reason: string,
    range: { readonly baseOffset: number; readonly endOffset: number } = {
      baseOffset: run.runs.baseOffset(run.index),
      endOffset: run.endOffset,
    },
  ): DamageError {
    const { topicId, partition } = log
    const error = new DamageError({
      topicId,
      partition,
      firstOffset: Math.max(range.baseOffset, log.logStartOffset),
      lastOffset: Math.min(range.endOffset, run.endOffset) - 1,
      segment: run.segment,
      sequence: run.sequence,
      reason,
    })
    this.#reports.met(error)
    return error
  }

  /** The value, or why there is none. */
  #read(segment: SegmentId, sequence: number): Uint8Array | string {
    try {
      return this.#catalog.store.read(segment, sequence) ?? 'the value is missing'
    } catch (error) {
      if (error instanceof StorageError && error.code === 'DAMAGED') return error.message
      throw error
    }
  }
}

/** A range without bytes stands for what a damaged value held. */
const LOST = 'the value that held them could not be read'

function runOf(segment: SegmentId, runs: RangeView, index: number, endOffset: number): LiveRun {
  const damage = runs.isLost(index) ? LOST : undefined
  return { segment, sequence: runs.container(index), runs, index, endOffset, damage }
}
