/** What the log promises to idempotent producers, one promise at a time, on the memory store. */
import t from 'tap'
import type { PartitionLog } from '../../../storage/log/partition-log.ts'
import { NAME_EXPIRED, NAMELESS } from '../../../storage/log/sequence-check.ts'
import { ShardLog } from '../../../storage/log/shard-log.ts'
import type { ShardLogOptions } from '../../../storage/log/shard-log-options.ts'
import { MemoryDisk } from '../../../storage/memory/memory-disk.ts'
import { MemorySegmentStore, type Syncs } from '../../../storage/memory/memory-segment-store.ts'
import { stampBatch } from '../../../storage/record/batch-header.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { type IdempotentBatch, idempotentBatch } from './idempotent-batches.ts'

const topicId = new Uint8Array(16).fill(7)
const DAY_MS = 24 * 3_600_000

interface Options extends Partial<ShardLogOptions> {
  readonly disk?: MemoryDisk
  readonly syncs?: Syncs
  readonly segmentBytes?: number
  readonly standingOf?: (producerId: number) => number
  readonly idsMax?: number
  readonly nowMs?: () => number
}

async function openLog(options: Options = {}) {
  const {
    disk = new MemoryDisk(),
    syncs,
    segmentBytes = 256 * 1024,
    standingOf,
    idsMax = 50,
    nowMs,
  } = options
  const store = new MemorySegmentStore({ disk, segmentBytes, ...(syncs && { syncs }) })
  await store.open()
  const warnings: string[] = []
  const shard = await ShardLog.open({
    store,
    clock: { nowMs: nowMs ?? (() => 5_000) },
    crc32c: crc32cTable,
    soon: queueMicrotask,
    producers: { idsMax, expirationMs: 7 * DAY_MS, ...(standingOf && { standingOf }) },
    observer: { warning: (sentence) => warnings.push(sentence) },
  })
  const log = shard.createPartition(topicId, 0)
  const source = {}
  const send = async (batch: IdempotentBatch, to: PartitionLog = log) =>
    (await shard.append(source, to, idempotentBatch(batch))).baseOffset
  return { disk, store, shard, log, source, send, warnings }
}

/** Syncs that wait until they are let through or failed. */
function heldSyncs() {
  const held: { resolve: () => void; reject: (error: Error) => void }[] = []
  return {
    wait: () => new Promise<void>((resolve, reject) => held.push({ resolve, reject })),
    release: () => {
      for (const { resolve } of held.splice(0)) resolve()
    },
    get waiting() {
      return held.length
    },
  }
}

const turns = async () => {
  for (let i = 0; i < 50; i++) await Promise.resolve()
}

t.test('a duplicate has the offset of its original and is not stored again', async (t) => {
  const { send, log, shard } = await openLog()
  t.equal(await send({ producerId: 2, first: 0 }), 0)
  t.equal(await send({ producerId: 4, first: 0 }), 10)
  t.equal(await send({ producerId: 2, first: 10 }), 20)
  t.equal(await send({ producerId: 2, first: 0 }), 0)
  t.equal(await send({ producerId: 2, first: 10 }), 20)
  t.equal(log.logEndOffset, 30)
  t.match(shard.describeProducer(log, 2), { nextSequence: 20, lastOffset: 29, lastTimestampMs: 5_000 })
  t.match(shard.stats().producers, { ids: 2, duplicates: 2, evicted: 0 })
  t.equal(shard.stats().commits, 3, 'duplicates alone make no commit')
})

t.test('what is refused is refused with its reason, and nothing of it is stored', async (t) => {
  const { send, log } = await openLog({
    standingOf: (id) => (id === 5 ? 3 : id === 7 ? NAME_EXPIRED : NAMELESS),
  })
  await send({ producerId: 2, epoch: 1, first: 0 })
  for (const [batch, code, message] of [
    [{ producerId: 2, epoch: 1, first: 11 }, 'SEQUENCE_GAP', /from sequence 11 on; 10 comes next in epoch 1/],
    [
      { producerId: 2, epoch: 1, first: 5 },
      'SEQUENCE_STORED',
      /10 records from sequence 5 on; those below 10/,
    ],
    [{ producerId: 2, epoch: 0, first: 10 }, 'PRODUCER_FENCED', /of epoch 0; its epoch is 1/],
    [{ producerId: 2, epoch: 2, first: 10 }, 'SEQUENCE_GAP', /from sequence 10 on; 0 comes next in epoch 2/],
    [{ producerId: 4, first: 1 }, 'UNKNOWN_PRODUCER', /nothing is known .* begins at sequence 1/],
    [{ producerId: 5, epoch: 2, first: 0 }, 'PRODUCER_FENCED', /of epoch 2; its epoch is 3/],
    [{ producerId: 7, first: 0 }, 'UNKNOWN_PRODUCER', /name of producer 7 has expired/],
  ] as const)
    await t.rejects(send(batch), { code, message })
  t.equal(log.logEndOffset, 10)
})

