/**
 * From what a run measured to the figures `access` reports: the keys of `--json` and the targets. Pure.
 */
import { noiseOf } from '../figures/noise.ts'
import { best, median, percentile } from '../figures/statistics.ts'
import { atLeast, atMost, BROKER_ANONYMOUS_BYTES_MAX, type Target } from '../figures/targets.ts'
import type { Machine } from '../machine/machine.ts'
import type { ProduceRound, ProduceTurn } from './produce-cost.ts'
import type { AccessOptions, AccessRun, Arrival, CredentialKind } from './run.ts'

export function accessResult(run: AccessRun, options: AccessOptions, machine: Machine) {
  const { rights, check, fdatasyncP50Ms, processorMegabytesPerSecond } = run
  const bulk = costOf(run.bulk, options.bulkEvents, check.nanoseconds)
  const single = costOf(run.single, options.singleEvents, check.nanoseconds)
  const roundTripMs = median(rights.roundTripMs)
  const felt = (times: readonly number[]) => {
    const p99Ms = percentile(times, 99)
    return { p50Ms: median(times), p99Ms, maxMs: Math.max(...times), p99RoundTrips: p99Ms / roundTripMs }
  }
  const newcomers = (kind: CredentialKind) => newcomersOf(run.steady[kind], run.steady.none, run.storms[kind])
  return {
    cost: { bulk, single, check },
    effect: {
      grant: felt(rights.grantMs),
      revoke: felt(rights.revokeMs),
      parkedFetch: felt(rights.parkedMs),
      revokedKey: felt(rights.keyMs),
      revokedKeyParkedFetch: felt(rights.keyParkedMs),
      /** The change itself, from the administrator's request to its answer. */
      change: felt(rights.changeMs),
      /** Where `bulkEntries` about everybody come and go in one request. */
      bulk: {
        grant: felt(rights.bulkGrantMs),
        revoke: felt(rights.bulkRevokeMs),
        /** Of those of all live connections the slowest. */
        parkedFetch: felt(rights.bulkParkedMs),
        change: felt(rights.bulkChangeMs),
        /** Of somebody else meanwhile, the longest round trip of each. */
        roundTrip: felt(rights.bulkRoundTripMaxMs),
      },
    },
    newcomers: {
      key: newcomers('key'),
      eddsa: newcomers('eddsa'),
      es256: newcomers('es256'),
    },
    broker: { anonymousRssBytesMax: run.anonymousRssBytesMax },
    probes: {
      anonymous: newcomers('none'),
      sdk: {
        perSecond: run.sdk.connections / run.sdk.seconds,
        generatorCpuMicroseconds: perConnection(run.sdk, run.sdk.generatorCpuSeconds),
      },
      roundTrip: { p50Ms: roundTripMs },
      fdatasync: { p50Ms: median(fdatasyncP50Ms), samples: fdatasyncP50Ms },
      processor: {
        megabytesPerSecond: median(processorMegabytesPerSecond),
        samples: processorMegabytesPerSecond,
      },
      ...noiseOf(processorMegabytesPerSecond),
    },
    rounds: { bulk: run.bulk, single: run.single, steady: run.steady, storms: run.storms },
    config: { bench: 'access', ...options, entries: run.entries, machine },
  }
}

export type AccessResult = ReturnType<typeof accessResult>
export type Cost = AccessResult['cost']['bulk']
export type NewcomerFigures = AccessResult['newcomers']['key']

/** Null where the system does not tell of CPU time. */
function costOf(rounds: readonly ProduceRound[], events: number, checkNanoseconds: number) {
  const turns = rounds.flatMap(({ administrator, user }) => [...administrator, ...user])
  const ratios = rounds.map(({ administrator, user }) => quotient(sum(user, cpu), sum(administrator, cpu)))
  const known = ratios.filter((ratio) => ratio !== null)
  const cpuSecondsPerMillionEvents = medianOf(turns, cpu)
  const batches = median(turns.map((turn) => turn.batches))
  const checkSecondsPerMillionEvents = ((batches / events) * checkNanoseconds) / 1e3
  return {
    /** Of CPU time for a user with rules to that for an administrator: median over the rounds. */
    cpuRatio: known.length > 0 ? median(known) : null,
    /** Its standard error, from the spread of the rounds. */
    cpuRatioError: known.length > 0 ? errorOfMedian(known) : null,
    /** By how much two turns of the same caller in the same round differ, median. */
    noise: noiseBetweenTurns(rounds),
    rateRatio: median(
      rounds.map(
        ({ administrator, user }) => (sum(user, rate) as number) / (sum(administrator, rate) as number),
      ),
    ),
    /** Of the broker's CPU time for an event, what its checks take when measured by themselves. */
    checkShare: quotient(checkSecondsPerMillionEvents, cpuSecondsPerMillionEvents),
    brokerCpuSecondsPerMillionEvents: cpuSecondsPerMillionEvents,
    eventsPerSecond: Math.max(...turns.map(rate)),
    eventsPerBatch: events / batches,
  }
}

const cpu = (turn: ProduceTurn) => turn.cpuSecondsPerMillionEvents
const rate = (turn: ProduceTurn) => turn.eventsPerSecond

function sum(turns: readonly ProduceTurn[], measure: (turn: ProduceTurn) => number | null): number | null {
  const values = turns.map(measure).filter((value) => value !== null)
  return values.length === turns.length ? values.reduce((a, b) => a + b, 0) : null
}

