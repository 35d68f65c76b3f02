/**
 * The directory a bench works in: on a real disk, with room, its page cache warmed, and gone afterwards.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import prettyBytes from 'pretty-bytes'
import { freeBytes, memoryFileSystem, warmPageCache } from './probes.ts'

/** Spare room beyond what the run writes: preallocated segments and the probes. */
const SPARE_BYTES = 2e9

export interface Placement {
  /** Where the directory is made; made itself when missing. */
  readonly parent: string
  /** The most a round has on the disk at once. */
  readonly roundBytes: number
  /** Warm the page cache with as much; refuse a file system in memory, where a sync costs nothing. */
  readonly realDisk: boolean
}

export async function withWorkDirectory<T>(
  { parent, roundBytes, realDisk }: Placement,
  run: (directory: string) => Promise<T>,
): Promise<T> {
  mkdirSync(parent, { recursive: true })
  const directory = mkdtempSync(join(parent, 'bench-'))
  const remove = () => rmSync(directory, { recursive: true, force: true })
  // A bench that is interrupted must not leave gigabytes behind.
  process.once('exit', remove)
  try {
    if (realDisk) {
      check(directory, roundBytes)
      await warmPageCache(directory, roundBytes)
    }
    return await run(directory)
  } finally {
    process.off('exit', remove)
    remove()
  }
}

function check(directory: string, roundBytes: number): void {
  const memory = memoryFileSystem(directory)
  if (memory)
    throw new Error(
      `${directory} is in memory (${memory}), where a sync costs nothing: choose a disk with --data`,
    )
  const needed = roundBytes + SPARE_BYTES
  const free = freeBytes(directory)
  if (free < needed)
    throw new Error(
      `${directory} has ${prettyBytes(free)} free and the run needs ${prettyBytes(needed)}: free some, or choose another disk with --data`,
    )
}
