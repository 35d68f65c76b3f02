/** The reader of LMDB files against LMDB itself: the same entries, and nothing wrong with a sound file of any shape. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import t from 'tap'
import { readTree } from '../../../storage/verify/page-tree.ts'
import { roundsOf } from '../../support/rounds.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { sourceOf } from './planted-data.ts'

const ROUNDS = process.env.OCTOPUS_SOAK === '1' ? 60 : 4

const directory = await mkdtemp(join(tmpdir(), 'octopus-tree-'))
t.teardown(() => rm(directory, { recursive: true, force: true }))

t.test('as the metadata store uses it: keys written, written again and removed', async (t) => {
  const random = seededRandom(t)
  for (const round of roundsOf(t, ROUNDS)) {
    const path = join(directory, `metadata-${round}.lmdb`)
    const database = open<Uint8Array, Uint8Array>(path, {
      keyEncoding: 'binary',
      encoding: 'binary',
      overlappingSync: false,
      noSync: true,
      noSubdir: true,
      pageSize: 4096,
      maxDbs: 0,
    })
    const content = new Map<string, string>()
    // Written again in the same transaction, a value keeps its pages, more than it needs.
    await database.batch(() => {
      database.put(Buffer.from('shrunk'), Buffer.alloc(60_000))
      database.put(Buffer.from('shrunk'), Buffer.alloc(5_000, 1))
    })
    content.set('shrunk', Buffer.alloc(5_000, 1).toString('latin1'))
    const keys = 1 + random.below(3_000)
    for (let commit = 0; commit < 60; commit++)
      await database.batch(() => {
        for (let operation = random.below(120); operation >= 0; operation--) {
          const text = `${random.below(keys)}`.padStart(1 + random.below(100), '/')
          if (random.below(3) === 0) {
            database.remove(Buffer.from(text))
            content.delete(text)
          } else {
            const value = Buffer.alloc(
              random.pick([0, 1, 30, 400, 2_020, 2_030, 5_000, 60_000]),
              random.below(256),
            )
            database.put(Buffer.from(text), value)
            content.set(text, value.toString('latin1'))
          }
        }
      })
    await database.close()
    const source = sourceOf(await readFile(path))
    const read = new Map<string, string>()
    const { problems } = readTree(source, false, (key, at, length) => {
      read.set(Buffer.from(key).toString(), Buffer.from(source.read(at, length)).toString('latin1'))
    })
    t.same(problems, [], `${content.size} entries of ${keys} keys`)
    t.equal(read.size, content.size)
    for (const [key, value] of content) if (read.get(key) !== value) t.fail(`the value of ${key} differs`)
  }
})

t.test('as segments use it: many small values, a tree of three levels', async (t) => {
  const path = join(directory, 'segment.lmdb')
  const database = open<Uint8Array, number>(path, {
    keyEncoding: 'uint32',
    encoding: 'binary',
    overlappingSync: false,
    noSync: true,
    noSubdir: true,
    pageSize: 4096,
    maxDbs: 0,
  })
  const COUNT = 40_000
  for (let key = 0; key < COUNT; key += 500) {
    for (let next = key; next < key + 500; next++) database.put(next, Buffer.alloc(150 + (next % 200), next))
    await database.committed
  }
  await database.close()
  const source = sourceOf(await readFile(path))
  let next = 0
  const { problems } = readTree(source, true, (key, at, length) => {
    const value = source.read(at, length)
    if (new DataView(key.buffer, key.byteOffset).getUint32(0, true) !== next)
      t.fail(`a key out of order, not ${next}`)
    if (length !== 150 + (next % 200) || value[0] !== next % 256) t.fail(`value ${next} differs`)
    next++
  })
  t.same(problems, [])
  t.equal(next, COUNT)
})

t.test('what is no LMDB file, and one that holds nothing', async (t) => {
  const none = () => t.fail('there is no entry')
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.alloc(100),
    Buffer.alloc(20_000),
    Buffer.alloc(20_000, 0xff),
  ]) {
    const { problems } = readTree(sourceOf(bytes), true, none)
    t.match(problems, [{ page: 0, sentence: /too few for an LMDB file|is not an LMDB meta page/ }])
  }
  const path = join(directory, 'empty.lmdb')
  await open(path, { keyEncoding: 'uint32', noSubdir: true, pageSize: 4096, maxDbs: 0 }).close()
  t.same(readTree(sourceOf(await readFile(path)), true, none).problems, [])
})
