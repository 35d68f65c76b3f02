/**
 * The transport on uWebSockets.js: WebSocket and HTTP on one port, no compression.
 *
 * What it works around: the library drops messages above its buffer limit (the limit is far above what
 * the layer above lets through; meeting it ends the connection rather than losing a frame in silence),
 * shares a port by default (asked for exclusively here), says only "failed" when it cannot listen
 * (asked again of the system, for the reason), and a request or socket touched too late throws (each
 * is guarded by its own flag). Exceptions must not leave a callback: the library would end the process.
 *
 * Known and left: the first bytes of a connection must hold the whole HTTP request line (else 505), and
 * frames of a client are not required to be masked.
 */
import type * as uws from 'uWebSockets.js'
import { explainListenFailure } from './listen-failure.ts'
import { offersSubProtocol, subProtocolRefusal } from './sub-protocol.ts'
import {
  type HttpHandler,
  type HttpRequest,
  type HttpResponse,
  idleTimeoutLimits,
  type Listening,
  SEND_OVERFLOW,
  type Socket,
  type Transport,
  TransportError,
  type TransportOptions,
} from './transport.ts'

type Library = (typeof uws)['default']

/**
 * Beyond what the connection's own queue ever lets through. Only a bug above meets it, and then the
 * connection ends: a message is never skipped.
 */
const BUFFERED_BYTES_MAX = 64 * 1024 * 1024
/** {@link https://github.com/uNetworking/uWebSockets/blob/master/src/WebSocket.h SendStatus::DROPPED} */
const DROPPED = 2

/** What uWebSockets.js carries for us from the upgrade to the last callback. */
interface Carried {
  readonly socket: UwsSocket
}

class UwsSocket implements Socket {
  readonly remoteAddress: string
  data: unknown = undefined
  #ws: uws.WebSocket<Carried> | undefined = undefined
  #endReason = ''

  constructor(remoteAddress: string) {
    this.remoteAddress = remoteAddress
  }

  opened(ws: uws.WebSocket<Carried>): void {
    this.#ws = ws
  }

  /** Why this side ended the connection, where it did; the library does not tell. */
  closed(): string {
    this.#ws = undefined
    return this.#endReason
  }

  send(bytes: Uint8Array): boolean {
    if (!this.#ws) return false
    if (this.#ws.send(bytes, true, false) !== DROPPED) return true
    this.#endReason = SEND_OVERFLOW
    this.terminate()
    return false
  }

  bufferedBytes(): number {
    return this.#ws ? this.#ws.getBufferedAmount() : 0
  }

  cork(run: () => void): void {
    if (this.#ws) this.#ws.cork(run)
    else run()
  }

  close(code: number, reason: string): void {
    this.#ws?.end(code, reason)
  }

  terminate(): void {
    this.#ws?.close()
  }
}

class UwsListening implements Listening {
  readonly host: string
  readonly port: number
  readonly #library: Library
  readonly #app: uws.TemplatedApp
  #listenSocket: uws.us_listen_socket | undefined

  constructor(library: Library, app: uws.TemplatedApp, host: string, listenSocket: uws.us_listen_socket) {
    this.host = host
    this.port = library.us_socket_local_port(listenSocket as uws.us_socket)
    this.#library = library
    this.#app = app
    this.#listenSocket = listenSocket
  }

  stopAccepting(): void {
    if (!this.#listenSocket) return
    this.#library.us_listen_socket_close(this.#listenSocket)
    this.#listenSocket = undefined
  }

  close(): void {
    this.stopAccepting()
    this.#app.close()
  }
}

/** The request object dies when the callback returns; what is kept of it is copied. */
function copyRequest(request: uws.HttpRequest, response: uws.HttpResponse): HttpRequest {
  const headers = new Map<string, string>()
  request.forEach((key, value) => {
    headers.set(key, value)
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
  if (!isGone) writeHttp(response, answer, request.method === 'HEAD')
}

class UwsTransport implements Transport {
  readonly name = 'uWebSockets.js'
  readonly #library: Library

  constructor(library: Library) {
    this.#library = library
  }

  async listen(options: TransportOptions): Promise<Listening> {
    checkIdleTimeout(options.idleTimeoutMs)
    const app = this.#library.App()
    app.ws<Carried>('/*', this.#behavior(options))
    app.any('/*', (response, request) => {
      void answerHttp(options.http, response, copyRequest(request, response))
    })
    const listenSocket = await new Promise<uws.us_listen_socket | false>((resolve) => {
      listenExclusively(this.#library, app, options, resolve)
    })
    if (listenSocket) return new UwsListening(this.#library, app, options.host, listenSocket)
    app.close()
    throw await explainListenFailure(options.host, options.port)
  }

  #behavior({ websocket, subProtocol, messageBytesMax, idleTimeoutMs }: TransportOptions) {
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
        const socket = new UwsSocket(copy.remoteAddress)
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
        websocket.open(socket)
      },
      message: (ws, message, isBinary) => {
        websocket.message(ws.getUserData().socket, new Uint8Array(message), isBinary)
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

/**
 * `listen(host, port, options, callback)` is in the library but not in its types. Without the option
 * the port is opened with SO_REUSEPORT and a second broker would silently take half of the connections.
 */
function listenExclusively(
  library: Library,
  app: uws.TemplatedApp,
  { host, port }: TransportOptions,
  done: (listenSocket: uws.us_listen_socket | false) => void,
): void {
  type Listen = (host: string, port: number, options: number, callback: typeof done) => void
  const exclusive = (library as unknown as { LIBUS_LISTEN_EXCLUSIVE_PORT: number })
    .LIBUS_LISTEN_EXCLUSIVE_PORT
  ;(app.listen as unknown as Listen).call(app, host, port, exclusive, done)
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
