/** What the log promises, one promise at a time, on the memory store. Random operations are in the model test. */
import t from 'tap'
import type { PartitionLog } from '../../../storage/log/partition-log.ts'
import { SegmentCatalog } from '../../../storage/log/segment-catalog.ts'
import { MemoryDisk } from '../../../storage/memory/memory-disk.ts'
import { MemorySegmentStore, type Syncs } from '../../../storage/memory/memory-segment-store.ts'
import { setAttributes, setCrc, stampBatch } from '../../../storage/record/batch-header.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { StorageError } from '../../../storage/segment-store.ts'
import { batch, offsetsOf, openLog, topicId } from './log-fixture.ts'

/** Syncs that wait until they are let through. */
function heldSyncs(): Syncs & { release(): void; readonly waiting: number } {
  const held: (() => void)[] = []
  return {
    wait: () => new Promise((resolve) => held.push(resolve)),
    release: () => held.splice(0).forEach((resolve) => void resolve()),
    get waiting() {
      return held.length
    },
  }
}

const turns = async (count = 50) => {
  for (let i = 0; i < count; i++) await Promise.resolve()
}

t.test('nothing is acknowledged, readable or announced before it is durable', async (t) => {
  const syncs = heldSyncs()
  const advanced: number[] = []
  const observer = { advanced: (log: PartitionLog) => advanced.push(log.highWatermark) }
  const { shard, log } = await openLog(new MemoryDisk(), { syncs, observer })
  let acknowledged: unknown
  const appended = shard.append({}, log, batch(3)).then((value) => {
    acknowledged = value
  })
  await turns()
  t.equal(syncs.waiting, 1)
  t.equal(acknowledged, undefined)
  t.equal(log.logEndOffset, 3, 'offsets are given out')
  t.strictSame([log.durableOffset, log.highWatermark, advanced], [0, 0, []])
  t.equal(shard.read(log, 0, log.highWatermark, 1_000), undefined)
  syncs.release()
  await appended
  t.strictSame(acknowledged, { baseOffset: 0, appendTimeMs: -1, logStartOffset: 0 })
  t.strictSame([log.durableOffset, log.highWatermark, advanced], [3, 3, [3]])
  t.strictSame(offsetsOf(shard, log), [[0, 2]])
})

t.test('one commit is in flight; what comes meanwhile shares the next one', async (t) => {
  const syncs = heldSyncs()
  const commits: number[] = []
  const observer = { committed: (_bytes: number, _values: number, appends: number) => commits.push(appends) }
  const { shard, log } = await openLog(new MemoryDisk(), { syncs, observer })
  const source = {}
  const all = [shard.append(source, log, batch(1))]
  await turns()
  for (let i = 0; i < 5; i++) all.push(shard.append(source, log, batch(2)))
  await turns()
  t.equal(syncs.waiting, 1, 'the second commit waits for the first')
  syncs.release()
  await turns()
  syncs.release()
  t.strictSame(
    (await Promise.all(all)).map(({ baseOffset }) => baseOffset),
    [0, 1, 3, 5, 7, 9],
  )
  t.strictSame(commits, [1, 5])
})

t.test('the bytes given to append may change as soon as it returns', async (t) => {
  const { shard, log } = await openLog()
  const bytes = batch(2)
  const appended = shard.append({}, log, bytes)
  bytes.fill(0xff)
  await appended
  t.strictSame(offsetsOf(shard, log), [[0, 1]])
})

t.test(
  'a partition whose data has all left keeps its offsets, its epoch and its start, over restarts',
  async (t) => {
    const { disk, shard, store, log } = await openLog()
    const busy = shard.createPartition(topicId, 1)
    await shard.append({}, log, batch(10))
    await shard.beginLeaderEpoch(log, 4)
    for (let i = 0; i < 40; i++) await shard.append({}, busy, batch(5, 1_000))
    const before = store.segments().length
    t.ok(before > 3, `${before} segments`)
    const report = await shard.enforceRetention(1_000_000, () => ({ retentionMs: 1_000, retentionBytes: -1 }))
    t.equal(report.moved, 2)
    t.equal(report.removedSegments.length, before - 1, 'all but the active one leave')
    for (let round = 0; round < 3; round++) {
      await shard.settled()
      const again = await openLog(disk)
      const end = 10 + round
      t.strictSame([again.log.logStartOffset, again.log.logEndOffset, again.log.leaderEpoch], [end, end, 4])
      const { baseOffset } = await again.shard.append({}, again.log, batch(1))
      t.equal(baseOffset, end)
      const other = again.shard.createPartition(topicId, 1)
      for (let i = 0; i < 40; i++) await again.shard.append({}, other, batch(5, 1_000))
      await again.shard.enforceRetention(1_000_000, () => ({ retentionMs: 1_000, retentionBytes: -1 }))
    }
  },
)

