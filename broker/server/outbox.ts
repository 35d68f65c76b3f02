/**
 * What goes out on one connection. While the client reads, messages pass straight to the socket; when
 * too much is buffered there, answers wait here, in order and within a bound. Fetched data never waits
 * here: its reader asks {@link Outbox.canWrite} first and halts.
 */
import type { Socket } from '../transport/transport.ts'

export interface OutboxLimits {
  /** Bytes the socket may have buffered before answers wait. */
  readonly bufferedBytesMax: number
  /** Bytes that may wait; more, and the client counts as not reading. */
  readonly queuedBytesMax: number
}

/** Why a wait for a drained socket ended in vain. */
export class ConnectionGone extends Error {
  constructor() {
    super('the connection is gone')
    this.name = 'ConnectionGone'
  }
}

interface Waiter {
  resolve(): void
  reject(error: Error): void
}

export class Outbox {
  readonly #socket: Socket
  readonly #limits: OutboxLimits
  readonly #onOverflow: () => void
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #waiters: Waiter[] = []
  #sentBytes = 0
  #sentFrames = 0
  #isClosed = false

  /** @param onOverflow more waits than may; to be answered by ending the connection */
  constructor(socket: Socket, limits: OutboxLimits, onOverflow: () => void) {
    this.#socket = socket
    this.#limits = limits
    this.#onOverflow = onOverflow
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  /** Handed to the socket, ever. */
  get sentBytes(): number {
    return this.#sentBytes
  }

  get sentFrames(): number {
    return this.#sentFrames
  }

  /** Taken by the network, ever, as far as the socket tells: grows while the client reads. */
  acceptedBytes(): number {
    return this.#sentBytes - this.#socket.bufferedBytes()
  }

  /** Whether anything still has to leave. */
  isEmpty(): boolean {
    return this.#queuedBytes === 0 && this.#socket.bufferedBytes() === 0
  }

  /** Sends an answer or lets it wait; `message` is the outbox's from then on. */
  send(message: Uint8Array): void {
    if (this.#isClosed) return
    if (this.canWrite()) {
      this.sendNow(message)
      return
    }
    // One answer may always wait, whatever its size.
    if (this.#queuedBytes > 0 && this.#queuedBytes + message.length > this.#limits.queuedBytesMax) {
      this.#onOverflow()
      return
    }
    this.#queue.push(message)
    this.#queuedBytes += message.length
  }

  /** Hands a message to the socket whatever is buffered there; keeps no reference. */
  sendNow(message: Uint8Array): void {
    if (this.#isClosed || !this.#socket.send(message)) return
    this.#sentBytes += message.length
    this.#sentFrames++
  }

  /** False: halt, and await {@link writable}. */
  canWrite(): boolean {
    return (
      !this.#isClosed &&
      this.#queuedBytes === 0 &&
      this.#socket.bufferedBytes() <= this.#limits.bufferedBytesMax
    )
  }

  /** Resolves when {@link canWrite}; rejects with {@link ConnectionGone}. */
  writable(): Promise<void> {
    if (this.#isClosed) return Promise.reject(new ConnectionGone())
    if (this.canWrite()) return Promise.resolve()
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }))
  }

  /** The socket has less buffered than before. */
  drained(): void {
    const { bufferedBytesMax } = this.#limits
    let count = 0
    while (count < this.#queue.length && this.#socket.bufferedBytes() <= bufferedBytesMax) {
      const message = this.#queue[count++]
      this.#queuedBytes -= message.length
      this.sendNow(message)
    }
    if (count > 0) this.#queue = this.#queue.slice(count)
    if (!this.canWrite()) return
    for (const waiter of this.#waiters.splice(0)) waiter.resolve()
  }

  /** Before a good-bye: everything that waits goes to the socket. */
  flush(): void {
    for (const message of this.#queue) this.sendNow(message)
    this.#queue = []
    this.#queuedBytes = 0
  }

  /** The socket is gone: nothing is kept, nobody waits in vain. */
  close(): void {
    this.#isClosed = true
    this.#queue = []
    this.#queuedBytes = 0
    for (const waiter of this.#waiters.splice(0)) waiter.reject(new ConnectionGone())
  }
}
