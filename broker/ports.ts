/** What the node is handed from outside: time, timers, randomness. Built only by entry points. */

export interface Clock {
  /** Wall clock, ms since 1970. May jump. */
  nowMs(): number
  /** Never goes back; for durations only. Fractions of a ms. */
  monotonicMs(): number
}

export interface Timer {
  cancel(): void
}

export interface Timers {
  /** Runs `run` once, not before `delayMs` have passed. Does not keep the process alive. */
  after(delayMs: number, run: () => void): Timer
  /** Runs `run` when the present turn of the event loop has handled its events. */
  soon(run: () => void): void
}

export interface Random {
  /** 0 ≤ x < 1 */
  unit(): number
  /** Unpredictable bytes. */
  bytes(count: number): Uint8Array
}

/** The process the node runs in. */
export interface ProcessPort {
  readonly pid: number
  readonly runtimeVersion: string
  usage(): { readonly rssBytes: number; readonly heapBytes: number; readonly cpuSeconds: number }
  /** Bytes it has had to read from disks, what the page cache held left out. Only grows. */
  diskBytesRead(): number
  /** Files and sockets it may have open; undefined where that is not known. */
  openFilesMax(): number | undefined
  /** Keeps the process alive until the returned function is called: timers do not, and sockets come and go. */
  hold(): () => void
}

/** Small files that people and other programs replace while the node runs. */
export interface FilePort {
  /** Throws when it cannot be read. */
  read(path: string): Uint8Array
  /** Another text when the file, or where its links lead, was written or replaced. Never throws. */
  stamp(path: string): string
  /** Permission bits, links followed; undefined where there are none to tell. Never throws. */
  mode(path: string): number | undefined
}
