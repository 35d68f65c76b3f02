/** One request and what becomes of it. */
import type { AnyApi } from './protocol/api.ts'
import type { ProtocolError } from './protocol/errors.ts'
import type { Frame } from './protocol/frame.ts'

/** What becomes of a request. Either `answer` or `failure` is called, once, after all the `data`. */
export interface Exchange<Response> {
  /** A frame of the answer that is not the last. Throwing a {@link ProtocolError} ends the connection. */
  data?(frame: Frame): void
  answer(response: Response): void
  failure(error: ProtocolError): void
}

/** A request that was sent and has no answer yet. */
export interface Pending {
  readonly api: AnyApi
  readonly exchange: Exchange<unknown>
  /** What it takes of the produce window. */
  readonly windowBytes: number
  readonly timeoutMs: number
  deadlineMs: number
}
