/**
 * The log: one line an event, for people on a terminal, JSON elsewhere. Fields are structured, the
 * message is a constant. Secrets are never fields; what slips in under their names is blacked out.
 */
import { type Logger, pino } from 'pino'
import { prettyFactory } from 'pino-pretty'

export interface LoggerOptions {
  readonly level: string
  readonly format: 'auto' | 'pretty' | 'json'
  /** Where the lines go. */
  readonly destination: { write(text: string): unknown; readonly isTTY?: boolean }
}

const SECRETS = ['token', 'password', 'secret', 'authorization', 'credential']

export function createLogger({ level, format, destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: null,
    redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`]), censor: '(hidden)' },
  }
  const isTerminal = destination.isTTY === true
  if (format === 'json' || (format === 'auto' && !isTerminal))
    return pino({ ...options, timestamp: pino.stdTimeFunctions.isoTime }, destination)
  // Not pino-pretty's own stream: that would end standard output when it ends.
  const prettify = prettyFactory({ colorize: isTerminal, translateTime: 'SYS:HH:MM:ss.l', singleLine: true })
  return pino(options, { write: (line) => destination.write(prettify(line)) })
}
