/** What a filling disk means: thresholds, hysteresis, and how long it will take. */
import t from 'tap'
import { DiskForecast } from '../../../broker/disk/disk-forecast.ts'
import { DiskSpace, type DiskState, diskThresholds } from '../../../broker/disk/disk-space.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const MIB = 1024 * 1024
const SEGMENT = 16 * MIB
const RESERVE = 64 * MIB
const HOUR = 3_600_000
const thresholds = diskThresholds({ freeBytesMin: RESERVE, segmentBytes: SEGMENT })

t.test('thresholds stand apart by what a segment takes', async (t) => {
  t.same(thresholds, {
    stopBytes: 96 * MIB,
    resumeBytes: 112 * MIB,
    warnBytes: 192 * MIB,
    calmBytes: 208 * MIB,
    lookBytes: 4 * MIB,
  })
  t.same(diskThresholds({ freeBytesMin: 16 * MIB, segmentBytes: 1024 * MIB }).lookBytes, 4 * MIB)
})

t.test('each state is left only with clearly more room than it was entered with', async (t) => {
  const space = new DiskSpace(thresholds, SEGMENT)
  t.equal(space.state, 'ok')
  const steps: [number, DiskState][] = [
    [192 * MIB, 'ok'],
    [192 * MIB - 1, 'warning'],
    [207 * MIB, 'warning'],
    [208 * MIB, 'ok'],
    [100 * MIB, 'warning'],
    [96 * MIB, 'warning'],
    [96 * MIB - 1, 'read-only'],
    [0, 'read-only'],
    [112 * MIB - 1, 'read-only'],
    [112 * MIB, 'warning'],
    [96 * MIB, 'warning'],
    [95 * MIB, 'read-only'],
    [208 * MIB, 'ok'],
    [0, 'read-only'],
    [Number.POSITIVE_INFINITY, 'ok'],
  ]
  for (const [free, state] of steps) t.equal(space.look(free, 0), state, `${free / MIB} MiB free`)
})

t.test('a node that starts takes events only where it would take them again', async (t) => {
  for (const [free, state] of [
    [112 * MIB - 1, 'read-only'],
    [112 * MIB, 'warning'],
    [192 * MIB, 'ok'],
  ] as const)
    t.equal(new DiskSpace(thresholds, SEGMENT).look(free, 0), state)
})

t.test('it is the same whatever is looked at in between', async (t) => {
  const random = seededRandom(t)
  for (let round = 0; round < 200; round++) {
    const space = new DiskSpace(thresholds, SEGMENT)
    space.look(thresholds.calmBytes, 0)
    for (let i = 0; i < 50; i++) {
      const before = space.state
      const free = random.below(300) * MIB
      const after = space.look(free, 0)
      if (free < thresholds.stopBytes) t.equal(after, 'read-only')
      else if (free >= thresholds.calmBytes) t.equal(after, 'ok')
      else if (before === 'read-only' && free < thresholds.resumeBytes) t.equal(after, 'read-only')
      else if (before !== after) t.not(`${before} ${after}`, 'ok read-only')
    }
  }
})

/** Looks at a disk four times a second for a while. */
function watch(
  space: { look(freeBytes: number, nowMs: number): unknown },
  freeBytesAt: (nowMs: number) => number,
  durationMs: number,
): void {
  for (let nowMs = 0; nowMs <= durationMs; nowMs += 250) space.look(freeBytesAt(nowMs), nowMs)
}

t.test('a disk that will be full within the hour is warned of while there is much room', async (t) => {
  const total = 100_000 * MIB
  const filling = (mibPerSecond: number) => (nowMs: number) => {
    // As segments take it: in steps.
    const taken = (mibPerSecond * MIB * nowMs) / 1000
    return total - Math.ceil(taken / SEGMENT) * SEGMENT
  }
  const fast = new DiskSpace(thresholds, SEGMENT)
  watch(fast, filling(100), 60_000)
  t.equal(fast.state, 'warning')
  const expectedMs = ((fast.freeBytes - thresholds.stopBytes) / (100 * MIB)) * 1000
  t.ok(Math.abs((fast.fullInMs ?? 0) / expectedMs - 1) < 0.25, `${fast.fullInMs} of ${expectedMs} ms`)

  const slow = new DiskSpace(thresholds, SEGMENT)
  watch(slow, filling(10), 120_000)
  t.equal(slow.state, 'ok', 'in three hours it need not be warned of')
  t.ok((slow.fullInMs ?? 0) > 2 * HOUR && (slow.fullInMs ?? 0) < 4 * HOUR, `${slow.fullInMs} ms`)

  const idle = new DiskSpace(thresholds, SEGMENT)
  watch(idle, () => total, 120_000)
  t.equal(idle.fullInMs, undefined)
  watch(idle, () => 0, 0)
  t.equal(idle.fullInMs, 0, 'a full disk is full now')
})

t.test('what retention gives back is not lost', async (t) => {
  const space = new DiskSpace(thresholds, SEGMENT)
  // 50 MiB/s come, and every five seconds the same goes.
  watch(space, (nowMs) => 1_000 * MIB - 50 * MIB * ((nowMs % 5_000) / 1000), 600_000)
  t.equal(space.fullInMs, undefined)
  t.equal(space.state, 'ok')
})

t.test('the rate is that of late, and a single segment is none', async (t) => {
  const forecast = new DiskForecast(SEGMENT)
  const observe = (freeMib: number, seconds: number) => forecast.observe(freeMib * MIB, seconds * 1000)
  observe(1_000, 0)
  t.equal(forecast.bytesPerMs, undefined, 'nothing is known yet')
  observe(984, 10)
  observe(984, 20)
  t.equal(forecast.bytesPerMs, undefined, 'one segment went, which says nothing')
  observe(920, 30)
  observe(856, 40)
  t.equal(forecast.bytesPerMs, (64 * MIB) / 10_000)
  for (let seconds = 50; seconds <= 10_000; seconds += 10) observe(856, seconds)
  t.equal(forecast.bytesPerMs, undefined, 'what went an hour ago is forgotten')
})