t.test('retention by size keeps at least that much, to the batch', async (t) => {
  const { shard, log } = await openLog()
  for (let i = 0; i < 10; i++) await shard.append({}, log, batch(2, 100))
  const one = log.bytes / 10
  await shard.enforceRetention(0, () => ({ retentionMs: -1, retentionBytes: 3 * one + 1 }))
  t.strictSame([log.logStartOffset, log.bytes], [12, 4 * one])
  await shard.enforceRetention(0, () => ({ retentionMs: -1, retentionBytes: 3 * one }))
  t.strictSame([log.logStartOffset, log.bytes], [14, 3 * one])
  t.strictSame(offsetsOf(shard, log)[0], [14, 15])
})

t.test('retention by age stops at the first young batch, and again after its time', async (t) => {
  const { shard, log } = await openLog()
  const append = (timestampMs: number) => shard.append({}, log, batch(1, 10, timestampMs))
  for (const timestampMs of [1_000, 2_000, 9_000, 3_000]) await append(timestampMs)
  const policy = () => ({ retentionMs: 1_000, retentionBytes: -1 })
  await shard.enforceRetention(4_500, policy)
  t.equal(log.logStartOffset, 2, 'an old batch behind a young one stays')
  await shard.enforceRetention(10_000, policy)
  t.equal(log.logStartOffset, 2, 'exactly as old as allowed')
  await shard.enforceRetention(10_001, policy)
  t.equal(log.logStartOffset, 4)
})

t.test('a dropped topic is gone for good, and its segments go', async (t) => {
  const { disk, shard, store, log } = await openLog()
  const kept = shard.createPartition(new Uint8Array(16).fill(9), 0)
  for (let i = 0; i < 30; i++) await shard.append({}, log, batch(5, 1_000))
  await shard.append({}, kept, batch(1))
  const late = shard.append({}, log, batch(1))
  const moved = shard.moveLogStart(log, 5)
  await shard.dropTopic(topicId)
  await t.rejects(late, { code: 'UNKNOWN_PARTITION' }, 'what waited behind it finds nobody')
  await moved
  t.equal(shard.partition(topicId, 0), undefined)
  t.ok(log.dropped)
  await t.rejects(shard.append({}, log, batch(1)), { code: 'UNKNOWN_PARTITION' })
  await shard.enforceRetention(0, () => ({ retentionMs: -1, retentionBytes: -1 }))
  t.equal(store.segments().length, 1)
  const again = await openLog(disk)
  t.equal(again.log.logEndOffset, 0, 'created anew, empty')
  t.equal(again.shard.partition(kept.topicId, 0)?.logEndOffset, 1)
})

t.test('a full disk refuses, keeps serving, and goes on when there is room', async (t) => {
  const failures: Error[] = []
  const { disk, shard, log } = await openLog(new MemoryDisk(), {
    observer: { failed: (error) => failures.push(error) },
  })
  await shard.append({}, log, batch(2))
  disk.capacityBytes = 1_000
  const refused = await Promise.allSettled([1, 2, 3].map(() => shard.append({}, log, batch(3, 1_000))))
  for (const result of refused) t.match(result, { status: 'rejected', reason: { code: 'NO_SPACE' } })
  t.strictSame([log.logEndOffset, log.durableOffset], [2, 2], 'the offsets they had are free again')
  t.strictSame(offsetsOf(shard, log), [[0, 1]])
  disk.capacityBytes = 1_000_000
  t.strictSame(await shard.append({}, log, batch(1)), { baseOffset: 2, appendTimeMs: -1, logStartOffset: 0 })
  t.strictSame(failures, [])
})

t.test('on a full disk data can leave: retention, log starts and dropped topics need no room', async (t) => {
  const { disk, shard, store, log } = await openLog()
  const other = shard.createPartition(new Uint8Array(16).fill(9), 0)
  for (let i = 0; i < 40; i++) await shard.append({}, log, batch(5, 1_000))
  await shard.append({}, other, batch(1))
  const before = store.segments().length
  disk.capacityBytes = 1_000
  await t.rejects(shard.append({}, log, batch(3, 1_000)), { code: 'NO_SPACE' })
  await shard.moveLogStart(log, 5)
  const policy = (of: PartitionLog) => ({ retentionMs: of === log ? 1_000 : -1, retentionBytes: -1 })
  const report = await shard.enforceRetention(1_000_000, policy)
  t.strictSame([report.moved, report.failures], [1, []])
  t.equal(report.removedSegments.length, before - 1)
  await shard.dropTopic(other.topicId)
  disk.capacityBytes = 1_000_000
  t.equal((await shard.append({}, log, batch(1))).baseOffset, 200)
})

