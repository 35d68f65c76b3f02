/** Files of removed segments that become new ones: which, when, and that nothing of the old one is seen. */
import { existsSync } from 'node:fs'
import { copyFile, link, open, readdir, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { LmdbSegmentStore, LmdbSegmentStoreOptions } from '../../../storage/lmdb/lmdb-segment-store.ts'
import type { StorageError } from '../../../storage/segment-store.ts'
import { roundsOf } from '../../support/rounds.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { bytesOf, equalBytes, fill, MIB, storageError } from './contract.ts'
import { emptyDirectory, openIn, segmentFile, untilPrepared, writeSegments } from './lmdb-stores.ts'

const ROUNDS = process.env.OCTOPUS_SOAK === '1' ? 500 : 12

const PLENTY = 2 ** 40

const inode = async (directory: string, id: number) => (await stat(segmentFile(directory, id))).ino
const spares = async (directory: string) =>
  (await readdir(directory)).filter((name) => name.startsWith('free-')).sort()

/** Polls for what happens in the background, which no event tells. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2))
}

/** A store with segments 1 to 3, the next one prepared. */
async function storeOfThree(
  t: Test,
  options: Partial<LmdbSegmentStoreOptions> = {},
): Promise<{ directory: string; store: LmdbSegmentStore }> {
  const directory = await emptyDirectory(t)
  await writeSegments(t, directory, 3)
  const store = await openIn(t, directory, { diskFreeBytes: () => PLENTY, ...options })
  await untilPrepared(directory, 5)
  return { directory, store }
}

t.test('a removed segment becomes the next that is prepared, and nothing of it is left', async (t) => {
  const { directory, store } = await storeOfThree(t)
  const old = await inode(directory, 1)
  const oldBytes = await readFile(segmentFile(directory, 1))
  await store.remove(1)
  await until(async () => store.freeBytes() === PLENTY + MIB)
  t.strictSame(await spares(directory), ['free-0000000001.lmdb'])
  t.notOk(existsSync(`${segmentFile(directory, 1)}-lock`))
  await store.append(0, [bytesOf(7, 10)])
  t.equal(await store.roll(new Uint8Array()), 5)
  await untilPrepared(directory, 6)
  t.strictSame(await spares(directory), [])
  t.equal(await store.roll(new Uint8Array()), 6)
  t.equal(await inode(directory, 6), old)
  t.strictSame(
    (await readFile(segmentFile(directory, 6))).subarray(16384),
    oldBytes.subarray(16384),
    'only its beginning was written',
  )
  t.equal(store.valueCount(6), 0)
  for (let sequence = 0; sequence < 3; sequence++) t.equal(store.read(6, sequence), undefined)
  await store.append(0, [bytesOf(8, 100)])
  await store.close()
  const again = await openIn(t, directory)
  t.equal(again.valueCount(6), 1)
  t.ok(equalBytes(again.read(6, 0), bytesOf(8, 100)))
  t.equal(again.read(6, 1), undefined)
})

t.test('at most two are kept, none behind the close, and none with recycling switched off', async (t) => {
  const { directory, store } = await storeOfThree(t)
  for (const id of [1, 2, 3]) await store.remove(id)
  await until(async () => !existsSync(segmentFile(directory, 3)))
  t.strictSame(await spares(directory), ['free-0000000001.lmdb', 'free-0000000002.lmdb'])
  await store.close()
  t.strictSame(await spares(directory), [])

  const off = await storeOfThree(t, { recycle: false })
  for (const id of [1, 2, 3]) await off.store.remove(id)
  await until(async () => !existsSync(segmentFile(off.directory, 3)))
  t.strictSame(await spares(off.directory), [])
})

t.test('a file that others could see, or without all its blocks, is not overwritten', async (t) => {
  const linked = await storeOfThree(t)
  await link(segmentFile(linked.directory, 1), join(linked.directory, 'backup'))
  const before = await readFile(join(linked.directory, 'backup'))
  await linked.store.remove(1)
  await until(async () => !existsSync(segmentFile(linked.directory, 1)))
  t.strictSame(await spares(linked.directory), [])
  await linked.store.close()
  t.equal((await stat(join(linked.directory, 'backup'))).size, MIB, 'not shortened either')
  t.strictSame(await readFile(join(linked.directory, 'backup')), before)

  // Linked when it is a spare already.
  const late = await storeOfThree(t)
  await late.store.remove(1)
  await until(async () => late.store.freeBytes() === PLENTY + MIB)
  await link(join(late.directory, 'free-0000000001.lmdb'), join(late.directory, 'backup'))
  await late.store.roll(new Uint8Array())
  await untilPrepared(late.directory, 6)
  t.not(await inode(late.directory, 6), (await stat(join(late.directory, 'backup'))).ino)
  await late.store.close()
  t.strictSame(await readFile(join(late.directory, 'backup')), before, 'as it was when it was retired')

  const sparse = await storeOfThree(t)
  const hole = await open(join(sparse.directory, 'hole'), 'w')
  await hole.truncate(MIB)
  await hole.close()
  await rename(join(sparse.directory, 'hole'), segmentFile(sparse.directory, 1))
  await sparse.store.remove(1)
  await until(async () => !existsSync(segmentFile(sparse.directory, 1)))
  t.strictSame(await spares(sparse.directory), [])

  const other = await storeOfThree(t, { segmentBytes: 2 * MIB })
  await other.store.remove(1)
  await until(async () => !existsSync(segmentFile(other.directory, 1)))
  t.strictSame(await spares(other.directory), [], 'of another size than new segments')
})

t.test('no start trusts a spare', async (t) => {
  const { directory, store } = await storeOfThree(t)
  const before = await readFile(segmentFile(directory, 2))
  await store.close()
  await copyFile(segmentFile(directory, 2), join(directory, 'free-0000000009.lmdb'))
  const again = await openIn(t, directory)
  t.strictSame(await spares(directory), [])
  t.strictSame(await readFile(segmentFile(directory, 2)), before)
  t.ok(equalBytes(again.read(2, 0), bytesOf(2, 50_000)))
})

t.test('spares count as free, and a disk that runs short gets them back first', async (t) => {
  let free = 100 * MIB
  const freeBytesMin = 10 * MIB
  const { directory, store } = await storeOfThree(t, { freeBytesMin, diskFreeBytes: () => free })
  const isGone = async (id: number) => !existsSync(segmentFile(directory, id))
  await store.remove(1)
  await until(async () => store.freeBytes() === 101 * MIB)
  free = freeBytesMin + MIB
  await store.append(0, [bytesOf(1, 10)])
  t.equal((await spares(directory)).length, 1, 'the next segment finds room without it')
  free = freeBytesMin - 1
  await store.append(1, [bytesOf(2, 10)])
  await until(async () => store.freeBytes() === free)
  t.strictSame(await spares(directory), [])
  await t.rejects(store.append(2, [bytesOf(3, 10)]), storageError('NO_SPACE', /too few for an append/))
  await store.append(2, [bytesOf(3, 10)], { isUrgent: true })
  await store.remove(2)
  await until(() => isGone(2))
  t.strictSame(await spares(directory), [], 'and a short disk keeps none')

  free = 100 * MIB
  await store.remove(3)
  await until(() => isGone(3))
  free = freeBytesMin
  const aside = store.beginAside(1)
  await t.rejects(aside, storageError('NO_SPACE', /too few for a segment aside/))
  t.strictSame(await spares(directory), [], 'given back before that was found out')
})

t.test('a disk whose free space cannot be asked is told, and the next file is dealt with', async (t) => {
  let isBlind = false
  const errors: StorageError[] = []
  const { directory, store } = await storeOfThree(t, {
    diskFreeBytes: () => {
      if (isBlind) throw Object.assign(new Error('EIO: i/o error, statfs'), { code: 'EIO' })
      return PLENTY
    },
    onBackgroundError: (error) => errors.push(error),
  })
  isBlind = true
  await store.remove(1)
  await until(async () => errors.length > 0)
  t.match(errors, [storageError('INACCESSIBLE', /EIO: i\/o error/)])
  isBlind = false
  await store.remove(2)
  await until(async () => store.freeBytes() === PLENTY + MIB)
  t.strictSame(await spares(directory), ['free-0000000002.lmdb'])
  await t.rejects(store.close(), storageError('INACCESSIBLE', /EIO/))
})

t.test('many rounds: every value is of its own segment', async (t) => {
  const random = seededRandom(t)
  const directory = await emptyDirectory(t)
  const store = await openIn(t, directory)
  const inodes = new Set<number>()
  const content = new Map<number, Uint8Array[]>()
  for (const _round of roundsOf(t, ROUNDS)) {
    const { id } = store.segments()[store.segments().length - 1]
    inodes.add(await inode(directory, id))
    content.set(id, await fill(store, random, () => random.below(random.pick([50, 3000, 60_000]))))
    await store.roll(bytesOf(id, random.below(80_000)))
    for (const [id, values] of content) {
      const wrong = values.findIndex((value, sequence) => !equalBytes(store.read(id, sequence), value))
      if (wrong >= 0 || store.read(id, values.length) !== undefined) t.fail(`segment ${id}, value ${wrong}`)
    }
    while (store.segments().length > 3) {
      const [{ id }] = store.segments()
      await store.remove(id)
      content.delete(id)
    }
  }
  t.ok(inodes.size < ROUNDS - 2, `${inodes.size} files for ${ROUNDS} segments`)
})
