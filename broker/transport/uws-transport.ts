/**
 * The transport on uWebSockets.js: WebSocket and HTTP on one port, no compression.
 *
 * What it works around: the library drops messages above its buffer limit (the limit is far above what
 * the layer above lets through; meeting it ends the connection rather than losing a frame in silence),
 * shares a port by default (asked for exclusively here), says only "failed" when it cannot listen
 * (asked again of the system, for the reason), and a request or socket touched too late throws (each
 * is guarded by its own flag). Over TLS it loses what it has read when something is sent meanwhile (`read-turn.ts`).
 * Exceptions must not leave a callback: the library would end the process.
 *
 * Known and left: the first bytes of a connection must hold the whole HTTP request line (else 505), and
 * frames of a client are not required to be masked. The library answers a ping by itself, also over TLS in the middle
 * of what it reads: a client that pings (neither ours nor a browser does) while it sends much may lose its connection.
 */
import type * as uws from 'uWebSockets.js'
import { ReadTurn } from './read-turn.ts'
import { offersSubProtocol, subProtocolRefusal } from './sub-protocol.ts'
import {
  type HttpHandler,
  type HttpRequest,
  type HttpResponse,
  idleTimeoutLimits,
  type Listening,
  type Transport,
  TransportError,
  type TransportOptions,
} from './transport.ts'
import { listenWith } from './uws-listening.ts'
import { type Carried, UwsSocket } from './uws-socket.ts'

type Library = (typeof uws)['default']

/**
 * Beyond what the connection's own queue ever lets through. Only a bug above meets it, and then the
 * connection ends: a message is never skipped.
 */
const BUFFERED_BYTES_MAX = 64 * 1024 * 1024

/** The request object dies when the callback returns; what is kept of it is copied. */
function copyRequest(request: uws.HttpRequest, response: uws.HttpResponse): HttpRequest {
  const headers = new Map<string, string>()
  request.forEach((key, value) => {
    // Several of one name are one with a comma (RFC 9110, 5.3): no choice of one of them is hidden from the handler.
    const before = headers.get(key)
    headers.set(key, before === undefined ? value : `${before}, ${value}`)
  })
  return {
    method: request.getMethod().toUpperCase(),
    path: request.getUrl(),
    query: request.getQuery() ?? '',
    header: (name) => headers.get(name) ?? '',
    remoteAddress: Buffer.from(response.getRemoteAddressAsText()).toString('latin1'),
  }
}

const STATUS_TEXT: Readonly<Record<number, string>> = {
  200: 'OK',
  204: 'No Content',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

function writeHttp(response: uws.HttpResponse, answer: HttpResponse, isHead: boolean): void {
  response.cork(() => {
    response.writeStatus(`${answer.status} ${STATUS_TEXT[answer.status] ?? ''}`.trimEnd())
    for (const [key, value] of Object.entries(answer.headers)) response.writeHeader(key, value)
    if (isHead) response.endWithoutBody(Buffer.byteLength(answer.body))
    else response.end(answer.body)
  })
}

function plain(status: number, text: string): HttpResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: text }
}

async function answerHttp(
  handler: HttpHandler,
  response: uws.HttpResponse,
  request: HttpRequest,
  turn: ReadTurn | undefined,
): Promise<void> {
  let isGone = false
  response.onAborted(() => {
    isGone = true
  })
  let answer: HttpResponse
  try {
    answer = await handler(request)
  } catch {
    // The handler's owner logs its errors; the caller of an unknown stack learns only that there was one.
    answer = plain(500, 'The server met an error it did not expect.\n')
  }
  if (turn?.isReading) await turn.ended()
  if (!isGone) writeHttp(response, answer, request.method === 'HEAD')
}

class UwsTransport implements Transport {
  readonly name = 'uWebSockets.js'
  readonly #library: Library
  /** One for everything that listens over TLS: the library forgets whatever connection it was reading. */
  #turn: ReadTurn | undefined

  constructor(library: Library) {
    this.#library = library
  }

  async listen(options: TransportOptions): Promise<Listening> {
    checkIdleTimeout(options.idleTimeoutMs)
    if (options.tls) this.#turn ??= new ReadTurn(options.soon)
    const turn = options.tls && this.#turn
    const behavior = this.#behavior(options, turn)
    return listenWith(this.#library, options, (app) => {
      app.ws<Carried>('/*', behavior)
      app.any('/*', (response, request) => {
        turn?.reads(response)
        void answerHttp(options.http, response, copyRequest(request, response), turn)
      })
    })
  }

  #behavior(
    { websocket, subProtocol, messageBytesMax, idleTimeoutMs }: TransportOptions,
    turn: ReadTurn | undefined,
  ) {
    const behavior: uws.WebSocketBehavior<Carried> = {
      compression: this.#library.DISABLED,
      maxPayloadLength: messageBytesMax,
      maxBackpressure: BUFFERED_BYTES_MAX,
      idleTimeout: Math.ceil(idleTimeoutMs / 1000),
      sendPingsAutomatically: true,
      upgrade: (response, request, context) => {
        const offered = request.getHeader('sec-websocket-protocol')
        if (!offersSubProtocol(offered, subProtocol)) {
          writeHttp(response, plain(400, subProtocolRefusal(offered, subProtocol)), false)
          return
        }
        const copy = copyRequest(request, response)
        const decision = websocket.upgrade(copy)
        if (!decision.accept) {
          writeHttp(response, plain(decision.status, decision.text), false)
          return
        }
        const socket = new UwsSocket(copy.remoteAddress, turn, websocket)
        socket.data = decision.data
        response.upgrade<Carried>(
          { socket },
          request.getHeader('sec-websocket-key'),
          subProtocol,
          '',
          context,
        )
      },
      open: (ws) => {
        const { socket } = ws.getUserData()
        socket.opened(ws)
        turn?.reads(socket)
        websocket.open(socket)
      },
      message: (ws, message, isBinary) => {
        ws.getUserData().socket.received(message, isBinary)
      },
      drain: (ws) => {
        websocket.drain(ws.getUserData().socket)
      },
      close: (ws, code, message) => {
        const { socket } = ws.getUserData()
        const reason = socket.closed() || Buffer.from(message).toString('utf8')
        websocket.close(socket, code, reason)
      },
    }
    return behavior
  }
}

function checkIdleTimeout(idleTimeoutMs: number): void {
  const { minimumMs, maximumMs } = idleTimeoutLimits
  // The library ends the process on a value it does not take.
  if (!(idleTimeoutMs >= minimumMs && idleTimeoutMs <= maximumMs))
    throw new TransportError(
      'LISTEN_FAILED',
      `idleTimeoutMs is ${idleTimeoutMs}; it must be from ${minimumMs} to ${maximumMs}`,
    )
}

/** Rejects with {@link TransportError} NOT_LOADABLE where there is no binary for this system. */
export async function loadUwsTransport(): Promise<Transport> {
  try {
    const { default: library } = await import('uWebSockets.js')
    return new UwsTransport(library)
  } catch (cause) {
    throw new TransportError(
      'NOT_LOADABLE',
      `uWebSockets.js has no binary for Node ${process.version} on this ${process.platform} ${process.arch} system`,
      { cause },
    )
  }
}
