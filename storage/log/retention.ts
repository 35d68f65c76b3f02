/**
 * Retention: the log start of a partition moves by batch, exactly as its policy says; segments leave
 * when nothing in them is alive.
 *
 * A batch is dead when its youngest record is older than `retentionMs`, or when the log without it
 * still holds at least `retentionBytes`. Only what readers could see is ever removed.
 */

import type { SegmentId } from '../segment-store.ts'
import { LogError } from './log-error.ts'
import type { LogReader } from './log-reader.ts'
import type { PartitionLog } from './partition-log.ts'
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
  reader: LogReader,
  nowMs: number,
  policyOf: (log: PartitionLog) => RetentionPolicy | undefined,
): Promise<RetentionReport> {
  const moves: Promise<void>[] = []
  const failures: Error[] = []
  for (const log of shard.partitions()) {
    const policy = policyOf(log)
    if (!policy) continue
    try {
      const start = decideLogStart(log, reader, policy, nowMs)
      if (start > log.logStartOffset) moves.push(shard.moveLogStart(log, start))
    } catch (error) {
      // Damage in one partition must not keep the data of all.
      if (!(error instanceof LogError)) throw error
      failures.push(error)
    }
  }
  const outcomes = await Promise.allSettled(moves)
  for (const outcome of outcomes) if (outcome.status === 'rejected') failures.push(outcome.reason)
  const moved = outcomes.length - outcomes.filter(({ status }) => status === 'rejected').length
  return { moved, removedSegments: await retire(shard, catalog), failures }
}

/** The first offset that has to stay. Reads a value only where a run is dead in part. */
export function decideLogStart(
  log: PartitionLog,
  reader: LogReader,
  policy: RetentionPolicy,
  nowMs: number,
): number {
  const oldestMs = policy.retentionMs < 0 ? Number.NEGATIVE_INFINITY : nowMs - policy.retentionMs
  const spareBytes = policy.retentionBytes < 0 ? Number.NEGATIVE_INFINITY : log.bytes - policy.retentionBytes
  const isYoung = log.firstBatchTimestampMs !== undefined && log.firstBatchTimestampMs >= oldestMs
  if (isYoung && spareBytes <= 0) return log.logStartOffset

  let freedBytes = 0
  let start = log.logStartOffset
  for (const run of reader.liveRuns(log)) {
    const { runs, index } = run
    const length = runs.length(index)
    const isWhole = run.endOffset === runs.endOffset(index) && runs.baseOffset(index) >= log.logStartOffset
    const dies = runs.maxTimestampMs(index) < oldestMs || freedBytes + length <= spareBytes
    if (isWhole && dies && run.endOffset <= log.highWatermark) {
      freedBytes += length
      start = run.endOffset
      continue
    }
    for (const batch of reader.batchesOf(log, run)) {
      if (batch.lastOffset < log.logStartOffset) continue
      if (batch.lastOffset >= log.highWatermark) return start
      const bytes = batch.end - batch.start
      if (batch.maxTimestampMs >= oldestMs && freedBytes + bytes > spareBytes) {
        if (start === log.logStartOffset) log.firstBatchTimestampMs = batch.maxTimestampMs
        return start
      }
      freedBytes += bytes
      start = batch.lastOffset + 1
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
