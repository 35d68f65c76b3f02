/** The view of the coordinator in its real file: what it keeps, when it comes into being, and what is damaged. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { CoordinatorView, viewKey } from '../../../broker/groups/coordinator-view.ts'
import { createLmdbMedium } from '../../../storage/metadata/lmdb-metadata-store.ts'

function changes(entries: Record<string, string | null>): Map<string, Uint8Array | null> {
  return new Map(
    Object.entries(entries).map(([key, value]) => [
      viewKey(Buffer.from(key)),
      value === null ? null : Buffer.from(value),
    ]),
  )
}

async function contentOf(path: string): Promise<{ offset: number; entries: Record<string, string> }> {
  const view = new CoordinatorView(() => createLmdbMedium(path))
  const entries = Object.fromEntries(
    (await view.load()).map(({ key, value }) => [
      Buffer.from(key).toString(),
      Buffer.from(value ?? []).toString(),
    ]),
  )
  await view.close()
  return { offset: view.offset, entries }
}

t.test('there is no file before there is something to keep, and then all of it comes back', async (t) => {
  const directory = t.testdir()
  const path = join(directory, 'groups.lmdb')
  const view = new CoordinatorView(() => createLmdbMedium(path))
  t.same(await view.load(), [])
  t.same(readdirSync(directory), [])
  await view.write(changes({ a: '1', b: '2', c: '3', gone: null }), 4)
  t.ok(existsSync(path))
  await view.write(changes({ a: '3', b: null }), 6)
  await view.close()
  t.same(await contentOf(path), { offset: 6, entries: { a: '3', c: '3' } })
})

t.test('keys of any bytes, as long as the longest names make them', async (t) => {
  const path = join(t.testdir(), 'groups.lmdb')
  const view = new CoordinatorView(() => createLmdbMedium(path))
  await view.load()
  // A member id of 249 characters, three bytes each, in a group whose name has as many.
  const long = new Uint8Array(1_005).fill(0x61, 0, 258).fill(0xff, 258)
  const other = long.slice()
  other[1_004] = 0xfe
  await view.write(
    new Map([
      [viewKey(long), Buffer.from('long')],
      [viewKey(other), Buffer.from('other')],
    ]),
    2,
  )
  await view.close()
  const again = new CoordinatorView(() => createLmdbMedium(path))
  const loaded = await again.load()
  await again.close()
  t.same(
    loaded.map(({ key, value }) => [Buffer.from(key), Buffer.from(value ?? []).toString()]).sort(),
    [
      [Buffer.from(long), 'long'],
      [Buffer.from(other), 'other'],
    ].sort(),
  )
})

t.test(
  'killed while it is written, again and again: it is never behind what it said, and never torn',
  async (t) => {
    const path = join(t.testdir(), 'groups.lmdb')
    const writer = fileURLToPath(new URL('./support/view-writer.js', import.meta.url))
    let last = 0
    for (let round = 0; round < (process.env.OCTOPUS_SOAK ? 30 : 4); round++) {
      const child = spawn(process.execPath, [writer, path], { stdio: ['ignore', 'pipe', 'inherit'] })
      const lines = createInterface({ input: child.stdout })
      let seen = 0
      for await (const line of lines) {
        last = Number(line.replace('acknowledged ', ''))
        if (++seen === 3 + round * 2) child.kill('SIGKILL')
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      t.equal(child.signalCode, 'SIGKILL')
      const { offset, entries } = await contentOf(path)
      t.ok(offset >= last && offset <= last + 1, `at ${offset}, said ${last}`)
      t.equal(Object.keys(entries).length, 400)
      // Of a write that was cut short some transactions are there: the log makes the others so.
      for (const [key, value] of Object.entries(entries))
        if (Number(value) < offset || Number(value) > offset + 1) t.fail(`${key} is ${value}, at ${offset}`)
      last = offset
    }
  },
)

t.test('a damaged file is refused by its name', async (t) => {
  const path = join(t.testdir(), 'groups.lmdb')
  const view = new CoordinatorView(() => createLmdbMedium(path))
  await view.load()
  await view.write(
    changes(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`key ${i}`, 'value']))),
    300,
  )
  await view.close()
  const file = await open(path, 'r+')
  const bytes = Buffer.alloc(4 * 1024 * 1024)
  await file.read(bytes, 0, bytes.length, 0)
  // The page that is in use and those that were before.
  for (let at = bytes.indexOf('key 123'); at >= 0; at = bytes.indexOf('key 123', at + 1))
    await file.write(Buffer.from([bytes[at + 16] ^ 1]), 0, 1, at + 16)
  await file.close()
  const again = new CoordinatorView(() => createLmdbMedium(path))
  await t.rejects(again.load(), {
    code: 'DAMAGED',
    message: new RegExp(`^${path} is damaged: the value of .*key 123.* cannot be read`),
  })
  await again.close()
})
