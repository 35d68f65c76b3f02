/**
 * What an accident in or below a handler means to the client whose request met it. A refusal has a code
 * of the protocol's error table; what nobody expected becomes UNKNOWN_SERVER_ERROR without its text, which
 * may tell of things the caller may not see, and belongs in the log instead.
 */
import { ErrorCode, ProtocolError } from '../client/protocol/errors.ts'
import { partitionErrorOf } from './handlers/partition-error.ts'

export function refusalOf(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error
  try {
    const { error: code, message } = partitionErrorOf(error)
    return new ProtocolError(code, message, { cause: error })
  } catch {
    // It hands back what it does not know by throwing it.
    return new ProtocolError(ErrorCode.UNKNOWN_SERVER_ERROR, undefined, { cause: error })
  }
}

/** Whether the cause of the refusal is a bug, to be logged with its stack. */
export function isUnexpected(refusal: ProtocolError): boolean {
  return refusal.code === ErrorCode.UNKNOWN_SERVER_ERROR
}
