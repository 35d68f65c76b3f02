/** What the segment store in memory adds to the contract: syncs, crashes and failures that a test decides. */
import t from 'tap'
import { MemoryDisk, MemorySegmentStore, type Syncs } from '../../../storage/memory/memory-segment-store.ts'
import { bytesOf, equalBytes, MIB, readCopy, storageError } from './contract.ts'

/** Syncs that end when the test says so, in any order. */
class ManualSyncs implements Syncs {
  readonly waiting: { done: () => void; fail: (error: Error) => void }[] = []

  wait(): Promise<void> {
    return new Promise((done, fail) => this.waiting.push({ done, fail }))
  }
}

async function openOn(disk: MemoryDisk, syncs?: Syncs): Promise<MemorySegmentStore> {
  const store = new MemorySegmentStore(syncs === undefined ? { disk } : { disk, syncs })
  await store.open()
  return store
}

/** Segments 1 and 2 sealed with a value each, 3 active and empty. */
async function diskOfThree(): Promise<MemoryDisk> {
  const disk = new MemoryDisk()
  const store = await openOn(disk)
  for (const id of [1, 2]) {
    await store.append(0, [bytesOf(id, 10)])
    await store.roll(bytesOf(id, 5))
  }
  await store.close()
  return disk
}

const idsOf = (store: MemorySegmentStore) => store.segments().map(({ id }) => id)

t.test('an append is readable at once, counted and acknowledged when synced', async (t) => {
  const syncs = new ManualSyncs()
  const store = await openOn(new MemoryDisk(), syncs)
  let isDone = false
  const append = store.append(0, [bytesOf(1, 10), bytesOf(2, 10)]).then(() => {
    isDone = true
  })
  t.ok(equalBytes(store.read(1, 1), bytesOf(2, 10)))
  t.equal(store.read(1, 2), undefined)
  t.equal(store.valueCount(1), 0)
  await new Promise((resolve) => setImmediate(resolve))
  t.notOk(isDone)
  syncs.waiting[0].done()
  await append
  t.equal(store.valueCount(1), 2)
})

t.test('a read overwrites what the read before returned', async (t) => {
  const store = await openOn(new MemoryDisk())
  await store.append(0, [bytesOf(1, 100), bytesOf(2, 10)])
  const first = store.read(1, 0)
  store.read(1, 1)
  t.notOk(equalBytes(first, bytesOf(1, 100)))
  t.ok(first?.subarray(10).every((byte) => byte === 0xdb))
})

t.test('a crash keeps the first so many changes, whichever number the random source names', async (t) => {
  for (let kept = 0; kept <= 3; kept++) {
    const disk = await diskOfThree()
    const store = await openOn(disk, new ManualSyncs())
    const pending = [store.remove(2), store.append(0, [bytesOf(3, 10), bytesOf(4, 10)]), store.remove(1)]
    t.strictSame(idsOf(store), [1, 2, 3])
    disk.crash(() => kept / 4 + 0.1)
    t.throws(() => store.segments(), storageError('MISUSE', /the disk crashed/))
    await t.rejects(store.append(0, []), storageError('MISUSE', /the disk crashed/))
    await store.close()

    const again = await openOn(disk)
    t.strictSame(idsOf(again), [[1, 2, 3], [1, 3], [1, 3], [3]][kept], `${kept} of ${pending.length} kept`)
    t.equal(again.valueCount(3), kept >= 2 ? 2 : 0, 'an append whole or not at all')
    t.equal(readCopy(again, 3, 0) === undefined, kept < 2)
  }
})

t.test('a crash without a random source forgets everything that was not synced', async (t) => {
  const disk = await diskOfThree()
  const syncs = new ManualSyncs()
  const store = await openOn(disk, syncs)
  const roll = store.roll(bytesOf(9, 9))
  disk.crash()
  syncs.waiting[0].done()
  await t.rejects(roll, storageError('WRITE_FAILED', /nothing more is written/))
  const again = await openOn(disk)
  t.strictSame(again.segments(), [
    { id: 1, sealed: true, bytes: MIB },
    { id: 2, sealed: true, bytes: MIB },
    { id: 3, sealed: false, bytes: MIB },
  ])
  t.equal(await again.readIndex(3), undefined)
  t.equal(await again.roll(new Uint8Array()), 4)
})

