/**
 * What is known of a few batches that lie one behind the other: which records of them match which filters of a group. Under
 * way while somebody looks at them, then done for good, since stored batches do not change.
 *
 * Of a batch that is no data (a control batch), everybody gets all. A batch that could not be looked at ends the scan: that one
 * is told of as damaged, or has to be looked at filter by filter.
 */
import { baseOffsetAt, isControlAt, lastOffsetAt, nextBatchEnd } from '../../storage/record/batch-header.ts'
import type { BatchProblem } from '../../storage/record/record-error.ts'
import type { Examined } from './fetch-shaper.ts'
import type { FilterGroup, LiveFilter } from './live-filters.ts'
import { MatchTable, NOT_JSON } from './match-table.ts'
import type { MatchResult } from './match-task.ts'

/** Batches one behind the other, by their headers. */
export class Stretch {
  readonly firstOffset: number
  /** Of each batch: the offset behind it, where it begins in the bytes of the stretch, whether it is a control batch. */
  readonly endOffsets: number[] = []
  readonly positions: number[] = []
  readonly areControl: boolean[] = []
  /** Of all. */
  readonly bytes: number

  /** The batches of `[start, end)`, which must be whole, as long as `goesOn` says so of their base offsets; at least one. */
  constructor(
    value: Uint8Array,
    start: number,
    end: number,
    goesOn: (baseOffset: number, bytes: number) => boolean,
  ) {
    this.firstOffset = baseOffsetAt(value, start)
    let at = start
    do {
      this.positions.push(at - start)
      this.areControl.push(isControlAt(value, at))
      this.endOffsets.push(lastOffsetAt(value, at) + 1)
      at = nextBatchEnd(value, at, end)
      if (at < 0) throw new RangeError('a slice of the log is not whole batches')
    } while (at < end && goesOn(baseOffsetAt(value, at), at - start))
    this.bytes = at - start
  }

  get batches(): number {
    return this.positions.length
  }

  baseOffset(batch: number): number {
    return batch === 0 ? this.firstOffset : this.endOffsets[batch - 1]
  }
}

/** What one scan, with the objects around it, takes besides its numbers; about. */
const SCAN_BYTES = 600
const BATCH_BYTES = 200

export class Scan {
  readonly stretch: Stretch
  readonly group: FilterGroup
  /** Resolves with the bytes of the stretch; rejects with CodecPoolError, and then nothing came of it. Undefined: done. */
  underWay: Promise<Uint8Array> | undefined
  #table: MatchTable | undefined
  #stop: MatchResult['stop']

  constructor(stretch: Stretch, group: FilterGroup) {
    this.stretch = stretch
    this.group = group
  }

  /** Without the unpacked records where they take more than `sectionBytesMax`. */
  finish({ table, sections, stop }: MatchResult, sectionBytesMax: number): void {
    const whole = new MatchTable(table, sections.length > 0 ? sections : undefined)
    this.#table = sections.length <= sectionBytesMax ? whole : whole.withoutSections()
    this.#stop = stop
    this.group.scannedBytes += this.stretch.bytes
    this.underWay = undefined
  }

  /** What it takes in memory when it is done. */
  get bytes(): number {
    return SCAN_BYTES + BATCH_BYTES * this.stretch.batches + (this.#table?.bytes ?? 0)
  }

  /** Batches of the stretch that something is known of. All of these while it is under way. */
  get known(): number {
    if (!this.#table) return this.stretch.batches
    return this.#table.batches + (this.#stop === undefined ? 0 : 1)
  }

  get table(): MatchTable {
    if (!this.#table) throw new Error('the scan is still under way')
    return this.#table
  }

  /** Why the batch cannot be looked at. */
  stopAt(batch: number): BatchProblem | 'too-many-matches' | undefined {
    return batch === this.table.batches ? this.#stop : undefined
  }

  /** Whether everything of the batch is for everybody. */
  isControl(batch: number): boolean {
    return this.stretch.areControl[batch]
  }

  /** Records of the batch that are for the filter. */
  count(batch: number, filter: LiveFilter): number {
    return this.table.hasRows(batch) ? this.table.count(batch, this.group.numberOf(filter)) : 0
  }

  /** Whether nothing of the batch is for the filter, and it was looked at. */
  isNothing(batch: number, filter: LiveFilter): boolean {
    return batch < this.table.batches && !this.isControl(batch) && this.count(batch, filter) === 0
  }

  /** What was looked at of the batch for a reader who wants it from `fromOffset` on. */
  examined(batch: number, filter: LiveFilter, fromOffset: number): Examined {
    if (this.isControl(batch)) return { examined: 0, notJson: 0 }
    const { stretch, table } = this
    const count = table.recordCount(batch)
    // Where records are missing in a batch of which only a part is wanted it is not known on which side.
    const examined = Math.min(
      count,
      stretch.endOffsets[batch] - Math.max(fromOffset, stretch.baseOffset(batch)),
    )
    return { examined, notJson: filter.readsJson ? this.#notJson(batch, count - examined) : 0 }
  }

  /** Of the records from number `first` on. */
  #notJson(batch: number, first: number): number {
    const { table } = this
    if (!table.hasRows(batch)) return 0
    if (first === 0) return table.count(batch, NOT_JSON)
    return table.records(batch, NOT_JSON).filter((record) => record >= first).length
  }
}

/** A batch of a scan. */
export interface ScannedBatch {
  readonly scan: Scan
  /** Its number in the scan. */
  readonly batch: number
}
