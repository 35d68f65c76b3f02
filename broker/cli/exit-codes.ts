/**
 * The exit codes of `octopus`, one table for the program, its help and its tests. The numbers are those
 * of sysexits.h where the meaning is theirs, so that service managers and scripts can tell a wrong
 * command line (never worth a retry) from a broker that is away (worth one).
 */

export const ExitCode = {
  OK: 0,
  /** The command ran and something did not succeed: the broker refused, or events failed. */
  FAILED: 1,
  /** EX_USAGE: the command line is wrong. */
  USAGE: 64,
  /** EX_DATAERR: what is stored is damaged. */
  DAMAGED: 65,
  /** EX_UNAVAILABLE: the broker cannot be reached, or its port is in use. */
  UNAVAILABLE: 69,
  /** EX_SOFTWARE: an error nobody foresaw. */
  SOFTWARE: 70,
  /** EX_CANTCREAT: the data directory cannot be created, written or locked. */
  CANNOT_CREATE: 73,
  /**
   * EX_IOERR: a write or a sync of the broker's storage failed, or did not come back. Nothing acknowledged is
   * lost; the next start has it, if the disk can be read.
   */
  STORAGE: 74,
  /** EX_CONFIG: a configuration value is wrong. */
  CONFIG: 78,
  /** Interrupted before the work was done, as shells count it: 128 + the number of the signal. */
  SIGINT: 130,
  SIGTERM: 143,
} as const

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

const meanings: readonly (readonly [number, string])[] = [
  [ExitCode.OK, 'done'],
  [ExitCode.FAILED, 'the broker refused the request, or some events failed'],
  [ExitCode.USAGE, 'the command line is wrong'],
  [ExitCode.DAMAGED, 'what is stored is damaged'],
  [ExitCode.UNAVAILABLE, 'the broker cannot be reached, or the port is in use'],
  [ExitCode.SOFTWARE, 'an unexpected error (a bug)'],
  [ExitCode.CANNOT_CREATE, 'the data directory cannot be created, written or locked'],
  [ExitCode.STORAGE, 'the storage failed: a disk that is damaged, full or hangs'],
  [ExitCode.CONFIG, 'a configuration value is wrong'],
  [ExitCode.SIGINT, 'interrupted before the work was done (143: terminated)'],
]

/** The table as lines of the help text. */
export function exitCodeHelp(): string {
  return [
    'Exit codes:',
    ...meanings.map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`),
  ].join('\n')
}

/** What a shell would report for a process ended by this signal. */
export function exitCodeOfSignal(signal: 'SIGINT' | 'SIGTERM'): ExitCode {
  return signal === 'SIGINT' ? ExitCode.SIGINT : ExitCode.SIGTERM
}
