/** The figures of `bench cold`, on numbers one can check by hand; and what it takes for cold. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { coldResult, coldTargets } from '../../bench/cold/result.ts'
import type { ColdOptions, ColdRun } from '../../bench/cold/run.ts'
import { latencies } from '../../bench/figures/latencies.ts'
import type { Machine } from '../../bench/machine/machine.ts'
import { canEvict, evictDirectory } from '../../bench/machine/page-cache.ts'
import { diskReadBytes } from '../../bench/machine/process-statistics.ts'

const machine: Machine = { cpu: 'x', cores: 2, memoryBytes: 1, system: 'y', versions: {} }

const options: ColdOptions = {
  rounds: 2,
  ratePerSecond: 1,
  liveValueBytes: 32,
  warmupSeconds: 1,
  seconds: 1,
  replayBytes: 1,
  segmentBytes: 1,
  valueBytes: 1,
  partitions: 1,
  seed: 1,
  diskShareMin: 0.9,
  diskProbeBytes: 1,
  smallSyncs: 1,
}

/** An event a second from second 0 on. */
const live = {
  dueNs: Float64Array.from([0, 1, 2, 3, 4, 5], (s) => s * 1e9),
  latencyUs: Float64Array.from([1000, 2000, 6000, 1000, 8000, 9_000_000]),
}
const window = (start: number, end: number) => ({ startNs: start * 1e9, endNs: end * 1e9 })
const probe = { disk: { megabytesPerSecond: 100, chunkBytes: 4096 }, fdatasyncP50Ms: 0.2 }

t.test('a latency belongs to the time in which its event was due', async (t) => {
  const { maxMs, events } = latencies({ timeline: live, stretches: [window(0, 2), window(3, 4)] })
  t.equal(events, 3, 'from the start of a window to before its end')
  t.equal(maxMs, 2)
  t.throws(() => latencies({ timeline: live, stretches: [window(7, 8)] }), /no event was due/)
})

t.test('a cold result puts all rounds together', async (t) => {
  const replayed = (start: number, end: number, bytes: number) => ({
    ...window(start, end),
    events: 1,
    bytes,
  })
  const run: ColdRun = {
    rounds: [
      { alone: window(0, 2), replayed: replayed(2, 3, 50e6), diskBytes: 60e6 },
      { alone: window(3, 4), replayed: replayed(4, 4.5, 100e6), diskBytes: 120e6 },
    ],
    live,
    paced: { acknowledged: 6, seconds: 6, lateMsMax: 2 },
    anonymousRssBytesMax: null,
    probes: [probe, probe],
    coldReadMegabytesPerSecond: [300, 500, 400],
  }
  const result = coldResult(run, options, machine)
  t.equal(result.live.alone.events, 3)
  t.equal(result.live.beside.events, 2)
  t.ok(Math.abs(result.live.p99Ratio - 4) < 0.02, `8 ms beside 2 ms alone: ${result.live.p99Ratio}`)
  t.equal(result.replay.megabytesPerSecond, 100, '150 MB in 1.5 s')
  t.equal(result.replay.diskShare, 1.2)
  t.equal(result.probes.coldRead.megabytesPerSecond, 400)
  t.equal(result.rounds[1].replayMegabytesPerSecond, 200)
  t.equal(result.rounds[0].beside.events, 1)
  t.same(
    coldTargets(result).map(({ name, met }) => [name, met]),
    [
      ['live.p99Ratio', result.live.p99Ratio <= 4],
      ['replay.megabytesPerSecond', true],
      ['broker.anonymousRssBytesMax', false],
    ],
  )
})

t.test(
  'eviction keeps every byte',
  { skip: !canEvict && 'only Linux lets go of its page cache' },
  async (t) => {
    const directory = t.testdir({ inner: {} })
    const path = join(directory, 'inner', 'a.bin')
    writeFileSync(path, Buffer.alloc(1_000_000, 'octopus'))
    const sum = () => spawnSync('cksum', [path], { encoding: 'utf8' }).stdout
    const before = sum()
    await evictDirectory(directory)
    t.equal(sum(), before)
    t.type(diskReadBytes(process.pid), 'number', 'and the kernel tells what a process reads')
    t.equal(diskReadBytes(2 ** 22 + 1), undefined, 'of one that is')
  },
)
