/**
 * The server: accepts connections while there is room, hands their frames to the dispatcher, looks after
 * the slow and the silent, and comes to an orderly end.
 */
import type { Logger } from 'pino'
import type { Frame } from '../../client/protocol/frame.ts'
import { SUBPROTOCOL } from '../../client/protocol/frame.ts'
import type { Sessions } from '../access/sessions.ts'
import type { Handlers } from '../handlers/handlers.ts'
import { bearerToken, NO_BEARER } from '../http/bearer.ts'
import type { Tally } from '../observability/tally.ts'
import type { Clock, Timer, Timers } from '../ports.ts'
import {
  type HttpHandler,
  type HttpRequest,
  type Listening,
  SEND_OVERFLOW,
  type Socket,
  type Transport,
  type TransportOptions,
  type WebSocketHandlers,
} from '../transport/transport.ts'
import type { Authorize } from './authorize.ts'
import type { BrowserPages } from './browser-pages.ts'
import { CloseCode, Connection } from './connection.ts'
import type { ConnectionHost } from './connection-host.ts'
import { Dispatcher } from './dispatcher.ts'
import type { ServerLimits } from './limits.ts'
import type { ProduceBudget } from './produce-budget.ts'

export interface ServerOptions {
  readonly handlers: Handlers
  readonly authorize: Authorize
  readonly limits: ServerLimits
  readonly budget: ProduceBudget
  readonly pages: BrowserPages
  readonly clock: Clock
  readonly timers: Timers
  readonly tally: Tally
  readonly logger: Logger
  readonly sessions: Pick<Sessions, 'open' | 'close'>
}

export interface ServerStatistics {
  readonly connections: number
  readonly unfinishedRequests: number
  /** Bytes of answers that wait for their clients. */
  readonly queuedBytes: number
  /** Since the start. */
  readonly sentFrames: number
  readonly sentBytes: number
}

const SWEEP_INTERVAL_MS = 1_000
/** How often a draining server looks whether everything has left. */
const FLUSH_INTERVAL_MS = 10
/** Time for the last bytes of ended connections to be taken before their sockets are closed. */
const GOODBYE_MS = 250

export class Server implements ConnectionHost {
  readonly limits: ServerLimits
  readonly clock: Clock
  readonly logger: Logger
  readonly tally: Tally
  readonly sessions: ServerOptions['sessions']
  readonly #timers: Timers
  readonly #budget: ProduceBudget
  readonly #pages: BrowserPages
  readonly #dispatcher: Dispatcher
  readonly #connections = new Set<Connection>()
  #listening: Listening | undefined
  #sweep: Timer | undefined
  #lastId = 0
  #isDraining = false
  /** What connections that are gone had sent. */
  #goneSentFrames = 0
  #goneSentBytes = 0

  constructor(options: ServerOptions) {
    this.limits = options.limits
    this.clock = options.clock
    this.logger = options.logger
    this.tally = options.tally
    this.sessions = options.sessions
    this.#timers = options.timers
    this.#budget = options.budget
    this.#pages = options.pages
    this.#dispatcher = new Dispatcher(options)
  }

