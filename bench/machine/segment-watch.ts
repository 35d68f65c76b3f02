/**
 * How many segment files a broker has open and mapped, as the kernel sees it: whatever the broker says of its
 * cache, descriptors and mappings are counted here. Null where there is no `/proc`.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { errorCode } from './process-statistics.ts'

/** Also one that has been unlinked and is still held. */
const SEGMENT_FILE = /segment-\d+\.lmdb(?: \(deleted\))?$/

export interface HeldSegments {
  readonly open: number
  readonly mapped: number
}

export function heldSegments(pid: number): HeldSegments | null {
  try {
    const open = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`))
    const mapped = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')
    return { open: distinctSegments(open), mapped: distinctSegments(mapped) }
  } catch (error) {
    if (errorCode(error) === undefined) throw error
    return null
  }
}

/** A descriptor may be closed between the list and the look. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    return ''
  }
}

/** Lines that end in the path of a segment, each path once. */
export function distinctSegments(lines: readonly string[]): number {
  return new Set(lines.map((line) => SEGMENT_FILE.exec(line)?.[0]).filter((name) => name !== undefined)).size
}

/** Remembers the most a process held, looking five times a second until it is stopped. */
export class SegmentWatch {
  readonly #timer: NodeJS.Timeout
  #most: HeldSegments | null = null

  constructor(pid: number) {
    const look = () => {
      const now = heldSegments(pid)
      if (now === null) return
      const { open, mapped } = this.#most ?? now
      this.#most = { open: Math.max(open, now.open), mapped: Math.max(mapped, now.mapped) }
    }
    this.#timer = setInterval(look, 200)
    look()
  }

  stop(): HeldSegments | null {
    clearInterval(this.#timer)
    return this.#most
  }
}
