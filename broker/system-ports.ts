/**
 * The real clock, timers, randomness, checksum, process and HTTP client, for entry points to hand to a node. Nothing
 * else in the broker touches them.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { Fetch } from '../auth/ports.ts'
import type { CompressionCodecs } from '../storage/record/compression.ts'
import type { Crc32c } from '../storage/record/crc32c.ts'
import { nativeCrc32c } from '../storage/record/node/native-crc32c.ts'
import { nodeCodecs } from '../storage/record/node/node-codecs.ts'
import type { CodecPool, CodecPoolSettings } from './codec-pool/codec-pool.ts'
import { WorkerPool } from './codec-pool/worker-pool.ts'
import type { Clock, FilePort, ProcessPort, Random, Timers } from './ports.ts'

export interface SystemPorts {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly crc32c: Crc32c
  readonly codecs: CompressionCodecs
  /** Where records are packed and unpacked; the node closes it. */
  readonly codecPool: (settings: CodecPoolSettings & { readonly workers: number }) => CodecPool
  readonly process: ProcessPort
  readonly files: FilePort
  /** For the keys of issuers and their answers about tokens, and nothing else. */
  readonly fetch: Fetch
}

/** The longest a timer takes; what it runs does nothing. */
const LONGEST_INTERVAL_MS = 2 ** 31 - 1

const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() }

const timers: Timers = {
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs)
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
  soon: (run) => {
    setImmediate(run)
  },
}

export function systemPorts(): SystemPorts {
  return {
    clock,
    timers,
    fetch: (url, init) => fetch(url, init),
    random: { unit: () => Math.random(), bytes: (count) => new Uint8Array(randomBytes(count)) },
    crc32c: nativeCrc32c,
    codecs: nodeCodecs,
    codecPool: ({ workers, ...settings }) =>
      new WorkerPool({
        ...settings,
        // The event loop has a core for itself.
        workersMax: workers || Math.max(1, availableParallelism() - 1),
        tools: { crc32c: nativeCrc32c, codecs: nodeCodecs },
        clock,
        timers,
      }),
    process: {
      pid: process.pid,
      runtimeVersion: process.version,
      usage: () => {
        const { rss, heapUsed } = process.memoryUsage()
        const { user, system } = process.cpuUsage()
        return { rssBytes: rss, heapBytes: heapUsed, cpuSeconds: (user + system) / 1e6 }
      },
      // In blocks of 512 bytes, whatever the disk has; 0 for ever where the system does not count.
      diskBytesRead: () => process.resourceUsage().fsRead * 512,
      openFilesMax,
      hold: () => {
        const timer = setInterval(() => {}, LONGEST_INTERVAL_MS)
        return () => clearInterval(timer)
      },
    },
    files: { read: (path) => readFileSync(path), stamp, mode },
  }
}

/** The inode is another one when a link leads elsewhere; rights count too, since a file may become readable. */
function stamp(path: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
    return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
  } catch (error) {
    return `${(error as NodeJS.ErrnoException).code}`
  }
}

function mode(path: string): number | undefined {
  // Windows has others, which do not show here.
  if (process.platform === 'win32') return undefined
  try {
    return statSync(path).mode & 0o777
  } catch {
    // Whoever reads it says what is wrong with it.
    return undefined
  }
}

/** The soft limit of this process; undefined where the system does not tell in this way. */
function openFilesMax(): number | undefined {
  let limits: string
  try {
    limits = readFileSync('/proc/self/limits', 'utf8')
  } catch {
    // Only Linux has the file; elsewhere the limit stays unknown.
    return undefined
  }
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
  return soft === undefined ? undefined : Number(soft)
}
