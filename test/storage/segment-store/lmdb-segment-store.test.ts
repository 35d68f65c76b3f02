/** What only the segment store on LMDB promises: files, crashes, full disks, damage. */
import { existsSync } from 'node:fs'
import {
  copyFile,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { LmdbSegmentStore } from '../../../storage/lmdb/lmdb-segment-store.ts'
import type { StorageError } from '../../../storage/segment-store.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { bytesOf, equalBytes, fill, MIB, storageError } from './contract.ts'
import { emptyDirectory, manifestFile, openIn, segmentFile, storeIn, writeSegments } from './lmdb-stores.ts'

t.test('files: for this user only, of the promised size, deleted with the segment', async (t) => {
  const directory = join(await emptyDirectory(t), 'a', 'b')
  const store = await openIn(t, directory, { preallocation: 'zeros' })
  t.equal((await stat(directory)).mode & 0o777, 0o700)
  await store.append(0, [bytesOf(1, 100)])
  await store.roll(new Uint8Array(5))
  await store.append(0, [bytesOf(2, 100)])
  await store.remove(1)
  await store.close()
  const names = (await readdir(directory)).sort()
  t.strictSame(names.slice(0, 4), [
    'MANIFEST',
    'MANIFEST.new',
    'segment-0000000002.lmdb',
    'segment-0000000002.lmdb-lock',
  ])
  t.strictSame(
    names
      .slice(4)
      .filter((name) => !name.startsWith('segment-0000000003.lmdb') && !name.startsWith('preparing-')),
    [],
    'the only other segment is the one prepared ahead',
  )
  for (const name of names) t.equal((await stat(join(directory, name))).mode & 0o777, 0o600, name)
  t.equal((await stat(segmentFile(directory, 2))).size, MIB)
  t.equal(
    await readFile(manifestFile(directory), 'utf8'),
    '{"format":"octopus-segments","version":1,"nextId":3,"segments":[{"id":2,"bytes":1048576,"sealed":false}]}\n',
  )
})

t.test('segments keep the size they were made with', async (t) => {
  const directory = await emptyDirectory(t)
  await (await openIn(t, directory)).close()
  const store = await openIn(t, directory, { segmentBytes: 2 * MIB })
  await store.roll(new Uint8Array())
  t.strictSame(
    store.segments().map(({ bytes }) => bytes),
    [MIB, 2 * MIB],
  )
  t.equal((await stat(segmentFile(directory, 2))).size, 2 * MIB)
  t.throws(
    () => storeIn(t, directory, { segmentBytes: MIB + 1 }),
    storageError('MISUSE', /must be a multiple of 4096/),
  )
  t.throws(() => storeIn(t, directory, { segmentBytes: MIB / 2 }), storageError('MISUSE', /at least 1048576/))
})

t.test('closing a store that is still opening', async (t) => {
  const directory = await emptyDirectory(t)
  const store = storeIn(t, directory)
  const opening = store.open()
  await store.close()
  await opening
  t.throws(() => store.segments(), storageError('MISUSE', /closed/))
  t.strictSame((await openIn(t, directory)).segments(), [{ id: 1, sealed: false, bytes: MIB }])
})

t.test('a full segment with the largest index never grows', async (t) => {
  const random = seededRandom(t)
  const directory = await emptyDirectory(t)
  for (const segmentBytes of [MIB, 2 * MIB]) {
    const store = await openIn(t, directory, { segmentBytes })
    await store.roll(new Uint8Array())
    const first = store.segments()[store.segments().length - 1].id
    let turn = 0
    const sizes: (() => number)[] = [
      () => random.below(30),
      () => 2022 - random.below(3),
      // The worst there is: LMDB needs a leaf page for each of these.
      () => (turn++ % 3 === 0 ? 1 : 2022),
      () => random.below(random.pick([5000, 300_000])),
    ]
    for (const size of sizes) {
      const values = await fill(store, random, size)
      const { id } = store.segments()[store.segments().length - 1]
      t.equal(store.valueCount(id), values.length)
      t.ok(
        store.indexRoomBytes() >= segmentBytes * 0.08,
        `room for an index of ${store.indexRoomBytes()} bytes`,
      )
      await store.roll(bytesOf(id, store.indexRoomBytes()))
    }
    await store.close()
    for (let id = first; id < first + sizes.length; id++) {
      t.equal((await stat(segmentFile(directory, id))).size, segmentBytes)
      const bytes = await readFile(segmentFile(directory, id))
      const lastPage = Math.max(Number(bytes.readBigUInt64LE(144)), Number(bytes.readBigUInt64LE(4096 + 144)))
      t.ok(lastPage <= segmentBytes / 4096 - 2, `last page ${lastPage} of ${segmentBytes / 4096}`)
    }
  }
})

t.test(
  'a crash between index and manifest: the old segment is active, full, and keeps that index',
  async (t) => {
    const directory = await emptyDirectory(t)
    const store = await openIn(t, directory)
    await store.append(0, [bytesOf(1, 1000), bytesOf(2, 1000)])
    await copyFile(manifestFile(directory), join(directory, 'before'))
    await store.roll(bytesOf(3, 300_000))
    await store.close()
    await rename(join(directory, 'before'), manifestFile(directory))

    const again = await openIn(t, directory)
    t.strictSame(again.segments(), [{ id: 1, sealed: false, bytes: MIB }])
    t.equal(again.valueCount(1), 2)
    t.ok(equalBytes(again.read(1, 1), bytesOf(2, 1000)))
    t.equal(await again.readIndex(1), undefined)
    t.equal(again.roomBytes(), 0)
    await t.rejects(again.append(2, [bytesOf(4, 10)]), storageError('MISUSE', /roll first/))
    t.equal(await again.roll(bytesOf(3, 300_000)), 2)
    t.ok(equalBytes(await again.readIndex(1), bytesOf(3, 300_000)))
    t.equal(again.valueCount(1), 2)
  },
)

t.test('what a crash left over is deleted, what is not ours is not touched', async (t) => {
  const directory = await emptyDirectory(t)
  await writeSegments(t, directory, 1)
  const ours = [
    'segment-0000000009.lmdb',
    'segment-0000000009.lmdb-lock',
    'preparing-0000000003.lmdb',
    'empty.lmdb',
    'MANIFEST.new',
  ]
  const foreign = ['segment-9.lmdb', 'segment-0000000009.lmdb.bak', 'notes.txt', 'MANIFEST.old']
  for (const name of [...ours, ...foreign]) await writeFile(join(directory, name), name)
  const store = await openIn(t, directory)
  t.equal(store.segments().length, 2)
  await store.close()
  for (const name of foreign) t.equal(await readFile(join(directory, name), 'utf8'), name)
  for (const name of ours.slice(0, 2)) t.notOk(existsSync(join(directory, name)), name)
})

t.test('a crash before the first segment was live', async (t) => {
  const directory = await emptyDirectory(t)
  await writeFile(
    manifestFile(directory),
    '{"format":"octopus-segments","version":1,"nextId":1,"segments":[]}',
  )
  await writeFile(segmentFile(directory, 1), 'half')
  const store = await openIn(t, directory)
  await store.append(0, [bytesOf(1, 10)])
  t.strictSame(store.segments(), [{ id: 1, sealed: false, bytes: MIB }])
})

t.test('a manifest that is missing, damaged or not ours is refused by name', async (t) => {
  const directory = await emptyDirectory(t)
  await writeSegments(t, directory, 1)
  const path = manifestFile(directory)
  const good = await readFile(path, 'utf8')
  const cases: [string, Parameters<typeof storageError>][] = [
    ['', ['DAMAGED', /MANIFEST is damaged: it is not JSON; restore it/]],
    [good.slice(0, 40), ['DAMAGED', /MANIFEST is damaged: it is not JSON/]],
    ['[]', ['FOREIGN', /MANIFEST was not written by Octopus/]],
    ['null', ['DAMAGED', /not a JSON object/]],
    ['{"format":"other"}', ['FOREIGN', /MANIFEST was not written by Octopus: .* "octopus-segments"/]],
    [
      good.replace('"version":1', '"version":2'),
      ['FOREIGN', /MANIFEST has version 2; this Octopus reads version 1/],
    ],
    [good.replace('"nextId":3', '"nextId":2'), ['DAMAGED', /entry 1 has id 2, not below "nextId" 2/]],
    [good.replace('"nextId":3', '"nextId":"3"'), ['DAMAGED', /"nextId" is not a positive integer/]],
    [good.replace('"id":1,', '"id":2,'), ['DAMAGED', /entry 1 has id 2 a second time/]],
    [good.replace('"sealed":true', '"sealed":false'), ['DAMAGED', /entry 0: only the last is not sealed/]],
    [good.replace('"sealed":true', '"sealed":1'), ['DAMAGED', /entry 0 is not \{id, bytes, sealed\}/]],
    [good.replace(/"segments".*/, '"segments":{}}'), ['DAMAGED', /"segments" is not a list/]],
  ]
  for (const [text, expected] of cases) {
    await writeFile(path, text)
    await t.rejects(storeIn(t, directory).open(), { ...storageError(...expected), path })
  }
  await rm(path)
  await t.rejects(storeIn(t, directory).open(), {
    ...storageError('DAMAGED', /MANIFEST is missing, although/),
    path,
  })
  t.ok(existsSync(segmentFile(directory, 1)), 'nothing was deleted')
  await writeFile(path, good)
  t.ok(equalBytes((await openIn(t, directory)).read(1, 0), bytesOf(1, 50_000)))
})

t.test('a damaged segment is refused by name, before it can kill the process', async (t) => {
  const directory = await emptyDirectory(t)
  await writeSegments(t, directory, 3)
  const manifest = await readFile(manifestFile(directory), 'utf8')
  const path = (id: number) => segmentFile(directory, id)
  const damaged = (id: number, message: RegExp) => ({ ...storageError('DAMAGED', message), path: path(id) })
  /** Does something to the directory and opens it; undone afterwards. */
  const withDamage = async (
    id: number,
    damage: () => Promise<unknown>,
    check: (store: LmdbSegmentStore) => Promise<unknown>,
  ) => {
    await copyFile(path(id), join(directory, 'saved'))
    await damage()
    const store = storeIn(t, directory)
    await check(store)
    await store.close()
    await rename(join(directory, 'saved'), path(id))
    await writeFile(manifestFile(directory), manifest)
  }
  const shorten = (id: number, bytes: number) => async () => {
    await truncate(path(id), bytes)
    const entry = `{"id":${id},"bytes":${MIB}`
    await writeFile(manifestFile(directory), manifest.replace(entry, `{"id":${id},"bytes":${bytes}`))
  }
  const overwrite = (id: number, at: number, bytes: Uint8Array) => async () => {
    const handle = await open(path(id), 'r+')
    await handle.write(bytes, 0, bytes.length, at)
    await handle.close()
  }

  for (const id of [2, 4]) {
    await withDamage(
      id,
      () => rm(path(id)),
      (store) => t.rejects(store.open(), damaged(id, /is missing, although MANIFEST names it/)),
    )
    await withDamage(
      id,
      () => truncate(path(id), MIB - 1),
      (store) => t.rejects(store.open(), damaged(id, /has 1048575 bytes instead of 1048576/)),
    )
  }
  // The manifest agrees with the short file, LMDB's meta pages do not.
  await withDamage(4, shorten(4, 8192), (store) => t.rejects(store.open(), damaged(4, /its end is missing/)))
  await withDamage(4, shorten(4, 100), (store) =>
    t.rejects(store.open(), damaged(4, /has 100 bytes, too few/)),
  )
  await withDamage(2, shorten(2, 40_960), async (store) => {
    await store.open()
    t.throws(
      () => store.read(2, 0),
      damaged(2, /40960 bytes but its meta page \d says \d+ are in use: its end is missing/),
    )
    t.throws(() => store.valueCount(2), damaged(2, /its end is missing/))
    await t.rejects(store.readIndex(2), damaged(2, /its end is missing/))
    t.ok(equalBytes(store.read(1, 0), bytesOf(1, 50_000)), 'the others are served')
  })
  await withDamage(4, overwrite(4, 24, new Uint8Array(4)), (store) =>
    t.rejects(store.open(), damaged(4, /page 0 is not an LMDB meta page/)),
  )
  await withDamage(
    2,
    () => copyFile(path(1), path(2)),
    async (store) => {
      await store.open()
      t.throws(() => store.read(2, 0), damaged(2, /its header says it is segment 1/))
      t.ok(equalBytes(store.read(3, 0), bytesOf(3, 50_000)))
    },
  )
  const index = bytesOf(102, 20_000)
  const at = (await readFile(path(2))).indexOf(index.subarray(0, 100))
  await withDamage(2, overwrite(2, at + 10_000, new Uint8Array([~index[10_000]])), async (store) => {
    await store.open()
    await t.rejects(store.readIndex(2), damaged(2, /its index does not have the checksum/))
    t.ok(equalBytes(store.read(2, 0), bytesOf(2, 50_000)))
  })
  await withDamage(
    4,
    async () => {
      await copyFile(path(4), path(5))
      await writeFile(
        manifestFile(directory),
        manifest
          .replace('"nextId":5', '"nextId":6')
          .replace('"sealed":false}]', `"sealed":true},{"id":5,"bytes":${MIB},"sealed":false}]`),
      )
    },
    (store) => t.rejects(store.open(), damaged(5, /its header says it is segment 4/)),
  )
})

t.test('an unsealed segment called sealed is refused', async (t) => {
  const directory = await emptyDirectory(t)
  const store = await openIn(t, directory)
  await store.append(0, [bytesOf(1, 10)])
  await copyFile(segmentFile(directory, 1), join(directory, 'unsealed'))
  await store.roll(bytesOf(2, 10))
  await store.close()
  await rename(join(directory, 'unsealed'), segmentFile(directory, 1))
  const again = await openIn(t, directory)
  t.throws(() => again.valueCount(1), storageError('DAMAGED', /is sealed, but has no trailer/))
  await t.rejects(again.readIndex(1), storageError('DAMAGED', /is sealed, but has no trailer/))
})

t.test('of many segments only a few are open at a time', async (t) => {
  const directory = await emptyDirectory(t)
  await writeSegments(t, directory, 6)
  const store = await openIn(t, directory, { sealedOpenMax: 2 })
  for (let round = 0; round < 3; round++) {
    for (let id = 1; id <= 6; id++) {
      t.ok(equalBytes(store.read(id, 0), bytesOf(id, 50_000)))
      t.equal(store.valueCount(id), 1)
    }
    const ids = [1, 2, 3, 4, 5, 6]
    await Promise.all(ids.map((id) => store.prefetch(id, 0)))
    const indexes = await Promise.all(ids.map((id) => store.readIndex(id)))
    t.ok(indexes.every((index, place) => equalBytes(index, bytesOf(ids[place] + 100, 20_000))))
  }
  if (process.platform !== 'linux') return
  const open = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) =>
      readlink(`/proc/self/fd/${fd}`).catch(() => 'the listing itself'),
    ),
  )
  const sealed = new Set(
    open.filter((path) => /segment-000000000[1-6]\.lmdb$/.test(path) && path.startsWith(directory)),
  )
  t.equal(sealed.size, 2)
})

