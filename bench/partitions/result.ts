/**
 * From what a run measured to the figures `partitions` reports: the keys of `--json` and the targets. Pure.
 */
import { probeFigures } from '../figures/probe-figures.ts'
import { best, median } from '../figures/statistics.ts'
import { atLeast, atMost, BROKER_ANONYMOUS_BYTES_MAX, type Target } from '../figures/targets.ts'
import { resultHash } from '../figures/values.ts'
import type { Machine } from '../machine/machine.ts'
import type { PartitionsOptions, PartitionsRound, PartitionsRun } from './run.ts'
import type { Spread } from './spread.ts'
import type { Start } from './startup.ts'

const MEGA = 1e6

const rate = ({ events, seconds }: Spread) => events / seconds

/**
 * Rates are the best of the rounds. The ratio is the median of what each round shows by itself, since the machine
 * may change from one round to the next. Of the starts the median.
 */
export function partitionsResult(run: PartitionsRun, options: PartitionsOptions, machine: Machine) {
  const { rounds, startup, probes } = run
  const { valueBytes } = options.spread
  const anonymous = [startup.log.anonymousRssBytesMax, ...rounds.map((round) => round.anonymousRssBytesMax)]
  const described = (measure: (round: PartitionsRound) => Spread) => {
    const top = measure(best(rounds, (round) => rate(measure(round))))
    return {
      eventsPerSecond: rate(top),
      megabytesPerSecond: (rate(top) * valueBytes) / MEGA,
      batchesPerSecond: top.batches / top.seconds,
      eventsPerBatch: top.events / top.batches,
      brokerCpuSecondsPerMillionEvents:
        top.brokerCpuSeconds === null ? null : (top.brokerCpuSeconds / top.events) * MEGA,
    }
  }
  return {
    produce: {
      ratio: median(rounds.map(({ many, one }) => rate(many) / rate(one))),
      many: described(({ many }) => many),
      one: described(({ one }) => one),
      oneWithDefaults: described(({ oneWithDefaults }) => oneWithDefaults),
    },
    startup: {
      afterTerm: startsOf(startup.afterTerm),
      afterKill: startsOf(startup.afterKill),
      evicted: startup.evicted.length > 0 ? startsOf(startup.evicted) : null,
      ...startup.built,
    },
    log: {
      bytes: startup.log.bytes,
      segments: startup.log.segments,
      openSegmentsMax: startup.log.held?.open ?? null,
      mappedSegmentsMax: startup.log.held?.mapped ?? null,
      indexCacheBytesMax: startup.log.indexCacheBytesMax,
      anonymousRssBytesMax: startup.log.anonymousRssBytesMax,
      readSeconds: startup.log.read.seconds,
    },
    broker: {
      anonymousRssBytesMax: anonymous.includes(null)
        ? null
        : Math.max(...anonymous.filter((b) => b !== null)),
    },
    probes: {
      ...probeFigures(probes),
      nothingStored: {
        manyEventsPerSecond: Math.max(...rounds.map(({ nothingStored }) => rate(nothingStored.many))),
        oneEventsPerSecond: Math.max(...rounds.map(({ nothingStored }) => rate(nothingStored.one))),
      },
    },
    rounds: rounds.map(({ many, one, oneWithDefaults }) => ({
      ratio: rate(many) / rate(one),
      manyEventsPerSecond: rate(many),
      oneEventsPerSecond: rate(one),
      oneWithDefaultsEventsPerSecond: rate(oneWithDefaults),
    })),
    config: {
      bench: 'partitions',
      ...options,
      resultHash: resultHash(rounds[0].total.events, rounds[0].total.sum),
      machine,
    },
  }
}

function startsOf(starts: readonly Start[]) {
  return {
    seconds: median(starts.map(({ seconds }) => seconds)),
    samples: starts.map(({ seconds }) => seconds),
    anonymousRssBytes: starts.at(-1)?.anonymousRssBytes ?? null,
  }
}

export type PartitionsResult = ReturnType<typeof partitionsResult>

const SEGMENTS_HELD_MAX = 64
const INDEX_CACHE_BYTES_MAX = 64e6
const START_SECONDS_MAX = 3

export function partitionsTargets({ produce, startup, log, broker }: PartitionsResult): Target[] {
  return [
    atLeast('produce.ratio', 0.7, produce.ratio),
    atMost('startup.afterTerm.seconds', START_SECONDS_MAX, startup.afterTerm.seconds),
    atMost('startup.afterKill.seconds', START_SECONDS_MAX, startup.afterKill.seconds),
    atMost('log.openSegmentsMax', SEGMENTS_HELD_MAX, log.openSegmentsMax),
    atMost('log.mappedSegmentsMax', SEGMENTS_HELD_MAX, log.mappedSegmentsMax),
    atMost('log.indexCacheBytesMax', INDEX_CACHE_BYTES_MAX, log.indexCacheBytesMax),
    atMost('broker.anonymousRssBytesMax', BROKER_ANONYMOUS_BYTES_MAX, broker.anonymousRssBytesMax),
  ]
}
