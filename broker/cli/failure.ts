/**
 * How a command fails: one line that says what was wrong and how to put it right, and an exit code.
 *
 * Commands throw {@link Failure}; whatever else they throw is translated here, by what is known about it.
 * The line never holds a stack trace or a line break. Below it may stand lines that show a place, and with
 * OCTOPUS_DEBUG=1 the stack.
 */
import { showable } from '../../auth/showable-text.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import { ExitCode } from './exit-codes.ts'

/** An expected failure with its exit code. The message is a sentence for the person at the terminal. */
export class Failure extends Error {
  readonly exitCode: ExitCode
  /** Lines to show below the sentence, each with its newline; '' for nearly all failures. */
  readonly below: string

  constructor(exitCode: ExitCode, message: string, options?: { cause?: unknown; below?: string }) {
    super(message, options)
    this.name = 'Failure'
    this.exitCode = exitCode
    this.below = options?.below ?? ''
  }
}

/** A wrong command line. */
export function usage(message: string): Failure {
  return new Failure(ExitCode.USAGE, message)
}

/** Any thrown value as a failure. A code of the protocol's table is an answer; the rest is a bug. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  if (error instanceof ProtocolError) {
    return new Failure(exitCodeOf(error), withName(error), { cause: error })
  }
  const message = error instanceof Error ? error.message : String(error)
  return new Failure(ExitCode.SOFTWARE, `unexpected error: ${message} (set OCTOPUS_DEBUG=1 to see where)`, {
    cause: error,
  })
}

/** What this program asks is well formed: a broker that calls it invalid means the words it was given. */
function exitCodeOf({ code }: ProtocolError): ExitCode {
  if (code === ErrorCode.DISCONNECTED || code === ErrorCode.REQUEST_TIMED_OUT) return ExitCode.UNAVAILABLE
  const isOfWords = code === ErrorCode.INVALID_REQUEST || code === ErrorCode.INVALID_FILTER
  return isOfWords ? ExitCode.USAGE : ExitCode.FAILED
}

/** The table's name stands beside the sentence: it is what one searches for. */
function withName(error: ProtocolError): string {
  return `${error.message.replace(/\.$/, '')} (${error.name})`
}

/** The line, what belongs below it, and the stack of the first cause when `debug`. */
export function failureText(failure: Failure, debug: boolean): string {
  const line = `octopus: ${showable(failure.message.replace(/\s*\n\s*/g, ' '))}\n${failure.below}`
  if (!debug) return line
  const origin = failure.cause ?? failure
  const stack = origin instanceof Error ? (origin.stack ?? origin.message) : String(origin)
  return `${line}${stack.split('\n').map(showable).join('\n')}\n`
}
