/**
 * A listening transport for the suite and the clients it is tried with: `ws` for WebSocket, `node:net`
 * for bytes no well-behaved client would send.
 */
import { once } from 'node:events'
import { request as requestPlain } from 'node:http'
import { request as requestSecure } from 'node:https'
import { connect, type Socket as TcpSocket } from 'node:net'
import { type ConnectionOptions, connect as connectSecure, type TLSSocket } from 'node:tls'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import type {
  HttpRequest,
  Listening,
  Socket,
  TlsFiles,
  Transport,
  TransportOptions,
  WebSocketHandlers,
} from '../../../broker/transport/transport.ts'

export const SUB_PROTOCOL = 'octopus.v1'
export const MESSAGE_BYTES_MAX = 1_000_000

/** A listening transport that keeps what it is told, and lets a test wait for the next of it. */
export class Recorder implements WebSocketHandlers {
  readonly messages: { socket: Socket; bytes: Uint8Array; isBinary: boolean }[] = []
  readonly opened: Socket[] = []
  readonly closed: { socket: Socket; code: number; reason: string }[] = []
  readonly drained: Socket[] = []
  refuse: { status: number; text: string } | undefined = undefined
  /** What the next sockets are given as their data. */
  data: unknown = undefined
  onMessage: (socket: Socket, bytes: Uint8Array) => void = () => {}
  onDrain: (socket: Socket) => void = () => {}
  #wake: (() => void)[] = []

  upgrade(request: HttpRequest): ReturnType<WebSocketHandlers['upgrade']> {
    if (!this.refuse) return { accept: true, data: this.data }
    return { accept: false, status: this.refuse.status, text: `${this.refuse.text} ${request.path}` }
  }
  open(socket: Socket) {
    this.opened.push(socket)
    this.#changed()
  }
  message(socket: Socket, bytes: Uint8Array, isBinary: boolean) {
    this.messages.push({ socket, bytes: bytes.slice(), isBinary })
    this.onMessage(socket, bytes)
    this.#changed()
  }
  drain(socket: Socket) {
    this.drained.push(socket)
    this.onDrain(socket)
    this.#changed()
  }
  close(socket: Socket, code: number, reason: string) {
    this.closed.push({ socket, code, reason })
    this.#changed()
  }
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#wake.push(resolve))
  }
  #changed() {
    const wake = this.#wake
    this.#wake = []
    for (const resolve of wake) resolve()
  }
}

/** A transport under test; one that always speaks TLS says whom its clients trust, in PEM form. */
export interface TestedTransport extends Transport {
  readonly ca?: string
}

/** The same transport, with this certificate whatever it is asked for. */
export function secured(transport: Transport, tls: TlsFiles, ca: string): TestedTransport {
  return { name: transport.name, ca, listen: (options) => transport.listen({ ...options, tls }) }
}

export interface Answer {
  readonly status: number | undefined
  readonly text: string
  header(name: string): string | undefined
}

export interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface Fixture {
  readonly recorder: Recorder
  readonly listening: Listening
  readonly url: string
  open(): Promise<WebSocket>
  /** A client that nobody has waited for. */
  client(protocols: string | string[]): WebSocket
  /** HTTP, on a connection of its own. */
  ask(path?: string, asked?: Asked): Promise<Answer>
  /** Bytes to the HTTP of the transport, under TLS where it speaks that. */
  raw(): Promise<TcpSocket>
  /** The same with what the TLS of this client shall be. */
  rawSecure(options: ConnectionOptions): Promise<TLSSocket>
  /** Ends the TCP connection below without a word. */
  reset(socket: TcpSocket): void
  /** A WebSocket handshake by hand; the socket then speaks raw frames. */
  rawUpgraded(): Promise<TcpSocket>
}

export function handshake(protocols: string): string {
  return [
    'GET / HTTP/1.1',
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    ...(protocols === '' ? [] : [`Sec-WebSocket-Protocol: ${protocols}`]),
    '\r\n',
  ].join('\r\n')
}

/** A masked frame (mask 0, so the payload is readable) of less than 64 KiB. */
export function maskedFrame(opcode: number, payload: Uint8Array): Uint8Array {
  const long = payload.length >= 126
  const length = long ? [0x80 | 126, payload.length >> 8, payload.length & 0xff] : [0x80 | payload.length]
  return Uint8Array.from([0x80 | opcode, ...length, 0, 0, 0, 0, ...payload])
}

export async function readUntil(socket: TcpSocket, end: string): Promise<string> {
  let text = ''
  while (!text.includes(end)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    text += chunk.toString('latin1')
  }
  return text
}

export async function readAll(socket: TcpSocket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1')
}

export async function start(t: Test, transport: TestedTransport, changes: Partial<TransportOptions> = {}) {
  const recorder = new Recorder()
  const listening = await transport.listen({
    host: '127.0.0.1',
    port: 0,
    subProtocol: SUB_PROTOCOL,
    messageBytesMax: MESSAGE_BYTES_MAX,
    idleTimeoutMs: 60_000,
    tls: undefined,
    soon: (run) => {
      setImmediate(run)
    },
    websocket: recorder,
    http: () => ({ status: 200, headers: {}, body: 'plain' }),
    ...changes,
  })
  const { ca } = transport
  const { port } = listening
  const url = `${ca ? 'wss' : 'ws'}://127.0.0.1:${port}/`
  const sockets: (WebSocket | TcpSocket)[] = []
  const below = new Map<TcpSocket, TcpSocket>()
  t.teardown(() => {
    for (const socket of sockets) socket instanceof WebSocket ? socket.terminate() : socket.destroy()
    listening.close()
  })
  const tcp = async () => {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return socket
  }
  const rawSecure = async (options: ConnectionOptions) => {
    const socket = await tcp()
    const secure = connectSecure({ ca, servername: 'localhost', ...options, socket })
    // It ends the one below with it; Node 20 crashes when that one is ended first.
    sockets.push(secure)
    below.set(secure, socket)
    await once(secure, 'secureConnect')
    return secure
  }
  const raw = async () => {
    if (ca) return rawSecure({})
    const socket = await tcp()
    sockets.push(socket)
    return socket
  }
  const client = (protocols: string | string[]) => {
    const made = new WebSocket(url, protocols, { perMessageDeflate: true, ca })
    made.binaryType = 'nodebuffer'
    sockets.push(made)
    return made
  }
  const fixture: Fixture = {
    recorder,
    listening,
    url,
    client,
    open: async () => {
      const made = client(SUB_PROTOCOL)
      await once(made, 'open')
      return made
    },
    ask: async (path = '/', { body, ...asked } = {}) => {
      const options = { host: '127.0.0.1', port, path, agent: false, ...asked }
      const request = ca ? requestSecure({ ...options, ca }) : requestPlain(options)
      request.end(body)
      const [response] = await once(request, 'response')
      let text = ''
      for await (const chunk of response) text += chunk
      return { status: response.statusCode, text, header: (name) => response.headers[name] }
    },
    raw,
    rawSecure,
    reset: (socket) => (below.get(socket) ?? socket).resetAndDestroy(),
    rawUpgraded: async () => {
      const socket = await raw()
      socket.write(handshake(SUB_PROTOCOL))
      await readUntil(socket, '\r\n\r\n')
      return socket
    },
  }
  return fixture
}

/** Bytes that differ from place to place, so that a shifted or swapped piece shows. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff
  return bytes
}
