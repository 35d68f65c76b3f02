/** The figures of `bench codecs`, on numbers one can check by hand. */
import t from 'tap'
import type { PoolCost } from '../../bench/codecs/pool-cost.ts'
import type { Measured, PlainRound, RecompressionRound } from '../../bench/codecs/recompression.ts'
import { codecsResult, codecsTargets, plainFigures } from '../../bench/codecs/result.ts'
import type { CodecsOptions, CodecsRun } from '../../bench/codecs/run.ts'
import type { Machine } from '../../bench/machine/machine.ts'

const machine: Machine = { cpu: 'x', cores: 2, memoryBytes: 1, system: 'y', versions: {} }

const options: CodecsOptions = {
  rounds: 2,
  differentEvents: 1,
  codecRounds: 1,
  codecSampleMs: 1,
  poolSampleMs: 1,
  batchBytes: [1024],
  warmupEvents: 1,
  events: 1,
  recompressedPerSecond: 1_000_000,
  livePerSecond: 1,
  liveValueBytes: 32,
  liveWarmupSeconds: 1,
  liveSeconds: 1,
  plainSeconds: 1,
  leadSeconds: 1,
  diskProbeBytes: 1,
  smallSyncs: 1,
  processorProbes: 1,
  partitions: 1,
  seed: 1,
}

const stretch = (start: number, end: number) => ({ startNs: start * 1e9, endNs: end * 1e9 })

function measured(events: number, brokerSeconds: number | null = 1, generatorSeconds = 1): Measured {
  const produced = { events, seconds: 1, cpuSeconds: 1, batches: 1, sum: 1, bytes: 200 * events }
  return {
    produced: { ...produced, ...stretch(2, 4) },
    cpu: { seconds: 1, brokerSeconds, loopSeconds: 0.5, generatorSeconds },
  }
}

/** 100 events/s plain. What is recompressed takes 0.8 of two cores, and gets on at half its rate beside the plain topic. */
const plain = (besideEvents: number): PlainRound => ({
  alone: measured(100),
  beside: measured(besideEvents),
  half: measured(5).produced,
  halfAlone: measured(10, 0.5, 0.3),
})

const round = (events: number, latencyUs: readonly number[]): RecompressionRound => {
  const consumed = { moved: { events: 3e6, seconds: 1, cpuSeconds: 1 }, cpu: measured(1).cpu }
  return {
    capacity: measured(events),
    storedShare: 0.25,
    lazy: consumed,
    values: { ...consumed, moved: { ...consumed.moved, seconds: 2 } },
    live: {
      timeline: { dueNs: Float64Array.from([0, 1e9, 2e9, 3e9]), latencyUs: Float64Array.from(latencyUs) },
      paced: { acknowledged: 4, seconds: 4, lateMsMax: 1 },
    },
    alone: stretch(0, 2),
    beside: measured(1_000_000).produced,
    plain: plain(72),
    anonymousRssBytesMax: events,
  }
}

const sample = (loopSeconds: number | null, batches = 1_000) => ({ batches, seconds: 1, loopSeconds })

function poolCost(batchBytes: number, inlineSeconds: number, poolSeconds: number | null): PoolCost {
  return {
    choice: { codec: 'zstd', level: 1 },
    batchBytes,
    eventsPerBatch: 5,
    inline: [sample(inlineSeconds)],
    pool: [sample(poolSeconds, 2_000)],
    poolAloneMs: [0.5],
  }
}

const run = (chosen: Partial<CodecsRun> = {}): CodecsRun => ({
  events: { different: 10, meanBytes: 200 },
  speeds: [
    {
      choice: { codec: 'gzip', level: 6 },
      batchBytes: 1024,
      eventsPerBatch: 5,
      plainBytes: 1000,
      packedBytes: 250,
      compressMegabytesPerSecond: [90, 100, 300],
      decompressMegabytesPerSecond: [400],
    },
  ],
  poolCosts: [poolCost(1, 0.02, 0.1), poolCost(4, 0.09, 0.1), poolCost(2, 0.06, 0.1), poolCost(8, 0.5, 0.1)],
  offloadBytesMin: 4096,
  workers: 1,
  rounds: new Map([
    ['zstd-1', [round(900_000, [1000, 2000, 3000, 3000]), round(1_100_000, [1000, 1000, 5000, 9000])]],
  ]),
  probes: [{ disk: { megabytesPerSecond: 100, chunkBytes: 4096 }, fdatasyncP50Ms: 0.2 }],
  processorMegabytesPerSecond: [500, 500],
  ...chosen,
})

