/**
 * What members of a group did and were told, as each process writes it to a file of its own while it lives, one JSON a line. All
 * times are ms of CLOCK_MONOTONIC, one clock for the machine, whatever a member takes for the time of day.
 *
 * Requests and answers are noted where they pass the WebSocket of the member, so that also what the SDK does by itself is seen.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'

/** One partition of one topic of one life: `<32 hexadecimal digits>/<number>`. */
export type Place = string

interface Noted {
  /** Which process, by a name that is never used again. */
  readonly life: string
  readonly atMs: number
}

/** The broker's word on all that a member is to read. */
export interface AssignedEntry extends Noted {
  readonly kind: 'assigned'
  readonly memberId: string
  readonly memberEpoch: number
  readonly places: readonly Place[]
}

/** The SDK told its caller. `isLost`: it stopped by itself, or was put out. */
export interface ToldEntry extends Noted {
  readonly kind: 'told'
  readonly added: number
  readonly removed: number
  readonly isLost: boolean
}

/** Events `first` to `last` came to the caller, or are done with. */
export interface WorkEntry extends Noted {
  readonly kind: 'handed' | 'done'
  readonly place: Place
  readonly first: number
  readonly last: number
}

/** A commit leaves. */
export interface CommitEntry extends Noted {
  readonly kind: 'commit'
  readonly serial: number
  readonly memberId: string
  readonly offsets: readonly (readonly [place: Place, offset: number])[]
}

/** Its answer: an error code for each of its offsets. */
export interface CommittedEntry extends Noted {
  readonly kind: 'committed'
  readonly serial: number
  readonly errors: readonly number[]
}

/** The process did nothing from then until `atMs`: it was stopped, or the machine had no time for it. */
export interface StalledEntry extends Noted {
  readonly kind: 'stalled'
  readonly fromMs: number
}

/** Something to be looked at by people, or a fault where there should be none. */
export interface SaidEntry extends Noted {
  readonly kind: 'said' | 'fault'
  readonly text: string
}

/** Somebody who is no member set these offsets, while the group was empty. */
export interface ResetEntry extends Noted {
  readonly kind: 'reset'
  readonly offsets: readonly (readonly [place: Place, offset: number])[]
}

/** How things stand when all is over. */
export interface EndEntry extends Noted {
  readonly kind: 'end'
  readonly place: Place
  /** Offset after the last event. */
  readonly endOffset: number
  /** -1: none. */
  readonly committedOffset: number
}

export type HistoryEntry =
  | AssignedEntry
  | ToldEntry
  | WorkEntry
  | CommitEntry
  | CommittedEntry
  | StalledEntry
  | SaidEntry
  | ResetEntry
  | EndEntry

type WithoutNote<E> = E extends Noted ? Omit<E, keyof Noted> : never

export const monotonicMs = () => Number(process.hrtime.bigint()) / 1e6

/** Each entry is with the system before `note` returns: a SIGKILL takes none of them. */
export class HistoryFile {
  readonly life: string
  readonly #file: number

  constructor(path: string, life: string) {
    this.life = life
    this.#file = openSync(path, 'a')
  }

  note(entry: WithoutNote<HistoryEntry>): void {
    writeSync(this.#file, `${JSON.stringify({ life: this.life, atMs: monotonicMs(), ...entry })}\n`)
  }

  close(): void {
    closeSync(this.#file)
  }
}

/** In the order of each life. The last line of a life that was killed may be torn. */
export function readHistory(path: string): HistoryEntry[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  lines.pop()
  return lines.map((line) => JSON.parse(line) as HistoryEntry)
}
