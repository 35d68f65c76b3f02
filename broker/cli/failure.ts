/**
 * How a command fails: one line that says what was wrong and how to put it right, and an exit code.
 *
 * Commands throw {@link Failure}; whatever else they throw is translated here, by what is known about it.
 * The line never holds a stack trace or a line break; OCTOPUS_DEBUG=1 adds the stack below it.
 */
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import { ExitCode } from './exit-codes.ts'

/** An expected failure with its exit code. The message is a sentence for the person at the terminal. */
export class Failure extends Error {
  readonly exitCode: ExitCode

  constructor(exitCode: ExitCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'Failure'
    this.exitCode = exitCode
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
    const unreachable = error.code === ErrorCode.DISCONNECTED || error.code === ErrorCode.REQUEST_TIMED_OUT
    return new Failure(unreachable ? ExitCode.UNAVAILABLE : ExitCode.FAILED, withName(error), {
      cause: error,
    })
  }
  const message = error instanceof Error ? error.message : String(error)
  return new Failure(ExitCode.SOFTWARE, `unexpected error: ${message} (set OCTOPUS_DEBUG=1 to see where)`, {
    cause: error,
  })
}

/** The table's name stands beside the sentence: it is what one searches for. */
function withName(error: ProtocolError): string {
  return `${error.message.replace(/\.$/, '')} (${error.name})`
}

/** The line, and below it the stack of the first cause when `debug`. */
export function failureText(failure: Failure, debug: boolean): string {
  const line = `octopus: ${failure.message.replace(/\s*\n\s*/g, ' ')}\n`
  if (!debug) return line
  const origin = failure.cause ?? failure
  return `${line}${origin instanceof Error ? (origin.stack ?? origin.message) : String(origin)}\n`
}
