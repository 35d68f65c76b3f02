/**
 * From a frame to its handler and back: which API, in which version, may this connection, may this
 * session, and what becomes of the answer. Of a request that may not be made nothing is read.
 *
 * A handler's accident is its request's alone: the client gets an ERROR frame, a bug also a log line
 * with its stack, and the process goes on. Produce answers that become ready in one turn of the event
 * loop (one commit, as a rule) leave in one frame for each connection.
 */
import type { Logger } from 'pino'
import { type AnyApi, type Api, apis } from '../../client/protocol/api.ts'
import { decodeHeader, encodeResponse, requestedApi } from '../../client/protocol/codec.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { Frame } from '../../client/protocol/frame.ts'
import type { RequestContext } from '../handlers/context.ts'
import type { Handlers } from '../handlers/handlers.ts'
import type { Tally } from '../observability/tally.ts'
import type { Timers } from '../ports.ts'
import { isUnexpected, refusalOf } from '../refusal.ts'
import type { Authorize } from './authorize.ts'
import type { Connection, ProduceAnswer, RequestHead } from './connection.ts'
import { FetchStream } from './fetch-stream.ts'
import type { ServerLimits } from './limits.ts'
import { ConnectionGone } from './outbox.ts'
import type { ProduceBudget } from './produce-budget.ts'

export interface DispatcherOptions {
  readonly handlers: Handlers
  readonly authorize: Authorize
  readonly limits: Pick<ServerLimits, 'inFlightRequestsMax' | 'fetchBytesMax'>
  readonly budget: ProduceBudget
  readonly timers: Timers
  readonly tally: Tally
  readonly logger: Logger
}

type PlainHandler = (request: unknown, context: RequestContext) => Promise<unknown>

/** How long a client should leave a full node alone: several commits. */
const BACKPRESSURE_RETRY_AFTER_MS = 50

export class Dispatcher {
  readonly #options: DispatcherOptions
  /** By API key; produce and fetch have shapes of their own. */
  readonly #plain = new Map<number, PlainHandler>()
  #turn: Connection[] = []
  #unfinished = 0
  #isDraining = false
  #onFinished: (() => void)[] = []

  constructor(options: DispatcherOptions) {
    this.#options = options
    const { produce: _produce, fetch: _fetch, ...plain } = options.handlers
    for (const [name, handler] of Object.entries(plain))
      this.#plain.set(apis[name as keyof typeof plain].key, handler as PlainHandler)
  }

  /** Requests under way that somebody waits for; parked fetches are not, their clients lose nothing. */
  get unfinished(): number {
    return this.#unfinished
  }

  /** From now on every request is answered SHUTTING_DOWN. Resolves when what was under way is answered. */
  async drain(): Promise<void> {
    this.#isDraining = true
    if (this.#unfinished > 0) await new Promise<void>((resolve) => this.#onFinished.push(resolve))
  }

  dispatch(connection: Connection, frame: Frame): void {
    const breach = this.#breachOf(connection, frame)
    if (breach) {
      connection.breach(frame, breach)
      return
    }
    try {
      const api = requestedApi(frame)
      if (this.#isDraining) throw new ProtocolError(ErrorCode.SHUTTING_DOWN)
      const refusal = this.#options.authorize(connection.session, api)
      if (refusal) throw refusal
      if (api.key === apis.produce.key) this.#takeProduce(connection, frame)
      else if (api.key === apis.fetch.key) void this.#fetch(connection, frame)
      else void this.#call(connection, frame, api)
    } catch (error) {
      this.#refuse(connection, frame, error)
    }
  }

  #breachOf(connection: Connection, frame: Frame): ProtocolError | undefined {
    if (!connection.hasGreeted && frame.apiKey !== apis.hello.key)
      return new ProtocolError(
        ErrorCode.HELLO_REQUIRED,
        `the first request of a connection must be hello (API ${apis.hello.key}), this one is for API ${frame.apiKey}`,
      )
    const { inFlightRequestsMax } = this.#options.limits
    if (connection.inFlightRequests >= inFlightRequestsMax)
      return new ProtocolError(
        ErrorCode.WINDOW_EXCEEDED,
        `${inFlightRequestsMax} requests may be unanswered, this is one more`,
      )
    return undefined
  }

  #takeProduce(connection: Connection, frame: Frame): void {
    const { budget, tally } = this.#options
    const bodyBytes = frame.body.length
    if (!connection.window.take(bodyBytes)) {
      const unanswered = `${connection.window.inFlightBytes} bytes of record batches are unanswered, this request has ${bodyBytes}`
      connection.breach(
        frame,
        new ProtocolError(
          ErrorCode.WINDOW_EXCEEDED,
          `${unanswered}; together more than twice what was granted`,
        ),
      )
      return
    }
    if (!budget.take(bodyBytes)) {
      connection.window.give(bodyBytes)
      tally.produceRequestsRefused++
      throw new ProtocolError(
        ErrorCode.BACKPRESSURE,
        `produce requests under way fill the ${budget.bytesMax} bytes this node has for them`,
        { retryAfterMs: BACKPRESSURE_RETRY_AFTER_MS },
      )
    }
    void this.#produce(connection, frame, bodyBytes)
  }

