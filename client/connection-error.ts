/** Why a connection ended or could not be had, in one line with its address. */
import { ErrorCode, ProtocolError } from './protocol/errors.ts'

export function disconnected(url: string, reason: string): ProtocolError {
  return new ProtocolError(ErrorCode.DISCONNECTED, `the connection to ${url} ended: ${reason}`)
}

export function unreachable(url: string, reason: string, cause?: unknown): ProtocolError {
  const options = cause === undefined ? {} : { cause }
  return new ProtocolError(ErrorCode.DISCONNECTED, `cannot connect to ${url}: ${reason}`, options)
}

export function credentialMissing(url: string): ProtocolError {
  return new ProtocolError(
    ErrorCode.SASL_AUTHENTICATION_FAILED,
    `${url} asks for a credential: give the option token`,
  )
}

export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
