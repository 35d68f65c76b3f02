/** What the storage room is handed from outside: time, timers, and what the disk does. */

export interface Clock {
  /** Wall clock, ms since 1970. May jump. Only for record and file times. */
  nowMs(): number
}

/** What reading from the disk is paced by, beside writers who wait for the same disk. */
export interface DiskPace {
  /** Never goes back; for durations only. Fractions of a ms. */
  monotonicMs(): number
  /** Bytes this process has had to read from disks, what the page cache held left out. Only grows. */
  diskBytesRead(): number
  /** Runs `run` once, not before `delayMs` have passed. */
  after(delayMs: number, run: () => void): void
}

/** Runs `run` once, not before `delayMs` have passed, unless it was cancelled. */
export type After = (delayMs: number, run: () => void) => { cancel(): void }
