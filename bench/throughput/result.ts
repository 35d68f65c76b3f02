/**
 * From what a run measured to the figures `throughput` reports: the keys of `--json` and the targets. Pure.
 */
import { probeFigures } from '../figures/probe-figures.ts'
import { best, median, serialRate } from '../figures/statistics.ts'
import { atLeast, atMost, BROKER_ANONYMOUS_BYTES_MAX, type Target } from '../figures/targets.ts'
import { resultHash } from '../figures/values.ts'
import type { Moved } from '../load/tasks.ts'
import type { Machine } from '../machine/machine.ts'
import type { Measured, Round, ThroughputOptions, ThroughputRun } from './run.ts'

const MEGA = 1e6

const rate = ({ events, seconds }: { events: number; seconds: number }) => events / seconds

/** Best of the rounds for every figure of its own; a ratio and a cost belong to the round of the best rate. */
export function throughputResult(run: ThroughputRun, options: ThroughputOptions, machine: Machine) {
  const { rounds, probes } = run
  const ratios = rounds.map((round, i) => diskRatio(round, probes[i].disk, probes[i + 1].disk))
  const top = best(rounds, (round) => rate(round.produced))
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
    tls: overTls(rounds, options.events),
    probes: {
      ...probeFigures(probes),
      nothingStored: {
        eventsPerSecond: Math.max(...rounds.map((round) => rate(round.nothingStored))),
        samples: rounds.map((round) => rate(round.nothingStored)),
      },
    },
    rounds: rounds.map((round, i) => ({
      produceEventsPerSecond: rate(round.produced),
      diskRatio: ratios[i],
      consumeEventsPerSecondLazy: rate(round.lazy),
      consumeEventsPerSecondValues: rate(round.values),
      tlsProduceEventsPerSecond: round.overTls ? rate(round.overTls.produced) : null,
    })),
    config: {
      bench: 'throughput',
      ...options,
      resultHash: resultHash(top.produced.events, top.sum),
      machine,
    },
  }
}

/** Ratios compare the two halves of a round, since the machine may change between rounds. Null: not asked for. */
function overTls(rounds: readonly Round[], events: number) {
  const pairs = rounds.flatMap((plain) => (plain.overTls ? [{ plain, secure: plain.overTls }] : []))
  if (pairs.length === 0) return null
  const ratioOf = (moved: (measured: Measured) => Moved) =>
    median(pairs.map(({ plain, secure }) => rate(moved(secure)) / rate(moved(plain))))
  const top = best(pairs, ({ secure }) => rate(secure.produced)).secure
  return {
    produceRatio: ratioOf(({ produced }) => produced),
    consumeRatioLazy: ratioOf(({ lazy }) => lazy),
    consumeRatioValues: ratioOf(({ values }) => values),
    produceEventsPerSecond: rate(top.produced),
    consumeEventsPerSecondLazy: Math.max(...pairs.map(({ secure }) => rate(secure.lazy))),
    brokerCpuSecondsPerMillionEvents: perMillion(top.brokerCpuSeconds.produce, events),
    clientCpuSecondsPerMillionEvents: perMillion(top.produced.cpuSeconds, events),
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

/** The size of value the promised rates are for. */
const SMALL_VALUE_BYTES = 32
/** From here on the disk is the limit and not the client: then the promise is how much of the disk is used. */
const LARGE_VALUE_BYTES = 1024

export function throughputTargets({ produce, consume, broker, tls, config }: ThroughputResult): Target[] {
  return [
    ...(config.valueBytes === SMALL_VALUE_BYTES
      ? [
          atLeast('produce.eventsPerSecond', 9 * MEGA, produce.eventsPerSecond),
          atLeast('consume.eventsPerSecondLazy', 18 * MEGA, consume.eventsPerSecondLazy),
          atLeast('consume.eventsPerSecondValues', 8 * MEGA, consume.eventsPerSecondValues),
        ]
      : []),
    ...(config.valueBytes >= LARGE_VALUE_BYTES ? [atLeast('produce.diskRatio', 0.9, produce.diskRatio)] : []),
    ...(tls ? [atLeast('tls.produceRatio', 0.6, tls.produceRatio)] : []),
    atMost('broker.anonymousRssBytesMax', BROKER_ANONYMOUS_BYTES_MAX, broker.anonymousRssBytesMax),
  ]
}
