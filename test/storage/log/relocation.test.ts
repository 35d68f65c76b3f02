/**
 * Rewriting segments that are mostly dead, on LMDB files: what is alive stays as it was, byte for byte and through
 * a restart; the files of the dead go; damage is left where it is. Random operations are in the model test.
 */
import { randomFillSync } from 'node:crypto'
import t, { type Test } from 'tap'
import { LmdbSegmentStore } from '../../../storage/lmdb/lmdb-segment-store.ts'
import type { PartitionLog } from '../../../storage/log/partition-log.ts'
import { ShardLog } from '../../../storage/log/shard-log.ts'
import { ENTRY_BYTES, VALUE_HEADER_BYTES } from '../../../storage/log/value.ts'
import { MemoryDisk } from '../../../storage/memory/memory-disk.ts'
import { BatchEncoder } from '../../../storage/record/batch-encoder.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { batch, offsetsOf, openLog, topicId } from './log-fixture.ts'

const MIB = 1024 * 1024
const never = new AbortController().signal

async function openFiles(
  directory: string,
): Promise<{ store: LmdbSegmentStore; shard: ShardLog; close(): Promise<void> }> {
  const store = new LmdbSegmentStore({ directory, segmentBytes: 4 * MIB, freeBytesMin: MIB })
  await store.open()
  const shard = await ShardLog.open({
    store,
    clock: { nowMs: () => 5_000 },
    crc32c: crc32cTable,
    soon: queueMicrotask,
    commitBytesMax: 256 * 1024,
  })
  const close = async () => {
    await shard.close()
    await store.close()
  }
  return { store, shard, close }
}

function batchOf(bytes: number): Uint8Array {
  const encoder = new BatchEncoder({ crc32c: crc32cTable, bytesMax: 10_000_000 })
  encoder.append(1_000, null, randomFillSync(new Uint8Array(bytes)))
  return encoder.finish()
}

function bytesOf(shard: ShardLog, log: PartitionLog): Buffer {
  const slices: Buffer[] = []
  for (let offset = log.logStartOffset; ; ) {
    const slice = shard.read(log, offset, log.highWatermark, 1_000_000)
    if (!slice) return Buffer.concat(slices)
    slices.push(Buffer.from(slice.value.subarray(slice.start, slice.end)))
    offset = slice.nextOffset
  }
}

/** Thirty megabytes of which one partition keeps one per cent, and the others nothing but the end. */
async function pinned(shard: ShardLog): Promise<{ kept: PartitionLog; others: PartitionLog[] }> {
  const kept = shard.createPartition(topicId, 0)
  const others = [1, 2, 3].map((partition) => shard.createPartition(topicId, partition))
  for (let round = 0; round < 100; round++)
    await Promise.all([
      shard.append(kept, kept, batchOf(3_000)),
      ...others.flatMap((log) => [
        shard.append(log, log, batchOf(60_000)),
        shard.append(log, log, batchOf(40_000)),
      ]),
    ])
  await shard.enforceRetention(5_000, ({ partition }) =>
    partition === 0 ? undefined : { retentionMs: -1, retentionBytes: 300_000 },
  )
  return { kept, others }
}

