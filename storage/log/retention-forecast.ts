/**
 * What retention will let go within a time to come, for people who look at a topic. A forecast: exact for whole
 * runs and segments, in proportion within the one where the cut will fall, and at the present rate of appending
 * where bytes are limited. Pure; reads nothing but what is in memory.
 */
import type { PartitionLog } from './partition-log.ts'
import type { RetentionPolicy } from './retention.ts'

export interface RetentionForecast {
  /** Where the log will start. */
  readonly logStartOffset: number
  /** Bytes of record batches below it that are there now. */
  readonly bytes: number
}

/** A rate is taken over no less than this: what came in the last second says little of an hour. */
const RATE_WINDOW_MS_MIN = 60_000

export function forecastRetention(
  log: PartitionLog,
  { retentionMs, retentionBytes }: RetentionPolicy,
  nowMs: number,
  horizonMs: number,
): RetentionForecast {
  const oldestMs = retentionMs < 0 ? Number.NEGATIVE_INFINITY : nowMs + horizonMs - retentionMs
  const growthBytes = retentionBytes < 0 ? 0 : appendedPerMs(log, nowMs, horizonMs) * horizonMs
  const spareBytes = retentionBytes < 0 ? 0 : Math.max(0, log.bytes + growthBytes - retentionBytes)
  let { logStartOffset } = log
  let bytes = 0
  let beforeMs = log.firstBatchTimestampMs
  for (const range of liveRanges(log)) {
    const timestampMs =
      range.maxTimestampMs > nowMs ? Math.min(range.maxTimestampMs, range.lastAppendMs) : range.maxTimestampMs
    const share = Math.min(
      1,
      Math.max(shareOlder(beforeMs, timestampMs, oldestMs), (spareBytes - bytes) / range.bytes),
    )
    const leaving = Math.floor((range.endOffset - logStartOffset) * share)
    if (leaving > 0) bytes += Math.floor(range.bytes * share)
    logStartOffset += leaving
    if (share < 1) break
    logStartOffset = range.endOffset
    beforeMs = timestampMs
  }
  return { logStartOffset, bytes }
}

/** Its youngest record stays with a range. */
const SHARE_MAX = 1 - 1e-9

/** Of a range whose records came between two times, about which share is older than `oldestMs`. */
function shareOlder(fromMs: number | undefined, toMs: number, oldestMs: number): number {
  if (toMs < oldestMs) return 1
  if (fromMs === undefined || fromMs >= oldestMs) return 0
  return Math.min(SHARE_MAX, (oldestMs - fromMs) / (toMs - fromMs))
}

interface LiveRange {
  readonly endOffset: number
  readonly bytes: number
  readonly maxTimestampMs: number
  readonly lastAppendMs: number
}

function* liveRanges(log: PartitionLog): Generator<LiveRange> {
  let deadBytes = log.deadBytes
  for (const ranges of [log.extents.view(), log.active.runs.view()])
    for (let at = 0; at < ranges.count; at++) {
      const bytes = ranges.length(at) - deadBytes
      deadBytes = 0
      const { lastAppendMs } = ranges
      if (bytes > 0)
        yield {
          endOffset: ranges.endOffset(at),
          bytes,
          maxTimestampMs: ranges.maxTimestampMs(at),
          lastAppendMs,
        }
    }
}

/** Bytes appended in a ms, over the last `windowMs` or as long as there is anything. */
function appendedPerMs(log: PartitionLog, nowMs: number, windowMs: number): number {
  let bytes = 0
  let sinceMs = nowMs
  for (const range of liveRanges(log)) {
    if (range.maxTimestampMs < nowMs - windowMs) continue
    bytes += range.bytes
    sinceMs = Math.min(sinceMs, range.maxTimestampMs)
  }
  return bytes / Math.max(RATE_WINDOW_MS_MIN, nowMs - sinceMs)
}