t.test('without room on the disk appends and rolls are refused, and nothing else', async (t) => {
  const directory = await emptyDirectory(t)
  await writeSegments(t, directory, 1)
  const background: StorageError[] = []
  const store = await openIn(t, directory, {
    freeBytesMin: 2 ** 50,
    onBackgroundError: (error) => background.push(error),
  })
  const refused = (what: RegExp) => ({ ...storageError('NO_SPACE', what), path: directory })
  await t.rejects(
    store.append(0, [bytesOf(1, 10)]),
    refused(/bytes free, too few for an append: 1125899906842624 must stay free/),
  )
  await t.rejects(
    store.roll(new Uint8Array()),
    refused(/too few for a new segment: it takes 1048576 and \d+ must stay free/),
  )
  t.match(background, [refused(/too few for a new segment/)])
  t.equal(store.failure, undefined)
  t.equal(store.valueCount(2), 0)
  t.ok(equalBytes(store.read(1, 0), bytesOf(1, 50_000)))
  await store.remove(1)
  await store.close()
  await t.rejects(
    storeIn(t, join(directory, 'new'), { freeBytesMin: 2 ** 50 }).open(),
    storageError('NO_SPACE', /a new segment/),
  )
})

t.test('a file that cannot be deleted is told at once and at close', async (t) => {
  const directory = await emptyDirectory(t)
  const errors: StorageError[] = []
  const store = await openIn(t, directory, { onBackgroundError: (error) => errors.push(error) })
  await store.roll(new Uint8Array())
  await rename(segmentFile(directory, 1), join(directory, 'moved'))
  await mkdir(segmentFile(directory, 1))
  await store.remove(1)
  const told = {
    ...storageError('WRITE_FAILED', /segment-0000000001\.lmdb: EISDIR/),
    path: segmentFile(directory, 1),
  }
  await t.rejects(store.close(), told)
  t.match(errors, [told])
})

