/** What the storage room is handed from outside: time. */

export interface Clock {
  /** Wall clock, ms since 1970. May jump. Only for record and file times. */
  nowMs(): number
}
