/**
 * One WebSocket of uWebSockets.js: guarded against being touched too late, which would throw, and never skipping a
 * message. Over TLS it also waits for its {@link ReadTurn}.
 */
import type * as uws from 'uWebSockets.js'
import type { ReadTurn } from './read-turn.ts'
import { SEND_OVERFLOW, type Socket } from './transport.ts'

/** {@link https://github.com/uNetworking/uWebSockets/blob/master/src/WebSocket.h SendStatus::DROPPED} */
const DROPPED = 2

/** What uWebSockets.js carries for us from the upgrade to the last callback. */
export interface Carried {
  readonly socket: UwsSocket
}

export class UwsSocket implements Socket {
  readonly remoteAddress: string
  data: unknown = undefined
  /** Undefined in plain text, where sends need not wait. */
  readonly #turn: ReadTurn | undefined
  readonly #onReleased: (socket: UwsSocket) => void
  #ws: uws.WebSocket<Carried> | undefined = undefined
  #endReason = ''
  /** Sent while something was read; empty before and after. */
  #held: Uint8Array[] = []
  #heldBytes = 0
  #goodbye: { readonly code: number; readonly reason: string } | undefined = undefined

  /** @param onReleased what was held has been handed over, which counts as drained */
  constructor(remoteAddress: string, turn: ReadTurn | undefined, onReleased: (socket: UwsSocket) => void) {
    this.remoteAddress = remoteAddress
    this.#turn = turn
    this.#onReleased = onReleased
  }

  opened(ws: uws.WebSocket<Carried>): void {
    this.#ws = ws
  }

  /** Why this side ended the connection, where it did; the library does not tell. */
  closed(): string {
    this.#ws = undefined
    this.#drop()
    return this.#endReason
  }

  /** Whether a good-bye waits to be said: nothing that still comes in counts. */
  get isEnding(): boolean {
    return this.#goodbye !== undefined
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
    if (!this.#ws || this.#goodbye) return
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
    this.#ws?.close()
  }

  release(): void {
    const ws = this.#ws
    if (!ws) return
    ws.cork(() => this.#sendHeld())
    if (this.#goodbye) this.#ws?.end(this.#goodbye.code, this.#goodbye.reason)
    else if (this.#ws) this.#onReleased(this)
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
