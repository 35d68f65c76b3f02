/**
 * From what a run measured to the figures `codecs` reports: the keys of `--json` and the targets. Pure.
 */
import { latencies } from '../figures/latencies.ts'
import { noiseOf } from '../figures/noise.ts'
import { probeFigures } from '../figures/probe-figures.ts'
import { best, median } from '../figures/statistics.ts'
import { atLeast, atMost, BROKER_ANONYMOUS_BYTES_MAX, type Target } from '../figures/targets.ts'
import type { Machine } from '../machine/machine.ts'
import { type CodecSpeed, nameOf } from './codec-speed.ts'
import type { PoolCost, PoolSample } from './pool-cost.ts'
import type { Consumed, Measured, PlainRound, RecompressionRound } from './recompression.ts'
import type { CodecsOptions, CodecsRun } from './run.ts'

const MEGA = 1e6

const rate = ({ events, seconds }: { events: number; seconds: number }) => events / seconds

export function codecsResult(run: CodecsRun, options: CodecsOptions, machine: Machine) {
  const { events, speeds, poolCosts, offloadBytesMin, workers, rounds } = run
  const processor = run.processorMegabytesPerSecond
  const probes = probeFigures(run.probes)
  const costs = poolCosts.map(poolCostFigures)
  const topics = Object.fromEntries(
    [...rounds].map(([name, ofCodec]) => [name, topicFigures(ofCodec, machine.cores)]),
  )
  const anonymous = [...rounds.values()].flat().flatMap((round) => round.anonymousRssBytesMax ?? [])
  return {
    /** The events of all parts: how many different ones there are, and their mean size. */
    events,
    codecs: speeds.map(codecFigures),
    pool: {
      workers,
      costs,
      /** By codec: from this size on a batch costs the event loop less when it goes to the pool. */
      thresholdBytes: thresholds(costs),
      /** What the broker does by default. */
      configuredBytes: offloadBytesMin,
    },
    topics,
    broker: { anonymousRssBytesMax: anonymous.length > 0 ? Math.max(...anonymous) : null },
    probes: {
      ...probes,
      processor: { megabytesPerSecond: median(processor), samples: processor },
      ...noiseOf(probes.disk.samples, probes.fdatasync.samples, processor),
    },
    config: { bench: 'codecs', ...options, machine },
  }
}

export type CodecsResult = ReturnType<typeof codecsResult>
export type CodecFigures = ReturnType<typeof codecFigures>
export type PoolCostFigures = ReturnType<typeof poolCostFigures>
export type TopicFigures = ReturnType<typeof topicFigures>

/** Medians over the rounds. */
function codecFigures(speed: CodecSpeed) {
  const { choice, batchBytes, eventsPerBatch, plainBytes, packedBytes } = speed
  const eventsPerMegabyte = eventsPerBatch / (plainBytes / MEGA)
  const speedOf = (samples: readonly number[]) => {
    const megabytesPerSecond = median(samples)
    return { megabytesPerSecond, eventsPerSecond: megabytesPerSecond * eventsPerMegabyte }
  }
  return {
    name: nameOf(choice),
    batchBytes,
    eventsPerBatch,
    /** Bytes of the records before packing to those after it. */
    ratio: plainBytes / packedBytes,
    compress: speedOf(speed.compressMegabytesPerSecond),
    decompress: speedOf(speed.decompressMegabytesPerSecond),
  }
}

function poolCostFigures({ choice, batchBytes, eventsPerBatch, inline, pool, poolAloneMs }: PoolCost) {
  const figuresOf = (samples: readonly PoolSample[]) => {
    const loop = samples.flatMap(({ loopSeconds, batches }) =>
      loopSeconds === null ? [] : loopSeconds / batches,
    )
    return {
      /** For one batch. Null where the system does not tell. */
      loopMicroseconds: loop.length > 0 ? median(loop) * MEGA : null,
      eventsPerSecond: median(samples.map(({ batches, seconds }) => (batches * eventsPerBatch) / seconds)),
    }
  }
  return {
    name: nameOf(choice),
    batchBytes,
    eventsPerBatch,
    inline: figuresOf(inline),
    pool: { ...figuresOf(pool), aloneMs: median(poolAloneMs) },
  }
}

/** The smallest size from which on every size costs the loop less through the pool; null: none, or unknown. */
function thresholds(costs: readonly PoolCostFigures[]): Record<string, number | null> {
  const names = [...new Set(costs.map(({ name }) => name))]
  return Object.fromEntries(
    names.map((name) => {
      const bySize = costs.filter((cost) => cost.name === name).sort((a, b) => b.batchBytes - a.batchBytes)
      const firstLoss = bySize.findIndex(
        ({ inline, pool }) =>
          inline.loopMicroseconds === null ||
          pool.loopMicroseconds === null ||
          pool.loopMicroseconds >= inline.loopMicroseconds,
      )
      const wins = firstLoss === -1 ? bySize : bySize.slice(0, firstLoss)
      return [name, wins.at(-1)?.batchBytes ?? null]
    }),
  )
}