function medianOf(
  turns: readonly ProduceTurn[],
  measure: (turn: ProduceTurn) => number | null,
): number | null {
  const values = turns.map(measure).filter((value) => value !== null)
  return values.length > 0 ? median(values) : null
}

function quotient(above: number | null, below: number | null): number | null {
  return above === null || below === null ? null : above / below
}

function noiseBetweenTurns(rounds: readonly ProduceRound[]): number | null {
  const differences = rounds.flatMap(({ administrator, user }) =>
    [administrator, user].map(([first, second]) => {
      const ratio = quotient(cpu(first), cpu(second))
      return ratio === null ? null : Math.abs(ratio - 1)
    }),
  )
  const known = differences.filter((difference) => difference !== null)
  return known.length > 0 ? median(known) : null
}

/** From the distance of the quartiles, which no outlier moves; the factor is that of a normal distribution. */
function errorOfMedian(values: readonly number[]): number {
  return (0.93 * (percentile(values, 75) - percentile(values, 25))) / Math.sqrt(values.length)
}

/** Best of the rounds for the rate, and what belongs to it; the worst storm. */
function newcomersOf(steady: readonly Arrival[], anonymous: readonly Arrival[], storms: readonly Arrival[]) {
  const perSecond = ({ connections, seconds }: Arrival) => connections / seconds
  const top = best(steady, perSecond)
  const worst = best(storms, ({ seconds }) => seconds)
  return {
    perSecond: perSecond(top),
    /** Of the rate of those that show nothing, in the same round; median. */
    anonymousRatio: median(steady.map((round, i) => perSecond(round) / perSecond(anonymous[i]))),
    p50Ms: top.p50Ms,
    p99Ms: top.p99Ms,
    brokerCpuMicroseconds:
      top.brokerCpuSeconds === null ? null : (top.brokerCpuSeconds / top.connections) * 1e6,
    /** CPU time over time: near 1, its thread is the limit. */
    brokerCpuShare: top.brokerCpuSeconds === null ? null : top.brokerCpuSeconds / top.seconds,
    generatorCpuShare: top.generatorCpuSeconds / top.seconds,
    storm: {
      seconds: worst.seconds,
      p50Ms: worst.p50Ms,
      p99Ms: worst.p99Ms,
      generatorCpuShare: worst.generatorCpuSeconds / worst.seconds,
    },
  }
}

function perConnection({ connections }: Arrival, seconds: number): number {
  return (seconds / connections) * 1e6
}

const COST_RATIO_MAX = 1.02
const COST_SHARE_MAX = 0.02
const FELT_MS_MAX = 1_000
const KEYS_PER_SECOND = 2_000
const TOKENS_PER_SECOND = 1_000
const STORM_SECONDS_MAX = 10

export function accessTargets({ cost, effect, newcomers, broker }: AccessResult): Target[] {
  const { key, eddsa, es256 } = newcomers
  return [
    atMost('cost.bulk.cpuRatio', COST_RATIO_MAX, cost.bulk.cpuRatio),
    atMost('cost.bulk.checkShare', COST_SHARE_MAX, cost.bulk.checkShare),
    atMost('cost.single.cpuRatio', COST_RATIO_MAX, cost.single.cpuRatio),
    atMost('cost.single.checkShare', COST_SHARE_MAX, cost.single.checkShare),
    atMost('effect.grant.maxMs', FELT_MS_MAX, effect.grant.maxMs),
    atMost('effect.revoke.maxMs', FELT_MS_MAX, effect.revoke.maxMs),
    atMost('effect.parkedFetch.maxMs', FELT_MS_MAX, effect.parkedFetch.maxMs),
    atMost('effect.revokedKey.maxMs', FELT_MS_MAX, effect.revokedKey.maxMs),
    atMost('effect.revokedKeyParkedFetch.maxMs', FELT_MS_MAX, effect.revokedKeyParkedFetch.maxMs),
    atMost('effect.bulk.grant.maxMs', FELT_MS_MAX, effect.bulk.grant.maxMs),
    atMost('effect.bulk.revoke.maxMs', FELT_MS_MAX, effect.bulk.revoke.maxMs),
    atMost('effect.bulk.parkedFetch.maxMs', FELT_MS_MAX, effect.bulk.parkedFetch.maxMs),
    atMost('effect.bulk.roundTrip.maxMs', FELT_MS_MAX, effect.bulk.roundTrip.maxMs),
    atLeast('newcomers.key.perSecond', KEYS_PER_SECOND, key.perSecond),
    atLeast('newcomers.eddsa.perSecond', TOKENS_PER_SECOND, eddsa.perSecond),
    atLeast('newcomers.es256.perSecond', TOKENS_PER_SECOND, es256.perSecond),
    atMost('newcomers.key.storm.seconds', STORM_SECONDS_MAX, key.storm.seconds),
    atMost('newcomers.eddsa.storm.seconds', STORM_SECONDS_MAX, eddsa.storm.seconds),
    atMost('newcomers.es256.storm.seconds', STORM_SECONDS_MAX, es256.storm.seconds),
    atMost('broker.anonymousRssBytesMax', BROKER_ANONYMOUS_BYTES_MAX, broker.anonymousRssBytesMax),
  ]
}
