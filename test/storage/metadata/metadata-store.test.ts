/** Both metadata stores keep one contract; and what only each of them has to do. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import {
  encodeEntry,
  encodeEntryKey,
  encodeRevision,
  revisionKey,
} from '../../../storage/metadata/entry-layout.ts'
import { createLmdbMetadataStore } from '../../../storage/metadata/lmdb-metadata-store.ts'
import {
  createMemoryMetadataStore,
  MemoryMetadataDisk,
} from '../../../storage/metadata/memory-metadata-store.ts'
import { MetadataEnvironment, type Write } from '../../../storage/metadata/metadata-environment.ts'
import type { MetadataStore } from '../../../storage/metadata-store.ts'
import { StorageError } from '../../../storage/segment-store.ts'
import { Random, seedOr } from '../../client/protocol/random.ts'
import { bytes, Listener, type MakeDisk, put, remove, type StoreOptions, testContract } from './contract.ts'
import { runModel } from './model.ts'

const MEBIBYTE = 1024 * 1024
const options: StoreOptions = {
  onListenerError: (error) => {
    throw error
  },
}
const writer = fileURLToPath(new URL('metadata-writer.js', import.meta.url))

async function temporaryPath(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'octopus-metadata-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return join(directory, 'metadata.lmdb')
}

const memoryDisk: MakeDisk = async () => {
  const disk = new MemoryMetadataDisk()
  return (options) => createMemoryMetadataStore({ disk, ...options })
}

const lmdbDisk: MakeDisk = async (t) => {
  const path = await temporaryPath(t)
  return (options) => createLmdbMetadataStore({ path, ...options })
}

const countOf = async (store: MetadataStore): Promise<string> =>
  new TextDecoder().decode((await store.get('/count'))?.value)

t.test('memory', async (t) => {
  testContract(t, memoryDisk)

  t.test('against a plain map', async (t) => {
    const seed = seedOr(20260131)
    t.comment(`OCTOPUS_SEED=${seed}`)
    const random = new Random(seed)
    const committed = await runModel(await memoryDisk(t), () => random.below(2 ** 32) / 2 ** 32, 2000)
    t.ok(committed > 300, `${committed} transactions committed`)
  })

  t.test('nothing is read, told or kept before it is durable', async (t) => {
    let sync: () => void = t.fail
    const disk = new MemoryMetadataDisk({
      sync: () =>
        new Promise((resolve) => {
          sync = resolve
        }),
    })
    const store = createMemoryMetadataStore({ disk, ...options })
    await store.open()
    const listener = new Listener()
    store.watch('', 1, listener.listen)
    const first = store.transact([], [put('/a', '1')])
    const second = store.transact([{ key: '/a', modRevision: 1 }], [put('/a', '2')])
    await new Promise((resolve) => setImmediate(resolve))
    t.equal(await store.get('/a'), undefined)
    t.strictSame(await store.list(''), { revision: 0, entries: [] })
    t.equal(store.revision(), 0)
    t.strictSame(listener.calls, [])

    sync()
    t.strictSame(await first, { committed: true, revision: 1 })
    t.strictSame(await listener.told(1), ['put /a=1@1'])
    await new Promise((resolve) => setImmediate(resolve))
    t.equal(store.revision(), 1, 'the second is decided on what the first left, and waits for its own sync')

    const restarted = createMemoryMetadataStore({ disk, ...options })
    await restarted.open()
    t.strictSame(await restarted.list(''), {
      revision: 1,
      entries: [{ key: '/a', value: bytes('1'), createRevision: 1, modRevision: 1 }],
    })
    sync()
    t.strictSame(await second, { committed: true, revision: 2 })
  })

  t.test('a full disk refuses, and is used again when there is room', async (t) => {
    let isFull = true
    const full = new StorageError('NO_SPACE', 'the disk is full')
    const disk = new MemoryMetadataDisk({
      sync: async () => {
        if (isFull) throw full
      },
    })
    const store = createMemoryMetadataStore({ disk, ...options })
    await store.open()
    await t.rejects(store.transact([], [put('/a', '1')]), full)
    t.strictSame(await store.list(''), { revision: 0, entries: [] })
    t.equal(store.failure, undefined)
    isFull = false
    t.strictSame(await store.transact([], [put('/a', '1')]), { committed: true, revision: 1 })
  })

  t.test('after a failed write nothing is written, while reads and watches go on', async (t) => {
    const cause = new Error('the cable is out')
    let writes = 0
    const disk = new MemoryMetadataDisk({
      sync: async () => {
        writes++
        if (writes === 2) throw cause
      },
    })
    const store = createMemoryMetadataStore({ disk, ...options })
    await store.open()
    const listener = new Listener()
    await store.transact([], [put('/a', '1')])
    const outcomes = await Promise.allSettled(
      ['2', '3'].map((value) => store.transact([], [put('/a', value)])),
    )
    const failure = store.failure
    t.match(failure, { code: 'WRITE_FAILED', message: 'The metadata could not be written', cause })
    t.strictSame(
      outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason === failure),
      [true, true],
    )
    await t.rejects(store.transact([], []), { code: 'WRITE_FAILED' })
    t.equal(writes, 2)
    t.strictSame((await store.get('/a'))?.value, bytes('1'))
    store.watch('', 1, listener.listen)
    t.strictSame(await listener.told(1), ['put /a=1@1'])
    await store.close()
  })
})

t.test('lmdb', async (t) => {
  testContract(t, lmdbDisk)

  t.test('against a plain map', async (t) => {
    const seed = seedOr(20260201)
    t.comment(`OCTOPUS_SEED=${seed}`)
    const random = new Random(seed)
    const committed = await runModel(await lmdbDisk(t), () => random.below(2 ** 32) / 2 ** 32, 400)
    t.ok(committed > 50, `${committed} transactions committed`)
  })

  t.test('nothing is read before its commit', async (t) => {
    const store = (await lmdbDisk(t))(options)
    await store.open()
    let isDurable = false
    const pending = store.transact([], [put('/a', '1')]).then(() => {
      isDurable = true
    })
    // A commit takes turns of the event loop; in each, until it is durable, the old content is read.
    let turns = 0
    for (; !isDurable; turns++) {
      t.strictSame(await store.list(''), { revision: 0, entries: [] })
      t.equal(store.revision(), 0)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await pending
    t.ok(turns > 0)
    t.equal(store.revision(), 1)
    await store.close()
  })

  t.test('the file is private, has its blocks, and grows before it is full', async (t) => {
    const path = await temporaryPath(t)
    const store = createLmdbMetadataStore({ path, ...options })
    await store.open()
    const fresh = await stat(path)
    t.equal(fresh.size, 64 * MEBIBYTE)
    t.ok(fresh.blocks * 512 >= 64 * MEBIBYTE, 'every block is reserved')
    t.equal(fresh.mode & 0o777, 0o600)
    t.equal((await stat(`${path}-lock`)).mode & 0o777, 0o600)
    const value = new Uint8Array(MEBIBYTE)
    for (let index = 0; index < 31; index++) await store.transact([], [put(`/${index}`, value.fill(index))])
    t.equal((await stat(path)).size, 64 * MEBIBYTE)
    for (let index = 31; index < 34; index++) await store.transact([], [put(`/${index}`, value.fill(index))])
    const grown = await stat(path)
    t.equal(grown.size, 128 * MEBIBYTE)
    t.ok(grown.blocks * 512 >= 128 * MEBIBYTE)
    await store.close()

    const again = createLmdbMetadataStore({ path, ...options })
    await again.open()
    const { revision, entries } = await again.list('')
    t.equal(revision, 34)
    t.equal(entries.length, 34)
    for (const { key, value: stored } of entries) {
      t.equal(Buffer.compare(stored, value.fill(Number(key.slice(1)))), 0)
    }
    await again.close()
  })

  t.test('a full disk refuses before anything is written', async (t) => {
    const path = await temporaryPath(t)
    let free = 80 * MEBIBYTE - 1
    const freeBytes = (directory: string) => {
      t.equal(join(directory, 'metadata.lmdb'), path)
      return free
    }
    const noFile = createLmdbMetadataStore({ path, freeBytes, ...options })
    await t.rejects(noFile.open(), {
      code: 'NO_SPACE',
      message: `${path} needs 83886080 bytes of free disk and has 83886079: free some space; nothing was written`,
    })
    await t.rejects(stat(path), { code: 'ENOENT' })
    await noFile.close()

    free = 80 * MEBIBYTE
    const store = createLmdbMetadataStore({ path, freeBytes, ...options })
    await store.open()
    free = 16 * MEBIBYTE - 1
    await t.rejects(store.transact([], [put('/a', '1')]), {
      code: 'NO_SPACE',
      message: `${path} needs 16777216 bytes of free disk and has 16777215: free some space; nothing was written`,
    })
    t.equal(store.failure, undefined)
    t.strictSame(await store.list(''), { revision: 0, entries: [] })
    free = 0
    const urgent = { isUrgent: true }
    t.strictSame(await store.transact([], [put('/u', '1')], urgent), { committed: true, revision: 1 })
    t.strictSame(await store.transact([], [remove('/u')], urgent), { committed: true, revision: 2 })

    free = 16 * MEBIBYTE
    const value = new Uint8Array(MEBIBYTE)
    let written = 0
    const refused = await (async () => {
      for (; ; written++) await store.transact([], [put(`/${written}`, value)])
    })().catch((error) => error)
    t.match(refused, {
      code: 'NO_SPACE',
      message: /metadata\.lmdb uses \d+ of its 67108864 bytes and cannot grow: /,
    })
    t.ok(written > 40, `${written} values before the file was too full`)
    t.equal((await stat(path)).size, 64 * MEBIBYTE)

    free = 80 * MEBIBYTE
    t.strictSame(await store.transact([], [remove('/0')]), { committed: true, revision: written + 3 })
    t.equal((await stat(path)).size, 128 * MEBIBYTE)
    await store.close()
  })

  t.test('damage is named, never served', async (t) => {
    const path = await temporaryPath(t)
    const store = createLmdbMetadataStore({ path, ...options })
    await store.open()
    await store.transact([], [put('/a', '1'), put('/b', '2')])
    await store.close()
    const sound = (await readFile(path)).subarray(0, 16 * 4096)
    const refused = async (problem: string) => {
      const damaged = createLmdbMetadataStore({ path, ...options })
      await t.rejects(damaged.open(), {
        code: 'DAMAGED',
        path,
        message: `${path} is damaged: ${problem}`,
      })
      await damaged.close()
    }
    const withWrites = async (writes: readonly Write[], problem: string) => {
      await writeFile(path, sound)
      const environment = MetadataEnvironment.open(path)
      await environment.commit(writes)
      await environment.close()
      await refused(`${problem}; restore it from a backup`)
    }

    await truncate(path, 3 * 4096)
    await refused('it has 12288 bytes but its meta page 0 says 20480 are in use: its end is missing')
    await truncate(path, 100)
    await refused('it has 100 bytes, too few for an LMDB file')
    await writeFile(path, 'x'.repeat(10_000))
    await refused('its page 0 is not an LMDB meta page')

    const entry = { key: '/a', value: bytes('1'), createRevision: 1, modRevision: 1 }
    const flipped = encodeEntry(entry)
    flipped[flipped.length - 1] ^= 1
    const keyA = encodeEntryKey('/a')
    await withWrites(
      [{ key: keyA, value: flipped }],
      'the value of "/a" cannot be read: its checksum does not match',
    )
    await withWrites(
      [{ key: keyA, value: encodeEntry(entry).subarray(0, 16) }],
      'the value of "/a" cannot be read: it has 16 bytes, at least 17 expected',
    )
    await withWrites(
      [{ key: encodeEntryKey('/b'), value: encodeEntry(entry) }],
      'the value of "/b" cannot be read: its checksum does not match',
    )
    await withWrites(
      [{ key: keyA, value: encodeEntry({ ...entry, modRevision: 2 }) }],
      '"/a" was written at revision 2, the store is at 1',
    )
    await withWrites(
      [{ key: keyA, value: encodeEntry({ ...entry, createRevision: 2 }) }],
      'the value of "/a" cannot be read: it was created at revision 2 and last written at 1',
    )
    await withWrites([{ key: bytes('\u0003x'), value: bytes('') }], 'the key 0378 is none of ours')
    await withWrites([{ key: revisionKey, value: undefined }], 'its revision is missing')
    await withWrites(
      [{ key: revisionKey, value: encodeRevision(1).subarray(1) }],
      'its revision cannot be read: it has 10 bytes, 11 expected',
    )

    await writeFile(path, sound)
    const again = createLmdbMetadataStore({ path, ...options })
    await again.open()
    t.equal(again.revision(), 1)
    await again.close()
  })

  t.test('what cannot be used is refused with the reason', async (t) => {
    const path = await temporaryPath(t)
    const below = () => createLmdbMetadataStore({ path: join(path, 'metadata.lmdb'), ...options })
    await t.rejects(below().open(), { message: `${path} is missing (ENOENT)` })
    await (await open(path, 'w')).close()
    await t.rejects(below().open(), { code: 'INACCESSIBLE', message: /is not a directory \(ENOTDIR\)/ })
  })

  t.test('a commit that fails is the last, and nothing acknowledged is lost', async (t) => {
    const path = await temporaryPath(t)
    const store = createLmdbMetadataStore({ path, ...options })
    await store.open()
    await store.close()
    // No byte beyond 400 KiB can be written; without the trap the signal would end the process.
    const shell = 'trap "" XFSZ; ulimit -f 800; exec "$0" "$@"'
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      shell,
      process.execPath,
      writer,
      path,
      'until-refused',
    ])
    const lines = stdout.trimEnd().split('\n')
    const acknowledged = lines.filter((line) => line.startsWith('acknowledged')).length
    const message =
      `WRITE_FAILED ${path}: a commit failed (EIO: Input/output error); ` +
      'no metadata is written any more until a restart'
    t.ok(acknowledged > 3)
    t.strictSame(lines.slice(acknowledged), [
      message,
      'failure WRITE_FAILED',
      message,
      `count ${acknowledged} revision ${acknowledged}`,
      'closed',
    ])
    const again = createLmdbMetadataStore({ path, ...options })
    await again.open()
    t.ok(again.revision() === acknowledged || again.revision() === acknowledged + 1)
    t.equal(await countOf(again), String(again.revision()))
    await again.close()
  })

  t.test('SIGKILL: everything acknowledged is there, nothing by half', async (t) => {
    const path = await temporaryPath(t)
    const seed = seedOr(Date.now() % 1_000_000)
    t.comment(`OCTOPUS_SEED=${seed}`)
    const random = new Random(seed)
    for (let cycle = 0; cycle < 6; cycle++) {
      const child = spawn(process.execPath, [writer, path, 'until-killed'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const killAfter = 1 + random.below(100)
      let lines = 0
      let acknowledged = 0
      for await (const line of createInterface({ input: child.stdout })) {
        lines++
        acknowledged = Math.max(acknowledged, Number(line.split(' ')[1]))
        if (lines === killAfter) child.kill('SIGKILL')
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      t.equal(child.signalCode, 'SIGKILL')
      const store = createLmdbMetadataStore({ path, ...options })
      await store.open()
      const revision = store.revision()
      t.ok(revision >= acknowledged, `cycle ${cycle}: ${acknowledged} acknowledged, ${revision} there`)
      t.equal(await countOf(store), String(revision))
      const left = (await store.list('/left/')).entries
      const right = (await store.list('/right/')).entries
      t.strictSame(
        left
          .map(({ key, modRevision }) => [Number(key.split('/')[2]), modRevision])
          .sort((a, b) => a[1] - b[1]),
        lastRevisions(revision),
      )
      t.ok(left.every(({ value }, index) => Buffer.compare(value, right[index].value) === 0))
      t.ok(
        left.every(
          ({ value, modRevision }) => Number.parseInt(new TextDecoder().decode(value), 10) === modRevision,
        ),
      )
      await store.close()
    }
  })
})

/** Which revision wrote each of the 50 places last. */
function lastRevisions(revision: number): number[][] {
  const first = Math.max(1, revision - 49)
  return Array.from({ length: revision - first + 1 }, (_, index) => [(first + index) % 50, first + index])
}
