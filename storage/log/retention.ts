/**
 * Retention: the log start of a partition moves by batch, exactly as its policy says; segments leave
 * when nothing in them is alive.
 *
 * A batch is dead when its youngest record is older than `retentionMs`, or when the log without it
 * still holds at least `retentionBytes`. Only what readers could see is ever removed.
 */

import { type SegmentId, StorageError } from '../segment-store.ts'
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
  for (const log of shard.partitions()) {
    const policy = policyOf(log)
    if (!policy) continue
    try {
      const start = decideLogStart(log, runs, policy, nowMs)
      if (start > log.logStartOffset) moves.push(shard.moveLogStart(log, start))
    } catch (error) {
      // An accident in one partition must not keep the data of all.
      if (!(error instanceof LogError || error instanceof StorageError)) throw error
      failures.push(error)
    }
  }
  const outcomes = await Promise.allSettled(moves)
  for (const outcome of outcomes) if (outcome.status === 'rejected') failures.push(outcome.reason)
  const moved = outcomes.length - outcomes.filter(({ status }) => status === 'rejected').length
  return { moved, removedSegments: await retire(shard, catalog), failures }
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
  const oldestMs = policy.retentionMs < 0 ? Number.NEGATIVE_INFINITY : nowMs - policy.retentionMs
  const spareBytes = policy.retentionBytes < 0 ? Number.NEGATIVE_INFINITY : log.bytes - policy.retentionBytes
  const isYoung = log.firstBatchTimestampMs !== undefined && log.firstBatchTimestampMs >= oldestMs
  if (isYoung && spareBytes <= 0) return log.logStartOffset

  let freedBytes = 0
  let start = log.logStartOffset
  /** A range that dies as a whole is counted without looking into it. */
  const dies = (ranges: RangeView, at: number, endOffset: number): boolean => {
    const bytes = freedBytes + ranges.length(at)
    const isWhole = endOffset === ranges.endOffset(at) && ranges.baseOffset(at) >= log.logStartOffset
    if (!isWhole || endOffset > log.highWatermark) return false
    if (ranges.maxTimestampMs(at) >= oldestMs && bytes > spareBytes) return false
    freedBytes = bytes
    start = endOffset
    return true
  }
  for (const run of runs.from(log, (extents, at) => dies(extents, at, extents.endOffset(at)))) {
    if (dies(run.runs, run.index, run.endOffset)) continue
    for (const span of runs.spans(log, run)) {
      if (span.endOffset <= log.logStartOffset) continue
      if (span.endOffset > log.highWatermark) return start
      const bytes = freedBytes + span.end - span.start
      if (span.maxTimestampMs >= oldestMs && bytes > spareBytes) {
        if (start === log.logStartOffset) log.firstBatchTimestampMs = span.maxTimestampMs
        return start
      }
      freedBytes = bytes
      start = span.endOffset
    }
  }
  return start
}

/**
 * Removes sealed segments in which nothing is alive, the oldest first.
 *
 * What only such a segment still says (where a partition starts and ends, its epoch) is said again in
 * the active one before. A segment that truncated something or dropped a topic hides data of older
 * segments, so it leaves only as the oldest.
 */
async function retire(shard: ShardLog, catalog: SegmentCatalog): Promise<SegmentId[]> {
  const removed: SegmentId[] = []
  /** Segments that stand behind the one that is looked at. */
  const later = new Set(catalog.store.segments().map(({ id }) => id))
  let isOldest = true
  for (const { id, sealed } of [...catalog.store.segments()]) {
    if (!sealed) break
    later.delete(id)
    // It alone says how far producers had come at its end; an older one would say what is no longer true.
    const isNewest = later.size === 1
    if (isNewest && (shard.knowsProducers || catalog.indexes.holdProducers())) break
    if (catalog.liveCount(id) > 0 || (catalog.hides(id) && !isOldest)) {
      isOldest = false
      continue
    }
    const summary = await catalog.indexes.summary(id)
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
