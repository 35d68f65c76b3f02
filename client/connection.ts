/**
 * One WebSocket connection to one broker: greeting, pipelined requests, answers by correlation id, the
 * broker's produce window, time limits and liveness.
 *
 * It promises that every request ends exactly once, with its answer or with an error, also when the
 * connection ends; that the limits the broker announced are kept; and that a broker which breaks the
 * protocol or falls silent ends the connection. It never connects again: that is the link's business.
 */

import { credentialMissing, disconnected, messageOf, unreachable } from './connection-error.ts'
import { type AcceptedCredential, type CredentialSource, credentialOf, isUnder } from './credential.ts'
import type { Exchange, Pending } from './exchange.ts'
import { tell } from './listener.ts'
import type { ClientSettings } from './options.ts'
import type { ClientPorts, ClientSocket, Timer } from './ports.ts'
import { type AnyApi, type Api, apis } from './protocol/api.ts'
import { decodeResponse, encodeRequest } from './protocol/codec.ts'
import { ErrorCode, ProtocolError } from './protocol/errors.ts'
import { FLAG_ERROR, FLAG_MORE, type Frame, readFrame, SUBPROTOCOL } from './protocol/frame.ts'
import type { HelloResponse } from './protocol/messages/hello.ts'
import type { ProducedPartition } from './protocol/messages/produce.ts'
import { Queue } from './queue.ts'
import { TurnTaking } from './turn-taking.ts'
import { CLIENT_VERSION } from './version.ts'

/** No more is handed to a socket that has so much unsent. */
const SOCKET_BUFFERED_BYTES_MAX = 4 * 1024 * 1024
/** Requests that produce leaves to everything else. */
const RESERVED_REQUESTS = 4
const TICK_MS_MAX = 1_000
/** What a producer asks before it sends, and what everything else depends on: not behind the long polls. */
const urgentApis: ReadonlySet<number> = new Set([
  apis.initProducerId.key,
  apis.describeProducers.key,
  apis.authenticate.key,
])

/** Close codes of WebSocket. */
const NORMAL_CLOSURE = 1000
const PROTOCOL_BROKEN = 1002

export class Connection {
  readonly #settings: ClientSettings
  readonly #ports: ClientPorts
  readonly #pending = new Map<number, Pending>()
  /** Requests that wait for the broker's bound on requests in flight. */
  readonly #waiting = new Queue<() => void>()
  /** Producers that wait for the window or for that bound, in the order of their asking. */
  readonly #waitingForRoom = new TurnTaking()
  readonly #tickMs: number
  #socket: ClientSocket | undefined
  #hello: HelloResponse | undefined
  #onClosed: ((error: ProtocolError) => void) | undefined
  #onExpired: ((refusal: ProtocolError) => void) | undefined
  #credential: AcceptedCredential | undefined
  /** Of the broker's wall clock over the monotonic one here. */
  #brokerAheadMs = 0
  #ended: ProtocolError | undefined
  #correlationId = 0
  #windowBytes = 0
  #unansweredBytes = 0
  #produceCount = 0
  #quietSinceMs = 0
  #probing = false
  #tick: Timer | undefined

