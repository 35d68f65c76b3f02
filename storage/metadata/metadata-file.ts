/**
 * The file of the metadata environment: made with all its blocks, and lengthened before it fills up.
 *
 * A write that finds no block can abort the process inside lmdb-js. So LMDB only ever writes where blocks are
 * reserved already, and whoever lengthens the file is us, who can take a refusal.
 */

import { spawn } from 'node:child_process'
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncDirectory } from '../durable-file.ts'
import { errorName, storageError } from '../lmdb/accidents.ts'
import { lockPath } from '../lmdb/segment-files.ts'
import { MetadataEnvironment } from './metadata-environment.ts'

const ZEROS_STEP_BYTES = 4 * 1024 * 1024

/** Size of the file, undefined where there is none. */
export async function metadataFileBytes(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (errorName(error) === 'ENOENT') return undefined
    throw storageError(error, path, 'INACCESSIBLE')
  }
}

/**
 * Makes the file with an empty environment and `bytes` reserved. It gets its name last, so that what a crash
 * leaves is no file rather than a short one.
 */
export async function createMetadataFile(path: string, bytes: number): Promise<void> {
  const draft = `${path}.new`
  try {
    await rm(draft, { force: true })
    await MetadataEnvironment.create(draft)
    await rm(lockPath(draft), { force: true })
    await reserveFile(draft, bytes)
    await rename(draft, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    await rm(draft, { force: true })
    throw storageError(error, path, 'WRITE_FAILED')
  }
}

/**
 * Lengthens the file to `bytes`, every block reserved and the length durable. What it holds stays. Rejects
 * with the error of the file system; the file may be longer than before even then.
 */
export async function reserveFile(path: string, bytes: number): Promise<void> {
  const handle = await open(path, 'r+')
  try {
    const { size } = await handle.stat()
    // Where the program is missing or the file system refuses, zeros do the same, or show the true reason.
    if (!(await fallocate(path, size, bytes - size))) await writeZeros(handle, size, bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function fallocate(path: string, offset: number, bytes: number): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn('fallocate', ['-o', String(offset), '-l', String(bytes), path], { stdio: 'ignore' })
    child.once('error', () => resolve(false))
    child.once('exit', (code) => resolve(code === 0))
  })
}

async function writeZeros(handle: FileHandle, from: number, to: number): Promise<void> {
  const zeros = new Uint8Array(ZEROS_STEP_BYTES)
  for (let at = from; at < to; ) {
    const { bytesWritten } = await handle.write(zeros, 0, Math.min(zeros.length, to - at), at)
    at += bytesWritten
    // In steps, so that no single sync holds up the commits of the log.
    await handle.datasync()
  }
}
