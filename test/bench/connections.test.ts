/** The figures of `bench connections`, on numbers one can check by hand. */
import hdr from 'hdr-histogram-js'
import t from 'tap'
import { connectionsResult, connectionsTargets } from '../../bench/connections/result.ts'
import type { Machine } from '../../bench/machine/machine.ts'

const machine: Machine = { cpu: 'x', cores: 2, memoryBytes: 1, system: 'y', versions: {} }

t.test('a connections result takes the best round, and the latencies of all', async (t) => {
  const histogram = hdr.build()
  for (let i = 1; i <= 1000; i++) histogram.recordValue(i * 10)
  const load = (eventsPerSecond: number) => ({
    eventsPerSecond,
    generatorCpuSecondsPerMillionEvents: 20,
    total: { events: 1, sum: 1 },
  })
  const round = (eventsPerSecond: number, anonymousRssBytesMax: number | null) => ({
    ...load(eventsPerSecond),
    nothingStored: load(80_000),
    brokerCpuSecondsPerMillionEvents: eventsPerSecond / 1000,
    anonymousRssBytesMax,
  })
  const run = {
    rounds: [round(30_000, 5e8), round(60_000, null)],
    histogram,
    fdatasyncP50Ms: [0.2, 0.2, 0.3],
  }
  const options = {
    rounds: 2,
    connections: 200,
    generators: 1,
    partitions: 1,
    warmupSeconds: 1,
    seconds: 1,
    nothingStoredSeconds: 1,
    valueBytes: 32,
    seed: 1,
    smallSyncs: 1,
  }
  const result = connectionsResult(run, options, machine)
  t.equal(result.acknowledged.eventsPerSecond, 60_000)
  t.equal(result.acknowledged.nothingStoredRatio, 0.75)
  t.ok(Math.abs(result.latency.p50Ms - 5) < 0.05, `p50 is ${result.latency.p50Ms}`)
  t.equal(result.broker.cpuSecondsPerMillionEvents, 60)
  t.equal(result.broker.anonymousRssBytesMax, 5e8)
  t.equal(result.probes.noisy, true, 'a sync of 0.3 ms beside 0.2')
  t.same(
    connectionsTargets(result).map(({ name, met }) => [name, met]),
    [
      ['acknowledged.eventsPerSecond', true],
      ['broker.anonymousRssBytesMax', false],
    ],
  )
})
