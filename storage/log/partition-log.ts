/**
 * The log of one partition, as state: its offsets, its leader epochs and where its bytes are.
 *
 * It changes only by applying entries, in the order of the journal and after they are durable; a
 * restart applies the same entries (or the summaries of sealed segments made of them) and comes to the
 * same state. It never reads, never writes and knows no clock.
 *
 *     0 ≤ log start ≤ last stable ≤ high watermark ≤ durable ≤ log end
 *
 * - log start offset: the first offset a reader may ask for;
 * - high watermark: what readers may see; follows the durable offset while there is one replica;
 * - last stable offset: the high watermark, until there are transactions;
 * - durable offset: everything below has been synced here;
 * - log end offset: the next offset to be given out; above the durable offset while a commit is under way.
 */

import type { IndexSummary } from './index-summary.ts'
import { type EpochStart, LeaderEpochs } from './leader-epochs.ts'
import { RangeList } from './ranges.ts'
import type { LogStart } from './segment-index.ts'
import type { Entry } from './value.ts'

/** What the active segment says of a partition; becomes its row in the index when the segment is sealed. */
export class ActivePart {
  readonly runs = new RangeList()
  truncatedTo: number | undefined
  logStart: LogStart | undefined
  epochs: EpochStart[] = []
}

/** Told when a partition ceases to have live bytes in a sealed segment. */
export interface ExtentCensus {
  lost(segment: number): void
}

export class PartitionLog {
  /** 16 bytes; never a name: a re-created topic is another topic. */
  readonly topicId: Uint8Array
  readonly partition: number
  readonly epochs = new LeaderEpochs()
  /** Sealed segments with live bytes of this partition. */
  readonly extents = new RangeList()
  active = new ActivePart()
  logStartOffset = 0
  highWatermark = 0
  durableOffset = 0
  logEndOffset = 0
  /** Epoch stamped into what this node appends as leader. */
  leaderEpoch = 0
  /** With several replicas the leader's word moves the high watermark, not the local sync. */
  replicated = false
  /** Segment that holds the newest log start entry; 0: none. */
  logStartSegment = 0
  /** Max timestamp of the first live batch, once retention has looked; undefined: not looked yet. */
  firstBatchTimestampMs: number | undefined
  dropped = false
  /** How often it was cut at its end: within one number an offset always holds the same batch. */
  truncations = 0
  /** Appends taken and not yet durable or refused. */
  waitingAppends = 0
  readonly #census: ExtentCensus
  /** Bytes of all ranges that end above the log start. */
  #rangeBytes = 0
  /** Bytes of the first range that lie below the log start, as the entry that moved it counted them. */
  #deadBytes = 0

  constructor(topicId: Uint8Array, partition: number, census: ExtentCensus) {
    this.topicId = topicId
    this.partition = partition
    this.#census = census
  }

  /** What a reader of committed records may see; the high watermark until there are transactions. */
  get lastStableOffset(): number {
    return this.highWatermark
  }

  /** Bytes of the record batches from log start to durable offset. */
  get bytes(): number {
    return this.#rangeBytes - this.deadBytes
  }

