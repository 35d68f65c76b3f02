/**
 * From what a run measured to the figures `filters` reports: the keys of `--json` and the targets. Pure.
 */
import { latencies } from '../figures/latencies.ts'
import { noiseOf } from '../figures/noise.ts'
import { best, median } from '../figures/statistics.ts'
import { atLeast, atMost, BROKER_ANONYMOUS_BYTES_MAX, type Target } from '../figures/targets.ts'
import type { Moved, Scanned } from '../load/tasks.ts'
import type { CpuUse } from '../machine/cpu-use.ts'
import type { Machine } from '../machine/machine.ts'
import type { MatcherSpeed } from './matcher-speed.ts'
import type { FiltersOptions, FiltersRun } from './run.ts'
import type { Measured, ScanningRound } from './scanning.ts'

const MEGA = 1e6

export function filtersResult(run: FiltersRun, options: FiltersOptions, machine: Machine) {
  const { events, rounds, fdatasyncP50Ms, processorMegabytesPerSecond } = run
  const matcher = run.matcher.map(matcherFigures)
  const single = matcher.filter(({ patterns }) => patterns === 1)
  const anonymous = rounds.flatMap((round) => round.anonymousRssBytesMax ?? [])
  const alone = latencies(
    ...rounds.map(({ live, alone }) => ({ timeline: live.timeline, stretches: [alone] })),
  )
  const beside = latencies(
    ...rounds.map(({ live, beside }) => ({ timeline: live.timeline, stretches: [beside] })),
  )
  return {
    /** The events of all parts: how many different ones there are, and their mean size. */
    events,
    matcher: {
      sets: matcher,
      /** Of one pattern, the kind that takes longest. */
      slowestEventsPerSecond: Math.min(...single.map(({ eventsPerSecond }) => eventsPerSecond)),
    },
    scan: scanFigures(rounds),
    many: manyFigures(rounds),
    live: {
      alone,
      beside,
      p50Ratio: beside.p50Ms / alone.p50Ms,
      p99Ratio: beside.p99Ms / alone.p99Ms,
      /** What was looked through beside it. */
      besidePerSecond: median(rounds.map((round) => scanRate(round.beside))),
      lateMsMax: Math.max(...rounds.map(({ live }) => live.paced.lateMsMax)),
    },
    broker: { anonymousRssBytesMax: anonymous.length > 0 ? Math.max(...anonymous) : null },
    probes: {
      fdatasync: { p50Ms: median(fdatasyncP50Ms), samples: fdatasyncP50Ms },
      processor: {
        megabytesPerSecond: median(processorMegabytesPerSecond),
        samples: processorMegabytesPerSecond,
      },
      ...noiseOf(processorMegabytesPerSecond),
    },
    rounds: rounds.map((round) => ({
      scanEventsPerSecond: scanRate(round.noMatch.answer),
      plainEventsPerSecond: moveRate(round.plain.answer),
      brokerCpuSeconds: {
        nobody: round.nobody.cpu.brokerSeconds,
        one: round.one.cpu.brokerSeconds,
        many: round.many.cpu.brokerSeconds,
      },
      aloneP99Ms: latencies({ timeline: round.live.timeline, stretches: [round.alone] }).p99Ms,
      besideP99Ms: latencies({ timeline: round.live.timeline, stretches: [round.beside] }).p99Ms,
    })),
    config: { bench: 'filters', ...options, machine },
  }
}

export type FiltersResult = ReturnType<typeof filtersResult>

const moveRate = ({ events, seconds }: Moved) => events / seconds
const scanRate = ({ examined, startNs, endNs }: Scanned) => (examined * 1e9) / (endNs - startNs)

function matcherFigures({ kind, patterns, compileMs, eventsPerSecond }: MatcherSpeed) {
  return { kind, patterns, eventsPerSecond: median(eventsPerSecond), compileMs }
}