  /** Rejects with TransportError, whose message is for the operator. */
  async listen(
    transport: Transport,
    address: Pick<TransportOptions, 'host' | 'port' | 'tls'>,
    http: HttpHandler,
  ): Promise<Listening> {
    this.#listening = await transport.listen({
      ...address,
      soon: (run) => this.#timers.soon(run),
      subProtocol: SUBPROTOCOL,
      messageBytesMax: this.limits.frameBytesMax,
      idleTimeoutMs: this.limits.idleTimeoutMs,
      websocket: this.#websocket,
      http,
    })
    this.#scheduleSweep()
    return this.#listening
  }

  dispatch(connection: Connection, frame: Frame): void {
    this.#dispatcher.dispatch(connection, frame)
  }

  statistics(): ServerStatistics {
    let queuedBytes = 0
    let sentFrames = this.#goneSentFrames
    let sentBytes = this.#goneSentBytes
    for (const { outbox } of this.#connections) {
      queuedBytes += outbox.queuedBytes
      sentFrames += outbox.sentFrames
      sentBytes += outbox.sentBytes
    }
    const { unfinished } = this.#dispatcher
    return {
      connections: this.#connections.size,
      unfinishedRequests: unfinished,
      queuedBytes,
      sentFrames,
      sentBytes,
    }
  }

  /** Accepts nobody any more; requests are answered SHUTTING_DOWN. Open connections stay for {@link close}. */
  stopAccepting(): void {
    this.#isDraining = true
    this.#listening?.stopAccepting()
  }

  /**
   * Lets requests under way finish and their answers leave, for at most `deadlineMs`, says good-bye to
   * every client and closes the port. Resolves with whether everything was finished in time.
   */
  async close(deadlineMs: number): Promise<boolean> {
    this.stopAccepting()
    const endMs = this.clock.monotonicMs() + deadlineMs
    const isFinished = await this.#within(deadlineMs, this.#dispatcher.drain())
    while (!this.#isFlushed() && this.clock.monotonicMs() < endMs) await this.#delay(FLUSH_INTERVAL_MS)
    const isFlushed = this.#isFlushed()
    const hadConnections = this.#connections.size > 0
    for (const connection of [...this.#connections])
      connection.end(CloseCode.GOING_AWAY, 'the broker is shutting down')
    if (hadConnections) await this.#delay(GOODBYE_MS)
    this.#sweep?.cancel()
    this.#listening?.close()
    return isFinished && isFlushed
  }

  readonly #websocket: WebSocketHandlers = {
    upgrade: (request) => this.#upgrade(request),
    open: (socket) => this.#open(socket),
    message: (socket, bytes, isBinary) => (socket.data as Connection).receive(bytes, isBinary),
    drain: (socket) => (socket.data as Connection).drained(),
    close: (socket, code, reason) => this.#closed(socket.data as Connection, code, reason),
  }

  #upgrade(request: HttpRequest): ReturnType<WebSocketHandlers['upgrade']> {
    const refusal = this.#pages.refusal(request.header('origin'))
    if (refusal !== undefined) return this.#refuse(403, refusal)
    if (this.#isDraining) return this.#refuse(503, 'The broker is shutting down.')
    const { connectionsMax } = this.limits
    if (this.#connections.size >= connectionsMax)
      return this.#refuse(503, `The broker takes ${connectionsMax} connections and has as many.`)
    const token = bearerToken(request.header('authorization'))
    return token === null ? this.#refuse(401, NO_BEARER) : { accept: true, data: token }
  }

  #refuse(status: number, sentence: string) {
    this.tally.connectionsRefused++
    return { accept: false, status, text: `${sentence}\n` } as const
  }

  #open(socket: Socket): void {
    const connection = new Connection(++this.#lastId, socket, this, socket.data as string | undefined)
    socket.data = connection
    this.#connections.add(connection)
    this.#budget.connected()
    this.tally.connectionsOpened++
    this.logger.debug({ connection: connection.id, remoteAddress: connection.remoteAddress }, 'connected')
  }

  #closed(connection: Connection, code: number, reason: string): void {
    connection.closed()
    this.#connections.delete(connection)
    this.#budget.disconnected()
    this.#goneSentFrames += connection.outbox.sentFrames
    this.#goneSentBytes += connection.outbox.sentBytes
    const { id } = connection
    if (code === CloseCode.ABNORMAL && reason === SEND_OVERFLOW) {
      this.tally.slowClientsTerminated++
      this.logger.error(
        { connection: id, reason },
        'more was sent than the transport takes, connection ended',
      )
    }
    this.logger.debug({ connection: id, code, reason }, 'disconnected')
  }

  #scheduleSweep(): void {
    this.#sweep = this.#timers.after(SWEEP_INTERVAL_MS, () => {
      const nowMs = this.clock.monotonicMs()
      for (const connection of [...this.#connections]) connection.sweep(nowMs)
      this.#scheduleSweep()
    })
  }

  #isFlushed(): boolean {
    for (const { outbox } of this.#connections) if (!outbox.isEmpty()) return false
    return true
  }

  #delay(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#timers.after(delayMs, resolve)
    })
  }

  /** Whether `work` was done within the time. */
  #within(delayMs: number, work: Promise<void>): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#timers.after(delayMs, () => resolve(false))
      void work.then(() => {
        timer.cancel()
        resolve(true)
      })
    })
  }
}
