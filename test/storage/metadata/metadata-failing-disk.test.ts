/**
 * What the metadata store makes of a disk that fails: the transaction is refused and so is every later one, reading
 * goes on, nothing hangs, no rejection escapes, and everything acknowledged is there after a restart.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { createLmdbMetadataStore } from '../../../storage/metadata/lmdb-metadata-store.ts'
import { requireTool } from '../../support/tools.ts'
import { pwriteBytes, runTraced, type TracedRun } from '../../support/traced-run.ts'

const writer = fileURLToPath(new URL('metadata-writer.js', import.meta.url))
const skip = requireTool('strace')

/** A file with a store in it. */
async function metadataPath(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'octopus-metadata-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const path = join(directory, 'metadata.lmdb')
  const store = createLmdbMetadataStore({ path, onListenerError: t.error })
  await store.open()
  await store.close()
  return path
}

const write = (path: string, call: string, inject: readonly string[] = []): Promise<TracedRun> =>
  runTraced(writer, [path, 'until-refused'], { paths: [path], calls: [call], inject })

/** What it said after the last acknowledgement, and that this is still there. */
async function checkFailed(t: Test, path: string, run: TracedRun, error: string): Promise<void> {
  t.strictSame([run.exitCode, run.signal], [0, null])
  const lines = run.stdout.trimEnd().split('\n')
  const acknowledged = lines.filter((line) => line.startsWith('acknowledged')).length
  const refusal = `WRITE_FAILED ${path}: a commit failed (${error}); no metadata is written any more until a restart`
  t.strictSame(lines.slice(acknowledged), [
    refusal,
    'failure WRITE_FAILED',
    refusal,
    `count ${acknowledged === 0 ? 'none' : acknowledged} revision ${acknowledged}`,
    'closed',
  ])
  const store = createLmdbMetadataStore({ path, onListenerError: t.error })
  await store.open()
  t.ok([acknowledged, acknowledged + 1].includes(store.revision()), `${store.revision()} of ${acknowledged}`)
  const next = await store.transact([], [{ kind: 'put', key: '/next', value: new Uint8Array(1) }])
  t.ok(next.committed, 'after a restart it is written again')
  await store.close()
}

t.test('a sync fails', { skip }, async (t) => {
  for (const [error, text] of [
    ['EIO', 'Input/output error'],
    ['ENOSPC', 'No space left on device'],
  ]) {
    const path = await metadataPath(t)
    const run = await write(path, 'fdatasync', [`fdatasync:error=${error}:when=5`])
    await checkFailed(t, path, run, `${error}: ${text}`)
  }
})

t.test('a write of the meta page fails', { skip }, async (t) => {
  // Until it is refused: it comes to an end here because of a write far behind.
  const healthy = await metadataPath(t)
  const pwrites = pwriteBytes(await write(healthy, 'pwrite64', ['pwrite64:error=EIO:when=40']))
  const third = pwrites.flatMap((bytes, at) => (bytes === 128 ? [at + 1] : []))[2]
  for (const when of [`${third}`, `${third}+`]) {
    const path = await metadataPath(t)
    const run = await write(path, 'pwrite64', [`pwrite64:error=EIO:when=${when}`])
    await checkFailed(t, path, run, 'EIO: Input/output error')
  }
})