t.test('a sync covers what was written before it', async (t) => {
  const disk = await diskOfThree()
  const syncs = new ManualSyncs()
  const store = await openOn(disk, syncs)
  const first = store.remove(1)
  const second = store.remove(2)
  syncs.waiting[1].done()
  await second
  disk.crash()
  t.strictSame(idsOf(await openOn(disk)), [3])
  syncs.waiting[0].done()
  await t.rejects(first, storageError('WRITE_FAILED', /crashed/))
})

t.test('a process that ends without a crash of the machine leaves everything it wrote', async (t) => {
  const disk = await diskOfThree()
  const store = await openOn(disk, new ManualSyncs())
  const pending = [store.append(0, [bytesOf(3, 10)]), store.remove(1)]
  const again = await openOn(disk)
  t.strictSame(idsOf(again), [2, 3])
  t.equal(again.valueCount(3), 1)
  disk.crash()
  t.equal((await openOn(disk)).valueCount(3), 1, 'opening made it durable')
  t.equal(pending.length, 2)
})

t.test('a failed write ends writing; what it wrote may be there after a crash', async (t) => {
  for (const random of [0, 0.9]) {
    const disk = await diskOfThree()
    const store = await openOn(disk)
    disk.failNextWrites()
    await t.rejects(
      store.append(0, [bytesOf(3, 10)]),
      storageError('WRITE_FAILED', /nothing more is written/),
    )
    t.match(store.failure, storageError('WRITE_FAILED', /nothing more is written/))
    t.equal(store.valueCount(3), 0)
    const refusal = storageError('WRITE_FAILED', /nothing more is written/)
    await t.rejects(store.append(0, []), refusal)
    await t.rejects(store.roll(new Uint8Array()), refusal)
    await t.rejects(store.remove(1), refusal)
    t.ok(equalBytes(store.read(1, 0), bytesOf(1, 10)), 'reading goes on')
    await store.close()
    disk.crash(() => random)
    const again = await openOn(disk)
    t.equal(again.valueCount(3), random === 0 ? 0 : 1)
    t.equal(again.failure, undefined)
  }
})

t.test('rolls and syncs can fail too', async (t) => {
  const disk = await diskOfThree()
  disk.failNextWrites()
  await t.rejects((await openOn(disk)).roll(new Uint8Array()), storageError('WRITE_FAILED', /nothing more/))
  disk.crash()
  const syncs = new ManualSyncs()
  const store = await openOn(disk, syncs)
  const append = store.append(0, [bytesOf(1, 1)])
  syncs.waiting[0].fail(new Error('EIO'))
  await t.rejects(append, { ...storageError('WRITE_FAILED', /nothing more/), cause: { message: 'EIO' } })
  t.ok(store.failure)
})

t.test('a full disk refuses and stays usable', async (t) => {
  const disk = new MemoryDisk({ capacityBytes: 200 })
  const store = await openOn(disk)
  await store.append(0, [bytesOf(1, 100)])
  t.equal(store.freeBytes(), 200 - store.costBytes(100))
  await t.rejects(
    store.append(1, [bytesOf(2, 100)]),
    storageError('NO_SPACE', /84 bytes free, too few for 116/),
  )
  await t.rejects(store.roll(new Uint8Array(85)), storageError('NO_SPACE', /84 bytes free, too few for 85/))
  t.equal(store.failure, undefined)
  t.equal(store.valueCount(1), 1)
  disk.capacityBytes = 300
  await store.append(1, [bytesOf(2, 100)])
  await store.roll(new Uint8Array(68))
  t.equal(store.freeBytes(), 0)
  await store.remove(1)
  t.equal(store.freeBytes(), 300)
})
