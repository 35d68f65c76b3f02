/** The data directory: made, recognised, refused, and open in one process at a time. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { type DataDirectory, openDataDirectory } from '../../storage/data-directory.ts'
import { StorageError } from '../../storage/segment-store.ts'

const holder = fileURLToPath(new URL('data-directory-holder.js', import.meta.url))
const uuid = '00112233-4455-4677-8899-aabbccddeeff'
const clusterId = 'ABEiM0RVRneImaq7zN3u_w'
const createdAt = '2026-01-31T12:00:00.000Z'

async function temporary(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'octopus-data-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

const openAt = (path: string): Promise<DataDirectory> =>
  openDataDirectory({ path, now: () => Date.parse(createdAt), randomUuid: () => uuid })

/** With an id of its own for each attempt, as in real life. */
const contend = (path: string): Promise<DataDirectory> =>
  openDataDirectory({ path, now: () => 0, randomUuid: randomUUID })

t.test('a missing directory is made, and is the same when opened again', async (t) => {
  const path = join(await temporary(t), 'not', 'there')
  const data = await openAt(path)
  t.strictSame(
    { ...data, shardPath: data.shardPath(0), close: typeof data.close },
    {
      path,
      clusterId,
      nodeId: 0,
      createdAt,
      metadataPath: join(path, 'metadata.lmdb'),
      groupsPath: join(path, 'groups.lmdb'),
      shardPath: join(path, 'shard-0'),
      close: 'function',
    },
  )
  t.equal(data.shardPath(12), join(path, 'shard-12'))
  for (const shard of [-1, 0.5]) {
    t.throws(() => data.shardPath(shard), {
      code: 'MISUSE',
      message: `There is no shard ${shard}: shards are counted from 0`,
    })
  }
  t.equal((await stat(path)).mode & 0o777, 0o700)
  t.equal((await stat(join(path, 'octopus.json'))).mode & 0o777, 0o600)
  t.equal(
    await readFile(join(path, 'octopus.json'), 'utf8'),
    `{
  "format": "octopus-data",
  "version": 1,
  "clusterId": "${clusterId}",
  "nodeId": 0,
  "createdAt": "${createdAt}"
}
`,
  )
  await Promise.all([data.close(), data.close()])
  t.strictSame(await readdir(path), ['octopus.json'], 'the lock leaves nothing behind')

  const again = await contend(relative(process.cwd(), path))
  t.equal(again.path, path)
  t.equal(again.clusterId, clusterId)
  t.equal(again.createdAt, createdAt)
  await again.close()
})

t.test('an empty directory is taken, also where a start was cut short', async (t) => {
  const path = await temporary(t)
  await mkdir(join(path, 'lost+found'))
  await writeFile(join(path, 'octopus.json.new'), '{"format":"octopus-da')
  const data = await openAt(path)
  t.equal(data.clusterId, clusterId)
  await data.close()
  t.strictSame((await readdir(path)).sort(), ['lost+found', 'octopus.json'])
})

t.test('a directory of something else is refused and left alone', async (t) => {
  const path = await temporary(t)
  await writeFile(join(path, 'thesis.tex'), '')
  await t.rejects(openAt(path), {
    code: 'FOREIGN',
    path,
    message:
      `${path} holds "thesis.tex" but no octopus.json, so it is not a data directory of Octopus: ` +
      'choose an empty or new directory for --data',
  })
  for (const name of ['a', 'b', 'metadata.lmdb']) await writeFile(join(path, name), '')
  await t.rejects(openAt(path), {
    message: /^\S+ holds "a", "b", "metadata.lmdb" and 1 more but no octopus.json/,
  })
  t.strictSame((await readdir(path)).sort(), ['a', 'b', 'metadata.lmdb', 'thesis.tex'])
})

t.test('a marker that is not ours is refused by what is wrong with it', async (t) => {
  const path = await temporary(t)
  const file = join(path, 'octopus.json')
  const sound = { format: 'octopus-data', version: 1, clusterId, nodeId: 0, createdAt, later: 'ignored' }
  const refusals: [string | object, string, string][] = [
    [
      { ...sound, version: 2 },
      'FOREIGN',
      `${path} has data format 2, this program reads 1: use the newer Octopus or another --data`,
    ],
    [
      { ...sound, format: 'squid' },
      'FOREIGN',
      `${file} has format "squid", not "octopus-data": the directory belongs to another program, choose another --data`,
    ],
    [
      {},
      'FOREIGN',
      `${file} has format missing, not "octopus-data": the directory belongs to another program, choose another --data`,
    ],
    ['{"format":"octopus-da', 'DAMAGED', `${file} is not JSON: restore it from a backup`],
    ['', 'DAMAGED', `${file} is not JSON: restore it from a backup`],
    ['[1]', 'DAMAGED', `${file} is not a JSON object: restore it from a backup`],
    ['null', 'DAMAGED', `${file} is not a JSON object: restore it from a backup`],
    [{ ...sound, version: '1' }, 'DAMAGED', `${file}: "version" is "1", it must be an integer from 1 on`],
    [{ ...sound, version: 0 }, 'DAMAGED', `${file}: "version" is 0, it must be an integer from 1 on`],
    [
      { ...sound, clusterId: 'short' },
      'DAMAGED',
      `${file}: "clusterId" is "short", it must be 22 characters of base64url`,
    ],
    [{ ...sound, nodeId: -1 }, 'DAMAGED', `${file}: "nodeId" is -1, it must be an integer from 0 on`],
    [
      { ...sound, createdAt: undefined },
      'DAMAGED',
      `${file}: "createdAt" is missing, it must be a time such as 2026-01-31T12:00:00.000Z`,
    ],
  ]
  for (const [content, code, message] of refusals) {
    await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
    await t.rejects(openAt(path), { code, message })
    t.strictSame(await readdir(path), ['octopus.json'], 'unlocked again')
  }
  await writeFile(file, JSON.stringify(sound))
  await (await openAt(path)).close()
})

