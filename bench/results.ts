/**
 * From what a run measured to the figures a bench reports: the keys of `--json`, the targets and the noise
 * verdict. Pure.
 */
import type { LatencyOptions, LatencyRun } from './latency.ts'
import type { Machine } from './machine.ts'
import { best, median, STRAY_MAX, serialRate, stray } from './statistics.ts'
import type { Round, ThroughputOptions, ThroughputRun } from './throughput.ts'
import { resultHash } from './values.ts'

/** A figure the project promises, and whether this run kept it. */
export interface Target {
  readonly name: string
  readonly limit: number
  readonly measured: number
  readonly met: boolean
}

const MEGA = 1e6

const rate = ({ events, seconds }: { events: number; seconds: number }) => events / seconds

/** Best of the rounds for every figure of its own; a ratio and a cost belong to the round of the best rate. */
export function throughputResult(run: ThroughputRun, options: ThroughputOptions, machine: Machine) {
  const { rounds, probes } = run
  const ratios = rounds.map((round, i) => diskRatio(round, probes[i].disk, probes[i + 1].disk))
  const top = best(rounds, (round) => rate(round.produced))
  const disk = probes.map((probe) => probe.disk.megabytesPerSecond)
  const fdatasync = probes.map((probe) => probe.fdatasyncP50Ms)
  const anonymous = rounds.map((round) => round.anonymousRssBytesMax).filter((bytes) => bytes !== null)
  return {
    produce: {
      eventsPerSecond: rate(top.produced),
      /** Bytes of values, without keys, headers and framing; a megabyte is 10^6 bytes. */
      megabytesPerSecond: (rate(top.produced) * options.valueBytes) / MEGA,
      diskRatio: ratios[rounds.indexOf(top)],
    },
    consume: {
      eventsPerSecondLazy: Math.max(...rounds.map((round) => rate(round.lazy))),
      eventsPerSecondValues: Math.max(...rounds.map((round) => rate(round.values))),
    },
    broker: {
      cpuSecondsPerMillionEvents: perMillion(top.brokerCpuSeconds.produce, options.events),
      consumeCpuSecondsPerMillionEvents: perMillion(top.brokerCpuSeconds.consumeLazy, options.events),
      anonymousRssBytesMax: anonymous.length > 0 ? Math.max(...anonymous) : null,
    },
    client: {
      cpuSecondsPerMillionEvents: perMillion(top.produced.cpuSeconds, options.events),
    },
    probes: {
      disk: { megabytesPerSecond: median(disk), chunkBytes: probes[0].disk.chunkBytes, samples: disk },
      fdatasync: { p50Ms: median(fdatasync), samples: fdatasync },
      nothingStored: {
        eventsPerSecond: Math.max(...rounds.map((round) => rate(round.nothingStored))),
        samples: rounds.map((round) => rate(round.nothingStored)),
      },
      strayMax: Math.max(stray(disk), stray(fdatasync)),
      noisy: Math.max(stray(disk), stray(fdatasync)) > STRAY_MAX,
    },
    rounds: rounds.map((round, i) => ({
      produceEventsPerSecond: rate(round.produced),
      diskRatio: ratios[i],
      consumeEventsPerSecondLazy: rate(round.lazy),
      consumeEventsPerSecondValues: rate(round.values),
    })),
    config: {
      bench: 'throughput',
      ...options,
      resultHash: resultHash(top.produced.events, top.sum),
      machine,
    },
  }
}

export type ThroughputResult = ReturnType<typeof throughputResult>

/** The rate over the bound that this round's own neighbours set: the machine may change between rounds. */
function diskRatio(
  round: Round,
  before: { megabytesPerSecond: number },
  after: { megabytesPerSecond: number },
): number {
  const diskBytes = ((before.megabytesPerSecond + after.megabytesPerSecond) / 2) * MEGA
  return rate(round.produced) / serialRate(diskBytes / round.storedBytesPerEvent, rate(round.nothingStored))
}

function perMillion(seconds: number | null, events: number): number | null {
  return seconds === null ? null : (seconds / events) * MEGA
}

export function throughputTargets({ produce, consume }: ThroughputResult): Target[] {
  const atLeast = (name: string, limit: number, measured: number) => ({
    name,
    limit,
    measured,
    met: measured >= limit,
  })
  return [
    atLeast('produce.eventsPerSecond', 6 * MEGA, produce.eventsPerSecond),
    atLeast('consume.eventsPerSecondLazy', 10 * MEGA, consume.eventsPerSecondLazy),
    atLeast('consume.eventsPerSecondValues', 5 * MEGA, consume.eventsPerSecondValues),
  ]
}

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
      strayMax: stray(run.fdatasyncP50Ms),
      noisy: stray(run.fdatasyncP50Ms) > STRAY_MAX,
    },
    config: { bench: 'latency', ...options, machine },
  }
}

export type LatencyResult = ReturnType<typeof latencyResult>

export function latencyTargets({ endToEnd, probes }: LatencyResult): Target[] {
  const atMost = (name: string, limit: number, measured: number) => ({
    name,
    limit,
    measured,
    met: measured <= limit,
  })
  return [
    atMost('endToEnd.p50Ms', 4 * probes.fdatasync.p50Ms + 1, endToEnd.p50Ms),
    atMost('endToEnd.p99Ms', 20, endToEnd.p99Ms),
  ]
}
