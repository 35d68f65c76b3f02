/**
 * Keeps the credential of one open connection good: asks its source for a newer one some time before the end, and at
 * once when the broker says that it has ended, however early. The connection and what is under way on it stay.
 *
 *     good ──its time has come──▶ asking ──accepted──▶ good
 *     good ──the broker refuses a request──▶ suspended, asking ──accepted──▶ good
 *
 * While it is good a failure is tried again and does no harm; once suspended, a source that gives nothing is asked
 * again for as long as it takes, and a credential that the broker refuses is the end. One attempt is under way at a
 * time, whoever waits for it, and each is bounded.
 *
 * Time is the broker's, reckoned by its greeting and a clock that never jumps: what the wall clock here says does
 * not matter. Where the reckoning is wrong all the same, the broker's refusal comes earlier than expected, or none
 * does.
 */
import { type BackoffLimits, backoffDelayMs } from './backoff.ts'
import type { Connection } from './connection.ts'
import { credentialMissing, messageOf } from './connection-error.ts'
import { type CredentialSource, credentialOf } from './credential.ts'
import { type ClientSettings, TIMEOUT_MS_MAX } from './options.ts'
import type { ClientPorts, Timer } from './ports.ts'
import { ErrorCode, ProtocolError } from './protocol/errors.ts'
import { RENEWAL_DELAY_MS_MIN, renewalDelayMs } from './renewal-time.ts'

/** The tie to the broker, as a renewal sees it. */
export interface RenewalHost {
  /** The broker refuses everything until a newer credential is shown. */
  suspended(error: ProtocolError): void
  /** It takes requests again. */
  resumed(): void
  /** An attempt has failed and another one follows after `delayMs`. */
  delayed(error: ProtocolError, delayMs: number, isSuspended: boolean): void
  /** There will be no good credential any more. */
  failed(error: ProtocolError): void
}

type RenewedConnection = Pick<Connection, 'authenticate' | 'brokerNowMs' | 'credential'>
type RenewalSettings = Pick<ClientSettings, 'url' | 'token' | 'connectTimeoutMs' | 'reconnect'>

/** Between attempts that are ahead of time. */
const AHEAD_BACKOFF: BackoffLimits = { backoffMinMs: 2_000, backoffMaxMs: 30_000 }

export class CredentialRenewal {
  readonly #connection: RenewedConnection
  readonly #settings: RenewalSettings
  readonly #ports: Pick<ClientPorts, 'clock' | 'timers' | 'random'>
  readonly #host: RenewalHost
  #timer: Timer | undefined
  #limit: Timer | undefined
  /** When to renew, by the monotonic clock. */
  #dueMs = 0
  #goodSinceMs: number
  /** Attempts since a credential last held. */
  #attempts = 0
  #isSuspended = false
  #isAsking = false
  #isStopped = false

  /** Of a connection that is open and, given a source of credentials, has shown one. */
  constructor(
    connection: RenewedConnection,
    settings: RenewalSettings,
    ports: Pick<ClientPorts, 'clock' | 'timers' | 'random'>,
    host: RenewalHost,
  ) {
    this.#connection = connection
    this.#settings = settings
    this.#ports = ports
    this.#host = host
    this.#goodSinceMs = ports.clock.monotonicMs()
    this.#schedule()
  }

  /** The broker has refused a request because the credential is no longer good. */
  expired(refusal: ProtocolError): void {
    if (this.#isStopped || this.#isSuspended) return
    this.#isSuspended = true
    this.#host.suspended(refusal)
    // Those who hear of it may have closed everything.
    if (this.#isStopped || this.#isAsking) return
    // One that is good at authenticate and no longer at the next request must not be renewed in a circle.
    const heldMs = this.#ports.clock.monotonicMs() - this.#goodSinceMs
    if (heldMs >= this.#settings.reconnect.backoffMaxMs) this.#attempts = 0
    if (this.#attempts === 0) void this.#renew()
    else this.#renewIn(this.#retryDelayMs(refusal))
  }

  /** The connection has ended, or is about to. */
  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#limit?.cancel()
  }

  /** Ahead of the end; not at all if there is none, or if by our reckoning it has passed: then the broker says so. */
  #schedule(): void {
    const leftMs = this.#leftMs()
    if (leftMs > 0 && leftMs < Number.POSITIVE_INFINITY)
      this.#renewIn(renewalDelayMs(leftMs, this.#ports.random.unit()))
  }

  #leftMs(): number {
    const endsAtMs = this.#connection.credential?.expiresAtMs ?? Number.POSITIVE_INFINITY
    return endsAtMs - this.#connection.brokerNowMs()
  }

  #renewIn(delayMs: number): void {
    this.#dueMs = this.#ports.clock.monotonicMs() + delayMs
    this.#arm()
  }

