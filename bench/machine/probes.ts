/**
 * What the machine itself can do, measured beside every round: without it a figure says nothing.
 *
 * A probe writes into the directory the broker will use and removes what it wrote. It uses the plain
 * system calls, in order, with nothing else going on in this process.
 */
import { createHash } from 'node:crypto'
import {
  closeSync,
  fdatasyncSync,
  openSync,
  readSync,
  rmSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { median } from '../figures/statistics.ts'
import { randomBytes } from '../figures/values.ts'
import { evictFile } from './page-cache.ts'

export interface DiskProbe {
  readonly megabytesPerSecond: number
  /** Bytes appended before each fdatasync. */
  readonly chunkBytes: number
}

/** How much a probe of the machine writes. */
export interface ProbeSizes {
  /** Bytes of the raw append in all. */
  readonly diskProbeBytes: number
  readonly smallSyncs: number
}

export interface Probe {
  readonly disk: DiskProbe
  /** p50 of a small append and fdatasync. */
  readonly fdatasyncP50Ms: number
}

/** Also the size of an append where nothing says how large a broker's commits are. */
const CHUNK_BYTES = 1024 * 1024
/** An event or two: a sync of one page. */
const SMALL_BYTES = 200
const SEED = 7

/** A file that is gone again whatever happens. */
async function withFile<T>(directory: string, run: (file: number) => Promise<T>): Promise<T> {
  const path = join(directory, `probe-${process.pid}`)
  const file = openSync(path, 'w', 0o600)
  try {
    return await run(file)
  } finally {
    closeSync(file)
    unlinkSync(path)
  }
}

/** Lets signals, samples and the display have their turn. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/**
 * Writes and unlinks as much as the run will write. A virtual machine gives page-cache memory on first
 * touch: on a cold cache the same disk looks four times slower than on the cache a broker soon has.
 */
export async function warmPageCache(directory: string, bytes: number): Promise<void> {
  const chunk = randomBytes(SEED, CHUNK_BYTES)
  await withFile(directory, async (file) => {
    for (let written = 0; written < bytes; written += chunk.length) {
      writeSync(file, chunk)
      await turn()
    }
    fdatasyncSync(file)
  })
}

/** Both probes of the disk, one after the other. */
export async function probeMachine(
  directory: string,
  { diskProbeBytes, smallSyncs }: ProbeSizes,
  chunkBytes = CHUNK_BYTES,
): Promise<Probe> {
  const fdatasyncP50Ms = await probeSmallSync(directory, smallSyncs)
  return { fdatasyncP50Ms, disk: await probeDisk(directory, chunkBytes, diskProbeBytes) }
}

/** Raw sequential read of a file that is not in the page cache, in MB/s. */
export async function probeColdRead(directory: string, bytes: number): Promise<number> {
  const path = join(directory, `probe-read-${process.pid}`)
  const chunk = randomBytes(SEED, CHUNK_BYTES)
  try {
    const writing = openSync(path, 'w', 0o600)
    for (let written = 0; written < bytes; written += chunk.length) {
      writeSync(writing, chunk)
      await turn()
    }
    closeSync(writing)
    await evictFile(path)
    const file = openSync(path, 'r')
    const startMs = performance.now()
    let readBytes = 0
    for (let got = readSync(file, chunk); got > 0; got = readSync(file, chunk)) {
      readBytes += got
      await turn()
    }
    const elapsedMs = performance.now() - startMs
    closeSync(file)
    return readBytes / 1e3 / elapsedMs
  } finally {
    rmSync(path, { force: true })
  }
}

/** Raw append and fdatasync, random bytes, the given size a time. */
function probeDisk(directory: string, chunkBytes: number, bytes: number): Promise<DiskProbe> {
  const chunk = randomBytes(SEED, chunkBytes)
  return withFile(directory, async (file) => {
    let elapsedMs = 0
    let written = 0
    while (written < bytes) {
      elapsedMs += appendMs(file, chunk)
      written += chunk.length
      await turn()
    }
    return { megabytesPerSecond: written / 1e3 / elapsedMs, chunkBytes }
  })
}

/** Median of a small append and its fdatasync, in ms. */
export function probeSmallSync(directory: string, count: number): Promise<number> {
  const bytes = randomBytes(SEED, SMALL_BYTES)
  return withFile(directory, async (file) => {
    const times: number[] = []
    while (times.length < count) times.push(appendMs(file, bytes))
    return median(times)
  })
}

function appendMs(file: number, bytes: Uint8Array): number {
  const startMs = performance.now()
  writeSync(file, bytes)
  fdatasyncSync(file)
  return performance.now() - startMs
}

/** How fast one core computes, in MB/s of SHA-256: it falls when somebody else uses the machine. */
export async function probeProcessor(chunks: number): Promise<number> {
  const bytes = randomBytes(SEED, CHUNK_BYTES)
  let elapsedMs = 0
  for (let i = 0; i < chunks; i++) {
    const startMs = performance.now()
    createHash('sha256').update(bytes).digest()
    elapsedMs += performance.now() - startMs
    await turn()
  }
  return (chunks * CHUNK_BYTES) / 1e3 / elapsedMs
}

/** `statfs` types of file systems that live in memory, where fdatasync does nothing. */
const inMemory: ReadonlyMap<number, string> = new Map([
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
])

/** The name of the in-memory file system a directory is on; undefined on a disk. */
export function memoryFileSystem(directory: string): string | undefined {
  return inMemory.get(statfsSync(directory).type)
}

export function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}
