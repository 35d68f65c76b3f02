/**
 * Files whose change survives power loss as a whole: afterwards the old content is there or the new, never
 * a part. Errors are the file system's own; the caller knows what they mean.
 */

import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, rename, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Makes the names in a directory durable: what was created, renamed or removed in it stays so. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows cannot open a directory for this; NTFS journals names by itself.
  if (process.platform === 'win32') return
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Writes the file beside its place (`path` + `.new`), syncs it and renames it into place. Resolves when the
 * new content is durable. `mode` is that of the new file.
 */
export async function replaceFile(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  await writeBeside(path, content, mode)
  await moveIntoPlace(path)
}

/**
 * The first half of {@link replaceFile}: if it fails the old content stands, for certain. What lies beside is overwritten where
 * it is, so that it takes no new blocks as far as they are reserved.
 */
export async function writeBeside(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const bytes = Buffer.from(content)
  await changingBeside(path, mode, async (handle) => {
    await writeAt(handle, bytes, 0)
    await handle.truncate(bytes.length)
  })
}

/** Reserves blocks for a new content of so many bytes, so that a full disk can still take it. */
export async function reserveBeside(path: string, bytes: number, mode: number): Promise<void> {
  const present = await stat(besidePath(path)).catch(() => undefined)
  // Where it cannot be looked at, opening it says why.
  const size = present?.size ?? 0
  if (size < bytes)
    await changingBeside(path, mode, (handle) => writeAt(handle, new Uint8Array(bytes - size), size))
}

async function changingBeside(
  path: string,
  mode: number,
  change: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const handle = await open(besidePath(path), constants.O_RDWR | constants.O_CREAT, mode)
  try {
    await change(handle)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, at + written)
    written += bytesWritten
  }
}

/** The second half: if it fails either content may be found after a crash. */
export async function moveIntoPlace(path: string): Promise<void> {
  await rename(besidePath(path), path)
  await syncDirectory(dirname(path))
}

function besidePath(path: string): string {
  return `${path}.new`
}

/**
 * Makes a directory and those above it that are missing, durably. An existing one is left as it is; a file in
 * its place is EEXIST. Node's own recursive mkdir never comes back where a parent refuses with ENOENT (/proc).
 */
export async function makeDirectory(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return
    const parent = dirname(path)
    if (code !== 'ENOENT' || parent === path) throw error
    await makeDirectory(parent, mode)
    await mkdir(path, { mode })
  }
  await syncDirectory(dirname(path))
}