  async #produce(connection: Connection, frame: Frame, bodyBytes: number): Promise<void> {
    const { budget, handlers } = this.#options
    const { correlationId } = frame
    const sequence = this.#begin(connection)
    this.#unfinished++
    try {
      const request = decodeHeader(apis.produce.request, frame.header)
      const partitions = await handlers.produce(request, frame.body, connection.context)
      if (connection.produced({ sequence, correlationId, partitions })) this.#answerThisTurn(connection)
    } catch (error) {
      this.#refuse(connection, frame, error)
      this.#end(connection, 1)
      this.#finished(1)
    } finally {
      connection.window.give(bodyBytes)
      budget.give(bodyBytes)
    }
  }

  #answerThisTurn(connection: Connection): void {
    if (this.#turn.push(connection) === 1) this.#options.timers.soon(() => this.#endTurn())
  }

  #endTurn(): void {
    const turn = this.#turn
    this.#turn = []
    for (const connection of turn) this.#answerProduced(connection)
  }

  #answerProduced(connection: Connection): void {
    const answers = connection.takeProduced()
    this.#sendProduced(connection, answers)
    this.#end(connection, answers.length)
    this.#finished(answers.length)
  }

  #sendProduced(connection: Connection, answers: ProduceAnswer[]): void {
    const { budget, tally } = this.#options
    const windowBytes = budget.grantBytes
    const { correlationId } = answers[0]
    let frame: Uint8Array
    try {
      frame = encodeAnswer(apis.produce, correlationId, { windowBytes, answers })
    } catch (error) {
      // One answer that cannot be written must not take the others with it.
      if (answers.length === 1) this.#refuse(connection, headOf(apis.produce, correlationId), error)
      else for (const answer of answers) this.#sendProduced(connection, [answer])
      return
    }
    connection.window.grant(windowBytes)
    connection.outbox.send(frame)
    for (let i = 0; i < answers.length; i++) tally.request(apis.produce.name, ErrorCode.NONE)
  }

  async #fetch(connection: Connection, frame: Frame): Promise<void> {
    const { handlers, limits } = this.#options
    const { correlationId } = frame
    this.#begin(connection)
    try {
      const request = decodeHeader(apis.fetch.request, frame.header)
      const bounded = { ...request, maxBytes: Math.min(request.maxBytes, limits.fetchBytesMax) }
      const sink = new FetchStream(connection.outbox, correlationId)
      const response = await handlers.fetch(bounded, sink, connection.context)
      connection.outbox.send(encodeAnswer(apis.fetch, correlationId, response))
      this.#options.tally.request(apis.fetch.name, ErrorCode.NONE)
    } catch (error) {
      this.#refuse(connection, frame, error)
    } finally {
      this.#end(connection, 1)
    }
  }

  async #call(connection: Connection, frame: Frame, api: AnyApi): Promise<void> {
    const { correlationId } = frame
    const handler = this.#plain.get(api.key) as PlainHandler
    this.#begin(connection)
    this.#unfinished++
    try {
      const request = decodeHeader(api.request, frame.header)
      if (api.key === apis.hello.key) connection.greeted()
      const response = await handler(request, connection.context)
      const answer = encodeAnswer(api, correlationId, response)
      if (api.key === apis.hello.key) connection.window.grant(this.#options.budget.grantBytes)
      connection.outbox.send(answer)
      this.#options.tally.request(api.name, ErrorCode.NONE)
    } catch (error) {
      this.#refuse(connection, frame, error)
    } finally {
      this.#end(connection, 1)
      this.#finished(1)
    }
  }

  #refuse(connection: Connection, head: RequestHead, error: unknown): void {
    // Nobody is left to be answered, and the wait that failed failed because of that.
    if (error instanceof ConnectionGone) return
    const refusal = refusalOf(error)
    const api = apiName(head.apiKey)
    if (isUnexpected(refusal))
      this.#options.logger.error(
        { err: error, api, connection: connection.id },
        'a request met an unexpected error',
      )
    this.#options.tally.request(api, refusal.code)
    connection.refuse(head, refusal)
  }

  #begin(connection: Connection): number {
    connection.inFlightRequests++
    return connection.sequence++
  }

  #end(connection: Connection, count: number): void {
    connection.inFlightRequests -= count
  }

  #finished(count: number): void {
    this.#unfinished -= count
    if (this.#unfinished === 0) for (const resolve of this.#onFinished.splice(0)) resolve()
  }
}

/** A handler's answer that its API does not describe is the server's mistake, not the client's. */
function encodeAnswer<Q, R>(api: Api<Q, R>, correlationId: number, response: R): Uint8Array {
  try {
    return encodeResponse(api, correlationId, response)
  } catch (cause) {
    throw new Error(`the ${api.name} handler gave an answer that its API does not describe`, { cause })
  }
}

const nameByKey: ReadonlyMap<number, string> = new Map(
  Object.values(apis).map(({ key, name }) => [key, name]),
)

function apiName(key: number): string {
  return nameByKey.get(key) ?? 'unknown'
}

function headOf(api: AnyApi, correlationId: number): RequestHead {
  return { apiKey: api.key, apiVersion: api.versionMax, correlationId }
}
