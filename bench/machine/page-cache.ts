/**
 * Puts files out of the page cache, so that the next who reads them waits for the disk. Node has no call for
 * it; `dd` of GNU coreutils has (it asks with posix_fadvise, for which nobody needs to be root). Pages
 * that some process has mapped stay: the broker must have let go of the files.
 */
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Other systems have another `dd`, and no word on what their page cache holds. */
export const canEvict = process.platform === 'linux'

/** Every file below the directory. Rejects where there is no such `dd`. */
export async function evictDirectory(directory: string): Promise<void> {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) await evictFile(join(entry.parentPath, entry.name))
}

/** Syncs what is dirty first, because only clean pages can go. */
export async function evictFile(path: string): Promise<void> {
  const flags = ['oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none']
  try {
    await run('dd', ['if=/dev/null', `of=${path}`, ...flags])
  } catch (cause) {
    throw new Error('files can be put out of the page cache only with the dd of GNU coreutils', { cause })
  }
}
