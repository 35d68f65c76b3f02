/**
 * What the segment store on LMDB makes of a disk that fails: nothing is written behind a failed write, everything asked for
 * gets its answer at once, close comes to an end, and everything acknowledged is there when the directory is opened again.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { requireTool } from '../../support/tools.ts'
import { pwriteBytes, runTraced, type TraceOptions } from '../../support/traced-run.ts'
import { bytesOf, equalBytes } from './contract.ts'
import {
  APPEND_SEGMENT_BYTES,
  CLOSE_PATIENCE_MS,
  indexOf,
  LIMIT_SEGMENT_BYTES,
  valueAt,
} from './lmdb-process.ts'
import { emptyDirectory, lmdbProcess, manifestFile, openIn, segmentFile, wordsOf } from './lmdb-stores.ts'

/** One sealed segment and an empty active one, both with the content the process expects. */
async function madeDirectory(t: Test): Promise<string> {
  const directory = join(await emptyDirectory(t), 'shard-0')
  const store = await openIn(t, directory, { segmentBytes: APPEND_SEGMENT_BYTES })
  await store.append(0, [valueAt(1, 0)])
  await store.roll(indexOf(1))
  await store.close()
  return directory
}

type Word = readonly [string, ...unknown[]]

interface Story {
  readonly words: readonly Word[]
  readonly signal: NodeJS.Signals | null
  readonly exitCode: number | null
  readonly pwrites: readonly number[]
  by(what: string): unknown[][]
}

/** Runs the process on the directory, and looks whether everything it was told to be durable is there. */
async function story(t: Test, mode: string, directory: string, trace: TraceOptions): Promise<Story> {
  const run = await runTraced(lmdbProcess, [mode, directory], trace)
  const words = run.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Word)
  const by = (what: string) => words.filter(([word]) => word === what).map(([, ...rest]) => rest)

  const store = await openIn(t, directory, { segmentBytes: APPEND_SEGMENT_BYTES })
  const live = new Map(store.segments().map((segment) => [segment.id, segment]))
  const acknowledged = [
    ...by('append').flatMap(([code, id, count]) =>
      code === 'done' ? [[id, count] as [number, number]] : [],
    ),
    ...(by('published') as [number, number][]),
  ]
  for (const [id, count] of acknowledged)
    if (live.has(id))
      t.ok(store.valueCount(id) >= count, `segment ${id} has the ${count} values it acknowledged`)
  for (const { id, sealed } of live.values()) {
    for (let sequence = 0; sequence < store.valueCount(id); sequence++)
      if (!equalBytes(store.read(id, sequence), valueAt(id, sequence)))
        t.fail(`value ${sequence} of segment ${id}`)
    if (sealed) t.ok(equalBytes(await store.readIndex(id), indexOf(id)), `index of segment ${id}`)
  }
  const active = store.segments()[store.segments().length - 1].id
  if (store.roomBytes() > 0) await store.append(store.valueCount(active), [bytesOf(1, 10)])
  await store.roll(new Uint8Array())
  await store.close()
  return { words, signal: run.signal, exitCode: run.exitCode, pwrites: pwriteBytes(run), by }
}

/** After the failure every call gets it at once, and nothing escapes. */
function checkRefusals(t: Test, told: Story, message: RegExp, path: string): void {
  t.strictSame([told.exitCode, told.signal], [0, null])
  const [[code, text, failedPath]] = told.by('failure')
  t.equal(code, 'WRITE_FAILED')
  t.match(text, message)
  t.equal(failedPath, path)
  t.strictSame(told.by('later'), [Array.from({ length: 4 }, () => 'WRITE_FAILED')])
  t.strictSame(told.by('close'), [['done']])
  t.ok(Number(told.by('end')[0][0]) < 2000, 'at once')
  t.strictSame(
    told.by('unhandled').filter(([, isNoise]) => !isNoise),
    [],
    'no rejection escapes',
  )
}

const skip = requireTool('strace')
/** The first of each list, or all of them when there is time. */
const some = <T>(all: readonly T[]): readonly T[] =>
  process.env.OCTOPUS_SOAK === '1' ? all : all.slice(0, 1)