  /**
   * Connects, greets and, given a token, authenticates. Rejects with a {@link ProtocolError}: DISCONNECTED
   * when the broker cannot be reached within `connectTimeoutMs`, else the broker's refusal.
   */
  static async open(settings: ClientSettings, ports: ClientPorts, signal: AbortSignal): Promise<Connection> {
    const connection = new Connection(settings, ports)
    const attempt = new AbortController()
    const giveUp = (error: ProtocolError) => {
      attempt.abort(error)
      connection.#end(error)
    }
    const timer = ports.timers.after(settings.connectTimeoutMs, () =>
      giveUp(unreachable(settings.url, `no answer within ${settings.connectTimeoutMs} ms`)),
    )
    const close = () => giveUp(new ProtocolError(ErrorCode.CLOSED))
    signal.addEventListener('abort', close)
    if (signal.aborted) close()
    // Whatever an attempt waits for (the source of tokens is the user's), it is over when the connection has ended.
    const ended = new Promise<never>((_, reject) => connection.onClosed(reject))
    try {
      await Promise.race([connection.#connect(attempt.signal), ended])
      return connection
    } catch (error) {
      connection.close()
      throw attempt.signal.aborted ? attempt.signal.reason : error
    } finally {
      timer.cancel()
      signal.removeEventListener('abort', close)
    }
  }

  private constructor(settings: ClientSettings, ports: ClientPorts) {
    this.#settings = settings
    this.#ports = ports
    const shortestMs = Math.min(settings.requestTimeoutMs, settings.livenessTimeoutMs)
    this.#tickMs = Math.min(TICK_MS_MAX, Math.max(1, shortestMs / 4))
  }

  get isOpen(): boolean {
    return this.#ended === undefined && this.#hello !== undefined
  }

  /** What the broker said of itself. Only of an opened connection. */
  get hello(): HelloResponse {
    return this.#hello as HelloResponse
  }

  get windowBytes(): number {
    return this.#windowBytes
  }

  /** Called once, after every outstanding request has failed. At once if the connection has ended already. */
  onClosed(listener: (error: ProtocolError) => void): void {
    if (this.#ended) listener(this.#ended)
    else this.#onClosed = listener
  }

  /** The credential that counts; undefined: none was shown. */
  get credential(): AcceptedCredential | undefined {
    return this.#credential
  }

  /** The broker's wall clock as its greeting told it, late by the time that took; never goes back. */
  brokerNowMs(): number {
    return this.#ports.clock.monotonicMs() + this.#brokerAheadMs
  }

  /**
   * Called when a request is refused because the credential is no longer good, before whoever made the request is
   * told; not for a credential that has been replaced since.
   */
  onCredentialExpired(listener: (refusal: ProtocolError) => void): void {
    this.#onExpired = listener
  }

  /** Shows a credential, also a newer one of the same principal. Rejects as {@link call}; then the old one counts. */
  async authenticate(token: string): Promise<void> {
    const { expiresAtMs } = await this.call(apis.authenticate, { mechanism: 'token', token })
    this.#credential = { token, expiresAtMs, sinceId: this.#correlationId }
  }

  /**
   * Sends a request as soon as the broker's bound on requests allows. `extraMs` is time that the broker was
   * asked to take (a long poll), on top of the request timeout.
   */
  start<Request, Response>(
    api: Api<Request, Response>,
    message: Request,
    exchange: Exchange<Response>,
    extraMs = 0,
  ): void {
    // Nobody who comes later takes the place for which others wait: a long poll would follow on a long poll for ever.
    const isNext = urgentApis.has(api.key) ? this.#hasPlace : this.#waiting.length === 0 && this.#mayStart
    if (isNext || this.#ended) this.#startNow(api, message, exchange, extraMs)
    else this.#waiting.push(() => this.#startNow(api, message, exchange, extraMs))
  }

  #startNow<Request, Response>(
    api: Api<Request, Response>,
    message: Request,
    exchange: Exchange<Response>,
    extraMs: number,
  ): void {
    const correlationId = this.nextCorrelationId()
    const frame = this.#encoded(api, correlationId, message)
    if (frame instanceof ProtocolError) exchange.failure(frame)
    else this.#send(correlationId, frame, api, exchange, 0, this.#settings.requestTimeoutMs + extraMs)
  }

  /** {@link start} for requests with a single frame of answer. */
  call<Request, Response>(api: Api<Request, Response>, message: Request): Promise<Response> {
    return new Promise((answer, failure) => this.start(api, message, { answer, failure }))
  }

  nextCorrelationId(): number {
    this.#correlationId = (this.#correlationId + 1) >>> 0
    return this.#correlationId
  }

  /** Whether a produce request with a body of so many bytes may be sent now. */
  admits(bodyBytes: number): boolean {
    if (!this.isOpen) return false
    const { inFlightRequestsMax } = this.hello.limits
    if (this.#pending.size >= inFlightRequestsMax) return false
    if (this.#produceCount >= Math.max(1, inFlightRequestsMax - RESERVED_REQUESTS)) return false
    // One request may always be unanswered, or a window smaller than a batch would be the end.
    if (this.#unansweredBytes > 0 && this.#unansweredBytes + bodyBytes > this.#windowBytes) return false
    return (this.#socket as ClientSocket).bufferedBytes() <= SOCKET_BUFFERED_BYTES_MAX
  }

  /**
   * Calls `run` once, when something has been answered; not if the connection ends. Those who wait take turns
   * in being called first, so that producers share the window.
   */
  whenRoom(run: () => void): void {
    this.#waitingForRoom.add(run)
  }

  /** Sends a produce request that {@link admits} has admitted; `frame` may be overwritten afterwards. */
  produce(
    correlationId: number,
    frame: Uint8Array,
    bodyBytes: number,
    exchange: Exchange<ProducedPartition[]>,
  ): void {
    this.#unansweredBytes += bodyBytes
    this.#produceCount++
    this.#send(correlationId, frame, apis.produce, exchange, bodyBytes, this.#settings.requestTimeoutMs)
  }

  /** Ends the connection; what is outstanding fails with `error`. */
  close(error = new ProtocolError(ErrorCode.CLOSED)): void {
    this.#end(error, NORMAL_CLOSURE)
  }

  async #connect(signal: AbortSignal): Promise<void> {
    const settings = this.#settings
    let socket: ClientSocket
    try {
      socket = await this.#ports.websockets.connect(
        settings.url,
        { subprotocol: SUBPROTOCOL, signal, tls: settings.tls },
        {
          message: (data) => this.#received(data),
          closed: (reason) => this.#end(disconnected(settings.url, reason)),
        },
      )
    } catch (cause) {
      throw unreachable(settings.url, messageOf(cause), cause)
    }
    this.#socket = socket
    if (this.#ended) {
      socket.close(NORMAL_CLOSURE, '')
      throw this.#ended
    }
    const hello = await this.call(apis.hello, {
      clientName: settings.clientName,
      clientVersion: CLIENT_VERSION,
    })
    this.#windowBytes = hello.limits.windowBytes
    this.#brokerAheadMs = hello.serverTimeMs - this.#ports.clock.monotonicMs()
    if (settings.token) await this.authenticate(await this.#credentialFrom(settings.token))
    else if (hello.authenticationRequired) throw credentialMissing(settings.url)
    this.#hello = hello
  }

  async #credentialFrom(source: CredentialSource): Promise<string> {
    try {
      return await credentialOf(source)
    } catch (cause) {
      // Where it comes from may be out of reach now and not later.
      throw unreachable(this.#settings.url, `no credential: ${messageOf(cause)}`, cause)
    }
  }

  /** The frame of a request, or why there is none. */
  #encoded<Request, Response>(
    api: Api<Request, Response>,
    correlationId: number,
    message: Request,
  ): Uint8Array | ProtocolError {
    if (this.#ended) return this.#ended
    if (this.#hello && !this.#speaks(this.#hello, api))
      return new ProtocolError(ErrorCode.UNSUPPORTED_API, `${this.#settings.url} has no ${api.name}`)
    try {
      return encodeRequest(api, correlationId, message)
    } catch (error) {
      // A message that breaks its description is the caller's mistake, not the connection's.
      if (error instanceof ProtocolError) return error
      throw error
    }
  }

  #speaks({ apis }: HelloResponse, { key, versionMax }: AnyApi): boolean {
    return apis.some(
      (offer) => offer.key === key && offer.versionMin <= versionMax && offer.versionMax >= versionMax,
    )
  }

  #send<Response>(
    correlationId: number,
    frame: Uint8Array,
    api: AnyApi,
    exchange: Exchange<Response>,
    windowBytes: number,
    timeoutMs: number,
  ): void {
    const nowMs = this.#ports.clock.monotonicMs()
    if (this.#pending.size === 0) this.#quietSinceMs = nowMs
    const deadlineMs = nowMs + timeoutMs
    // The map knows no types of answers; each exchange is given what its own API has decoded.
    this.#pending.set(correlationId, {
      api,
      exchange: exchange as Exchange<unknown>,
      windowBytes,
      timeoutMs,
      deadlineMs,
    })
    this.#tick ??= this.#ports.timers.after(this.#tickMs, () => this.#ticked())
    ;(this.#socket as ClientSocket).send(frame)
  }

  #received(data: Uint8Array | string): void {
    if (this.#ended) return
    this.#quietSinceMs = this.#ports.clock.monotonicMs()
    try {
      if (typeof data === 'string') throw new ProtocolError(ErrorCode.INVALID_REQUEST, 'a text message')
      this.#dispatch(readFrame(data))
    } catch (error) {
      // Anything else is a mistake of this program, not of the broker, and must be seen.
      if (!(error instanceof ProtocolError)) throw error
      const sentence = `the broker at ${this.#settings.url} broke the protocol: ${error.message}`
      this.#end(new ProtocolError(ErrorCode.DISCONNECTED, sentence, { cause: error }), PROTOCOL_BROKEN)
    }
    while (this.#waiting.length > 0 && this.#mayStart) this.#waiting.shift()?.()
    this.#waitingForRoom.give()
  }

  get #hasPlace(): boolean {
    return !this.#hello || this.#pending.size < this.#hello.limits.inFlightRequestsMax
  }

  /** Whether a request other than produce may be sent: long polls must leave a place to produce requests. */
  get #mayStart(): boolean {
    if (!this.#hello) return true
    const { inFlightRequestsMax } = this.#hello.limits
    const othersCount = this.#pending.size - this.#produceCount
    return this.#pending.size < inFlightRequestsMax && othersCount < Math.max(1, inFlightRequestsMax - 1)
  }

  #dispatch(frame: Frame): void {
    const isError = (frame.flags & FLAG_ERROR) !== 0
    if (frame.apiKey === apis.produce.key && !isError) this.#produced(frame)
    else {
      const pending = this.#pendingOf(frame.correlationId, frame.apiKey)
      if (frame.flags & FLAG_MORE) this.#continued(pending, frame)
      else if (isError) this.#refused(pending, frame)
      else {
        const response: unknown = decodeResponse(pending.api, frame)
        this.#settle(frame.correlationId, pending)
        pending.exchange.answer(response)
      }
    }
  }

  #continued(pending: Pending, frame: Frame): void {
    if (!pending.exchange.data)
      throw new ProtocolError(ErrorCode.INVALID_REQUEST, `a ${pending.api.name} answer in several frames`)
    pending.deadlineMs = this.#quietSinceMs + pending.timeoutMs
    pending.exchange.data(frame)
  }

  #refused(pending: Pending, frame: Frame): void {
    this.#settle(frame.correlationId, pending)
    try {
      decodeResponse(pending.api, frame)
    } catch (error) {
      // Thrown by every ERROR frame: what it says, or that it cannot be read.
      if (!(error instanceof ProtocolError)) throw error
      const isExpired = error.code === ErrorCode.CREDENTIAL_EXPIRED
      if (isExpired && (!this.#credential || isUnder(this.#credential, frame.correlationId)))
        this.#onExpired?.(error)
      pending.exchange.failure(error)
    }
  }

  /** One frame answers every produce request that became durable in the same commit. */
  #produced(frame: Frame): void {
    const { windowBytes, answers } = decodeResponse(apis.produce, frame)
    this.#windowBytes = windowBytes
    for (const { correlationId, partitions } of answers) {
      const pending = this.#pendingOf(correlationId, apis.produce.key)
      this.#settle(correlationId, pending)
      pending.exchange.answer(partitions)
    }
  }

  #pendingOf(correlationId: number, apiKey: number): Pending {
    const pending = this.#pending.get(correlationId)
    if (pending?.api.key === apiKey) return pending
    const asked = pending ? `the ${pending.api.name} request` : 'no request'
    throw new ProtocolError(
      ErrorCode.INVALID_REQUEST,
      `an answer of API ${apiKey} with correlation id ${correlationId}, which ${asked} has`,
    )
  }

  #settle(correlationId: number, pending: Pending): void {
    this.#pending.delete(correlationId)
    this.#unansweredBytes -= pending.windowBytes
    if (pending.api.key === apis.produce.key) this.#produceCount--
  }

  /**
   * Looks a few times per timeout for requests that are overdue and for a broker that has fallen silent.
   * A single timer instead of one for each request: thousands are sent a second and almost none is late.
   */
  #ticked(): void {
    this.#tick = undefined
    if (this.#ended || this.#pending.size === 0) return
    this.#tick = this.#ports.timers.after(this.#tickMs, () => this.#ticked())
    const nowMs = this.#ports.clock.monotonicMs()
    for (const [correlationId, pending] of this.#pending)
      if (nowMs >= pending.deadlineMs) {
        this.#overdue(correlationId, pending)
        return
      }
    const quietMs = nowMs - this.#quietSinceMs
    const { livenessTimeoutMs, url } = this.#settings
    if (quietMs >= livenessTimeoutMs)
      this.#end(disconnected(url, `nothing came for ${Math.round(quietMs)} ms`), PROTOCOL_BROKEN)
    else if (quietMs >= livenessTimeoutMs / 2 && this.isOpen && !this.#probing) this.#probe()
  }

  /** As in Kafka an overdue answer ends the connection: the next one would wait behind it. */
  #overdue(correlationId: number, pending: Pending): void {
    this.#settle(correlationId, pending)
    const late = `${pending.api.name} was not answered within ${pending.timeoutMs} ms`
    pending.exchange.failure(new ProtocolError(ErrorCode.REQUEST_TIMED_OUT, `${this.#settings.url}: ${late}`))
    this.#end(disconnected(this.#settings.url, late), PROTOCOL_BROKEN)
  }

  /** A cheap question whose answer shows that the broker lives, while a long poll has it silent. */
  #probe(): void {
    this.#probing = true
    const done = () => {
      this.#probing = false
    }
    const exchange = { answer: done, failure: done }
    // Where long polls hold every place but the last, that one will do; else there are answers to come.
    if (this.#hasPlace) this.#startNow(apis.metadata, { topics: [] }, exchange, 0)
    else this.start(apis.metadata, { topics: [] }, exchange)
  }

  #end(error: ProtocolError, closeCode = NORMAL_CLOSURE): void {
    if (this.#ended) return
    this.#ended = error
    this.#tick?.cancel()
    this.#socket?.close(closeCode, '')
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    // Whatever one of them throws, the others and the owner are told: a connection that nobody knows to be
    // dead would be used for ever.
    for (const { exchange } of pending) tell(this.#ports.timers, (reason) => exchange.failure(reason), error)
    while (this.#waiting.length > 0) this.#waiting.shift()?.()
    this.#onClosed?.(error)
  }
}
