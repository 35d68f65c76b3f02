/**
 * From what a run measured to the figures `latency` reports: the keys of `--json` and the targets. Pure.
 */
import { noiseOf } from '../figures/noise.ts'
import { median } from '../figures/statistics.ts'
import { atMost, type Target } from '../figures/targets.ts'
import type { Machine } from '../machine/machine.ts'
import type { LatencyOptions, LatencyRun } from './run.ts'

export function latencyResult(run: LatencyRun, options: LatencyOptions, machine: Machine) {
  const percentileMs = (percentile: number) => run.histogram.getValueAtPercentile(percentile) / 1000
  const acknowledged = run.rounds.reduce((sum, round) => sum + round.acknowledged, 0)
  const seconds = run.rounds.reduce((sum, round) => sum + round.seconds, 0)
  return {
    endToEnd: {
      p50Ms: percentileMs(50),
      p90Ms: percentileMs(90),
      p99Ms: percentileMs(99),
      p999Ms: percentileMs(99.9),
      maxMs: run.histogram.maxValue / 1000,
      events: run.histogram.totalCount,
    },
    achievedPerSecond: acknowledged / seconds,
    /** The most an event was handed to the SDK after it was due: the generator's own share. */
    lateMsMax: Math.max(...run.rounds.map((round) => round.lateMsMax)),
    probes: {
      fdatasync: { p50Ms: median(run.fdatasyncP50Ms), samples: run.fdatasyncP50Ms },
      ...noiseOf(run.fdatasyncP50Ms),
    },
    config: { bench: 'latency', ...options, machine },
  }
}

export type LatencyResult = ReturnType<typeof latencyResult>

export function latencyTargets({ endToEnd, probes }: LatencyResult): Target[] {
  return [
    atMost('endToEnd.p50Ms', 4 * probes.fdatasync.p50Ms + 1, endToEnd.p50Ms),
    atMost('endToEnd.p99Ms', 20, endToEnd.p99Ms),
  ]
}
