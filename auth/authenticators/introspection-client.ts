/**
 * Asks an authorization server about one token (RFC 7662). Strangers can make us ask by sending any text, so only
 * so many questions are open at once, only so many wait, and a server that does not answer is left alone for a moment.
 */
import { CredentialError } from '../credential-error.ts'
import type { Clock, Fetch, Timers, TroubleReport } from '../ports.ts'
import { FetchFailure, fetchJson, type JsonObject } from './bounded-fetch.ts'

export interface IntrospectionServer {
  readonly url: string
  readonly clientId: string
  readonly clientSecret: string
  readonly timeoutMs: number
  /** How long nobody asks a server that failed. */
  readonly cooldownMs: number
}

export interface IntrospectionPorts {
  readonly fetch: Fetch
  readonly clock: Clock
  readonly timers: Timers
  readonly report: TroubleReport
}

const ANSWER_BYTES_MAX = 64 * 1024
const OPEN_MAX = 16
const WAITING_MAX = 1_000
/** Refusals of us, or of everything, and not of the one token. */
const STATUSES_OF_TROUBLE: readonly number[] = [401, 403, 404, 405, 429]

export class IntrospectionClient {
  readonly #server: IntrospectionServer
  readonly #ports: IntrospectionPorts
  readonly #authorization: string
  #open = 0
  readonly #waiting: (() => void)[] = []
  #failedAtMs = Number.NEGATIVE_INFINITY

  constructor(server: IntrospectionServer, ports: IntrospectionPorts) {
    this.#server = server
    this.#ports = ports
    // RFC 6749, 2.3.1: both parts are encoded as in a form first.
    const credentials = [server.clientId, server.clientSecret].map(formEncoded).join(':')
    this.#authorization = `Basic ${Buffer.from(credentials).toString('base64')}`
  }

  /** What the server says. Rejects with CredentialError: UNAVAILABLE. */
  async ask(token: string): Promise<JsonObject> {
    this.#refuseWhileDown()
    if (this.#open >= OPEN_MAX) {
      if (this.#waiting.length >= WAITING_MAX) throw this.#unavailable()
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else this.#open++
    try {
      this.#refuseWhileDown()
      return await this.#exchange(token)
    } finally {
      // The place is handed on, not freed: nobody who comes between may take it.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#open--
    }
  }

  /** For an answer that makes no sense: RFC 7662 leaves the server no such freedom. */
  garbage(what: string): CredentialError {
    this.#failed(what)
    return this.#unavailable()
  }

  /** One line in the log a cool-down, however many questions were open. */
  #failed(what: string): void {
    if (this.#coolingMs() > 0) return
    this.#failedAtMs = this.#ports.clock.monotonicMs()
    this.#ports.report(`the introspection server ${this.#server.url} ${what}`)
  }

  async #exchange(token: string): Promise<JsonObject> {
    const { url, timeoutMs } = this.#server
    try {
      const headers = {
        authorization: this.#authorization,
        'content-type': 'application/x-www-form-urlencoded',
      }
      const body = new URLSearchParams({ token, token_type_hint: 'access_token' }).toString()
      return await fetchJson(
        this.#ports,
        url,
        { method: 'POST', headers, body },
        {
          timeoutMs,
          bytesMax: ANSWER_BYTES_MAX,
        },
      )
    } catch (error) {
      if (!(error instanceof FetchFailure)) throw error
      const { status } = error
      if (status === undefined || status >= 500 || STATUSES_OF_TROUBLE.includes(status))
        this.#failed(error.message)
      throw this.#unavailable()
    }
  }

  #coolingMs(): number {
    const sinceMs = this.#ports.clock.monotonicMs() - this.#failedAtMs
    return Math.ceil(Math.max(0, this.#server.cooldownMs - sinceMs))
  }

  #refuseWhileDown(): void {
    if (this.#coolingMs() > 0) throw this.#unavailable()
  }

  #unavailable(): CredentialError {
    return new CredentialError(
      'UNAVAILABLE',
      'the server that knows this token does not answer now; try again later',
      Math.max(this.#coolingMs(), this.#server.cooldownMs),
    )
  }
}

function formEncoded(text: string): string {
  return new URLSearchParams({ x: text }).toString().slice(2)
}
