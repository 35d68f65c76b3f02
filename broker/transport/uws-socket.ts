/**
 * One WebSocket of uWebSockets.js: guarded against being touched too late, which would throw, and never skipping a
 * message. Over TLS it also waits for its {@link ReadTurn}.
 */
import type * as uws from 'uWebSockets.js'
import type { ReadTurn } from './read-turn.ts'
import { SEND_OVERFLOW, type Socket, type WebSocketHandlers } from './transport.ts'

/** {@link https://github.com/uNetworking/uWebSockets/blob/master/src/WebSocket.h SendStatus::DROPPED} */
const DROPPED = 2

/** Larger messages are handed on at once. */
const WAITING_BYTES_MAX = 4096

/** What uWebSockets.js carries for us from the upgrade to the last callback. */
export interface Carried {
  readonly socket: UwsSocket
}

export class UwsSocket implements Socket {
  readonly remoteAddress: string
  data: unknown = undefined
  /** Undefined in plain text, where sends need not wait. */
  readonly #turn: ReadTurn | undefined
  readonly #handlers: Pick<WebSocketHandlers, 'message' | 'drain'>
  #ws: uws.WebSocket<Carried> | undefined = undefined
  #endReason = ''
  /** Sent while something was read; empty before and after. */
  #held: Uint8Array[] = []
  #heldBytes = 0
  /** Came in and waits for the end of the turn, in order. */
  #arrived: { readonly bytes: Uint8Array; readonly isBinary: boolean }[] = []
  /** This side has ended it: what came in and was not handed on is of no interest any more. */
  #isEnded = false
  #goodbye: { readonly code: number; readonly reason: string } | undefined = undefined

  constructor(
    remoteAddress: string,
    turn: ReadTurn | undefined,
    handlers: Pick<WebSocketHandlers, 'message' | 'drain'>,
  ) {
    this.remoteAddress = remoteAddress
    this.#turn = turn
    this.#handlers = handlers
  }

  opened(ws: uws.WebSocket<Carried>): void {
    this.#ws = ws
  }

  /** Why this side ended the connection, where it did; the library does not tell. */
  closed(): string {
    this.#ws = undefined
    this.#drop()
    this.#deliverArrived()
    return this.#endReason
  }

  /**
   * A message has come, valid only now. Over TLS small ones wait for the end of the turn, when what is sent in answer
   * needs no copy: a request to fetch is answered with thousands of times its size. Large ones are produced data, which
   * would be copied by waiting.
   */
  received(message: ArrayBuffer, isBinary: boolean): void {
    if (this.#isEnded) return
    const bytes = new Uint8Array(message)
    if (this.#turn && (bytes.length <= WAITING_BYTES_MAX || this.#arrived.length > 0)) {
      this.#turn.reads(this)
      this.#arrived.push({ bytes: bytes.slice(), isBinary })
      this.#turn.hold(this)
      return
    }
    this.#turn?.reads(this)
    this.#handlers.message(this, bytes, isBinary)
  }

  send(bytes: Uint8Array): boolean {
    if (!this.#ws || this.#goodbye) return false
    if (this.#turn && (this.#turn.isReading || this.#held.length > 0)) {
      this.#held.push(bytes.slice())
      this.#heldBytes += bytes.length
      this.#turn.hold(this)
      return true
    }
    return this.#sendNow(bytes)
  }

  bufferedBytes(): number {
    return this.#ws ? this.#ws.getBufferedAmount() + this.#heldBytes : 0
  }

  cork(run: () => void): void {
    if (this.#ws && !this.#turn?.isReading) this.#ws.cork(run)
    else run()
  }

  close(code: number, reason: string): void {
    if (!this.#ws || this.#isEnded) return
    this.#isEnded = true
    // What is left of its own read is of no interest any more; that of somebody else is.
    if (this.#turn?.isReading && this.#turn.reader !== this) {
      this.#goodbye = { code, reason }
      this.#turn.hold(this)
      return
    }
    this.#sendHeld()
    this.#ws?.end(code, reason)
  }

  terminate(): void {
    this.#isEnded = true
    this.#ws?.close()
  }

  release(): void {
    const hadHeld = this.#held.length > 0
    if (hadHeld) this.#ws?.cork(() => this.#sendHeld())
    if (this.#goodbye) {
      this.#ws?.end(this.#goodbye.code, this.#goodbye.reason)
      return
    }
    this.#deliverArrived()
    if (hadHeld && this.#ws) this.#handlers.drain(this)
  }

  #deliverArrived(): void {
    const arrived = this.#arrived
    this.#arrived = []
    for (const { bytes, isBinary } of arrived) {
      if (this.#isEnded) return
      this.#handlers.message(this, bytes, isBinary)
    }
  }

  #sendHeld(): void {
    const held = this.#held
    this.#drop()
    for (const bytes of held) if (!this.#sendNow(bytes)) return
  }

  #sendNow(bytes: Uint8Array): boolean {
    if (!this.#ws) return false
    if (this.#ws.send(bytes, true, false) !== DROPPED) return true
    this.#endReason = SEND_OVERFLOW
    this.terminate()
    return false
  }

  #drop(): void {
    this.#held = []
    this.#heldBytes = 0
  }
}
