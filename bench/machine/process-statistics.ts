/**
 * What a running process has used, from `/proc`. Other systems than Linux have none of it: undefined then,
 * and null in a result.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** `_SC_CLK_TCK`: 100 on every Linux Node runs on. */
const TICKS_PER_SECOND = 100

/** The system's name for what went wrong; undefined if the system did not say it. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    // No such system, or the process is gone.
    if (errorCode(error) === undefined) throw error
    return undefined
  }
}

/** User and system time of the whole process so far. */
export function cpuSeconds(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  // The name in parentheses may hold spaces; utime and stime are fields 14 and 15, counted from 1.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/**
 * The same to the nanosecond, for differences of a hundredth of a second: the sum over the threads that live. Time of
 * threads that have ended is not in it; brokers and generators keep theirs.
 */
export function exactCpuSeconds(pid: number): number | undefined {
  let nanoseconds = 0
  for (const thread of threads(pid)) {
    const spent = threadNanoseconds(pid, thread)
    if (spent === undefined) return undefined
    nanoseconds += spent
  }
  return nanoseconds > 0 ? nanoseconds / 1e9 : undefined
}

/** Of the main thread alone, which is the event loop of a Node process. */
export function loopCpuSeconds(pid: number): number | undefined {
  const nanoseconds = threadNanoseconds(pid, String(pid))
  return nanoseconds === undefined ? undefined : nanoseconds / 1e9
}

function threadNanoseconds(pid: number, thread: string): number | undefined {
  const spent = read(`/proc/${pid}/task/${thread}/schedstat`)
  return spent === undefined ? undefined : Number(spent.split(' ')[0])
}

function threads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch (error) {
    // As in `read`.
    if (errorCode(error) === undefined) throw error
    return []
  }
}

/** Resident memory that is no file's: heap and stacks, without the mapped segments. */
export function anonymousBytes(pid: number): number | undefined {
  const match = /^RssAnon:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? '')
  return match ? Number(match[1]) * 1024 : undefined
}

/** Bytes the process has made the disk read so far, mapped files included; what the page cache had is not in it. */
export function diskReadBytes(pid: number): number | undefined {
  const match = /^read_bytes: (\d+)$/m.exec(read(`/proc/${pid}/io`) ?? '')
  return match ? Number(match[1]) : undefined
}

/**
 * Remembers the most anonymous memory a process had, looking ten times a second. Ends by itself with the
 * process it watches.
 */
export class MemoryWatch {
  readonly #timer: NodeJS.Timeout
  #bytesMax: number | undefined

  constructor(pid: number) {
    const look = () => {
      const bytes = anonymousBytes(pid)
      if (bytes === undefined) clearInterval(this.#timer)
      else this.#bytesMax = Math.max(this.#bytesMax ?? 0, bytes)
    }
    this.#timer = setInterval(look, 100)
    look()
  }

  /** Undefined where the system does not tell. */
  stop(): number | undefined {
    clearInterval(this.#timer)
    return this.#bytesMax
  }
}

/** How many files and connections this process may have open, and those it starts; undefined where the system does not tell. */
export function openFilesMax(): number | undefined {
  const match = /^Max open files\s+(\d+)/m.exec(read('/proc/self/limits') ?? '')
  return match ? Number(match[1]) : undefined
}
