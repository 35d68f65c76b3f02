/** What this room is handed from outside: time, timers, randomness and the network. */

export interface Clock {
  /** Wall clock, ms since 1970. May jump: only for what tokens say of time. */
  nowMs(): number
  /** Never goes back; for the age of what is cached. */
  monotonicMs(): number
}

export interface Timers {
  /** Runs `run` once, not before `delayMs` have passed. */
  after(delayMs: number, run: () => void): { cancel(): void }
}

export interface Random {
  /** Unpredictable bytes. */
  bytes(count: number): Uint8Array
}

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** Told once when something outside does not work, in a sentence without any secret: for the log. */
export type TroubleReport = (sentence: string) => void
