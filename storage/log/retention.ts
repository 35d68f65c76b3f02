/**
 * Retention: the log start of a partition moves by batch, exactly as its policy says; segments leave
 * when nothing in them is alive.
 *
 * A batch is dead when its youngest record is older than `retentionMs`, when the log without it still holds at
 * least `retentionBytes`, or when what it says is kept elsewhere (`goneBelowOffset`). Only what readers could see is ever removed.
 */

import { type SegmentId, StorageError } from '../segment-store.ts'
import type { IndexSummary } from './index-summary.ts'
import type { LiveRuns } from './live-runs.ts'
import { LogError } from './log-error.ts'
import type { PartitionLog } from './partition-log.ts'
import type { RangeView } from './ranges.ts'
import type { SegmentCatalog } from './segment-catalog.ts'
import type { ShardLog } from './shard-log.ts'

export interface RetentionPolicy {
  /** -1: no limit. */
  readonly retentionMs: number
  /** -1: no limit. */
  readonly retentionBytes: number
  /** Batches that end at or before this offset may go, whatever their age; absent: none for that. */
  readonly goneBelowOffset?: number
}

export interface RetentionReport {
  /** Partitions whose log start moved. */
  readonly moved: number
  readonly removedSegments: readonly SegmentId[]
  /** What went wrong with single partitions; the others were seen to. */
  readonly failures: readonly Error[]
}

export async function retain(
  shard: ShardLog,
  catalog: SegmentCatalog,
  runs: LiveRuns,
  nowMs: number,
  policyOf: (log: PartitionLog) => RetentionPolicy | undefined,
): Promise<RetentionReport> {
  const moves: Promise<void>[] = []
  const failures: Error[] = []
  let moved = 0
  for (const log of shard.partitions()) {
    const policy = policyOf(log)
    if (!policy) continue
    try {
      const extent = lastsIn(log, policy, nowMs)
      if (extent === undefined) continue
      // First the index that says in which run the decision falls, then its value. Others are served meanwhile;
      // what has become of the log by then is what is decided on.
      await shard.prepare(log, extent, 1)
      await shard.prepare(log, lastsFrom(log, runs, policy, nowMs), 1)
      const start = decideLogStart(log, runs, policy, nowMs)
      if (start <= log.logStartOffset) continue
      const move = shard.moveLogStart(log, start)
      moves.push(
        move.then(
          () => void moved++,
          (error) => void failures.push(error),
        ),
      )
    } catch (error) {
      // An accident in one partition must not keep the data of all.
      if (!(error instanceof LogError || error instanceof StorageError)) throw error
      failures.push(error)
    }
  }
  await Promise.all(moves)
  return { moved, removedSegments: await retire(shard, catalog, failures), failures }
}

/** What of a partition a policy lets go, counted from its log start on. */
class Departure {
  readonly log: PartitionLog
  readonly nowMs: number
  readonly oldestMs: number
  readonly spareBytes: number
  readonly goneBelowOffset: number
  freedBytes = 0
  start: number

  constructor(log: PartitionLog, policy: RetentionPolicy, nowMs: number) {
    this.log = log
    this.nowMs = nowMs
    this.oldestMs = policy.retentionMs < 0 ? Number.NEGATIVE_INFINITY : nowMs - policy.retentionMs
    this.spareBytes = policy.retentionBytes < 0 ? Number.NEGATIVE_INFINITY : log.bytes - policy.retentionBytes
    this.goneBelowOffset = policy.goneBelowOffset ?? 0
    this.start = log.logStartOffset
  }

  /** Nothing goes, as far as is known without looking. */
  get isNone(): boolean {
    const { firstBatchTimestampMs } = this.log
    const isYoung = firstBatchTimestampMs !== undefined && firstBatchTimestampMs >= this.oldestMs
    return isYoung && this.spareBytes <= 0 && this.goneBelowOffset <= this.start
  }

  /** Lets go of a range as a whole, without looking into it, if it may go. */
  takes(ranges: RangeView, at: number, endOffset: number): boolean {
    const { log } = this
    const isWhole = endOffset === ranges.endOffset(at) && ranges.baseOffset(at) >= log.logStartOffset
    return (
      isWhole && this.takesNext(ranges.length(at), this.age(ranges.maxTimestampMs(at), ranges), endOffset)
    )
  }

  /** A timestamp from the future must not pin data: such a batch is as old as the last append it can be of. */
  age(timestampMs: number, { lastAppendMs }: RangeView): number {
    return timestampMs > this.nowMs ? Math.min(timestampMs, lastAppendMs) : timestampMs
  }