t.test('a refusal of the store that wrote nothing is told, and the log goes on', async (t) => {
  const { shard, log } = await openLog(new MemoryDisk(), { segmentBytes: 16 * 1024 * 1024 })
  await shard.append({}, log, batch(1))
  const huge = batch(1, 9_000_000)
  const bytes = new Uint8Array(Buffer.concat([huge, huge]))
  await t.rejects(shard.append({}, log, bytes), { code: 'MISUSE', message: /too large/ })
  t.equal(shard.failure, undefined)
  t.equal((await shard.append({}, log, batch(1))).baseOffset, 1)
})

t.test('after a failed write nothing is written and everybody is told', async (t) => {
  const failures: Error[] = []
  const { disk, shard, log } = await openLog(new MemoryDisk(), {
    observer: { failed: (error) => failures.push(error) },
  })
  await shard.append({}, log, batch(2))
  disk.failNextWrites()
  const source = {}
  const appends = Array.from({ length: 40 }, () => shard.append(source, log, batch(10, 100)))
  for (const result of await Promise.allSettled(appends))
    if (result.status !== 'rejected' || result.reason.code !== 'WRITE_FAILED') t.fail(JSON.stringify(result))
  await t.rejects(shard.append({}, log, batch(1)), { code: 'WRITE_FAILED' })
  await t.rejects(shard.moveLogStart(log, 1), { code: 'WRITE_FAILED' })
  t.equal(failures.length, 1)
  t.equal(shard.failure, failures[0])
  t.strictSame(offsetsOf(shard, log), [[0, 1]], 'what is durable can be read')
  await shard.close()
})

t.test('the queue has a limit, and one append may always wait', async (t) => {
  const syncs = heldSyncs()
  const { shard, log } = await openLog(new MemoryDisk(), { syncs, queuedBytesMax: 1_000 })
  const first = shard.append({}, log, batch(1, 5_000))
  const full = shard.append({}, log, batch(1, 5_000))
  await t.rejects(full, { code: 'QUEUE_FULL', message: /the limit is 1000/ })
  await turns()
  syncs.release()
  await first
})

t.test('close writes what waits and refuses what comes', async (t) => {
  const { shard, log } = await openLog()
  const waiting = Array.from({ length: 20 }, () => shard.append({}, log, batch(5, 1_000)))
  await shard.close()
  t.equal((await Promise.all(waiting)).length, 20)
  t.equal(log.durableOffset, 100)
  await t.rejects(shard.append({}, log, batch(1)), { code: 'CLOSED' })
})

t.test('a follower takes batches as they are, and a truncation waits for nobody', async (t) => {
  const { disk, shard, log } = await openLog()
  log.replicated = true
  const bytes = batch(4)
  stampBatch(bytes, 0, 100, 3)
  await shard.appendAsFollower({}, log, bytes)
  t.strictSame([log.logEndOffset, log.highWatermark, log.epochs.latest], [104, 0, 3])
  shard.advanceHighWatermark(log, 500)
  t.equal(log.highWatermark, 104, 'never above what is durable here')
  const stale = batch(1)
  stampBatch(stale, 0, 104, 2)
  await t.rejects(shard.appendAsFollower({}, log, stale), {
    code: 'NOT_CONTIGUOUS',
    message: /leader epoch 2, below 3/,
  })
  const waiting = shard.append({}, log, batch(1))
  await t.rejects(shard.truncateTo(log, 100), { code: 'MISUSE' })
  await waiting
  t.equal(await shard.truncateTo(log, 105), 105, 'there is nothing to cut')
  t.equal(await shard.truncateTo(log, 104), 104, 'between two batches')
  t.equal(await shard.truncateTo(log, 102), 0, 'down to the batch, and no other is left')
  t.strictSame([log.logEndOffset, log.highWatermark, log.bytes], [0, 0, 0])
  const again = await openLog(disk)
  t.equal(again.log.logEndOffset, 0)
})