/** Best of the rounds for rates, and what belongs to them. */
function scanFigures(rounds: readonly ScanningRound[]) {
  const top = best(rounds, ({ noMatch }) => scanRate(noMatch.answer))
  const { noMatch, selective } = top
  const plain = best(rounds, (round) => moveRate(round.plain.answer)).plain
  const { brokerSeconds } = noMatch.cpu
  return {
    eventsPerSecond: scanRate(noMatch.answer),
    /** For each second of CPU time of the broker, all its threads. Null where the system does not tell. */
    eventsPerCoreSecond: brokerSeconds === null ? null : noMatch.answer.examined / brokerSeconds,
    ...costs(noMatch, noMatch.answer.examined),
    /** The same events without a filter. */
    plain: { eventsPerSecond: moveRate(plain.answer), ...costs(plain, plain.answer.events) },
    selective: {
      eventsPerSecond: scanRate(selective.answer),
      matchedShare: selective.answer.matched / selective.answer.examined,
      ...costs(selective, selective.answer.examined),
    },
    /** Of what goes over the network without a filter. */
    savedShare: 1 - noMatch.sentBytes / top.plain.sentBytes,
    selectiveSavedShare: 1 - selective.sentBytes / top.plain.sentBytes,
  }
}

function costs({ cpu, sentBytes }: Measured<unknown>, events: number) {
  return {
    ...cpuPerMillion(cpu, events),
    /** Over the network, for one event looked at. */
    sentBytesPerEvent: sentBytes / events,
  }
}

function cpuPerMillion(cpu: CpuUse, events: number) {
  const perMillion = (seconds: number | null) => (seconds === null ? null : (seconds / events) * MEGA)
  return {
    brokerCpuSecondsPerMillionEvents: perMillion(cpu.brokerSeconds),
    loopCpuSecondsPerMillionEvents: perMillion(cpu.loopSeconds),
    clientCpuSecondsPerMillionEvents: perMillion(cpu.generatorSeconds),
  }
}

/**
 * What readers with filters cost the broker: its CPU time while they are there, less that for the same events while nobody reads them.
 * Medians over the rounds.
 */
function manyFigures(rounds: readonly ScanningRound[]) {
  const costOf = (who: 'one' | 'many', round: ScanningRound) => {
    const without = round.nobody.cpu.brokerSeconds
    const { brokerSeconds } = round[who].cpu
    return without === null || brokerSeconds === null
      ? null
      : ((brokerSeconds - without) / round[who].produced.events) * MEGA
  }
  const ratios = rounds.map((round) => {
    const [one, many] = [costOf('one', round), costOf('many', round)]
    return one === null || many === null ? null : many / one
  })
  const rateOf = (who: 'one' | 'many') =>
    median(
      rounds.map((round) => {
        const { startNs, endNs } = round[who].watched!
        return (round[who].produced.events * 1e9) / (endNs - startNs)
      }),
    )
  return {
    /** Of many filters to one. */
    costRatio: medianOf(ratios),
    one: {
      brokerCpuSecondsPerMillionEvents: medianOf(rounds.map((round) => costOf('one', round))),
      eventsPerSecond: rateOf('one'),
    },
    many: {
      brokerCpuSecondsPerMillionEvents: medianOf(rounds.map((round) => costOf('many', round))),
      eventsPerSecond: rateOf('many'),
    },
    nobody: {
      brokerCpuSecondsPerMillionEvents: medianOf(
        rounds.map(
          ({ nobody }) => cpuPerMillion(nobody.cpu, nobody.produced.events).brokerCpuSecondsPerMillionEvents,
        ),
      ),
    },
  }
}

function medianOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length > 0 ? median(known) : null
}

const EXAMINED_PER_SECOND = 1e6
const MANY_RATIO_MAX = 20
const LIVE_RATIO_MAX = 2

export function filtersTargets({ matcher, scan, many, live, broker }: FiltersResult): Target[] {
  return [
    atLeast('matcher.slowestEventsPerSecond', EXAMINED_PER_SECOND, matcher.slowestEventsPerSecond),
    atLeast('scan.eventsPerCoreSecond', EXAMINED_PER_SECOND, scan.eventsPerCoreSecond),
    atMost('many.costRatio', MANY_RATIO_MAX, many.costRatio),
    atMost('live.p99Ratio', LIVE_RATIO_MAX, live.p99Ratio),
    atMost('broker.anonymousRssBytesMax', BROKER_ANONYMOUS_BYTES_MAX, broker.anonymousRssBytesMax),
  ]
}