  takesNext(bytes: number, maxTimestampMs: number, endOffset: number): boolean {
    if (endOffset > this.log.highWatermark) return false
    const isNeeded = maxTimestampMs >= this.oldestMs && this.freedBytes + bytes > this.spareBytes
    if (isNeeded && endOffset > this.goneBelowOffset) return false
    this.freedBytes += bytes
    this.start = endOffset
    return true
  }
}

/** Where the first extent begins that does not go as a whole; undefined: there is nothing to decide. Reads nothing. */
function lastsIn(log: PartitionLog, policy: RetentionPolicy, nowMs: number): number | undefined {
  const departure = new Departure(log, policy, nowMs)
  if (departure.isNone) return undefined
  const extents = log.extents.view()
  for (let at = 0; at < extents.count; at++) if (!departure.takes(extents, at, extents.endOffset(at))) break
  return departure.start
}

/** Where the first run begins that does not go as a whole. Reads no value. */
function lastsFrom(log: PartitionLog, runs: LiveRuns, policy: RetentionPolicy, nowMs: number): number {
  const departure = new Departure(log, policy, nowMs)
  for (const run of runs.from(log, (extents, at) => departure.takes(extents, at, extents.endOffset(at))))
    if (!departure.takes(run.runs, run.index, run.endOffset)) break
  return departure.start
}

/**
 * The first offset that has to stay. Reads a value only where a run is dead in part. What is damaged goes
 * by the age and the bytes that the index knows of it.
 */
export function decideLogStart(
  log: PartitionLog,
  runs: LiveRuns,
  policy: RetentionPolicy,
  nowMs: number,
): number {
  const departure = new Departure(log, policy, nowMs)
  if (departure.isNone) return log.logStartOffset
  const isTaken = (extents: RangeView, at: number) => departure.takes(extents, at, extents.endOffset(at))
  for (const run of runs.from(log, isTaken)) {
    if (departure.takes(run.runs, run.index, run.endOffset)) continue
    for (const span of runs.spans(log, run)) {
      if (span.endOffset <= log.logStartOffset) continue
      const timestampMs = departure.age(span.maxTimestampMs, run.runs)
      if (departure.takesNext(span.end - span.start, timestampMs, span.endOffset)) continue
      const isFirst = departure.start === log.logStartOffset && span.endOffset <= log.highWatermark
      if (isFirst) log.firstBatchTimestampMs = timestampMs
      return departure.start
    }
  }
  return departure.start
}

/**
 * Removes sealed segments in which nothing is alive, the oldest first.
 *
 * What only such a segment still says (where a partition starts and ends, its epoch) is said again in
 * the active one before. A segment that truncated something or dropped a topic hides data of older
 * segments, so it leaves only as the oldest.
 */
async function retire(shard: ShardLog, catalog: SegmentCatalog, failures: Error[]): Promise<SegmentId[]> {
  const removed: SegmentId[] = []
  /** Segments that stand behind the one that is looked at. */
  const later = new Set(catalog.store.segments().map(({ id }) => id))
  let isOldest = true
  const sealed = catalog.sealedSegments()
  for (const { id } of sealed) {
    later.delete(id)
    // It alone says how far producers had come at its end; an older one would say what is no longer true.
    const isNewest = id === sealed[sealed.length - 1].id
    if (isNewest && (shard.knowsProducers || catalog.indexes.holdProducers())) break
    if (catalog.liveCount(id) > 0 || (catalog.hides(id) && !isOldest)) {
      isOldest = false
      continue
    }
    const summary = await summaryOf(catalog, id, failures)
    // What it says besides is not known: it stays, and the others go.
    if (!summary) {
      isOldest = false
      continue
    }
    const restated: Promise<void>[] = []
    for (let row = 0; row < summary.partitions; row++) {
      const log = catalog.partition(summary.topicId(row), summary.partition(row))
      if (!log || log.dropped) continue
      const isSaidLater = later.has(log.logStartSegment) || log.logStartSegment === catalog.activeSegment
      if (!isSaidLater) restated.push(shard.moveLogStart(log, log.logStartOffset))
      if (log.epochs.latest > log.epochs.epochAt(log.logStartOffset))
        restated.push(shard.beginLeaderEpoch(log, log.leaderEpoch))
    }
    await Promise.all(restated)
    await catalog.remove(id)
    removed.push(id)
  }
  return removed
}

/** Undefined, with its error among the failures, where the index is damaged. */
async function summaryOf(
  { indexes }: SegmentCatalog,
  segment: SegmentId,
  failures: Error[],
): Promise<IndexSummary | undefined> {
  try {
    return await indexes.summary(segment)
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== 'DAMAGED') throw error
    failures.push(error)
    return undefined
  }
}