t.test('a sync of the data fails', { skip }, async (t) => {
  for (const [error, text] of some([
    ['EIO', 'EIO: Input/output error'],
    ['ENOSPC', 'ENOSPC: No space left on device'],
  ])) {
    const directory = await madeDirectory(t)
    const path = segmentFile(directory, 2)
    const trace = { paths: [path], calls: ['fdatasync'], inject: [`fdatasync:error=${error}:when=4`] }
    const told = await story(t, 'failing', directory, trace)
    t.strictSame(
      told.by('append').map(([code]) => code),
      ['done', 'done', 'done', 'WRITE_FAILED'],
    )
    checkRefusals(t, told, new RegExp(`segment-0000000002\\.lmdb: a commit failed \\(${text}\\)`), path)
    t.strictSame(told.by('reads'), [['same', 'done']], 'reading goes on')
  }
})

t.test('a write of pages fails', { skip }, async (t) => {
  const made = await madeDirectory(t)
  const copyOf = async () => {
    const directory = join(await emptyDirectory(t), 'shard-0')
    await cp(made, directory, { recursive: true })
    return directory
  }
  const calls = ['pwrite64']
  const healthy = await copyOf()
  const before = await story(t, 'failing', healthy, { paths: [segmentFile(healthy, 2)], calls })
  t.strictSame(before.by('failure'), [[null, null, null]])
  const metaPages = before.pwrites.flatMap((bytes, at) => (bytes === 128 ? [at + 1] : []))
  const dataPages = before.pwrites.flatMap((bytes, at) => (bytes > 4096 ? [at + 1] : []))
  t.ok(metaPages.length > 6 && dataPages.length > 1)

  await t.test('of the meta page', async (t) => {
    for (const error of ['EIO', 'ENOSPC']) {
      for (const when of some([`${metaPages[2]}`, `${metaPages[3]}+`])) {
        const directory = await copyOf()
        const path = segmentFile(directory, 2)
        const trace = { paths: [path], calls, inject: [`pwrite64:error=${error}:when=${when}`] }
        const told = await story(t, 'failing', directory, trace)
        checkRefusals(t, told, new RegExp(`0000000002\\.lmdb: a commit failed \\(${error}: `), path)
        t.ok(told.by('append').length >= 3)
        t.strictSame(
          told.by('reads').map(([first]) => first),
          ['same'],
          'the sealed segment is read',
        )
        t.notOk(told.by('reads')[0].includes('DAMAGED'), 'and the bytes of the other are not blamed')
      }
    }
  })

  await t.test('of data: refused, or the end of the process, and nothing acknowledged is lost', async (t) => {
    for (const at of some([dataPages[0], dataPages[dataPages.length - 1]])) {
      const directory = await copyOf()
      const path = segmentFile(directory, 2)
      const trace = { paths: [path], calls, inject: [`pwrite64:error=EIO:when=${at}+`] }
      const told = await story(t, 'failing', directory, trace)
      // lmdb-js formats this error into a buffer that may be too small.
      if (told.signal === null && told.exitCode === 0)
        checkRefusals(
          t,
          told,
          /0000000002\.lmdb: a commit failed \(EIO: Input\/output error: Attempting/,
          path,
        )
      else
        t.ok(told.signal === 'SIGABRT' || told.exitCode === 134, `ended by ${told.signal ?? told.exitCode}`)
    }
  })
})

t.test('the manifest cannot be written', { skip }, async (t) => {
  const cases: [string, string[], RegExp, string?][] = [
    ['its sync', ['fsync'], /MANIFEST: EIO/],
    ['its name', ['rename'], /MANIFEST: EIO/],
  ]
  for (const [name, calls, message] of cases) {
    // The first sync is that of the roll, the third, after that of the reserve, that of the removal.
    for (const when of some([3, 1])) {
      const directory = await madeDirectory(t)
      const paths = [manifestFile(directory), `${manifestFile(directory)}.new`]
      const inject = [`${calls[0]}:error=EIO:when=${when}`]
      const told = await story(t, 'failing', directory, { paths, calls, inject })
      checkRefusals(t, told, message, manifestFile(directory))
      t.ok(!told.by('reads')[0].includes('DIFFERENT') && !told.by('reads')[0].includes('DAMAGED'), name)
    }
  }
})

t.test('the directory cannot be synced', { skip }, async (t) => {
  const directory = await madeDirectory(t)
  const trace = { paths: [directory], calls: ['fsync'], inject: ['fsync:error=EIO:when=2+'] }
  const told = await story(t, 'failing', directory, trace)
  checkRefusals(t, told, /(?:MANIFEST|segment-\d+\.lmdb): EIO/, told.by('failure')[0][2] as string)
})

t.test('no room for the manifest: refused, and no failure', { skip }, async (t) => {
  for (const call of some(['pwrite64', 'fsync'])) {
    const directory = await madeDirectory(t)
    const paths = [`${manifestFile(directory)}.new`]
    const inject = [`${call}:error=ENOSPC:when=1`]
    const told = await story(t, 'failing', directory, { paths, calls: [call], inject })
    t.strictSame(told.by('roll'), [['NO_SPACE'], ['done']])
    t.strictSame(told.by('remove'), [['done']])
    t.strictSame(told.by('failure'), [[null, null, null]])

    // Here there is a segment ahead whose blocks can be had.
    const other = await madeDirectory(t)
    const second = {
      paths: [`${manifestFile(other)}.new`],
      calls: [call],
      inject: [`${call}:error=ENOSPC:when=3`],
    }
    const later = await story(t, 'failing', other, second)
    t.strictSame([later.by('roll')[0], later.by('remove')], [['done'], [['done']]])
    t.strictSame(later.by('failure'), [[null, null, null]])
  }
})

t.test('a segment aside cannot be written', { skip }, async (t) => {
  const directory = await madeDirectory(t)
  // 3 is made by the process ahead, 4 at its roll, 5 aside.
  const path = segmentFile(directory, 5)
  const trace = { paths: [path], calls: ['fdatasync'], inject: ['fdatasync:error=EIO:when=2'] }
  const told = await story(t, 'failing', directory, trace)
  t.strictSame(told.by('aside'), [['WRITE_FAILED']])
  checkRefusals(t, told, /segment-0000000005\.lmdb: a commit failed \(EIO/, path)
})

t.test('a write that never ends does not hold up the close after a failure', { skip }, async (t) => {
  const directory = await madeDirectory(t)
  const told = await story(t, 'stuck', directory, {
    paths: [segmentFile(directory, 2), `${manifestFile(directory)}.new`],
    calls: ['fdatasync', 'fsync'],
    threads: 4,
    inject: ['fdatasync:delay_enter=4000000', 'fsync:error=EIO'],
  })
  t.strictSame(told.by('remove'), [['WRITE_FAILED']])
  t.strictSame(told.by('close'), [['done']])
  t.match(told.by('background'), [['WRITE_FAILED', /was not closed: the write that failed keeps it busy/]])
  const [[endMs]] = told.by('end') as [number][]
  t.ok(endMs >= CLOSE_PATIENCE_MS - 5 && endMs < 3000, `closed after ${endMs} ms`)
  t.strictSame(told.by('append'), [], 'not acknowledged')
})

t.test(
  'a failed commit: nothing is written any more, and nothing escapes',
  { skip: process.platform === 'win32' },
  async (t) => {
    const directory = await emptyDirectory(t)
    await (await openIn(t, directory, { segmentBytes: LIMIT_SEGMENT_BYTES })).close()
    // 4,096 is 2 or 4 MiB, depending on the shell; the second append lies across either.
    const shell = 'ulimit -f 4096 && exec "$0" "$@"'
    const child = spawn('sh', ['-c', shell, process.execPath, lmdbProcess, 'limit', directory], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const exit = once(child, 'exit')
    const said: unknown[][] = []
    for await (const words of wordsOf(child)) said.push(words)
    t.strictSame(await exit, [0, null])
    const by = (what: string) => said.filter(([word]) => word === what).map(([, ...rest]) => rest)
    t.strictSame(by('first'), [['done']])
    t.strictSame(by('second'), [['WRITE_FAILED']])
    t.match(by('failure'), [
      ['WRITE_FAILED', /segment-0000000001\.lmdb: a commit failed \(.+\), nothing more is written/],
    ])
    t.strictSame(by('count'), [[20, true]])
    t.strictSame(by('later'), [['WRITE_FAILED', 'WRITE_FAILED', 'WRITE_FAILED']])
    t.strictSame(by('close'), [['done']])
    t.strictSame(by('unhandled'), [])
    t.notOk((await readdir(directory)).some((name) => name.startsWith('preparing-')))

    const store = await openIn(t, directory, { segmentBytes: LIMIT_SEGMENT_BYTES })
    t.equal(store.valueCount(1), 20)
    for (let sequence = 0; sequence < 20; sequence++)
      t.ok(equalBytes(store.read(1, sequence), bytesOf(sequence, 65_500)))
    await store.append(20, [bytesOf(20, 10)])
  },
)
