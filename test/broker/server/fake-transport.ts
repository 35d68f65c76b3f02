/** A transport without a network: tests play the client, and the peer's TCP with it. */
import {
  type HttpRequest,
  type Listening,
  SEND_OVERFLOW,
  type Socket,
  type Transport,
  type TransportOptions,
} from '../../../broker/transport/transport.ts'

export class FakeSocket implements Socket {
  readonly remoteAddress = '127.0.0.1'
  data: unknown = undefined
  /** Messages sent, copied as the contract says. */
  readonly sent: Uint8Array[] = []
  /** How it ended, once it has. */
  ended: { readonly code: number; readonly reason: string } | undefined
  /** False: what is sent stays buffered until {@link take}. */
  isReading = true
  readonly #transport: FakeTransport
  #bufferedBytes = 0

  constructor(transport: FakeTransport) {
    this.#transport = transport
  }

  send(bytes: Uint8Array): boolean {
    if (this.ended) throw new Error('sent to a closed socket')
    this.sent.push(bytes.slice())
    if (!this.isReading) this.#bufferedBytes += bytes.length
    return true
  }

  bufferedBytes(): number {
    return this.#bufferedBytes
  }

  cork(run: () => void): void {
    run()
  }

  close(code: number, reason: string): void {
    this.#end(code, reason)
  }

  terminate(): void {
    this.#end(1006, '')
  }

  /** The client sends. */
  receive(bytes: Uint8Array, isBinary = true): void {
    if (this.ended) return
    const lent = bytes.slice()
    this.#transport.options.websocket.message(this, lent, isBinary)
    // As the contract allows: the bytes are gone when the call returns.
    lent.fill(0xee)
  }

  /** The client's TCP takes bytes. */
  take(count: number): void {
    this.#bufferedBytes -= Math.min(count, this.#bufferedBytes)
    if (!this.ended) this.#transport.options.websocket.drain(this)
  }

  /** The client is gone. */
  reset(): void {
    this.#end(1006, '')
  }

  /** The transport gives up on it. */
  overflow(): void {
    this.#end(1006, SEND_OVERFLOW)
  }

  #end(code: number, reason: string): void {
    if (this.ended) return
    this.ended = { code, reason }
    this.#bufferedBytes = 0
    this.#transport.options.websocket.close(this, code, reason)
  }
}

export class FakeTransport implements Transport {
  readonly name = 'fake'
  options!: TransportOptions
  isAccepting = false
  isClosed = false
  renewals = 0
  readonly sockets: FakeSocket[] = []

  async listen(options: TransportOptions): Promise<Listening> {
    this.options = options
    this.isAccepting = true
    return {
      host: options.host,
      port: 7654,
      renewCertificate: async () => {
        this.renewals++
      },
      stopAccepting: () => {
        this.isAccepting = false
      },
      close: () => {
        this.isAccepting = false
        this.isClosed = true
        for (const socket of this.sockets) socket.reset()
      },
    }
  }

  /** The answer to an upgrade with these headers. */
  upgrade(headers: Readonly<Record<string, string>> = {}) {
    const request: HttpRequest = {
      method: 'GET',
      path: '/',
      query: '',
      header: (name) => headers[name] ?? '',
      remoteAddress: '127.0.0.1',
    }
    return this.options.websocket.upgrade(request)
  }

  connect(): FakeSocket {
    const decision = this.upgrade()
    if (!decision.accept) throw new Error(`refused: ${decision.status} ${decision.text}`)
    const socket = new FakeSocket(this)
    this.sockets.push(socket)
    this.options.websocket.open(socket)
    return socket
  }
}
