/**
 * Every session there is, by the credential it came with, so that what is revoked ends at once, also for requests
 * that are parked: whoever waits is told to look again.
 */
import type { SecretHash } from '../../auth/authenticators/api-key-record.ts'
import { credentialsOf, type Identity } from '../../auth/identity.ts'
import type { Timer, Timers } from '../ports.ts'
import { Session, type SessionOptions } from './session.ts'

/** How soon it is noticed that a credential or a rule has expired for somebody who is only waiting. */
const SWEEP_INTERVAL_MS = 500
/** Many changes of rules in a row make those who wait look again once. */
const TELL_DELAY_MS = 50

export interface SessionsOptions extends SessionOptions {
  readonly timers: Timers
  /** What sessions may do has changed, or one of them has ended: parked requests have to look again. */
  readonly onChanged: () => void
}

/** Whether the rules say the same of both, whatever they are. */
function isSameRight(one: Identity, other: Identity): boolean {
  const rightsOf = ({ principal, method, scope }: Identity) =>
    JSON.stringify([principal, method, scope ?? null])
  return rightsOf(one) === rightsOf(other)
}

export class Sessions {
  readonly #options: SessionsOptions
  readonly #all = new Set<Session>()
  readonly #byCredential = new Map<string, Set<Session>>()
  /** Those whose end was told. */
  readonly #told = new WeakSet<Session>()
  #telling: Timer | undefined
  #sweep: Timer | undefined

  constructor(options: SessionsOptions) {
    this.#options = options
  }

  /** Of a new connection. */
  open(): Session {
    const session = new Session(this.#options)
    this.#all.add(session)
    this.#sweep ??= this.#scheduleSweep()
    return session
  }

  close(session: Session): void {
    this.#all.delete(session)
    this.#forgetAs(session, session.identity)
  }

  /** Throws what {@link Session.authenticated} throws. */
  authenticated(session: Session, identity: Identity): void {
    // The connection may have gone while the credential was looked at.
    if (!this.#all.has(session)) return
    const { identity: before, wasAsked } = session
    session.authenticated(identity)
    this.#forgetAs(session, before)
    this.#told.delete(session)
    // What waits on the connection is told; not those of everybody at each renewal.
    if (wasAsked && !isSameRight(before, identity)) this.changed()
    for (const credentialId of credentialsOf(identity)) {
      const sessions = this.#byCredential.get(credentialId)
      if (sessions) sessions.add(session)
      else this.#byCredential.set(credentialId, new Set([session]))
    }
  }

  /** Also for whoever came in with what was issued with it. */
  revoked(credentialId: string): void {
    for (const session of this.#byCredential.get(credentialId) ?? []) session.revoked()
    this.changed()
  }

  /** An API key has these secrets from now on, and no others: what was issued with another ends, too. */
  secretsChanged(keyId: string, secrets: readonly SecretHash[]): void {
    for (const session of [...(this.#byCredential.get(`key:${keyId}`) ?? [])])
      session.secretsChanged(keyId, secrets)
    this.changed()
  }

  /** The key is no more, and with it no token that it signed. */
  signingKeyEnded(kid: string): void {
    for (const session of this.#all) if (session.identity.signingKeyId === kid) session.revoked()
    this.changed()
  }

  /** All that were let in by a token, whoever issued it, and are this user's. */
  userRevoked(principal: string): void {
    for (const session of this.#all) {
      const { method, credentialId } = session.identity
      const isByToken = credentialId !== undefined && method !== 'api-key'
      if (isByToken && session.identity.principal.name === principal) session.revoked()
    }
    this.changed()
  }

  /** Rules have changed. */
  changed(): void {
    this.#telling ??= this.#options.timers.after(TELL_DELAY_MS, () => {
      this.#telling = undefined
      this.#options.onChanged()
    })
  }

  /** No timers any more. */
  stop(): void {
    this.#telling?.cancel()
    this.#sweep?.cancel()
    this.#all.clear()
  }

  #scheduleSweep(): Timer {
    return this.#options.timers.after(SWEEP_INTERVAL_MS, () => {
      const nowMs = this.#options.clock.nowMs()
      let hasLapsed = false
      for (const session of this.#all) {
        if (!session.hasLapsed(nowMs)) continue
        if (nowMs >= session.endsAtMs) {
          if (this.#told.has(session)) continue
          this.#told.add(session)
        } else session.refresh()
        hasLapsed = true
      }
      if (hasLapsed) this.changed()
      this.#sweep = this.#all.size > 0 ? this.#scheduleSweep() : undefined
    })
  }

  #forgetAs(session: Session, identity: Identity): void {
    for (const credentialId of credentialsOf(identity)) {
      const sessions = this.#byCredential.get(credentialId)
      sessions?.delete(session)
      if (sessions?.size === 0) this.#byCredential.delete(credentialId)
    }
  }
}