t.test('a codecs result: medians of the codecs, best of the topics, all latencies together', async (t) => {
  const { codecs, pool, topics, broker, probes } = codecsResult(run(), options, machine)
  t.same(codecs[0].compress, { megabytesPerSecond: 100, eventsPerSecond: 500_000 })
  t.same([codecs[0].name, codecs[0].ratio, codecs[0].decompress.megabytesPerSecond], ['gzip-6', 4, 400])
  t.same(pool.costs[0].inline, { loopMicroseconds: 20, eventsPerSecond: 5_000 })
  t.same(pool.costs[0].pool, { loopMicroseconds: 50, eventsPerSecond: 10_000, aloneMs: 0.5 })
  const topic = topics['zstd-1']
  t.equal(topic.recompress.eventsPerSecond, 1_100_000)
  t.equal(topic.recompress.brokerCpuSecondsPerMillionEvents, 1 / 1.1)
  t.equal(topic.consume.lazy.eventsPerSecond, 3e6)
  t.equal(topic.consume.values.eventsPerSecond, 1.5e6)
  t.same([topic.live.alone.events, topic.live.beside.events], [4, 4], 'of both rounds, by when they were due')
  t.same([topic.live.alone.maxMs, topic.live.beside.maxMs].map(Math.round), [2, 9])
  t.equal(broker.anonymousRssBytesMax, 1_100_000)
  t.equal(probes.noisy, false)
})

t.test('the threshold is where the pool wins, and wins for everything larger', async (t) => {
  const thresholdOf = (...poolCosts: PoolCost[]) =>
    codecsResult(run({ poolCosts }), options, machine).pool.thresholdBytes['zstd-1']
  t.equal(thresholdOf(...run().poolCosts), 2, 'whatever their order')
  t.equal(
    thresholdOf(poolCost(1, 1, 0.1), poolCost(2, 0.02, 0.1), poolCost(4, 1, 0.1)),
    4,
    'not the lucky one below',
  )
  t.equal(thresholdOf(poolCost(1, 0.01, 0.1)), null, 'never')
  t.equal(thresholdOf(poolCost(1, 1, null)), null, 'nobody tells')
})

t.test('what a plain topic loses beyond the CPU time that was taken', async (t) => {
  // 0.8 s of 2 for 10 events/s; 5 of them take a fifth of the machine, and 80 events/s are what is left.
  const { cpuShare, lossBeyondCpu } = plainFigures(plain(72), 2)
  t.equal(cpuShare, 0.2)
  t.ok(Math.abs(lossBeyondCpu! - 0.1) < 1e-9, `${lossBeyondCpu}`)
  t.ok(plainFigures(plain(90), 2).lossBeyondCpu! < 0, 'less than they take')
  const unknown = { ...plain(72), halfAlone: measured(10, null) }
  t.equal(plainFigures(unknown, 2).lossBeyondCpu, null)
})

t.test('targets of codecs', async (t) => {
  const missed = codecsTargets(codecsResult(run(), options, machine)).filter(({ met }) => !met)
  t.same(
    missed.map(({ name }) => name),
    ['topics.zstd-1.consume.values.eventsPerSecond', 'topics.zstd-1.live.p99Ratio'],
  )
  const slow = [{ ...round(900_000, [1, 1, 1, 1]), beside: measured(100).produced }]
  const result = codecsResult(run({ rounds: new Map([['lz4', slow]]) }), options, machine)
  t.same(
    codecsTargets(result)
      .filter(({ met }) => !met)
      .map(({ name }) => name),
    [
      'topics.lz4.recompress.eventsPerSecond',
      'topics.lz4.consume.values.eventsPerSecond',
      'topics.lz4.live.besidePerSecond',
    ],
    'a live pair that had it easy says nothing',
  )
})