/** Best of the rounds for rates and what belongs to them, latencies of all together, the median of ratios. */
function topicFigures(rounds: readonly RecompressionRound[], cores: number) {
  const top = best(rounds, ({ capacity }) => rate(capacity.produced))
  const plains = rounds.map(({ plain }) => plainFigures(plain, cores))
  const alone = latencies(
    ...rounds.map(({ live, alone }) => ({ timeline: live.timeline, stretches: [alone] })),
  )
  const beside = latencies(
    ...rounds.map(({ live, beside }) => ({ timeline: live.timeline, stretches: [beside] })),
  )
  return {
    recompress: {
      eventsPerSecond: rate(top.capacity.produced),
      /** 10^6 bytes of values. */
      megabytesPerSecond: top.capacity.produced.bytes / MEGA / top.capacity.produced.seconds,
      ...cpuPerMillion(top.capacity, top.capacity.produced.events),
      /** Bytes on the disk for a byte of values. */
      storedShare: top.storedShare,
    },
    consume: {
      lazy: consumeFigures(rounds.map(({ lazy }) => lazy)),
      values: consumeFigures(rounds.map(({ values }) => values)),
    },
    live: {
      alone,
      beside,
      p50Ratio: beside.p50Ms / alone.p50Ms,
      p99Ratio: beside.p99Ms / alone.p99Ms,
      /** What was recompressed beside it. */
      besidePerSecond: median(rounds.map((round) => rate(round.beside))),
      lateMsMax: Math.max(...rounds.map(({ live }) => live.paced.lateMsMax)),
    },
    plain: {
      aloneEventsPerSecond: median(plains.map((plain) => plain.aloneEventsPerSecond)),
      besideEventsPerSecond: median(plains.map((plain) => plain.besideEventsPerSecond)),
      /** Of all cores, by what was recompressed beside it. */
      cpuShare: medianOf(plains.map((plain) => plain.cpuShare)),
      /** What the plain topic lost beyond that share: see `plainFigures`. */
      lossBeyondCpu: medianOf(plains.map((plain) => plain.lossBeyondCpu)),
    },
    rounds: rounds.map((round, i) => ({
      eventsPerSecond: rate(round.capacity.produced),
      consumeEventsPerSecondLazy: rate(round.lazy.moved),
      consumeEventsPerSecondValues: rate(round.values.moved),
      aloneP99Ms: latencies({ timeline: round.live.timeline, stretches: [round.alone] }).p99Ms,
      besideP99Ms: latencies({ timeline: round.live.timeline, stretches: [round.beside] }).p99Ms,
      plain: plains[i],
    })),
  }
}

function cpuPerMillion({ cpu }: Measured | Consumed, events: number) {
  const perMillion = (seconds: number | null) => (seconds === null ? null : (seconds / events) * MEGA)
  return {
    brokerCpuSecondsPerMillionEvents: perMillion(cpu.brokerSeconds),
    loopCpuSecondsPerMillionEvents: perMillion(cpu.loopSeconds),
    clientCpuSecondsPerMillionEvents: perMillion(cpu.generatorSeconds),
  }
}

function consumeFigures(rounds: readonly Consumed[]) {
  const top = best(rounds, ({ moved }) => rate(moved))
  return { eventsPerSecond: rate(top.moved), ...cpuPerMillion(top, top.moved.events) }
}

/**
 * What half the load on the pool costs a plain topic. Alone, what is recompressed takes a share of all the CPU time that the
 * machine has: that of the broker and that of its own generator, over cores × seconds. Whoever works beside it can lose that share, and no
 * more is to be lost: the plain topic's rate alone times what is left of the machine is what it must reach beside it.
 *
 *     share          = (CPU seconds of broker and generator, alone) / (cores × seconds) × (rate beside / rate alone)
 *     lossBeyondCpu  = 1 - (plain rate beside) / (plain rate alone × (1 - share))
 *
 * Below 0: the plain topic lost less than the other takes, since the machine was not used up before.
 */
export function plainFigures({ alone, beside, half, halfAlone }: PlainRound, cores: number) {
  const { brokerSeconds, generatorSeconds } = halfAlone.cpu
  const takenSeconds =
    brokerSeconds === null || generatorSeconds === null ? null : brokerSeconds + generatorSeconds
  const cpuShare =
    takenSeconds === null
      ? null
      : (takenSeconds / (cores * halfAlone.produced.seconds)) * (rate(half) / rate(halfAlone.produced))
  const aloneEventsPerSecond = rate(alone.produced)
  const besideEventsPerSecond = rate(beside.produced)
  return {
    aloneEventsPerSecond,
    besideEventsPerSecond,
    halfEventsPerSecond: rate(half),
    cpuShare,
    lossBeyondCpu:
      cpuShare === null ? null : 1 - besideEventsPerSecond / (aloneEventsPerSecond * (1 - cpuShare)),
  }
}

function medianOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length > 0 ? median(known) : null
}

const RECOMPRESSED_PER_SECOND = 1e6
const CONSUMED_PER_SECOND = 2e6
const LIVE_RATIO_MAX = 2
const LOSS_MAX = 0.1

export function codecsTargets({ topics, broker }: CodecsResult): Target[] {
  return [
    ...Object.entries(topics).flatMap(([name, { recompress, consume, live, plain }]) => [
      atLeast(
        `topics.${name}.recompress.eventsPerSecond`,
        RECOMPRESSED_PER_SECOND,
        recompress.eventsPerSecond,
      ),
      atLeast(
        `topics.${name}.consume.values.eventsPerSecond`,
        CONSUMED_PER_SECOND,
        consume.values.eventsPerSecond,
      ),
      atMost(`topics.${name}.live.p99Ratio`, LIVE_RATIO_MAX, live.p99Ratio),
      // A live pair that had it easy says nothing.
      atLeast(`topics.${name}.live.besidePerSecond`, 0.95 * RECOMPRESSED_PER_SECOND, live.besidePerSecond),
      atMost(`topics.${name}.plain.lossBeyondCpu`, LOSS_MAX, plain.lossBeyondCpu),
    ]),
    atMost('broker.anonymousRssBytesMax', BROKER_ANONYMOUS_BYTES_MAX, broker.anonymousRssBytesMax),
  ]
}
