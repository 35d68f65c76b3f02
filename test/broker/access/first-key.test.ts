/**
 * The key of the first start, whatever comes in between: a crash after each of its steps, a file that is there already,
 * right or wrong, two starts at once, and data that is restored without it.
 */
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { hashSecret, mintApiKey, parseApiKey } from '../../../auth/authenticators/api-key-token.ts'
import { FIRST_KEY, provisionAdminKey } from '../../../broker/access/admin-key.ts'
import { MetadataApiKeyStore } from '../../../broker/access/api-key-store.ts'
import { type SecretFile, secretFile } from '../../../broker/access/secret-file.ts'
import {
  createMemoryMetadataStore,
  MemoryMetadataDisk,
} from '../../../storage/metadata/memory-metadata-store.ts'
import { randomOf, seededRandom } from '../../support/seeded-random.ts'
import { asProcess, cleanEnvironment, ended, start } from '../cli/octopus.ts'
import { ManualTime } from '../manual-time.ts'

const CRASH = new Error('the node dies here')

async function directoryOf(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'octopus-first-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

/** One life of a node on a disk: opened anew, and gone when something in it dies. */
async function life(t: Test, disk: MemoryMetadataDisk, file: SecretFile, seed: number) {
  const store = createMemoryMetadataStore({ disk, onListenerError: (error) => t.error(error) })
  await store.open()
  const time = new ManualTime()
  const ports = { clock: time, timers: time, random: randomOf(seed) }
  const keys = await MetadataApiKeyStore.open({
    store,
    ...ports,
    keysMax: 10,
    onSecrets: () => {},
    onRevoked: () => {},
    onProblem: (error) => t.error(error),
  })
  const provision = () => provisionAdminKey({ file, store, keys, ...ports })
  return { store, keys, provision }
}

/** That the key in the file, and no other, is good. */
async function checkKey(t: Test, path: string, keys: MetadataApiKeyStore): Promise<void> {
  const key = parseApiKey((await readFile(path, 'utf8')).trim())
  if (!key) return void t.fail('there is no key in the file')
  t.match(keys.get(key.id), {
    principal: 'admin',
    roles: ['admin'],
    secretHashes: [{ hash: hashSecret(key.secret) }],
  })
  t.equal(keys.size, 1, 'and there is no other')
  t.equal((await stat(path)).mode & 0o777, 0o600)
}

t.test('a crash after each step', async (t) => {
  const crashes = {
    'before the file': { write: true, changes: Number.POSITIVE_INFINITY, next: 'made' },
    'between the file and the key': { write: false, changes: 0, next: 'taken' },
    'between the key and the note of it': { write: false, changes: 1, next: 'taken' },
    'after all of it': { write: false, changes: 2, next: 'known' },
  }
  for (const [when, { write, changes, next }] of Object.entries(crashes)) {
    const path = join(await directoryOf(t), 'admin.key')
    const real = secretFile(path)
    let left = changes
    let isOver = false
    const disk = new MemoryMetadataDisk({
      sync: async () => {
        if (!isOver && left-- <= 0) throw CRASH
      },
    })
    const dying: SecretFile = write ? { ...real, write: () => Promise.reject(CRASH) } : real
    const first = await life(t, disk, dying, 1)
    const died = await first.provision().then(
      () => 'lived',
      () => 'died',
    )
    t.equal(died, next === 'known' ? 'lived' : 'died', when)
    isOver = true
    const second = await life(t, disk, real, 2)
    t.equal(await second.provision(), next, when)
    await checkKey(t, path, second.keys)
    const third = await life(t, disk, real, 3)
    t.equal(await third.provision(), 'known', 'from then on it is known')
    await checkKey(t, path, third.keys)
  }
})

t.test('a crash in the middle of the file leaves none', async (t) => {
  const directory = await directoryOf(t)
  const path = join(directory, 'admin.key')
  // What it is written to before it has its name.
  await writeFile(`${path}.new`, 'oct_abc', { mode: 0o600 })
  const { provision, keys } = await life(t, new MemoryMetadataDisk(), secretFile(path), 1)
  t.equal(await provision(), 'made')
  await checkKey(t, path, keys)
  t.same(await readdir(directory), ['admin.key'])
})

t.test('a file that holds no key, or is no secret, is refused by name and left as it is', async (t) => {
  const { token } = mintApiKey(randomOf(7))
  const wrong: Record<string, [text: string, mode: number, problem: RegExp]> = {
    empty: ['', 0o600, /admin\.key holds no API key of the form oct_ID_SECRET/],
    garbage: ['\u0000\u0001 not a key', 0o600, /holds no API key/],
    'half a key': [token.slice(0, 30), 0o600, /holds no API key/],
    'two keys': [`${token}\n${token}\n`, 0o600, /holds no API key/],
    'a large file': ['x'.repeat(5_000), 0o600, /has 5000 bytes; a key has fewer than 100/],
    'read by the group': [token, 0o640, /may be read by others \(mode 640\)/],
    'read by all': [token, 0o644, /may be read by others \(mode 644\)/],
  }
  for (const [what, [text, mode, problem]] of Object.entries(wrong)) {
    const path = join(await directoryOf(t), 'admin.key')
    await writeFile(path, text)
    await chmod(path, mode)
    const { provision, keys, store } = await life(t, new MemoryMetadataDisk(), secretFile(path), 1)
    const refusal = await provision().then(
      () => undefined,
      (error: Error) => error,
    )
    t.match(refusal?.message, problem, what)
    t.notOk(refusal?.message.includes(token.slice(-20)), 'and without what is in it')
    t.equal(await readFile(path, 'utf8'), text)
    t.same([keys.size, await store.get(FIRST_KEY)], [0, undefined], 'nothing was let in')
  }
  const path = join(await directoryOf(t), 'admin.key')
  await mkdir(path)
  const { provision } = await life(t, new MemoryMetadataDisk(), secretFile(path), 1)
  await t.rejects(provision(), { message: /admin\.key/ }, 'a directory in its place')
})

t.test('data restored without the file: none is made, and the key is still good', async (t) => {
  const path = join(await directoryOf(t), 'admin.key')
  const disk = new MemoryMetadataDisk()
  const first = await life(t, disk, secretFile(path), 1)
  t.equal(await first.provision(), 'made')
  const text = await readFile(path, 'utf8')
  await rm(path)
  const second = await life(t, disk, secretFile(path), 2)
  t.equal(await second.provision(), 'known')
  await t.rejects(stat(path), { code: 'ENOENT' })
  await writeFile(path, text, { mode: 0o600 })
  await checkKey(t, path, second.keys)
  // A key that was revoked is not let in by its file.
  await second.keys.revoke(parseApiKey(text.trim())?.id as string)
  const third = await life(t, disk, secretFile(path), 3)
  t.equal(await third.provision(), 'known')
  t.equal(third.keys.size, 0)
})

function serve(data: string) {
  return start(['serve', '--data', data, '--listen', '127.0.0.1:0', '--log-format', 'json'])
}

async function ready(child: ReturnType<typeof serve>): Promise<string | undefined> {
  const said = await Promise.race([once(child.stdout!, 'data'), once(child, 'exit').then(() => undefined)])
  return said && (JSON.parse(String(said[0]).split('\n')[0]) as { url: string }).url
}

t.test('two first starts at once: one serves, and its key is the one in the file', async (t) => {
  const data = join(await directoryOf(t), 'data')
  const children = [serve(data), serve(data)]
  const outcomes = children.map((child) => ended(child))
  const urls = await Promise.all(children.map(ready))
  const serving = urls.filter((url) => url !== undefined)
  t.equal(serving.length, 1)
  const env = { ...cleanEnvironment(), OCTOPUS_TOKEN: '', OCTOPUS_TOKEN_FILE: join(data, 'admin.key') }
  t.match(await asProcess(['whoami', '--url', serving[0] as string], { env }), {
    exitCode: 0,
    out: /user:admin {2}\(administrator\)/,
  })
  for (const child of children) child.kill('SIGTERM')
  t.same((await Promise.all(outcomes)).map(({ exitCode }) => exitCode).sort(), [0, 73])
})

t.test('a lost key: another one is made where no broker runs', async (t) => {
  const directory = await directoryOf(t)
  const data = join(directory, 'data')
  const first = serve(data)
  t.ok(await ready(first))
  const out = join(directory, 'new.key')
  const recover = ['key', 'recover', '--data', data, '--out', out]
  t.match(await asProcess(recover), { exitCode: 73, out: '' }, 'not while one runs')
  await t.rejects(stat(out), { code: 'ENOENT' })
  const firstExit = once(first, 'exit')
  first.kill('SIGTERM')
  await firstExit
  await rm(join(data, 'admin.key'))
  t.match(await asProcess(recover), {
    exitCode: 0,
    out: /^key \w{16} of user:admin, good from the next start of the broker; revoke the one that was lost; it is in .*new\.key/,
  })
  t.equal((await stat(out)).mode & 0o777, 0o600)
  const second = serve(data)
  const url = (await ready(second)) as string
  const env = { ...cleanEnvironment(), OCTOPUS_TOKEN: '', OCTOPUS_TOKEN_FILE: out }
  t.match(await asProcess(['whoami', '--url', url], { env }), { exitCode: 0, out: /\(administrator\)/ })
  const keys = JSON.parse((await asProcess(['key', 'list', '--url', url, '--json'], { env })).out)
  t.same(keys.map(({ name }: { name: string }) => name).sort(), ['of the first start', 'recovered'])
  const secondExit = once(second, 'exit')
  second.kill('SIGTERM')
  await secondExit
  t.match(await asProcess(['key', 'recover', '--data', directory]), {
    exitCode: 73,
    err: /is no data directory/,
  })
})

t.test('killed in its first start, at any moment: the next one has a key that is good', async (t) => {
  const random = seededRandom(t)
  for (let round = 0; round < (process.env.OCTOPUS_SOAK === '1' ? 100 : 6); round++) {
    const data = join(await directoryOf(t), 'data')
    const outcomes = new Set<string>()
    for (let i = 0; i < 2; i++) {
      const child = serve(data)
      const exited = once(child, 'exit')
      const isReady = ready(child)
      await Promise.race([isReady, new Promise((resolve) => setTimeout(resolve, 100 + random.below(250)))])
      child.kill('SIGKILL')
      await exited
      outcomes.add((await readdir(data).catch(() => [])).filter((name) => name.startsWith('admin')).join())
    }
    const child = serve(data)
    const url = (await ready(child)) as string
    const env = { ...cleanEnvironment(), OCTOPUS_TOKEN: '', OCTOPUS_TOKEN_FILE: join(data, 'admin.key') }
    t.match(await asProcess(['whoami', '--url', url], { env }), { exitCode: 0 }, [...outcomes].join(' | '))
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    await exited
  }
})
