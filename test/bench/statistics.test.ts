/**
 * The arithmetic of the benches, on numbers one can check by hand: a wrong median or a wrong bound would
 * make every figure of the project wrong.
 */

import hdr from 'hdr-histogram-js'
import t from 'tap'
import { best, median, percentile, serialRate, stray } from '../../bench/figures/statistics.ts'
import { randomBytes, resultHash, sumBytes, ValuePool } from '../../bench/figures/values.ts'
import { latencyResult, latencyTargets } from '../../bench/latency/result.ts'
import type { Machine } from '../../bench/machine/machine.ts'
import { throughputResult, throughputTargets } from '../../bench/throughput/result.ts'

t.test('median, best, stray, serial rate', async (t) => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 3, 2]), 2.5)
  t.throws(() => median([]), /nothing/)
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
  t.same(
    [0, 25, 99, 99.5, 100].map((percent) => percentile(hundred, percent)),
    [1, 25, 99, 100, 100],
  )
  t.equal(percentile([7], 50), 7)
  t.throws(() => percentile([], 50), /nothing/)
  t.equal(
    best([1, 5, 3], (n) => n),
    5,
  )
  t.same(
    best(
      [
        { n: 1, id: 'a' },
        { n: 1, id: 'b' },
      ],
      ({ n }) => n,
    ),
    { n: 1, id: 'a' },
  )
  t.throws(() => best([], Number), /nothing/)
  t.equal(stray([100, 100, 79, 110]), 0.21)
  t.equal(stray([5]), 0)
  t.equal(serialRate(10, 10), 5)
})

t.test('values depend on the seed, fill the pool and sum up', async (t) => {
  t.same(randomBytes(1, 100), randomBytes(1, 100))
  t.notSame(randomBytes(1, 100), randomBytes(2, 100))
  const pool = new ValuePool(1, 32)
  const { length } = pool.views
  t.ok(pool.views.every((view) => view.length === 32))
  const byHand = (events: number) =>
    Array.from({ length: events }, (_, i) => sumBytes(pool.views[i % length])).reduce((a, b) => a + b, 0)
  for (const events of [0, 1, length, length + 1, 2 * length + 3])
    t.equal(pool.sum(events), byHand(events), `${events} events`)
  t.equal(resultHash(5, 7), resultHash(5, 7))
  t.not(resultHash(5, 7), resultHash(5, 8))
  t.not(resultHash(5, 7), resultHash(6, 7))
})

const machine: Machine = { cpu: 'x', cores: 2, memoryBytes: 1, system: 'y', versions: {} }