t.test('a segment that one partition pins is rewritten, and its file goes', async (t: Test) => {
  const directory = t.testdir()
  const first = await openFiles(directory)
  const { kept, others } = await pinned(first.shard)
  const before = [kept, ...others].map((log) => bytesOf(first.shard, log))
  const ranges = offsetsOf(first.shard, kept)
  const segments = first.store.segments()
  t.ok(segments.length >= 7, `${segments.length} segments`)

  let groups = 0
  for (;;) {
    const { relocated, failures } = await first.shard.relocate(never)
    t.strictSame(failures, [])
    if (relocated.length === 0) break
    t.equal(relocated.length, 1, 'one group at a time')
    groups++
  }
  t.ok(groups >= 1, 'something was rewritten')
  const bytes = first.store.segments().reduce((sum, segment) => sum + segment.bytes, 0)
  const live = [kept, ...others].reduce((sum, log) => sum + log.bytes, 0)
  // The smallest file takes a mebibyte, which is much beside segments of four.
  t.ok(bytes <= 1.5 * live + 2 * 4 * MIB + MIB, `${bytes} bytes of files for ${live} that live`)
  t.equal(first.store.segments().at(-1)?.id, segments.at(-1)?.id, 'the active segment is the one it was')

  const isUnchanged = (shard: ShardLog, logs: readonly PartitionLog[], when: string) => {
    logs.forEach((log, at) => {
      log.invariants()
      t.ok(bytesOf(shard, log).equals(before[at]), `partition ${at} is what it was ${when}`)
    })
    t.strictSame(offsetsOf(shard, logs[0]), ranges, 'at the same offsets')
  }
  isUnchanged(first.shard, [kept, ...others], 'at once')
  await first.close()
  const second = await openFiles(directory)
  const again = [0, 1, 2, 3].map((partition) => second.shard.partition(topicId, partition) as PartitionLog)
  isUnchanged(second.shard, again, 'after a restart')
  t.strictSame(
    again.map((log) => [log.logStartOffset, log.bytes]),
    [kept, ...others].map((log) => [log.logStartOffset, log.bytes]),
    'with the same log starts and bytes',
  )
  await second.close()
})

t.test('given up in the middle, nothing has changed and nothing is left', async (t: Test) => {
  const directory = t.testdir()
  const { shard, store, close } = await openFiles(directory)
  const { kept } = await pinned(shard)
  const before = bytesOf(shard, kept)
  const ids = store.segments().map(({ id }) => id)
  const giveUp = new AbortController()
  const relocating = shard.relocate(giveUp.signal)
  await new Promise((resolve) => setImmediate(resolve))
  giveUp.abort()
  t.strictSame(await relocating, { relocated: [], failures: [] })
  t.strictSame(
    store.segments().map(({ id }) => id),
    ids,
  )
  t.ok(bytesOf(shard, kept).equals(before))
  await close()
})

t.test('a damaged batch keeps its segment where it is, and is told once', async (t) => {
  const disk = new MemoryDisk()
  const { shard, log, store } = await openLog(disk)
  const dies = shard.createPartition(topicId, 1)
  for (let i = 0; i < 40; i++)
    await Promise.all([shard.append(log, log, batch(1, 100)), shard.append(dies, dies, batch(1, 8_000))])
  await shard.enforceRetention(5_000, ({ partition }) =>
    partition === 0 ? undefined : { retentionMs: -1, retentionBytes: 0 },
  )
  const [damaged] = store.segments()
  const value = disk.segments[0].values[3]
  // In the batch of the partition that is kept: it stands first, behind header and two entries.
  value[VALUE_HEADER_BYTES + 2 * ENTRY_BYTES + 100] ^= 1
  const { failures } = await shard.relocate(never)
  t.equal(failures.length, 1)
  t.match(failures[0], { code: 'DAMAGED', message: /segment 1, value 3: .*it is not rewritten/ })
  t.equal(store.segments()[0].id, damaged.id)
  t.strictSame((await shard.relocate(never)).failures, [], 'told once')
})

t.test('a timestamp from the future pins nothing', async (t) => {
  const year = 365 * 24 * 3_600_000
  const policy = () => ({ retentionMs: 10_000, retentionBytes: -1 })
  for (const isSealed of [false, true]) {
    const { shard, log, disk } = await openLog()
    await shard.append(log, log, batch(1, 10, 5_000 + year))
    await shard.append(log, log, batch(1, 10, 5_000))
    if (isSealed) for (let i = 0; i < 12; i++) await shard.append(log, log, batch(1, 8_000, 5_000 + year))
    const end = log.logEndOffset
    await shard.enforceRetention(15_000, policy)
    t.equal(log.logStartOffset, 0, 'it has its time, from when it was appended')
    await shard.enforceRetention(15_001, policy)
    t.equal(log.logStartOffset, end, isSealed ? 'sealed: gone' : 'gone')
    await shard.close()
    const again = await openLog(disk)
    t.equal(again.log.logStartOffset, end)
  }
  const { shard, log } = await openLog()
  await shard.append(log, log, batch(1, 10, 5_000 + year))
  t.equal(
    shard.findTimestamp(log, 5_000 + year - 1, log.highWatermark)?.offset,
    0,
    'it is found by its own time',
  )
})