  /** Bytes of the first range that lie below the log start. Of what damage has left of a range no more than all. */
  get deadBytes(): number {
    if (this.#deadBytes === 0) return 0
    const ranges = this.extents.count > 0 ? this.extents : this.active.runs
    return ranges.count === 0 ? 0 : Math.min(this.#deadBytes, ranges.view().length(0))
  }

  /** Appended batches of one epoch are durable. */
  applyRun(entry: Entry, sequence: number, appendedAtMs = 0): void {
    const { offset, endOffset } = entry
    const { runs } = this.active
    runs.lastAppendMs = Math.max(runs.lastAppendMs, appendedAtMs)
    runs.push(offset, endOffset, entry.maxTimestampMs, sequence, entry.position, entry.length)
    this.#rangeBytes += entry.length
    this.applyLeaderEpoch(entry.leaderEpoch, offset)
    this.#ends(endOffset)
  }

  /**
   * Offsets up to `endOffset` were given out and what was stored under them is lost, with a value of the
   * active segment (`sequence`) or with one of a sealed one (`segment`), written at about `lostAtMs`.
   */
  applyLost(
    endOffset: number,
    lostAtMs: number,
    place: { readonly sequence: number } | { readonly segment: number },
  ): void {
    const baseOffset = this.durableOffset
    const timestampMs = Math.max(this.#maxTimestampMs(), lostAtMs)
    if ('segment' in place) this.extents.push(baseOffset, endOffset, timestampMs, place.segment, -1, 0)
    else this.active.runs.push(baseOffset, endOffset, timestampMs, place.sequence, 0, 0)
    this.#ends(endOffset)
  }

  /** Max timestamp of the last range; -1: there is none. */
  #maxTimestampMs(): number {
    const [active, extents] = [this.active.runs.view(), this.extents.view()]
    const last = active.count > 0 ? active : extents
    return last.count > 0 ? last.maxTimestampMs(last.count - 1) : -1
  }

  applyLeaderEpoch(epoch: number, startOffset: number): void {
    if (!this.#learnEpoch(epoch, startOffset)) return
    // Each segment tells every epoch it met, so that removing an older segment loses none.
    const { epochs } = this.active
    if (epochs.length === 0 || epochs[epochs.length - 1].epoch !== epoch) epochs.push({ epoch, startOffset })
  }

  #learnEpoch(epoch: number, startOffset: number): boolean {
    if (epoch < this.epochs.latest) return false
    this.epochs.assign(epoch, startOffset)
    if (epoch > this.leaderEpoch) this.leaderEpoch = epoch
    return true
  }

  /**
   * The log now ends at `endOffset`: where a batch ends, or any offset up to the log start.
   * @param keptBytes bytes that stay of the range that is cut in two, if one is
   */
  applyTruncate(endOffset: number, keptBytes: number): void {
    this.truncations++
    // At or below the log start nothing that is left is alive, not even in part.
    const leavesNothing = endOffset <= this.logStartOffset
    this.#cut(this.active.runs, leavesNothing ? 0 : endOffset, keptBytes, undefined)
    this.#cut(this.extents, leavesNothing ? 0 : endOffset, keptBytes, this.#census)
    this.active.truncatedTo = Math.min(endOffset, this.active.truncatedTo ?? endOffset)
    this.active.epochs = this.active.epochs.filter((start) => start.startOffset < endOffset)
    // Also where what was cut off is forgotten already, so that the log seems to end here anyway.
    this.epochs.truncateFromEnd(endOffset)
    const { logStart } = this.active
    if (leavesNothing) {
      this.logStartOffset = endOffset
      this.#deadBytes = 0
      this.firstBatchTimestampMs = undefined
      this.active.logStart = { offset: endOffset, endOffset, deadBytes: 0, leaderEpoch: -1 }
    } else if (logStart && logStart.endOffset > endOffset) this.active.logStart = { ...logStart, endOffset }
    this.durableOffset = this.logEndOffset = Math.min(this.durableOffset, endOffset)
    this.highWatermark = Math.min(this.highWatermark, endOffset)
  }

  /** As {@link applyTruncate}, at start, of what a sealed segment says: the active one says nothing of it. */
  applySealedTruncate(endOffset: number, keptBytes: number): void {
    this.applyTruncate(endOffset, keptBytes)
    this.active = new ActivePart()
  }

  #cut(ranges: RangeList, endOffset: number, keptBytes: number, census: ExtentCensus | undefined): void {
    const view = ranges.view()
    let count = view.count
    while (count > 0 && view.baseOffset(count - 1) >= endOffset) {
      count--
      this.#rangeBytes -= view.length(count)
      census?.lost(view.container(count))
    }
    ranges.shorten(count)
    if (count === 0 || view.endOffset(count - 1) <= endOffset) return
    this.#rangeBytes -= view.length(count - 1) - keptBytes
    ranges.cutLast(endOffset, keptBytes)
  }

  /**
   * Everything below `start.offset` is dead. What ended before it is forgotten; a partition of which
   * nothing else is known ends where the entry says it ended.
   */
  applyLogStart(start: LogStart, segment: number): void {
    this.active.logStart = start
    this.#startAt(start, segment)
  }

  #startAt(start: LogStart, segment: number): void {
    this.logStartSegment = segment
    this.logStartOffset = start.offset
    this.#deadBytes = start.deadBytes
    this.firstBatchTimestampMs = undefined
    for (const ranges of [this.extents, this.active.runs]) {
      for (
        let view = ranges.view();
        view.count > 0 && view.endOffset(0) <= start.offset;
        view = ranges.view()
      ) {
        this.#rangeBytes -= view.length(0)
        if (ranges === this.extents) this.#census.lost(view.container(0))
        ranges.shift()
      }
    }
    this.epochs.truncateFromStart(start.offset, start.leaderEpoch)
    if (start.leaderEpoch > this.leaderEpoch) this.leaderEpoch = start.leaderEpoch
    if (start.endOffset > this.durableOffset) this.#ends(start.endOffset)
  }

