/** How one entry of an answer about several things came out. */
import { ErrorCode, ProtocolError } from './protocol/errors.ts'

/** Throws {@link ProtocolError} when it failed, saying of what: `entry 3f0c: there is none`. */
export function succeeded(
  outcome: { readonly error: number; readonly message: string | null },
  what: string,
): void {
  if (outcome.error === ErrorCode.NONE) return
  const { message } = new ProtocolError(outcome.error, outcome.message ?? undefined)
  throw new ProtocolError(outcome.error, `${what}: ${message}`)
}