t.test('a duplicate waits for its original to be durable', async (t) => {
  const syncs = heldSyncs()
  const { send } = await openLog({ syncs })
  const settled: string[] = []
  const sending = (name: string, batch: IdempotentBatch) =>
    send(batch).then((offset) => settled.push(`${name} at ${offset}`))
  const all = [
    sending('original', { producerId: 2, first: 0 }),
    sending('next', { producerId: 2, first: 10 }),
    sending('same commit', { producerId: 2, first: 0 }),
  ]
  await turns()
  t.equal(syncs.waiting, 1)
  all.push(sending('next commit', { producerId: 2, first: 10 }))
  await turns()
  t.same(settled, [])
  syncs.release()
  await Promise.all(all)
  t.same(settled, ['original at 0', 'next at 10', 'same commit at 0', 'next commit at 10'])
})

t.test('an older epoch that waits in the queue is refused when its turn comes', async (t) => {
  const syncs = heldSyncs()
  let epoch = 0
  const { send, shard, log } = await openLog({ syncs, standingOf: () => epoch })
  const first = send({ producerId: 1, first: 0 })
  await turns()
  t.equal(syncs.waiting, 1)
  const waiting = send({ producerId: 1, first: 10 })
  // Looked at below.
  waiting.catch(() => {})
  await turns()
  epoch = 1
  let isPlaced = false
  const placed = shard.placed().then(() => {
    isPlaced = true
  })
  await turns()
  t.notOk(isPlaced, 'what had its offset before is not durable yet')
  t.equal(shard.describeProducer(log, 1), undefined)
  syncs.release()
  await placed
  t.equal(shard.describeProducer(log, 1)?.nextSequence, 10, 'the newcomer sees what its predecessor did')
  t.equal(await first, 0)
  await t.rejects(waiting, { code: 'PRODUCER_FENCED' })
  const again = [send({ producerId: 1, epoch: 1, first: 0 }), send({ producerId: 1, epoch: 1, first: 10 })]
  await turns()
  syncs.release()
  t.same(await Promise.all(again), [0, 10])
})

t.test('a failed commit takes its sequences back', async (t) => {
  const disk = new MemoryDisk()
  const { send, shard, log } = await openLog({ disk })
  t.equal(await send({ producerId: 2, first: 0 }), 0)
  disk.capacityBytes = 0
  const attempts = await Promise.allSettled([
    send({ producerId: 2, first: 10 }),
    send({ producerId: 2, first: 10 }),
    send({ producerId: 4, first: 0 }),
    send({ producerId: 2, first: 0 }),
  ])
  t.same(
    attempts.map((attempt) => (attempt.status === 'fulfilled' ? attempt.value : attempt.reason.code)),
    ['NO_SPACE', 'NO_SPACE', 'NO_SPACE', 0],
    'only the duplicate of what was durable before is fine',
  )
  t.equal(shard.describeProducer(log, 2)?.nextSequence, 10)
  t.equal(shard.describeProducer(log, 4), undefined)
  disk.capacityBytes = Number.POSITIVE_INFINITY
  t.equal(await send({ producerId: 2, first: 10 }), 10)
  t.equal(await send({ producerId: 4, first: 0 }), 20)
})

t.test('a restart knows what was durable, however often the segment has changed', async (t) => {
  const disk = new MemoryDisk()
  const before = await openLog({ disk })
  await before.send({ producerId: 2, first: 0 })
  const large = (first: number) => ({ producerId: 4, first, records: 1, valueBytes: 40_000 })
  for (let i = 0; i < 30; i++) await before.send(large(i))
  t.ok(before.store.segments().length > 3)
  const known = [2, 4].map((id) => before.shard.describeProducer(before.log, id))
  await before.shard.close()

  const after = await openLog({ disk })
  t.same(
    [2, 4].map((id) => after.shard.describeProducer(after.log, id)),
    known,
  )
  t.equal(await after.send({ producerId: 2, first: 0 }), 0)
  for (let i = 25; i < 30; i++) t.equal(await after.send(large(i)), 10 + i)
  await t.rejects(after.send(large(24)), { code: 'SEQUENCE_STORED' })
  t.equal(await after.send(large(30)), 40)
})

