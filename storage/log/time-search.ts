/**
 * Offsets by time: the first record of a partition that is not older than a given time.
 *
 * A batch that cannot be looked into (damaged, compressed with what this node does not have, or nonsense) is answered by its
 * first offset where it may hold the record: earlier than right, never later. Who reads from a damaged one is told.
 */
import { decodeBatch } from '../record/batch-decoder.ts'
import { compressionAt, lastOffsetDeltaAt, recordCountAt, timestampTypeAt } from '../record/batch-header.ts'
import { type CompressionCodecs, compressionName } from '../record/compression.ts'
import type { Crc32c } from '../record/crc32c.ts'
import { RecordError } from '../record/record-error.ts'
import type { Span } from './batch-walk.ts'
import type { LiveRun, LiveRuns } from './live-runs.ts'
import type { PartitionLog } from './partition-log.ts'
import type { RangeView } from './ranges.ts'

/** Unpacked on the event loop to find a record by its time; a batch that is larger is answered by its first. */
const UNPACKED_BYTES_MAX = 8 * 1024 * 1024

export interface TimedOffset {
  readonly offset: number
  readonly timestampMs: number
}

export class TimeSearch {
  readonly #runs: LiveRuns
  readonly #codecs: CompressionCodecs
  readonly #crc32c: Crc32c

  constructor(runs: LiveRuns, codecs: CompressionCodecs, crc32c: Crc32c) {
    this.#runs = runs
    this.#codecs = codecs
    this.#crc32c = crc32c
  }

  /** Where the search looks first, by the extents alone; undefined: not in a sealed segment. */
  beginsAt(log: PartitionLog, timestampMs: number): number | undefined {
    const extents = log.extents.view()
    for (let at = extents.find(log.logStartOffset); at < extents.count; at++)
      if (extents.maxTimestampMs(at) >= timestampMs)
        return Math.max(extents.baseOffset(at), log.logStartOffset)
    return undefined
  }

  /** Where the first run begins that may hold the record; undefined: there is none. Reads indexes, no value. */
  firstRun(log: PartitionLog, timestampMs: number): number | undefined {
    for (const run of this.#candidates(log, timestampMs))
      return Math.max(run.runs.baseOffset(run.index), log.logStartOffset)
    return undefined
  }

  *#candidates(log: PartitionLog, timestampMs: number): Generator<LiveRun> {
    const isOlder = (ranges: RangeView, at: number) => ranges.maxTimestampMs(at) < timestampMs
    for (const run of this.#runs.from(log, isOlder)) if (!isOlder(run.runs, run.index)) yield run
  }

  /** First record with a timestamp of at least `timestampMs`, below `upTo`; undefined: none. */
  find(log: PartitionLog, timestampMs: number, upTo: number): TimedOffset | undefined {
    for (const run of this.#candidates(log, timestampMs)) {
      for (const span of this.#runs.spans(log, run)) {
        if (span.baseOffset >= upTo) return undefined
        if (span.maxTimestampMs < timestampMs || span.endOffset <= log.logStartOffset) continue
        const first = {
          offset: Math.max(span.baseOffset, log.logStartOffset),
          timestampMs: span.maxTimestampMs,
        }
        const found =
          span.value && !span.damage ? this.#inBatch(log, span, span.value, timestampMs, first) : first
        if (found && found.offset < upTo) return found
      }
    }
    return undefined
  }

  #inBatch(
    log: PartitionLog,
    batch: Span,
    value: Uint8Array,
    timestampMs: number,
    first: TimedOffset,
  ): TimedOffset | undefined {
    // All its records have the time of the batch, and none is missing: there is nothing to look for.
    const isWhole = recordCountAt(value, batch.start) === lastOffsetDeltaAt(value, batch.start) + 1
    if (isWhole && timestampTypeAt(value, batch.start) === 'append') return first
    const compression = compressionName(compressionAt(value, batch.start))
    if (compression !== 'none' && !(compression && this.#codecs[compression])) return first
    const options = {
      fromOffset: log.logStartOffset,
      codecs: this.#codecs,
      crc32c: this.#crc32c,
      decompressedBytesMax: UNPACKED_BYTES_MAX,
    }
    try {
      const source = { topic: '', partition: log.partition }
      const records = decodeBatch(value, batch.start, source, options)
      const record = records.find((candidate) => candidate.timestampMs >= timestampMs)
      return record && { offset: record.offset, timestampMs: record.timestampMs }
    } catch (error) {
      // What a producer compressed is looked into here for the first time, and may be nonsense.
      if (error instanceof RecordError) return first
      throw error
    }
  }
}
