/**
 * What has to be right about the files of an LMDB environment before it is opened, and why a commit to it
 * failed: the same for segments and for metadata.
 *
 * It promises that a file which would kill the process when it is mapped is refused by name. It never opens an
 * environment.
 */

import { closeSync, fstatSync, openSync, readSync, statSync, writeFileSync } from 'node:fs'
import { StorageError } from '../segment-store.ts'
import { errorName, storageError } from './accidents.ts'
import { META_BYTES, metaPagesProblem } from './meta-pages.ts'
import { FILE_MODE } from './segment-files.ts'

/** Room for more readers than `maxReaders`, so that LMDB does not extend the file itself. */
const LOCK_BYTES = 12 * 1024

/**
 * Size of the file, after its meta pages have been looked at: mapping a file shorter than they say is SIGBUS.
 * `flags` as for the file system's open: `r+` also finds out whether it may be written.
 */
export function checkedFileBytes(path: string, flags: 'r' | 'r+'): number {
  try {
    const descriptor = openSync(path, flags)
    try {
      const { size } = fstatSync(descriptor)
      const pages = Buffer.alloc(META_BYTES)
      const problem = metaPagesProblem(pages.subarray(0, readSync(descriptor, pages, 0, META_BYTES, 0)), size)
      if (problem !== undefined) throw new StorageError('DAMAGED', `${path} is damaged: ${problem}`, { path })
      return size
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    throw storageError(error, path, 'INACCESSIBLE')
  }
}

/**
 * Writes the table of readers before LMDB maps it: LMDB would only set its length, and on a full disk the first
 * touch of a mapped page without a block kills the process. Here a full disk is an error like any other.
 */
export function reserveLockFile(path: string): void {
  try {
    const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0
    if (bytes < LOCK_BYTES) writeFileSync(path, new Uint8Array(LOCK_BYTES), { mode: FILE_MODE })
  } catch (error) {
    throw storageError(error, path, 'INACCESSIBLE')
  }
}

/** The reason with the name of its error: `EIO: Input/output error`. */
export function reasonText(reason: Error): string {
  const name = errorName(reason)
  return name === undefined ? reason.message : `${name}: ${reason.message}`
}

/** The reason of a failed commit, which lmdb-js hands out as one more promise, which rejects. */
export async function commitReason(error: unknown): Promise<Error> {
  const details: unknown = error instanceof Error && 'commitError' in error ? error.commitError : error
  try {
    const reason = await details
    return reason instanceof Error ? reason : new Error(String(reason))
  } catch (reason) {
    return reason instanceof Error ? reason : new Error(String(reason))
  }
}
