/** Reading what is not in memory: off the event loop, one step at a time, no faster than commits allow. */
import t from 'tap'
import { CommitLatency } from '../../../storage/log/commit-latency.ts'
import type { PartitionLog } from '../../../storage/log/partition-log.ts'
import { ReadPace } from '../../../storage/log/read-pace.ts'
import { ShardLog } from '../../../storage/log/shard-log.ts'
import { WarmTail } from '../../../storage/log/warm-tail.ts'
import { MemoryDisk } from '../../../storage/memory/memory-disk.ts'
import { MemorySegmentStore } from '../../../storage/memory/memory-segment-store.ts'
import type { DiskPace } from '../../../storage/ports.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { batch, topicId } from './log-fixture.ts'

const turns = async (count = 50) => {
  for (let i = 0; i < count; i++) await Promise.resolve()
}

/** Knows what has been brought in, and what was read without. */
class ColdStore extends MemorySegmentStore {
  readonly prefetched = new Set<string>()
  readonly prefetches: [segment: number, sequence: number, count: number][] = []
  /** Values and indexes for which the event loop waited. */
  readonly stalls: string[] = []
  /** When set, a prefetch waits to be let through. */
  held: (() => void)[] | undefined
  underWay = 0
  underWayMax = 0
  onPrefetch: (count: number) => void = () => {}

  override async prefetch(segment: number, sequence: number, count = 1): Promise<void> {
    this.prefetches.push([segment, sequence, count])
    this.underWayMax = Math.max(this.underWayMax, ++this.underWay)
    await new Promise<void>((resolve) => (this.held ? this.held.push(resolve) : queueMicrotask(resolve)))
    for (let i = 0; i < count; i++) this.prefetched.add(`${segment}/${sequence + i}`)
    this.onPrefetch(count)
    this.underWay--
  }

  override read(segment: number, sequence: number): Uint8Array | undefined {
    if (!this.prefetched.has(`${segment}/${sequence}`)) this.stalls.push(`value ${segment}/${sequence}`)
    return super.read(segment, sequence)
  }

  override readIndexNow(segment: number, start: number, end: number): Uint8Array | undefined {
    this.stalls.push(`index ${segment}`)
    return super.readIndexNow(segment, start, end)
  }
}

async function coldLog(disk: MemoryDisk, diskPace?: DiskPace) {
  const store = new ColdStore({ disk, segmentBytes: 2 * 1024 * 1024 })
  await store.open()
  const options = { clock: { nowMs: () => 5_000 }, crc32c: crc32cTable, soon: queueMicrotask }
  const shard = await ShardLog.open({ store, ...options, ...(diskPace && { diskPace }) })
  store.stalls.length = 0
  return { store, shard, logs: [0, 1, 2].map((partition) => shard.createPartition(topicId, partition)) }
}

/** Partition 0 has 6 MB in large values, 1 and 2 a little among each other; all of it was written by another process. */
async function filledDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk()
  const { shard, logs } = await coldLog(disk)
  for (let i = 0; i < 100; i++) await shard.append({}, logs[0], batch(2, 30_000))
  for (let i = 0; i < 50; i++)
    await Promise.all([shard.append({}, logs[1], batch(3, 500)), shard.append({}, logs[2], batch(3, 500))])
  await shard.close()
  return disk
}

/** Reads a partition as a fetch does. */
async function replay(shard: ShardLog, log: PartitionLog, from = 0): Promise<number> {
  let offset = from
  for (;;) {
    const ready = shard.prepare(log, offset, 1024 * 1024)
    if (ready) await ready
    const slice = shard.read(log, offset, log.highWatermark, 1024 * 1024)
    if (!slice) return offset
    offset = slice.nextOffset
  }
}

t.test('whoever prepares never lets the event loop wait for the disk', async (t) => {
  const { shard, store, logs } = await coldLog(await filledDisk())
  t.strictSame(await Promise.all(logs.map((log) => replay(shard, log))), [200, 150, 150])
  t.strictSame(store.stalls, [])
  t.equal(store.underWayMax, 1, 'one prefetch at a time')
  const values = store.prefetches.reduce((sum, [, , count]) => sum + count, 0)
  t.ok(store.prefetches.length * 5 < values, `${values} values in ${store.prefetches.length} prefetches`)
  const { prefetches, waiting } = shard.stats().coldReads
  t.ok(prefetches > 6 && waiting === 0, `${prefetches} steps`)
})