t.test('a throughput result takes the best rounds and compares each with its neighbours', async (t) => {
  const options = {
    rounds: 2,
    events: 1_000_000,
    warmupEvents: 1,
    pageCacheBytes: 1,
    valueBytes: 32,
    partitions: 1,
    seed: 1,
    diskProbeBytes: 1,
    smallSyncs: 1,
    tls: false,
  }
  const moved = (seconds: number) => ({ events: 1_000_000, seconds, cpuSeconds: 0.1 })
  const measured = (produce: number, lazy: number, values: number) => ({
    produced: moved(produce),
    lazy: moved(lazy),
    values: moved(values),
    sum: 5,
    brokerCpuSeconds: { produce: 0.06, consumeLazy: null },
    anonymousRssBytesMax: 30e6,
    storedBytesPerEvent: 40,
  })
  const round = (produce: number, lazy: number, values: number) => ({
    ...measured(produce, lazy, values),
    nothingStored: moved(0.1),
    overTls: undefined,
  })
  const probe = (megabytesPerSecond: number, fdatasyncP50Ms: number) => ({
    disk: { megabytesPerSecond, chunkBytes: 4096 },
    fdatasyncP50Ms,
  })
  const run = {
    rounds: [round(0.5, 0.05, 0.2), round(0.2, 0.1, 0.1)],
    probes: [probe(100, 0.2), probe(390, 0.2), probe(410, 0.2)],
  }
  const result = throughputResult(run, options, machine)
  t.equal(result.produce.eventsPerSecond, 5_000_000)
  t.equal(result.produce.megabytesPerSecond, 160)
  // 400 MB/s of 40-byte records and 10 M/s without storing: one after the other 5 M/s.
  t.equal(result.produce.diskRatio, 1)
  t.equal(result.consume.eventsPerSecondLazy, 20_000_000)
  t.equal(result.consume.eventsPerSecondValues, 10_000_000)
  t.equal(result.broker.cpuSecondsPerMillionEvents, 0.06)
  t.equal(result.broker.consumeCpuSecondsPerMillionEvents, null)
  t.equal(result.broker.anonymousRssBytesMax, 30e6)
  t.equal(result.probes.disk.megabytesPerSecond, 390)
  t.equal(result.probes.noisy, true, 'a probe of 100 beside 390')
  t.same(
    throughputTargets(result).map(({ name, met }) => [name, met]),
    [
      ['produce.eventsPerSecond', false],
      ['consume.eventsPerSecondLazy', true],
      ['consume.eventsPerSecondValues', true],
      ['broker.anonymousRssBytesMax', true],
    ],
  )
  const large = throughputResult(run, { ...options, valueBytes: 1024 }, machine)
  t.same(
    throughputTargets(large).map(({ name, met }) => [name, met]),
    [
      ['produce.diskRatio', true],
      ['broker.anonymousRssBytesMax', true],
    ],
    'rates are promised for 32 bytes, the share of the disk for 1 KB',
  )
  const untold = throughputResult(
    { ...run, rounds: run.rounds.map((r) => ({ ...r, anonymousRssBytesMax: null })) },
    options,
    machine,
  )
  t.equal(throughputTargets(untold).at(-1)?.met, false, 'what nobody can tell is no promise kept')

  t.equal(result.tls, null)
  const [first, second] = run.rounds
  const secured = throughputResult(
    {
      ...run,
      rounds: [
        { ...first!, overTls: measured(1, 0.1, 0.25) },
        { ...second!, overTls: measured(0.25, 0.2, 0.2) },
      ],
    },
    { ...options, tls: true },
    machine,
  )
  t.match(secured.tls, {
    produceRatio: 0.65,
    consumeRatioLazy: 0.5,
    consumeRatioValues: 0.65,
    produceEventsPerSecond: 4_000_000,
    consumeEventsPerSecondLazy: 10_000_000,
    brokerCpuSecondsPerMillionEvents: 0.06,
  })
  t.match(
    throughputTargets(secured).find(({ name }) => name === 'tls.produceRatio'),
    { limit: 0.6, met: true },
    'each with the one of its own round',
  )
  t.equal(
    secured.produce.eventsPerSecond,
    result.produce.eventsPerSecond,
    'the others are those of plain text',
  )
})

t.test('a latency result reads milliseconds out of all rounds', async (t) => {
  const histogram = hdr.build()
  for (let i = 1; i <= 1000; i++) histogram.recordValue(i * 10)
  const round = { acknowledged: 500, seconds: 0.5, lateMsMax: 1, histogram: '', measured: 500 }
  const run = { histogram, rounds: [round, { ...round, lateMsMax: 3 }], fdatasyncP50Ms: [0.9, 1, 1.1] }
  const options = {
    rounds: 2,
    ratePerSecond: 1000,
    seconds: 1,
    warmupSeconds: 0,
    valueBytes: 32,
    partitions: 1,
    seed: 1,
    smallSyncs: 1,
  }
  const result = latencyResult(run, options, machine)
  t.ok(Math.abs(result.endToEnd.p50Ms - 5) < 0.05, `p50 is ${result.endToEnd.p50Ms}`)
  t.ok(Math.abs(result.endToEnd.p99Ms - 9.9) < 0.05, `p99 is ${result.endToEnd.p99Ms}`)
  t.equal(result.achievedPerSecond, 1000)
  t.equal(result.lateMsMax, 3)
  t.equal(result.probes.fdatasync.p50Ms, 1)
  t.equal(result.probes.noisy, false)
  t.same(
    latencyTargets(result).map(({ name, limit, met }) => ({ name, limit, met })),
    [
      { name: 'endToEnd.p50Ms', limit: 5, met: result.endToEnd.p50Ms <= 5 },
      { name: 'endToEnd.p99Ms', limit: 20, met: true },
    ],
  )
})