  #ends(offset: number): void {
    this.durableOffset = offset
    if (this.logEndOffset < offset) this.logEndOffset = offset
    if (!this.replicated) this.highWatermark = offset
  }

  /** The leader says that all in-sync replicas hold everything below `offset`. Never moves back. */
  advanceHighWatermark(offset: number): boolean {
    const target = Math.min(offset, this.durableOffset)
    if (target <= this.highWatermark) return false
    this.highWatermark = target
    return true
  }

  /** The active segment was sealed: its runs become one extent, found at `row` of its index; false: it has none. */
  seal(segment: number, row: number): boolean {
    const view = this.active.runs.view()
    const { count } = view
    if (count > 0)
      this.extents.push(
        view.baseOffset(0),
        view.endOffset(count - 1),
        view.maxTimestampOfAllMs(),
        segment,
        row,
        view.bytesOfAll(),
      )
    this.active = new ActivePart()
    return count > 0
  }

  /**
   * At start: what row `row` of a sealed segment's summary says, the segments taken in journal order.
   * Allocates nothing in the common case: a start applies a million of them.
   * @param epochAt the first epoch of the summary that may be the row's; returns the first that is not
   */
  applySummary(
    summary: IndexSummary,
    row: number,
    segment: number,
    epochAt: number,
    keptBytes: (endOffset: number) => number,
  ): number {
    const truncatedTo = summary.truncatedTo(row)
    if (truncatedTo >= 0) this.applySealedTruncate(truncatedTo, keptBytes(truncatedTo))
    let epoch = epochAt
    for (; epoch < summary.epochs && summary.epochRow(epoch) === row; epoch++)
      this.#learnEpoch(summary.epoch(epoch), summary.epochStartOffset(epoch))
    if (summary.runCount(row) > 0) {
      const bytes = summary.bytes(row)
      const endOffset = summary.endOffset(row)
      const maxTimestampMs = summary.maxTimestampMs(row)
      this.extents.push(summary.baseOffset(row), endOffset, maxTimestampMs, segment, row, bytes)
      this.#rangeBytes += bytes
      this.#ends(endOffset)
    }
    const logStart = summary.logStart(row)
    if (logStart) this.#startAt(logStart, segment)
    return epoch
  }

  /** Where what is alive in a sealed segment ends; -1: it is lost to damage; undefined: nothing is alive. */
  endIn(segment: number): number | undefined {
    const view = this.extents.view()
    let end: number | undefined
    for (let at = 0; at < view.count; at++)
      if (view.container(at) === segment) end = view.isLost(at) || end === -1 ? -1 : view.endOffset(at)
    return end
  }

  /**
   * What was in some sealed segments, neighbours in journal order, is in row `row` of another now; false: nothing of
   * it is alive any more.
   */
  relocate(from: ReadonlySet<number>, segment: number, row: number): boolean {
    if (from.has(this.logStartSegment)) this.logStartSegment = segment
    const view = this.extents.view()
    let first = 0
    while (first < view.count && !from.has(view.container(first))) first++
    let end = first
    while (end < view.count && from.has(view.container(end))) end++
    if (end > first) this.extents.merge(first, end - first, segment, row)
    return end > first
  }

  /** The topic is gone: its bytes are nobody's. */
  applyDrop(): void {
    this.dropped = true
    const view = this.extents.view()
    for (let i = 0; i < view.count; i++) this.#census.lost(view.container(i))
    this.extents.shorten(0)
    this.active = new ActivePart()
    this.#rangeBytes = this.#deadBytes = 0
  }

  /** Checked by tests and simulators after every step. Throws what does not hold. */
  invariants(): void {
    const holds = (condition: boolean, what: string) => {
      if (!condition) throw new Error(`partition ${this.partition}: ${what}`)
    }
    holds(this.logStartOffset >= 0, 'log start is negative')
    holds(this.logStartOffset <= this.durableOffset, 'log start above durable offset')
    holds(this.highWatermark <= this.durableOffset, 'high watermark above durable offset')
    holds(this.durableOffset <= this.logEndOffset, 'durable offset above log end')
    holds(this.bytes >= 0, `bytes are ${this.bytes}`)
    let last = -1
    for (const ranges of [this.extents.view(), this.active.runs.view()])
      for (let i = 0; i < ranges.count; i++) {
        holds(ranges.baseOffset(i) >= last, `range ${i} begins at ${ranges.baseOffset(i)} below ${last}`)
        holds(ranges.endOffset(i) > ranges.baseOffset(i), `range ${i} is empty`)
        last = ranges.endOffset(i)
      }
    holds(last <= this.durableOffset, `ranges end at ${last}, log at ${this.durableOffset}`)
    const { starts } = this.epochs
    for (let i = 1; i < starts.length; i++)
      holds(
        starts[i].epoch > starts[i - 1].epoch && starts[i].startOffset >= starts[i - 1].startOffset,
        `epoch ${starts[i].epoch} does not ascend`,
      )
  }
}