t.test('a look-up by time and retention bring in what they read', async (t) => {
  const { shard, store, logs } = await coldLog(await filledDisk())
  for (const log of logs) {
    await shard.prepareTimestamp(log, 1_001)
    t.equal(shard.findTimestamp(log, 1_001, log.highWatermark)?.offset, 1)
  }
  await shard.enforceRetention(1_000_000, (log) => ({
    retentionMs: -1,
    retentionBytes: log.partition === 0 ? 2_000_000 : 10_000,
  }))
  for (const log of logs) t.ok(log.logStartOffset > 50, `log start ${log.logStartOffset}`)
  t.strictSame(store.stalls, [])
})

t.test('readers take turns, and one step is ahead of whoever reads on', async (t) => {
  const { shard, store, logs } = await coldLog(await filledDisk())
  store.held = []
  const first = shard.prepare(logs[0], 0, 1024 * 1024)
  const same = shard.prepare(logs[0], 0, 1024 * 1024)
  const other = shard.prepare(logs[0], 150, 1024 * 1024)
  t.ok(first && same === first && other)
  await turns()
  t.strictSame([store.held.length, shard.stats().coldReads.waiting], [1, 1])
  store.held.shift()?.()
  await first
  await turns()
  t.equal(shard.prepare(logs[0], 0, 1024 * 1024), undefined, 'in memory')
  t.equal(shard.stats().coldReads.waiting, 0, 'nothing ahead for one who has only begun')
  t.equal(shard.prepare(logs[0], 4, 1024 * 1024), undefined)
  t.equal(shard.stats().coldReads.waiting, 1, 'one step ahead, behind the other reader')
  t.equal(shard.prepare(logs[0], 6, 1024 * 1024), undefined)
  t.equal(shard.stats().coldReads.waiting, 1, 'and no more')
  store.held.splice(0).forEach((go) => void go())
  store.held = undefined
  await other
})

t.test('what this process appended a moment ago needs no preparing', async (t) => {
  const { shard, logs } = await coldLog(await filledDisk())
  const [log] = logs
  const before = log.logEndOffset
  for (let i = 0; i < 60; i++) await shard.append({}, log, batch(2, 30_000))
  t.ok(shard.stats().segments > 4, 'over the end of a segment')
  for (let offset = before; offset < log.logEndOffset; offset += 2)
    if (shard.prepare(log, offset, 1_000)) t.fail(`offset ${offset} was prepared`)
  t.equal(shard.prepare(log, log.logEndOffset, 1_000), undefined, 'nor what is not there yet')
  t.ok(shard.prepare(log, before - 2, 1_000))
})

t.test('a preparation never fails: damage and a closed store are for the read to tell', async (t) => {
  const disk = await filledDisk()
  const { shard, store, logs } = await coldLog(disk)
  const { index, values } = disk.segments[0]
  index?.fill(0xee, index.length - 48)
  values[3].fill(0xee, 0, 40)
  await shard.prepare(logs[0], 0, 1_000)
  t.throws(() => shard.read(logs[0], 0, 200, 1_000), {
    code: 'DAMAGED',
    message: /the checksum of row 0 does not match/,
  })
  await store.close()
  await shard.prepare(logs[0], 150, 1_000)
  const waiting = shard.prepare(logs[1], 0, 1_000)
  const behind = shard.prepare(logs[2], 0, 1_000)
  await shard.close()
  await Promise.all([waiting, behind])
  t.equal(shard.prepare(logs[1], 0, 1_000), undefined, 'who reads while it closes does not wait')
})

/** A clock that stands until a pause is waited for. */
function manualDisk() {
  const state = { nowMs: 1_000, bytesRead: 0, pauses: [] as number[] }
  const diskPace: DiskPace = {
    monotonicMs: () => state.nowMs,
    diskBytesRead: () => state.bytesRead,
    after: (delayMs, run) => {
      state.pauses.push(delayMs)
      state.nowMs += delayMs
      queueMicrotask(run)
    },
  }
  return { state, diskPace }
}