t.test('a segment aside: a file of its own size, gone when it is discarded or replaced', async (t) => {
  const directory = await emptyDirectory(t)
  await writeSegments(t, directory, 3)
  const store = await openIn(t, directory)
  const sizeOf = async (id: number) => (await stat(segmentFile(directory, id))).size
  const aside = await store.beginAside(3 * MIB)
  t.ok((await sizeOf(aside.id)) > 3 * MIB * 1.08)
  t.equal((await sizeOf(aside.id)) % 4096, 0)
  const left = await store.beginAside(1)
  t.ok((await sizeOf(left.id)) < 2 * MIB)
  const discarded = await store.beginAside(1)
  await discarded.discard()
  t.notOk(existsSync(segmentFile(directory, discarded.id)))
  await aside.append(0, [bytesOf(9, 2 * MIB)])
  await aside.publish(bytesOf(1, 10), [2, 3])
  t.strictSame(store.segments()[1], { id: aside.id, bytes: await sizeOf(aside.id), sealed: true })
  await store.close()
  for (const id of [2, 3, left.id]) t.notOk(existsSync(segmentFile(directory, id)), `segment ${id}`)
  t.match(await readFile(manifestFile(directory), 'utf8'), new RegExp(`"id":1,.*"id":${aside.id},.*"id":4,`))
  t.ok(equalBytes((await openIn(t, directory)).read(aside.id, 0), bytesOf(9, 2 * MIB)))
})

t.test('without room on the disk nothing is written aside', async (t) => {
  const directory = await emptyDirectory(t)
  await writeSegments(t, directory, 1)
  const store = await openIn(t, directory, { freeBytesMin: 2 ** 50 })
  await t.rejects(
    store.beginAside(MIB),
    storageError('NO_SPACE', /too few for a segment aside: it takes \d+/),
  )
  t.equal(store.failure, undefined)
})
