/** The credentials of a {@link FakeBroker}: what it accepts, for how long, and whose time is over. */
import { ErrorCode, ProtocolError } from '../../../client/protocol/errors.ts'
import type { ServerSocket } from './network.ts'
import { EPOCH_MS, type World } from './world.ts'

interface Session {
  endsAtMs: number
  timer: { cancel(): void } | undefined
}

export class FakeCredentials {
  /** How long a token is good from now on, in ms; Infinity: for ever. Throws ProtocolError for one that is not. */
  lifeMsOf: (token: string) => number
  /** Of the broker's wall clock over the client's. */
  aheadMs = 0
  /** Every token that came, in order. */
  readonly shown: string[] = []
  /** Those accepted on each connection. */
  readonly accepted = new Map<ServerSocket, string[]>()
  /** Requests that were refused because the credential of their connection was no longer good. */
  refusedCount = 0
  /** A session has ended: whoever is parked must be told. */
  onEnd: () => void = () => undefined
  readonly #world: World
  readonly #sessions = new Map<ServerSocket, Session>()

  constructor(world: World, lifeMsOf: (token: string) => number) {
    this.#world = world
    this.lifeMsOf = lifeMsOf
  }

  get nowMs(): number {
    return EPOCH_MS + Math.floor(this.#world.nowMs) + this.aheadMs
  }

  /** By the broker's clock; null: never. */
  authenticate(socket: ServerSocket, token: string): number | null {
    this.shown.push(token)
    const lifeMs = this.lifeMsOf(token)
    if (!socket.isOpen) return null
    this.#sessions.get(socket)?.timer?.cancel()
    const isEndless = lifeMs === Number.POSITIVE_INFINITY
    const timer = isEndless ? undefined : this.#world.after(Math.max(0, lifeMs), () => this.onEnd())
    this.#sessions.set(socket, { endsAtMs: this.#world.nowMs + lifeMs, timer })
    this.accepted.set(socket, [...(this.accepted.get(socket) ?? []), token])
    return isEndless ? null : Math.floor(this.nowMs + lifeMs)
  }

  refusalOf(socket: ServerSocket): number | undefined {
    const session = this.#sessions.get(socket)
    if (!session) return ErrorCode.AUTHENTICATION_REQUIRED
    if (this.#world.nowMs < session.endsAtMs) return undefined
    this.refusedCount++
    return ErrorCode.CREDENTIAL_EXPIRED
  }

  /** Every session ends now. */
  endAll(): void {
    for (const session of this.#sessions.values()) session.endsAtMs = this.#world.nowMs
    this.onEnd()
  }

  closed(socket: ServerSocket): void {
    this.#sessions.get(socket)?.timer?.cancel()
    this.#sessions.delete(socket)
  }
}

/** What a broker says of a token that is not good. */
export function refusedToken(message = 'the token has expired'): ProtocolError {
  return new ProtocolError(ErrorCode.SASL_AUTHENTICATION_FAILED, message)
}