t.test('what cannot be a data directory', async (t) => {
  const path = await temporary(t)
  const file = join(path, 'file')
  await writeFile(file, '')
  await t.rejects(openAt(file), {
    code: 'INACCESSIBLE',
    message: `${file} is a file: --data must name a directory`,
  })
  // Node's recursive mkdir hangs there.
  if (process.platform === 'linux') await t.rejects(openAt('/proc/octopus/data'), { code: 'INACCESSIBLE' })
  await t.rejects(openAt(join(file, 'below')), {
    code: 'INACCESSIBLE',
    message: `${join(file, 'below')} leads through a file that is not a directory (ENOTDIR)`,
  })
})

t.test('a directory this user may not write', async (t) => {
  const path = await temporary(t)
  const denied = (directory: string) => ({
    code: 'INACCESSIBLE',
    message: `${directory} is not readable and writable by this user: change its owner or its mode (EACCES)`,
  })
  // Root may write everywhere, so for the length of this test it is somebody else.
  const isRoot = process.geteuid?.() === 0
  await chmod(path, isRoot ? 0o755 : 0o500)
  if (isRoot) process.seteuid?.(65534)
  try {
    await t.rejects(openAt(path), denied(path))
    await t.rejects(openAt(join(path, 'new')), denied(join(path, 'new')))
  } finally {
    if (isRoot) process.seteuid?.(0)
    await chmod(path, 0o700)
  }
})

const inUse = (path: string, pid: number | undefined) => ({
  code: 'LOCKED',
  path,
  message: `The data directory ${path} is in use by process ${pid}: stop that one first, or choose another --data`,
})

t.test('open once in a process', async (t) => {
  const path = await temporary(t)
  const first = await contend(path)
  await t.rejects(contend(path), inUse(path, process.pid))
  await first.close()
  await (await contend(path)).close()
  t.strictSame(await readdir(path), ['octopus.json'])
})

t.test('a path longer than the address of a socket', async (t) => {
  const path = join(await temporary(t), 'd'.repeat(100), 'd'.repeat(100))
  const first = await contend(path)
  await t.rejects(contend(path), inUse(path, process.pid))
  await first.close()
})

t.test('of many that start at once exactly one wins', async (t) => {
  const path = await temporary(t)
  for (let round = 0; round < 10; round++) {
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => contend(path)))
    const won = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    const lost = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
    t.equal(won.length, 1)
    t.ok(lost.every((error) => error instanceof StorageError && error.code === 'LOCKED'))
    await won[0].close()
  }
  t.strictSame(await readdir(path), ['octopus.json'])
})

/** A process that tries to open the directory, and the first line it says. */
async function startHolder(t: Test, path: string): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, [holder, path], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  return { child, line }
}

async function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal)
  await once(child, 'exit')
}

t.test('open in one process, free the moment it is killed', async (t) => {
  const path = await temporary(t)
  const { child, line } = await startHolder(t, path)
  t.match(line, /^open [\w-]{22}$/)
  await t.rejects(contend(path), inUse(path, child.pid))
  const second = await startHolder(t, path)
  t.equal(second.line, `LOCKED ${inUse(path, child.pid).message}`)
  await once(second.child, 'exit')

  child.kill('SIGSTOP')
  await t.rejects(contend(path), inUse(path, child.pid), 'a stopped process still has it')
  await kill(child, 'SIGKILL')
  t.equal((await readdir(path)).length, 3, 'what it left behind')
  const mine = await contend(path)
  t.equal(`open ${mine.clusterId}`, line)
  t.equal((await readdir(path)).length, 3, 'is gone, and mine is there')

  const third = await startHolder(t, path)
  t.equal(third.line, `LOCKED ${inUse(path, process.pid).message}`)
  await mine.close()

  const fourth = await startHolder(t, path)
  t.equal(fourth.line, line)
  fourth.child.stdin?.end()
  await once(fourth.child, 'exit')
  t.strictSame(await readdir(path), ['octopus.json'], 'a process that closes ends by itself')
})

t.test('who was killed has not let go yet for a moment: it is waited for', async (t) => {
  const path = await temporary(t)
  await (await contend(path)).close()
  const holds = createServer()
  const accepted = new Promise<Socket>((resolve) => holds.once('connection', resolve))
  holds.listen(join(path, 'bound'))
  await once(holds, 'listening')
  await rename(join(path, 'bound'), join(path, 'lock-4194305-0a'))
  await writeFile(join(path, 'lock-4194305-0a.held'), '')

  const opening = contend(path)
  const silent = await accepted
  silent.on('error', () => {})
  holds.close()
  silent.destroy()
  await (await opening).close()
  t.strictSame(await readdir(path), ['octopus.json'])
})

t.test('of several processes that start at once, over a dead one, exactly one wins', async (t) => {
  const path = await temporary(t)
  const dead = await startHolder(t, path)
  await kill(dead.child, 'SIGKILL')
  const holders = await Promise.all(Array.from({ length: 4 }, () => startHolder(t, path)))
  const won = holders.filter(({ line }) => line === dead.line)
  t.equal(won.length, 1)
  t.equal(holders.filter(({ line }) => line.startsWith('LOCKED ')).length, 3)
  await kill(won[0].child, 'SIGKILL')
})
