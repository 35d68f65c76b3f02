/** WebSockets in memory over a {@link World}: messages take time, keep their order, and can be cut off. */
import type { ClientSocket, SocketHandlers, WebSocketConnector } from '../../../client/ports.ts'
import type { World } from './world.ts'

/** The server's end of a socket. */
export interface ServerSocket {
  readonly id: number
  /** Delivers a message to the client, after those before it. */
  send(data: Uint8Array | string): void
  /** Ends the connection; messages under way in both directions are lost. */
  drop(): void
  readonly isOpen: boolean
}

export interface ServerHandlers {
  open(socket: ServerSocket): void
  message(socket: ServerSocket, bytes: Uint8Array): void
  closed(socket: ServerSocket): void
}

export class Network {
  /** Nobody listens. */
  isDown = false
  /** Attempts to connect so far. */
  attempts = 0
  /** Longest time that a message takes. */
  latencyMsMax = 0
  /** Most bytes that clients had handed over and the network had not delivered. */
  bufferedBytesMost = 0
  readonly connector: WebSocketConnector
  readonly sockets = new Set<ServerSocket>()
  readonly #world: World
  readonly #server: ServerHandlers
  #count = 0

  constructor(world: World, server: ServerHandlers) {
    this.#world = world
    this.#server = server
    this.connector = { connect: (_url, { signal }, handlers) => this.#connect(signal, handlers) }
  }

  /** Every connection ends. */
  dropAll(): void {
    for (const socket of [...this.sockets]) socket.drop()
  }

  #connect(signal: AbortSignal, handlers: SocketHandlers): Promise<ClientSocket> {
    this.attempts++
    return new Promise((resolve, reject) => {
      const timer = this.#world.after(this.#latency(), () => {
        signal.removeEventListener('abort', abort)
        if (this.isDown) reject(new Error('connection refused'))
        else resolve(this.#open(handlers))
      })
      const abort = () => {
        timer.cancel()
        reject(signal.reason)
      }
      signal.addEventListener('abort', abort)
    })
  }

  #open(handlers: SocketHandlers): ClientSocket {
    let isOpen = true
    let bufferedBytes = 0
    const toServer = this.#lane()
    const toClient = this.#lane()
    const end = (reason: string) => {
      if (!isOpen) return
      isOpen = false
      this.sockets.delete(server)
      // Neither side is told in the middle of what it does.
      this.#world.timers.soon(() => {
        this.#server.closed(server)
        handlers.closed(reason)
      })
    }
    const server: ServerSocket = {
      id: ++this.#count,
      get isOpen() {
        return isOpen
      },
      send: (data) => toClient(() => isOpen && handlers.message(data)),
      drop: () => end('the connection was cut'),
    }
    this.sockets.add(server)
    this.#server.open(server)
    return {
      send: (bytes) => {
        if (!isOpen) return
        const copy = bytes.slice()
        bufferedBytes += copy.length
        this.bufferedBytesMost = Math.max(this.bufferedBytesMost, bufferedBytes)
        toServer(() => {
          bufferedBytes -= copy.length
          if (isOpen) this.#server.message(server, copy)
        })
      },
      bufferedBytes: () => bufferedBytes,
      close: (code) => end(`closed with code ${code}`),
    }
  }

  /** One direction of a connection: first in, first out. */
  #lane(): (deliver: () => void) => void {
    let lastMs = 0
    return (deliver) => {
      lastMs = Math.max(lastMs, this.#world.nowMs + this.#latency())
      this.#world.after(lastMs - this.#world.nowMs, deliver)
    }
  }

  #latency(): number {
    return this.latencyMsMax === 0 ? 0 : this.#world.unit() * this.latencyMsMax
  }
}
