/**
 * May this principal make this request? The one question every dispatch asks before a handler runs, and
 * the one place where it is answered. Until the broker can tell who calls, everyone may do everything,
 * which is why it listens on loopback only.
 */
import type { AnyApi } from '../../client/protocol/api.ts'
import type { ProtocolError } from '../../client/protocol/errors.ts'
import type { Principal } from '../handlers/context.ts'

/** Undefined: it may. Otherwise what the caller is answered; the handler does not run. */
export type Authorize = (principal: Principal, api: AnyApi, request: unknown) => ProtocolError | undefined

export const ANONYMOUS: Principal = { name: 'anonymous' }

export const allowEverything: Authorize = () => undefined
