/** Directories, stores and processes for tests of the segment store on LMDB. */
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { LmdbSegmentStore, type LmdbSegmentStoreOptions } from '../../../storage/lmdb/lmdb-segment-store.ts'
import { bytesOf, MIB } from './contract.ts'

/** The program of lmdb-process.ts. */
export const lmdbProcess = fileURLToPath(new URL('lmdb-process.js', import.meta.url))

export async function emptyDirectory(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'octopus-segments-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

export function storeIn(
  t: Test,
  directory: string,
  options: Partial<LmdbSegmentStoreOptions> = {},
): LmdbSegmentStore {
  const store = new LmdbSegmentStore({ directory, segmentBytes: MIB, freeBytesMin: 0, ...options })
  // What goes wrong in here has its own assertion where it is expected.
  t.teardown(() => store.close().catch(() => {}))
  return store
}

export async function openIn(
  t: Test,
  directory: string,
  options: Partial<LmdbSegmentStoreOptions> = {},
): Promise<LmdbSegmentStore> {
  const store = storeIn(t, directory, options)
  await store.open()
  return store
}

/** Segments 1 … `count`, each with one value and an index, and an empty active one. */
export async function writeSegments(t: Test, directory: string, count: number): Promise<void> {
  const store = await openIn(t, directory)
  for (let id = 1; id <= count; id++) {
    await store.append(0, [bytesOf(id, 50_000)])
    await store.roll(bytesOf(id + 100, 20_000))
  }
  await store.close()
}

export const segmentFile = (directory: string, id: number) =>
  join(directory, `segment-${String(id).padStart(10, '0')}.lmdb`)
export const manifestFile = (directory: string) => join(directory, 'MANIFEST')

/** Resolves when the segment, which is made in the background, has its file: no event tells. */
export async function untilPrepared(directory: string, id: number): Promise<void> {
  while (!existsSync(segmentFile(directory, id))) await new Promise((resolve) => setTimeout(resolve, 2))
}

/** Lines of JSON arrays a process says. */
export async function* wordsOf(child: ChildProcess): AsyncGenerator<unknown[]> {
  if (child.stdout === null) throw new Error('the process has no standard output')
  for await (const line of createInterface({ input: child.stdout })) yield JSON.parse(line)
}
