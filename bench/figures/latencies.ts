/** Latencies of a live pair that never pauses: what an event took belongs to the time in which it was due. Pure. */
import hdr from 'hdr-histogram-js'
import type { Stretch, Timeline } from '../load/tasks.ts'

const LATENCY_US_MAX = 60_000_000

/** What is to be judged of one pair. */
export interface Judged {
  readonly timeline: Timeline
  readonly stretches: readonly Stretch[]
}

/** Of the events that were due within the stretches, of all pairs together. Throws if there were none. */
export function latencies(...pairs: readonly Judged[]) {
  const histogram = hdr.build({ lowestDiscernibleValue: 1, highestTrackableValue: LATENCY_US_MAX })
  for (const { timeline, stretches } of pairs) {
    const { dueNs, latencyUs } = timeline
    for (let i = 0; i < dueNs.length; i++)
      if (stretches.some(({ startNs, endNs }) => dueNs[i] >= startNs && dueNs[i] < endNs))
        histogram.recordValue(Math.min(Math.round(latencyUs[i]), LATENCY_US_MAX))
  }
  if (histogram.totalCount === 0) throw new Error('no event was due in the time that is to be judged')
  const percentileMs = (percentile: number) => histogram.getValueAtPercentile(percentile) / 1000
  return {
    p50Ms: percentileMs(50),
    p90Ms: percentileMs(90),
    p99Ms: percentileMs(99),
    p999Ms: percentileMs(99.9),
    maxMs: histogram.maxValue / 1000,
    events: histogram.totalCount,
  }
}

export type Latencies = ReturnType<typeof latencies>
