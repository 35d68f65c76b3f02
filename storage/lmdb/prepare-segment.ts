/**
 * Makes the file of a segment before it is needed: all blocks reserved, an empty environment in it, its header written.
 * Either a new file, or that of a removed segment: then its first pages are overwritten, and what lies behind them can no
 * longer be reached.
 *
 * Reserved, because a write that finds no block can abort the process inside lmdb-js; a segment that has all its
 * blocks cannot fail that way. With its header committed, because lmdb-js acknowledges the first pipelined commit
 * after an open one whole commit late. It gets its name last, and is live only when the manifest says so.
 */

import { spawn } from 'node:child_process'
import { type FileHandle, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '../durable-file.ts'
import { StorageError } from '../segment-store.ts'
import { storageError } from './accidents.ts'
import { createEmptyEnvironment, LmdbEnvironment } from './environment.ts'
import { META_BYTES } from './meta-pages.ts'
import { EMPTY_NAME, FILE_MODE, lockPath, preparingPath, segmentPath } from './segment-files.ts'
import { encodeHeader, HEADER_KEY } from './segment-layout.ts'

/** `auto`: `fallocate` where there is one, else zeros. */
export type Preallocation = 'auto' | 'zeros'

export interface NewSegment {
  readonly directory: string
  readonly id: number
  readonly bytes: number
  readonly preallocation: Preallocation
  /** A file of this size, closed everywhere and with all its blocks, to be overwritten. Gone whatever becomes of it. */
  readonly spare: string | undefined
  /** Those of {@link emptyEnvironmentPages}. */
  readonly emptyPages: () => Promise<Uint8Array>
  /** Gives up between two steps. */
  readonly signal: AbortSignal
}

const ZEROS_STEP_BYTES = 4 * 1024 * 1024

/** The first pages of an environment that holds nothing, as this LMDB writes them. */
export async function emptyEnvironmentPages(directory: string): Promise<Uint8Array> {
  const path = join(directory, EMPTY_NAME)
  await rm(path, { force: true })
  await createEmptyEnvironment(path)
  const pages = await readFile(path)
  await rm(path)
  await rm(lockPath(path), { force: true })
  return pages.subarray(0, META_BYTES)
}

/** Resolves with the open, durable, empty segment. The caller has checked that the disk has room for it. */
export async function prepareSegment(segment: NewSegment): Promise<LmdbEnvironment> {
  const { directory, id, spare } = segment
  const draft = spare ?? preparingPath(directory, id)
  const path = segmentPath(directory, id)
  let environment: LmdbEnvironment | undefined
  try {
    const emptyPages = await segment.emptyPages()
    if (spare === undefined) await writeDraft(draft, emptyPages, segment)
    else await blank(spare, emptyPages, segment)
    await rename(draft, path)
    await syncDirectory(directory)
    environment = LmdbEnvironment.open(path, { readOnly: false })
    environment.put(HEADER_KEY, encodeHeader(id))
    await environment.commit()
    return environment
  } catch (error) {
    // lmdb-js knows open environments by their lock file: were one left, a second attempt would write to the old file.
    await environment?.close()
    for (const leftover of [draft, path, lockPath(path)]) await rm(leftover, { force: true })
    throw storageError(error, path, 'WRITE_FAILED')
  }
}

async function writeDraft(
  draft: string,
  emptyPages: Uint8Array,
  { bytes, preallocation, signal }: NewSegment,
): Promise<void> {
  await rm(draft, { force: true })
  const handle = await open(draft, 'wx', FILE_MODE)
  try {
    const isReserved = preallocation === 'auto' && (await fallocate(draft, bytes))
    if (!isReserved) await writeZeros(handle, bytes, signal)
    signal.throwIfAborted()
    await handle.write(emptyPages, 0, emptyPages.length, 0)
    await handle.sync()
    const { size } = await handle.stat()
    if (size !== bytes)
      throw new StorageError('WRITE_FAILED', `${draft} got ${size} bytes instead of ${bytes}`, {
        path: draft,
      })
  } finally {
    await handle.close()
  }
}

/** Makes the file of a removed segment an empty environment. Durable before it is named: no start may find the old one. */
async function blank(spare: string, emptyPages: Uint8Array, { signal }: NewSegment): Promise<void> {
  signal.throwIfAborted()
  const handle = await open(spare, 'r+')
  try {
    await handle.write(emptyPages, 0, emptyPages.length, 0)
    await handle.datasync()
  } finally {
    await handle.close()
  }
}

/** False if the program is missing or the file system refuses; then writing zeros shows the true reason, if there is one. */
function fallocate(path: string, bytes: number): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn('fallocate', ['-l', String(bytes), path], { stdio: 'ignore' })
    child.once('error', () => resolve(false))
    child.once('exit', (code) => resolve(code === 0))
  })
}

async function writeZeros(handle: FileHandle, bytes: number, signal: AbortSignal): Promise<void> {
  const zeros = new Uint8Array(Math.min(bytes, ZEROS_STEP_BYTES))
  for (let at = 0; at < bytes; ) {
    signal.throwIfAborted()
    const step = Math.min(zeros.length, bytes - at)
    const { bytesWritten } = await handle.write(zeros, 0, step, at)
    at += bytesWritten
    // In steps, so that no single sync holds up the commits of others.
    await handle.datasync()
  }
}