t.test('a log that is cut never ends in a gap: of that a restart would not know', async (t) => {
  for (const cut of [4, 5, 10, 12]) {
    const { disk, shard, log } = await openLog()
    for (const offset of [0, 10, 20]) {
      const bytes = batch(4)
      stampBatch(bytes, 0, offset, 0)
      await shard.appendAsFollower({}, log, bytes)
    }
    t.equal(await shard.truncateTo(log, 18), 14, 'in the active segment')
    const other = shard.createPartition(topicId, 1)
    const fill = async (segments: number) => {
      while (disk.segments.length < segments) await shard.append({}, other, batch(5, 1_000))
    }
    await fill(3)
    const again = await openLog(disk)
    t.equal(again.log.logEndOffset, 14)
    t.equal(await again.shard.truncateTo(again.log, cut), 4, `at ${cut}, in a sealed segment`)
    t.strictSame(offsetsOf(again.shard, again.log), [[0, 3]])
    const third = await openLog(disk)
    t.strictSame([third.log.logEndOffset, third.log.bytes], [4, again.log.bytes])
  }
})

t.test('a sealed segment without a usable index is read by its values', async (t) => {
  const { disk, shard, log } = await openLog()
  for (let i = 0; i < 40; i++) await shard.append({}, log, batch(5, 1_000))
  await shard.close()
  const expected = offsetsOf(shard, log)
  const sealed = disk.segments.filter(({ index }) => index !== undefined)
  t.ok(sealed.length > 2)
  for (const { index } of sealed) if (index) index[40] ^= 0x10
  const warnings: string[] = []
  const again = await openLog(disk, { observer: { warning: (sentence) => warnings.push(sentence) } })
  t.strictSame(offsetsOf(again.shard, again.log), expected)
  t.equal(warnings.length, sealed.length)
  t.match(warnings[0], /the index of segment 1 is damaged: .*: reading its values instead/)
})

t.test('offsets by time: a batch of compressed nonsense is answered by its first record', async (t) => {
  const { shard, log } = await openLog()
  await shard.append({}, log, batch(2, 10, 1_000))
  const nonsense = batch(3, 40, 2_000)
  setAttributes(nonsense, 0, 1)
  setCrc(nonsense, 0, crc32cTable(nonsense.subarray(21)))
  await shard.append({}, log, nonsense)
  t.strictSame(shard.findTimestamp(log, 2_001, log.highWatermark), { offset: 2, timestampMs: 2_002 })
})

t.test('offsets by time: exact in batches it can read', async (t) => {
  const { shard, log } = await openLog()
  await shard.append({}, log, batch(3, 10, 1_000))
  await shard.append({}, log, batch(3, 10, 5_000))
  await shard.append({}, log, batch(3, 10, 2_000))
  const find = (timestampMs: number) => shard.findTimestamp(log, timestampMs, log.highWatermark)
  t.strictSame(find(0), { offset: 0, timestampMs: 1_000 })
  t.strictSame(find(1_001), { offset: 1, timestampMs: 1_001 })
  t.strictSame(
    find(1_003),
    { offset: 3, timestampMs: 5_000 },
    'the first in the log, not the nearest in time',
  )
  t.strictSame(find(5_002), { offset: 5, timestampMs: 5_002 })
  t.equal(find(5_003), undefined)
  await shard.moveLogStart(log, 4)
  t.strictSame(find(0), { offset: 4, timestampMs: 5_001 }, 'nothing below the log start')
})

/** As a store of files: an index that is there stays when a roll is tried again. */
class OnceIndexedStore extends MemorySegmentStore {
  #stored: Uint8Array | undefined
  /** The index is stored, and the roll fails behind it. */
  fails = false

  override async roll(index: Uint8Array): Promise<number> {
    this.#stored ??= index.slice()
    if (this.fails) throw new StorageError('NO_SPACE', 'no room for the next segment')
    const next = await super.roll(this.#stored)
    this.#stored = undefined
    return next
  }
}

t.test('an index that an earlier try has stored is not taken for the one of this try', async (t) => {
  const store = new OnceIndexedStore({ disk: new MemoryDisk(), segmentBytes: 64 * 1024 })
  await store.open()
  const catalog = new SegmentCatalog(store, crc32cTable, 1_000_000)
  for (const [text, expected] of [
    ['first', 'first'],
    ['once more', undefined],
  ] as const) {
    const sealed = catalog.activeSegment
    const producers = (words: string) => new TextEncoder().encode(words)
    if (expected === undefined) {
      store.fails = true
      await t.rejects(catalog.roll(producers('a first try')), { code: 'NO_SPACE' })
      store.fails = false
    }
    await catalog.roll(producers(text))
    const kept = await catalog.indexes.producers(sealed)
    t.equal(kept && new TextDecoder().decode(kept), expected, text)
    t.equal(catalog.indexes.isRebuilt(sealed), expected === undefined)
  }
})
