/**
 * The files of a segment directory: their names, and the few operations on them that need care.
 *
 * `MANIFEST` names the live segments, `MANIFEST.new` holds blocks for the next one; `segment-0000000001.lmdb` is a segment, with
 * `-lock` beside it LMDB's table of readers; `free-*` was a segment and is to become one again, in this process or never;
 * `damaged-*` is what a repair put aside, for people to delete; everything else that bears one of our names is left
 * over from a crash and may go. Files with other names are never touched.
 */

import { statfsSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errorName } from './accidents.ts'

export const DIRECTORY_MODE = 0o700
export const FILE_MODE = 0o600
export const MANIFEST_NAME = 'MANIFEST'
/** Holds blocks for the next manifest; see `durable-file.ts`. */
export const NEXT_MANIFEST_NAME = `${MANIFEST_NAME}.new`
export const EMPTY_NAME = 'empty.lmdb'

const SEGMENT_FILE = /^segment-(\d{10})\.lmdb(?:-lock)?$/
const DRAFT_FILE = /^(?:(?:preparing|free)-\d{10}\.lmdb|empty\.lmdb|empty\.lmdb-lock)$/
const TRUNCATE_STEP_BYTES = 16 * 1024 * 1024

export function segmentPath(directory: string, id: number): string {
  return join(directory, `segment-${String(id).padStart(10, '0')}.lmdb`)
}

/** The file a segment is prepared in before it gets its name. */
export function preparingPath(directory: string, id: number): string {
  return join(directory, `preparing-${String(id).padStart(10, '0')}.lmdb`)
}

/** The file of a removed segment that is kept to be overwritten. */
export function freePath(directory: string, id: number): string {
  return join(directory, `free-${String(id).padStart(10, '0')}.lmdb`)
}

/** Under which a repair keeps the damaged file of a segment it wrote anew: nobody's any more, never deleted. */
export function damagedPath(directory: string, id: number): string {
  return join(directory, `damaged-${String(id).padStart(10, '0')}.lmdb`)
}

export function isDamagedFile(name: string): boolean {
  return /^damaged-\d{10}\.lmdb$/.test(name)
}

export function lockPath(path: string): string {
  return `${path}-lock`
}

/** The segment a file of this name belongs to, undefined if it is no segment's. */
export function segmentOfFile(name: string): number | undefined {
  const digits = SEGMENT_FILE.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** Of the names in a directory those of ours that belong to no live segment. */
export function leftoverFiles(names: readonly string[], isLive: (segment: number) => boolean): string[] {
  return names.filter((name) => {
    const segment = segmentOfFile(name)
    return segment === undefined ? DRAFT_FILE.test(name) : !isLive(segment)
  })
}

/**
 * Deletes a segment's file, in steps: giving back 256 MB at once stalls everybody's fsync for 56–74 ms, in steps of
 * 16 MB for 8–16 ms. Nobody may have it mapped any more: reading behind the new end would kill the process.
 */
export async function eraseSegment(path: string): Promise<void> {
  try {
    const handle = await open(path, 'r+')
    try {
      const { size, nlink } = await handle.stat()
      // Of a file with a second link, a backup, only the name goes.
      let bytes = nlink > 1 ? 0 : size
      while (bytes > 0) {
        bytes = Math.max(0, bytes - TRUNCATE_STEP_BYTES)
        await handle.truncate(bytes)
      }
    } finally {
      await handle.close()
    }
  } catch (error) {
    // Nothing to shorten; the reader table may still be there.
    if (errorName(error) !== 'ENOENT') throw error
  }
  await rm(path, { force: true })
  await rm(lockPath(path), { force: true })
}

/** Bytes an ordinary user may still write on the disk of this directory. 0.8–3 µs, cheap enough for each commit. */
export function diskFreeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}
