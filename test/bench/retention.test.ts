/** The figures of `bench retention`, on numbers one can check by hand; and how blocks on a disk are counted. */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sumBytes, ValuePool } from '../../bench/figures/values.ts'
import { allocatedBytes } from '../../bench/machine/disk-usage.ts'
import type { Machine } from '../../bench/machine/machine.ts'
import { diskAgainstLive, retentionResult, retentionTargets } from '../../bench/retention/result.ts'
import { type RetentionOptions, type Stretch, sumOfEvery } from '../../bench/retention/run.ts'

const machine: Machine = { cpu: 'x', cores: 2, memoryBytes: 1, system: 'y', versions: {} }

const options: RetentionOptions = {
  passingBytes: 4e9,
  closingBytes: 3e9,
  nothingStoredBytes: 1,
  warmupBytes: 1,
  keptBytes: 1e9,
  mixedEvery: 100,
  markBytes: 1e9,
  checkIntervalMs: 1,
  segmentBytes: 250e6,
  partitions: 16,
  valueBytes: 1000,
  seed: 1,
  diskProbeBytes: 1,
  smallSyncs: 1,
}

const look = (seconds: number, diskBytes: number, liveBytes: number, relocations: number | null = null) => ({
  seconds,
  diskBytes,
  liveBytes,
  relocations,
})

const stretch = (
  markSeconds: number[],
  footprints: Stretch['footprints'],
  memory: number | null = 1,
): Stretch => ({
  events: markSeconds.length * 1e6,
  seconds: markSeconds.at(-1)!,
  markSeconds,
  footprints,
  anonymousRssBytesMax: memory,
  left: { events: 1 },
})
const probe = { disk: { megabytesPerSecond: 100, chunkBytes: 4096 }, fdatasyncP50Ms: 0.2 }

t.test('rates of single gigabytes, and of all once data leaves', async (t) => {
  const run = {
    // 500, 250, 1000 and 400 MB/s.
    steady: stretch([2, 6, 7, 9.5], [look(0, 2e9, 1e9), look(1, 3e9, 1e9)], 5),
    // From the second gigabyte on 2 GB in 5 s.
    mixture: stretch([1, 2, 4, 7], [look(0, 1, 1)], 7),
    // The third gigabyte in 4 s.
    closing: stretch([1, 2, 6], [look(0, 1, 1)], 6),
    nothingStored: { events: 1e6, seconds: 1 },
    probes: [probe, probe],
  }
  const result = retentionResult(run, options, machine)
  t.same(result.steady.megabytesPerSecondOfEach, [500, 250, 1000, 400])
  t.equal(result.steady.lastOverFirst, 0.8)
  t.equal(result.steady.medianOverFirst, 0.8)
  t.equal(result.steady.diskBytesMax, 3e9)
  t.equal(result.mixture.megabytesPerSecond, 400)
  t.equal(result.mixture.unmixedMegabytesPerSecond, (2000 / 3.5 + 250) / 2)
  t.equal(result.probes.nothingStored.megabytesPerSecond, 1000)
  t.equal(result.broker.anonymousRssBytesMax, 7)
  t.same(
    retentionTargets(result).map(({ name, met }) => [name, met]),
    [
      ['steady.lastOverFirst', false],
      ['mixture.diskRatioMax', false],
      ['mixture.throughputRatio', true],
      ['broker.anonymousRssBytesMax', true],
    ],
    'a disk nobody looked at in time is a target missed',
  )
})

t.test('the disk is judged from the first relocation on, at its worst', async (t) => {
  const footprints = [
    look(0, 9e9, 1e9, 0),
    look(1, 1.6e9, 1e9, 1),
    look(2, 1.9e9, 1e9, 2),
    look(3, 1.5e9, 1e9, 2),
  ]
  const told = diskAgainstLive({ footprints, markSeconds: [1, 2] }, options)
  t.equal(told.diskRatioMax, 1.4, 'two segments of 250 MB apart')
  t.equal(told.relocations, 2, 'those of the warm-up apart')
  t.equal(told.looks, 3)
  t.equal(told.worst?.seconds, 2)
})

t.test(
  'a broker that does not tell of relocations is judged from three times the kept bytes on',
  async (t) => {
    const footprints = [look(2.9, 9e9, 1e9), look(3.1, 2e9, 1e9)]
    const untold = diskAgainstLive({ footprints, markSeconds: [1, 2, 3, 4] }, options)
    t.equal(untold.relocations, null)
    t.equal(untold.diskRatioMax, 1.5)
    t.equal(untold.looks, 1)
  },
)

t.test('the sum of the events that are kept', async (t) => {
  const pool = new ValuePool(3, 16)
  const value = (event: number) => sumBytes(pool.views[event % pool.views.length])
  t.equal(sumOfEvery(pool, 100, 0), 0)
  t.equal(sumOfEvery(pool, 100, 2), value(99) + value(199))
  t.equal(sumOfEvery(pool, 3000, 2), value(2999) + value(5999))
})

t.test('allocated blocks count, and those of deleted files that are held open', async (t) => {
  const directory = t.testdir({ inner: { 'a.bin': '' } })
  const path = join(directory, 'inner', 'a.bin')
  writeFileSync(path, Buffer.alloc(100_000, 1))
  spawnSync('sync', [path])
  const bytes = allocatedBytes(directory, process.pid)
  t.ok(bytes >= 100_000 && bytes < 200_000, `${bytes} bytes`)
  const file = openSync(path, 'r')
  unlinkSync(path)
  t.equal(allocatedBytes(directory, process.pid), process.platform === 'linux' ? bytes : 0)
  closeSync(file)
  t.equal(allocatedBytes(directory, process.pid), 0)
})