t.test('steps that come from the disk wait beside commits, and only then', async (t) => {
  const disk = await filledDisk()
  const { state, diskPace } = manualDisk()
  const { shard, store, logs } = await coldLog(disk, diskPace)
  store.onPrefetch = (count) => {
    state.bytesRead += count * 60_000
    state.nowMs += 0.1
  }
  await replay(shard, logs[0])
  t.strictSame(state.pauses, [], 'nobody commits')
  t.equal(shard.stats().coldReads.diskBytes, 100 * 60_000)

  const later = await coldLog(disk, diskPace)
  later.store.onPrefetch = store.onPrefetch
  await later.shard.append({}, later.logs[1], batch(1))
  const startedAtMs = state.nowMs
  await replay(later.shard, later.logs[0])
  t.ok(state.pauses.length > 3)
  const bytesPerSecond = (6_000_000 / (state.nowMs - startedAtMs)) * 1_000
  t.ok(bytesPerSecond > 100e6 && bytesPerSecond < 500e6, `${Math.round(bytesPerSecond / 1e6)} MB/s`)

  const warm = await coldLog(disk, diskPace)
  await warm.shard.append({}, warm.logs[1], batch(1))
  state.pauses.length = 0
  await replay(warm.shard, warm.logs[0])
  t.strictSame(state.pauses, [], 'what is in the page cache is not paced')
})

t.test('the pace falls while commits are slow, never below its least, and rises again', async (t) => {
  const pace = new ReadPace()
  let nowMs = 0
  const run = (steps: number, commitMs: number | undefined, quietCommitMs: number | undefined = 1) => {
    const startMs = nowMs
    for (let i = 0; i < steps; i++) {
      nowMs += pace.pauseMs(nowMs)
      pace.stepped({ startedAtMs: nowMs, diskBytes: 1_000_000, commitMs, quietCommitMs })
    }
    return (steps * 1000) / Math.max(1e-9, nowMs - startMs)
  }
  t.ok(run(1_000, undefined) > 1e6, 'without commits there is no limit')
  run(100, 3)
  t.equal(Math.round(run(1_000, 3)), 115, 'MB/s beside slow commits')
  t.equal(Math.round(run(1_000, 9)), 115, 'however slow')
  run(3_000, 1.2)
  t.ok(run(1_000, 1.2) > 1_000, 'beside commits that do not suffer')
  run(2_000, 2)
  t.equal(Math.round(run(100, 2)), 115)
  t.equal(Math.round(new ReadPace().bytesPerSecond / 1e6), 150)
  const unknown = new ReadPace()
  for (let i = 0; i < 20; i++)
    unknown.stepped({ startedAtMs: i * 200, diskBytes: 1, commitMs: 1, quietCommitMs: undefined })
  t.equal(Math.round(unknown.bytesPerSecond / 1e6), 115, 'nothing to compare with: careful')
  unknown.stepped({ startedAtMs: 9_000, diskBytes: 1e9, commitMs: 1, quietCommitMs: 1 })
  t.equal(unknown.pauseMs(9_000), 250, 'one step never stops the others for long')
})

t.test('what commits take beside reads is told from what they take alone', async (t) => {
  const latency = new CommitLatency()
  t.strictSame([latency.now(0), latency.quietMs], [undefined, undefined])
  let nowMs = 0
  const commit = (durationMs: number) => {
    nowMs += 5
    latency.committed(nowMs, durationMs)
  }
  for (let i = 0; i < 2_000; i++) commit(i % 10 === 0 ? 3 : 1)
  const quietMs = latency.quietMs ?? 0
  t.ok(quietMs >= 0.9 && quietMs <= 3.1, `quiet ${quietMs}`)
  t.equal(latency.now(nowMs), quietMs)
  for (let i = 0; i < 300; i++) {
    latency.read(nowMs)
    commit(8)
  }
  t.ok((latency.now(nowMs) ?? 0) > 7, `beside reads ${latency.now(nowMs)}`)
  t.equal(latency.quietMs, quietMs, 'the one is not mixed into the other')
  nowMs += 500
  commit(1)
  t.equal(latency.now(nowMs), latency.quietMs, 'the reads are over')
  t.equal(latency.now(nowMs + 1_001), undefined, 'nobody commits')
})

t.test('the warm tail holds what was appended last, over the ends of segments', async (t) => {
  const MB = 1024 * 1024
  const tail = new WarmTail(8 * MB)
  t.notOk(tail.has(1, 0))
  for (let i = 0; i < 20; i++) tail.appended(1, i, MB)
  t.strictSame([tail.has(1, 11), tail.has(1, 12), tail.has(1, 19)], [false, true, true])
  tail.appended(2, 0, 10)
  t.strictSame([tail.reaches(1), tail.reaches(2), tail.reaches(3)], [true, true, false])
  for (let i = 1; i < 10; i++) tail.appended(2, i, MB)
  t.strictSame([tail.reaches(1), tail.has(2, 0), tail.has(2, 2)], [false, false, true])
})