  /** Timers overflow at 24.8 days, and a credential may live for years. */
  #arm(): void {
    this.#timer?.cancel()
    const leftMs = Math.max(0, this.#dueMs - this.#ports.clock.monotonicMs())
    this.#timer = this.#ports.timers.after(Math.min(leftMs, TIMEOUT_MS_MAX), () => {
      this.#timer = undefined
      if (this.#ports.clock.monotonicMs() < this.#dueMs) this.#arm()
      else void this.#renew()
    })
  }

  async #renew(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    const { token: source, url } = this.#settings
    if (!source) {
      this.#host.failed(credentialMissing(url))
      return
    }
    this.#isAsking = true
    this.#attempts++
    const outcome = await this.#attempt(source)
    this.#isAsking = false
    if (this.#isStopped) return
    if (outcome) this.#failed(outcome.error, outcome.isFinal)
    else this.#accepted()
  }

  /** Undefined: the broker has accepted a credential. */
  async #attempt(
    source: CredentialSource,
  ): Promise<{ readonly error: ProtocolError; readonly isFinal: boolean } | undefined> {
    const before = this.#connection.credential?.token
    let token: string
    try {
      token = await this.#ask(source)
    } catch (cause) {
      // Where it comes from may be out of reach now and not later.
      const reason = `no credential: ${messageOf(cause)}`
      return { error: new ProtocolError(ErrorCode.CREDENTIAL_EXPIRED, reason, { cause }), isFinal: false }
    }
    if (this.#isStopped) return undefined
    try {
      await this.#connection.authenticate(token)
      return undefined
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      if (error.retriable) return { error, isFinal: false }
      return { error: token === before ? oldCredential(error) : error, isFinal: true }
    }
  }

  /** The source may never answer. */
  #ask(source: CredentialSource): Promise<string> {
    const { connectTimeoutMs } = this.#settings
    return new Promise<string>((resolve, reject) => {
      this.#limit = this.#ports.timers.after(connectTimeoutMs, () =>
        reject(new Error(`the option token did not answer within ${connectTimeoutMs} ms`)),
      )
      credentialOf(source).then(resolve, reject)
    }).finally(() => this.#limit?.cancel())
  }

  #accepted(): void {
    this.#goodSinceMs = this.#ports.clock.monotonicMs()
    if (!this.#isSuspended) this.#attempts = 0
    this.#schedule()
    if (!this.#isSuspended) return
    this.#isSuspended = false
    this.#host.resumed()
  }

  #failed(cause: ProtocolError, isFinal: boolean): void {
    const { url } = this.#settings
    if (this.#isSuspended && isFinal) {
      this.#host.failed(cause)
      return
    }
    // Nobody may ask anything for long: at its end the broker tells whoever does.
    if (!this.#isSuspended && this.#leftMs() <= 0) return
    const delayMs = this.#retryDelayMs(cause)
    this.#renewIn(delayMs)
    const what = this.#isSuspended ? 'has expired' : 'could not be renewed ahead of its end'
    const error = new ProtocolError(
      ErrorCode.CREDENTIAL_EXPIRED,
      `the credential shown to ${url} ${what}: ${cause.message}`,
      { cause },
    )
    this.#host.delayed(error, delayMs, this.#isSuspended)
  }

  #retryDelayMs({ retryAfterMs }: ProtocolError): number {
    const unit = this.#ports.random.unit()
    return this.#isSuspended
      ? backoffDelayMs(this.#settings.reconnect, this.#attempts, unit, retryAfterMs)
      : backoffDelayMs(AHEAD_BACKOFF, this.#attempts, unit, Math.max(RENEWAL_DELAY_MS_MIN, retryAfterMs))
  }
}

/** What was shown already is no news: somebody has to be told how to give some. */
function oldCredential(refusal: ProtocolError): ProtocolError {
  return new ProtocolError(
    refusal.code,
    `${refusal.message}; it is the credential that this connection had before: give a function as option token that has a ` +
      'newer one each time it is asked, or replace the file that OCTOPUS_TOKEN_FILE names (it is read again each time)',
    { cause: refusal },
  )
}
