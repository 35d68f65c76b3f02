/**
 * What the client is handed from outside: time, timers, randomness, checksums, codecs and WebSockets.
 * Only an entry (`index.ts` for Node) builds them; everything else in this room runs wherever
 * JavaScript runs, and under a simulator with a seed.
 */
import type { CompressionCodecs } from '../storage/record/compression.ts'
import type { Crc32c } from '../storage/record/crc32c.ts'
import type { TlsOptions } from './options.ts'

export interface Clock {
  /** Wall clock, ms since 1970. May jump. Only for the timestamps of records. */
  nowMs(): number
  /** Never goes back; for durations only. Fractions of a ms. */
  monotonicMs(): number
}

export interface Timer {
  cancel(): void
}

export interface Timers {
  /**
   * Runs `run` once, not before `delayMs` have passed. Keeps the process alive: a client that waits to
   * connect again has work to do.
   */
  after(delayMs: number, run: () => void): Timer
  /** Runs `run` when the present turn of the event loop has handled its events. */
  soon(run: () => void): void
}

export interface Random {
  /** 0 ≤ x < 1 */
  unit(): number
}

/** One open WebSocket. */
export interface ClientSocket {
  /** Hands over one binary message; the bytes are copied or sent before it returns. Ignored once closed. */
  send(bytes: Uint8Array): void
  /** Bytes handed over that the network has not taken yet. */
  bufferedBytes(): number
  /** Says good-bye and ends; the `closed` handler is still called, once. Harmless when closed already. */
  close(code: number, reason: string): void
}

export interface SocketHandlers {
  /** Binary messages come as bytes that are the receiver's to keep; text, which nobody should send, as text. */
  message(data: Uint8Array | string): void
  /** The last call, also after {@link ClientSocket.close}. `reason` is one line for people. */
  closed(reason: string): void
}

export interface WebSocketConnector {
  /**
   * Resolves when the socket is open and the server has confirmed the sub-protocol; no handler is called
   * before that. Rejects with an Error whose message says in a few words why not, and when `signal` aborts.
   */
  connect(
    url: string,
    options: {
      readonly subprotocol: string
      readonly signal: AbortSignal
      /** For `wss://`; where the platform leaves no choice it is not looked at. */
      readonly tls?: TlsOptions
    },
    handlers: SocketHandlers,
  ): Promise<ClientSocket>
}

export interface ClientPorts {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly websockets: WebSocketConnector
  readonly crc32c: Crc32c
  readonly codecs: CompressionCodecs
}
