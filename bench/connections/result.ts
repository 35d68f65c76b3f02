/**
 * From what a run measured to the figures `connections` reports: the keys of `--json` and the targets. Pure.
 */
import { noiseOf } from '../figures/noise.ts'
import { best, median } from '../figures/statistics.ts'
import { atLeast, atMost, BROKER_ANONYMOUS_BYTES_MAX, type Target } from '../figures/targets.ts'
import type { Machine } from '../machine/machine.ts'
import type { ConnectionsOptions, ConnectionsRun } from './run.ts'

/** Best of the rounds for the rate, and what belongs to it; latencies of all rounds. */
export function connectionsResult(run: ConnectionsRun, options: ConnectionsOptions, machine: Machine) {
  const { rounds, histogram, fdatasyncP50Ms } = run
  const top = best(rounds, (round) => round.eventsPerSecond)
  const nothingStored = rounds.map((round) => round.nothingStored.eventsPerSecond)
  const anonymous = rounds.map((round) => round.anonymousRssBytesMax).filter((bytes) => bytes !== null)
  const percentileMs = (percentile: number) => histogram.getValueAtPercentile(percentile) / 1000
  return {
    acknowledged: {
      eventsPerSecond: top.eventsPerSecond,
      /** Of the rate of the same load on a broker that stores nothing, in the same round. */
      nothingStoredRatio: top.eventsPerSecond / top.nothingStored.eventsPerSecond,
    },
    latency: {
      p50Ms: percentileMs(50),
      p90Ms: percentileMs(90),
      p99Ms: percentileMs(99),
      p999Ms: percentileMs(99.9),
      maxMs: histogram.maxValue / 1000,
      events: histogram.totalCount,
    },
    broker: {
      cpuSecondsPerMillionEvents: top.brokerCpuSecondsPerMillionEvents,
      anonymousRssBytesMax: anonymous.length > 0 ? Math.max(...anonymous) : null,
    },
    client: { cpuSecondsPerMillionEvents: top.generatorCpuSecondsPerMillionEvents },
    probes: {
      nothingStored: { eventsPerSecond: Math.max(...nothingStored), samples: nothingStored },
      fdatasync: { p50Ms: median(fdatasyncP50Ms), samples: fdatasyncP50Ms },
      ...noiseOf(fdatasyncP50Ms),
    },
    rounds: rounds.map((round) => ({
      eventsPerSecond: round.eventsPerSecond,
      nothingStoredEventsPerSecond: round.nothingStored.eventsPerSecond,
    })),
    config: { bench: 'connections', ...options, machine },
  }
}

export type ConnectionsResult = ReturnType<typeof connectionsResult>

export function connectionsTargets({ acknowledged, broker }: ConnectionsResult): Target[] {
  return [
    atLeast('acknowledged.eventsPerSecond', 40_000, acknowledged.eventsPerSecond),
    atMost('broker.anonymousRssBytesMax', BROKER_ANONYMOUS_BYTES_MAX, broker.anonymousRssBytesMax),
  ]
}