t.test('retention takes data and leaves what is known of producers', async (t) => {
  const disk = new MemoryDisk()
  const { send, shard, store, log } = await openLog({ disk })
  for (let i = 0; i < 20; i++) await send({ producerId: 4, first: i, records: 1, valueBytes: 40_000 })
  await send({ producerId: 2, first: 0 })
  await shard.moveLogStart(log, log.logEndOffset)
  const { removedSegments } = await shard.enforceRetention(5_000, () => undefined)
  t.ok(removedSegments.length > 0)
  t.equal(store.segments().length, 2, 'the newest sealed one says how far producers had come')
  const after = await openLog({ disk })
  t.match(after.shard.describeProducer(after.log, 4), { nextSequence: 20 })
  t.match(after.shard.describeProducer(after.log, 2), { nextSequence: 10 })
  t.equal(await after.send({ producerId: 4, first: 19, records: 1, valueBytes: 40_000 }), 19)
})

t.test('who has expired is not kept for ever by the segment that speaks of it', async (t) => {
  let nowMs = 0
  const { send, shard, store, log } = await openLog({ nowMs: () => nowMs })
  for (let i = 0; i < 20; i++) await send({ producerId: 4, first: i, records: 1, valueBytes: 40_000 })
  nowMs = 8 * DAY_MS
  await shard.enforceRetention(nowMs, () => undefined)
  t.match(shard.stats().producers, { ids: 0 })
  t.same([...(await shard.knownProducers())], [])
  for (let i = 0; i < 20; i++)
    await shard.append({}, log, idempotentBatch({ producerId: -1, first: -1, valueBytes: 4_000 }))
  await shard.moveLogStart(log, log.logEndOffset)
  await shard.enforceRetention(nowMs, () => undefined)
  t.ok(store.segments().length <= 2)
})

t.test('the producers of a deleted topic are forgotten, also after a restart', async (t) => {
  const disk = new MemoryDisk()
  const { send, shard } = await openLog({ disk })
  const other = shard.createPartition(new Uint8Array(16).fill(8), 0)
  await send({ producerId: 2, first: 0 })
  await send({ producerId: 2, first: 0 }, other)
  await shard.dropTopic(topicId)
  t.equal(shard.stats().producers.ids, 1)
  t.same([...(await shard.knownProducers())], [2])
  const after = await openLog({ disk })
  t.equal(after.shard.describeProducer(after.log, 2), undefined)
  t.equal(after.shard.stats().producers.ids, 1)
})

t.test('a follower learns from what it is given, without checking it', async (t) => {
  const { shard, log } = await openLog()
  const bytes = idempotentBatch({ producerId: 2, epoch: 4, first: 90 })
  stampBatch(bytes, 0, 50, 0)
  await shard.appendAsFollower({}, log, bytes)
  t.match(shard.describeProducer(log, 2), { producerEpoch: 4, nextSequence: 100, lastOffset: 59 })
})

t.test('a damaged batch is not believed, the others are', async (t) => {
  const disk = new MemoryDisk()
  const { send } = await openLog({ disk })
  await send({ producerId: 2, first: 0 })
  await send({ producerId: 4, first: 0 })
  const [value] = disk.segments[0].values
  value[value.length - 1] ^= 1
  const after = await openLog({ disk })
  t.equal(after.shard.describeProducer(after.log, 2), undefined)
  t.equal(after.shard.describeProducer(after.log, 4)?.nextSequence, 10)
})

t.test('a damaged snapshot costs its producers a new beginning, not the start', async (t) => {
  const disk = new MemoryDisk()
  const { send } = await openLog({ disk })
  await send({ producerId: 2, first: 0 })
  for (let i = 0; i < 10; i++) await send({ producerId: 4, first: i, records: 1, valueBytes: 40_000 })
  const sealed = disk.segments.at(-2)?.index as Uint8Array
  sealed[sealed.length - 6] ^= 1
  const after = await openLog({ disk })
  t.match(after.warnings, [/snapshot of producers is damaged: its checksum/])
  await t.rejects(after.send({ producerId: 2, first: 10 }), { code: 'UNKNOWN_PRODUCER' })
  t.ok(after.shard.describeProducer(after.log, 4), 'known by a later batch')
})

t.test('as many producers as there is room for in the index of a segment', async (t) => {
  const disk = new MemoryDisk()
  const { send, shard, warnings, log, store } = await openLog({
    disk,
    idsMax: 100_000,
    segmentBytes: 64 * 1024,
  })
  t.match(warnings, [/remember at most 24 producers instead of 100000/])
  for (let id = 0; id < 200; id += 2) await send({ producerId: id, first: 0, records: 1, valueBytes: 400 })
  t.match(shard.stats().producers, { ids: 24, idsMax: 24, evicted: 76 })
  for (let id = 198; store.segments().length < 3; id += 2) {
    t.ok(id < 2_000, 'a segment takes more than a few')
    await send({ producerId: id + 2, first: 0, records: 1, valueBytes: 400 })
  }
  const after = await openLog({ disk, idsMax: 100_000, segmentBytes: 64 * 1024 })
  for (let id = 0; id < 2_000; id += 2)
    t.same(after.shard.describeProducer(after.log, id), shard.describeProducer(log, id))
})
