/**
 * The port between the node and the network: WebSocket and HTTP on one listening address. The uWebSockets.js
 * implementation is first; a second one on `ws` comes where the first cannot load. Both pass one suite.
 *
 * A transport moves whole messages and keeps no policy: limits are parameters, flow control is above.
 */

export interface TransportOptions {
  readonly host: string
  /** 0 lets the system choose; {@link Listening.port} tells. */
  readonly port: number
  /** The WebSocket sub-protocol spoken here; an upgrade that does not offer it is refused with 400. */
  readonly subProtocol: string
  /** Larger messages end the connection. */
  readonly messageBytesMax: number
  /**
   * A connection that sent nothing for so long (not even a pong) is closed. From
   * {@link idleTimeoutLimits}; kept to within a few seconds.
   */
  readonly idleTimeoutMs: number
  /** TLS 1.2 and up with this certificate; undefined: plain text. */
  readonly tls: TlsFiles | undefined
  /** Runs its argument when the present turn of the event loop has handled its events. */
  readonly soon: (run: () => void) => void
  readonly websocket: WebSocketHandlers
  readonly http: HttpHandler
}

/** A certificate and its key, PEM files whose names may show other files later. */
export interface TlsFiles {
  /** The certificate of this address first, then those of its issuers. */
  readonly certFile: string
  /** The private key of the first, without a passphrase. */
  readonly keyFile: string
}

/** What every implementation can keep: uWebSockets.js counts in seconds, from 8 to 960. */
export const idleTimeoutLimits = { minimumMs: 8_000, maximumMs: 960_000 } as const

export interface Listening {
  readonly host: string
  readonly port: number
  /**
   * Whoever connects from now on is shown the certificate that is in the files now; open connections go on with the
   * one they have. Rejects with a {@link TransportError}, and nothing has changed. In plain text it does nothing.
   */
  renewCertificate(): Promise<void>
  /** Stops accepting; open connections go on. */
  stopAccepting(): void
  /** Ends everything at once. */
  close(): void
}

export interface Transport {
  /** What it is, for people: `uWebSockets.js 20.x`. */
  readonly name: string
  /** Rejects with a {@link TransportError} whose message says what to do (port in use, no such address). */
  listen(options: TransportOptions): Promise<Listening>
}

export interface WebSocketHandlers {
  /**
   * Before the upgrade, when the sub-protocol is offered. A refusal is answered with this HTTP status and text.
   * `data` is what {@link Socket.data} holds when the socket opens.
   */
  upgrade(
    request: HttpRequest,
  ):
    | { readonly accept: true; readonly data?: unknown }
    | { readonly accept: false; readonly status: number; readonly text: string }
  open(socket: Socket): void
  /** `bytes` are valid only during the call. */
  message(socket: Socket, bytes: Uint8Array, isBinary: boolean): void
  /** Buffered bytes have decreased. */
  drain(socket: Socket): void
  /**
   * The last call for a socket; sending to it afterwards is a bug. Code 1006: there was no good-bye; with
   * the reason {@link SEND_OVERFLOW} the transport itself ended it.
   */
  close(socket: Socket, code: number, reason: string): void
}

/** A message could not be buffered any more, so the connection was ended rather than the message skipped. */
export const SEND_OVERFLOW = 'outgoing buffer overflow'

/** One open WebSocket. */
export interface Socket {
  readonly remoteAddress: string
  /** Free for the owner of the handlers. */
  data: unknown
  /**
   * Hands a binary message to the network; the bytes are copied or sent before it returns. Never
   * drops: the caller watches {@link bufferedBytes} and holds back. False: the socket is closed, perhaps
   * by this very call.
   */
  send(bytes: Uint8Array): boolean
  /** Bytes handed over that the peer's TCP has not taken yet. */
  bufferedBytes(): number
  /** Sends made within `run` leave in as few system calls as can be. */
  cork(run: () => void): void
  /** Says good-bye with a close code and a reason of at most 123 bytes. */
  close(code: number, reason: string): void
  /** Ends the TCP connection without a word. */
  terminate(): void
}

export interface HttpRequest {
  readonly method: string
  readonly path: string
  readonly query: string
  header(lowerCaseName: string): string
  readonly remoteAddress: string
}

export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Answers every HTTP request that is not an upgrade. A rejection is answered with 500. */
export type HttpHandler = (request: HttpRequest) => Promise<HttpResponse> | HttpResponse

export class TransportError extends Error {
  readonly code: 'ADDRESS_IN_USE' | 'ADDRESS_UNAVAILABLE' | 'LISTEN_FAILED' | 'CERTIFICATE' | 'NOT_LOADABLE'
  constructor(code: TransportError['code'], message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'TransportError'
    this.code = code
  }
}
