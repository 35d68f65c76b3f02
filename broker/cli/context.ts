/**
 * What a command is handed: its streams, its environment, the clock and the word of an interruption. The
 * commands touch no global of the process, so they can be called with anything in its place.
 */
import type { Readable } from 'node:stream'
import type { Output } from './output.ts'

export type StopSignal = 'SIGINT' | 'SIGTERM'

export interface CommandContext {
  readonly stdin: Readable
  readonly out: Output
  readonly err: Output
  readonly env: Readonly<Record<string, string | undefined>>
  /** The words to type to run this program; for hints. */
  readonly invocation: string
  readonly nowMs: () => number
  /**
   * Asks to be told of SIGINT and SIGTERM: the first aborts the signal returned, with its name as the
   * reason, and a second one ends the process at once. A command that does not ask is simply ended.
   */
  readonly interruption: () => AbortSignal
  /** Runs `run` at each SIGHUP from now on, which otherwise ends the process. */
  readonly onHangup: (run: () => void) => void
  /** Asks the person at the terminal; undefined when there is none. */
  readonly ask: (question: string) => Promise<string | undefined>
  /**
   * Errors that surface outside any call end the process, except those the judge calls expected. It
   * may log the others before they do.
   */
  readonly expectStrayErrors: (judge: (error: unknown) => boolean) => void
}
