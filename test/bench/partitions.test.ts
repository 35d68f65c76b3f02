/** The figures of `bench partitions`, on numbers one can check by hand, and what counts as a segment that is held. */
import t from 'tap'
import type { Machine } from '../../bench/machine/machine.ts'
import { distinctSegments } from '../../bench/machine/segment-watch.ts'
import { partitionsResult, partitionsTargets } from '../../bench/partitions/result.ts'
import type { PartitionsOptions, PartitionsRun } from '../../bench/partitions/run.ts'

const machine: Machine = { cpu: 'x', cores: 2, memoryBytes: 1, system: 'y', versions: {} }

const options: PartitionsOptions = {
  rounds: 3,
  spread: {
    partitions: 10_000,
    events: 1_000_000,
    warmupEvents: 1,
    slices: 2,
    batchBytes: 4096,
    valueBytes: 32,
    seed: 1,
  },
  startup: {
    partitions: 10_000,
    batches: 1,
    segments: 1,
    segmentBytes: 1,
    batchValueBytes: 1,
    starts: 3,
    logBytes: 0,
    growthBatchBytes: 1,
    growthValueBytes: 1,
    seed: 1,
  },
  diskProbeBytes: 1,
  smallSyncs: 1,
}

const spread = (seconds: number, brokerCpuSeconds: number | null = 0.5) => ({
  events: 1_000_000,
  seconds,
  batches: 10_000,
  brokerCpuSeconds,
})
const round = (many: number, one: number, anonymousRssBytesMax: number | null) => ({
  many: spread(many),
  one: spread(one, null),
  oneWithDefaults: spread(4),
  anonymousRssBytesMax,
  total: { events: 5, sum: 7 },
  nothingStored: { many: spread(0.2), one: spread(0.1) },
})
const start = (seconds: number) => ({ seconds, anonymousRssBytes: 1e8 })
const probe = { disk: { megabytesPerSecond: 100, chunkBytes: 4096 }, fdatasyncP50Ms: 0.2 }

const run: PartitionsRun = {
  rounds: [round(1, 0.6, 3e8), round(0.5, 0.4, 2e8), round(2, 1, 1e8)],
  startup: {
    afterTerm: [start(1), start(9), start(2)],
    afterKill: [start(4), start(3), start(5)],
    evicted: [],
    built: { batches: 1, segments: 2, bytes: 3 },
    log: {
      bytes: 3,
      segments: 2,
      held: { open: 64, mapped: 65 },
      indexCacheBytesMax: null,
      anonymousRssBytesMax: 5e8,
      read: { events: 1, sum: 1, seconds: 1 },
    },
  },
  probes: [probe, probe],
}

t.test('a partitions result takes the best rates and the median of ratios and starts', async (t) => {
  const result = partitionsResult(run, options, machine)
  t.equal(result.produce.many.eventsPerSecond, 2_000_000)
  t.equal(result.produce.many.megabytesPerSecond, 64)
  t.equal(result.produce.many.batchesPerSecond, 20_000)
  t.equal(result.produce.many.eventsPerBatch, 100)
  t.equal(result.produce.many.brokerCpuSecondsPerMillionEvents, 0.5)
  t.equal(result.produce.one.brokerCpuSecondsPerMillionEvents, null)
  t.equal(result.produce.ratio, 0.6, 'of 0.6, 0.8 and 0.5')
  t.equal(result.startup.afterTerm.seconds, 2)
  t.equal(result.startup.afterKill.seconds, 4)
  t.equal(result.startup.evicted, null)
  t.equal(result.broker.anonymousRssBytesMax, 5e8, 'the most of all phases')
  t.equal(result.probes.noisy, false)
  t.same(
    partitionsTargets(result).map(({ name, met }) => [name, met]),
    [
      ['produce.ratio', false],
      ['startup.afterTerm.seconds', true],
      ['startup.afterKill.seconds', false],
      ['log.openSegmentsMax', true],
      ['log.mappedSegmentsMax', false],
      ['log.indexCacheBytesMax', false],
      ['broker.anonymousRssBytesMax', false],
    ],
    'what a broker does not tell is a target missed',
  )
})

t.test('a segment counts once, however often it is mapped and although it is unlinked', async (t) => {
  const lines = [
    '7f00-7f01 rw-s 00000000 fe:00 1  /data/segments/segment-0000000001.lmdb',
    '7f02-7f03 rw-s 00001000 fe:00 1  /data/segments/segment-0000000001.lmdb',
    '7f04-7f05 r--s 00000000 fe:00 2  /data/segments/segment-0000000002.lmdb (deleted)',
    '7f06-7f07 rw-s 00000000 fe:00 3  /data/segments/segment-0000000003.lmdb-lock',
    '7f08-7f09 r-xp 00000000 fe:00 4  /usr/lib/libc.so.6',
    'socket:[123]',
  ]
  t.equal(distinctSegments(lines), 2)
})
