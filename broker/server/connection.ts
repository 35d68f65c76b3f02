/**
 * One client: its socket, what it is allowed, what it has outstanding, and how it ends. What a request
 * means is the dispatcher's business; this file knows only that there are frames and answers.
 *
 * Nothing may be sent to a socket after its `close`; the outbox sees to that. At the end of a connection
 * everything parked for it is released by its abort signal.
 */
import type { Identity } from '../../auth/identity.ts'
import { encodeError } from '../../client/protocol/codec.ts'
import { errorDefinition, type ProtocolError } from '../../client/protocol/errors.ts'
import { type Frame, readFrame } from '../../client/protocol/frame.ts'
import type { ProducedPartition } from '../../client/protocol/messages/produce.ts'
import type { Session } from '../access/session.ts'
import type { ConnectionIdentity, RequestContext } from '../handlers/context.ts'
import type { Socket } from '../transport/transport.ts'
import type { ConnectionHost } from './connection-host.ts'
import { ConnectionGone, Outbox } from './outbox.ts'
import { ProduceWindow } from './produce-window.ts'

/** RFC 6455, 7.4.1. */
export const CloseCode = {
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  UNSUPPORTED_DATA: 1003,
  /** Never sent: there was no good-bye. */
  ABNORMAL: 1006,
  POLICY_VIOLATION: 1008,
} as const

/** RFC 6455, 5.5: a close frame has 125 bytes, two of them the code. */
const REASON_BYTES_MAX = 123

/** What an answer needs of its request. */
export interface RequestHead {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
}

/** The answer of one produce request, waiting for the others of its turn. */
export interface ProduceAnswer {
  /** Order of the requests on their connection. */
  readonly sequence: number
  readonly correlationId: number
  readonly partitions: ProducedPartition[]
}

export class Connection implements ConnectionIdentity {
  readonly id: number
  readonly remoteAddress: string
  readonly session: Session
  readonly context: RequestContext
  readonly window = new ProduceWindow()
  readonly outbox: Outbox
  /** Requests taken and not yet answered. */
  inFlightRequests = 0
  /** Requests taken, ever. */
  sequence = 0
  #greetedAtMs: number | undefined
  readonly #socket: Socket
  readonly #host: ConnectionHost
  readonly #abort = new AbortController()
  readonly #openedAtMs: number
  #offeredToken: string | undefined
  #answers: ProduceAnswer[] = []
  #isEnded = false
  #acceptedBytes = 0
  #stalledSinceMs: number | undefined
  /** The credential that is good no more, and since when. */
  #ended: { readonly identity: Identity; readonly sinceMs: number } | undefined

  /** @param offeredToken the credential of the upgrade's header */
  constructor(id: number, socket: Socket, host: ConnectionHost, offeredToken?: string) {
    this.id = id
    this.#offeredToken = offeredToken
    this.remoteAddress = socket.remoteAddress
    this.#socket = socket
    this.#host = host
    this.#openedAtMs = host.clock.monotonicMs()
    this.outbox = new Outbox(socket, host.limits, () =>
      this.#tooSlow(`more than ${host.limits.queuedBytesMax} bytes of answers wait for it`),
    )
    this.session = host.sessions.open()
    this.context = {
      session: this.session,
      connection: this,
      signal: this.#abort.signal,
      clock: host.clock,
    }
  }

  takeOfferedToken(): string | undefined {
    const token = this.#offeredToken
    this.#offeredToken = undefined
    return token
  }

  get hasGreeted(): boolean {
    return this.#greetedAtMs !== undefined
  }

  greeted(): void {
    this.#greetedAtMs ??= this.#host.clock.monotonicMs()
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  receive(bytes: Uint8Array, isBinary: boolean): void {
    if (this.#isEnded) return
    const { tally } = this.#host
    tally.framesIn++
    tally.bytesIn += bytes.length
    if (!isBinary) {
      this.#unreadable(CloseCode.UNSUPPORTED_DATA, 'octopus.v1 has binary messages only, this one is text')
      return
    }
    let frame: Frame
    try {
      frame = readFrame(bytes)
    } catch (error) {
      // Without a correlation id there is nothing to answer.
      this.#unreadable(CloseCode.PROTOCOL_ERROR, (error as Error).message)
      return
    }
    this.#host.dispatch(this, frame)
  }

  /** Adds the answer to those of this turn; true for the first of them. */
  produced(answer: ProduceAnswer): boolean {
    return this.#answers.push(answer) === 1
  }

  /** The answers of this turn in the order of their requests. */
  takeProduced(): ProduceAnswer[] {
    const answers = this.#answers
    this.#answers = []
    return answers.sort((a, b) => a.sequence - b.sequence)
  }

  refuse(head: RequestHead, refusal: ProtocolError): void {
    const { apiKey, apiVersion, correlationId } = head
    const { code, message, retryAfterMs } = refusal
    this.outbox.send(encodeError(apiKey, apiVersion, correlationId, code, message, retryAfterMs))
  }

  /** The client broke the rules: it is told which, and the connection ends. */
  breach(head: RequestHead, refusal: ProtocolError): void {
    this.#host.tally.breaches++
    const name = errorDefinition(refusal.code).name
    this.#host.logger.warn({ ...this.#logged(), error: name, reason: refusal.message }, 'protocol breached')
    this.refuse(head, refusal)
    this.end(CloseCode.POLICY_VIOLATION, `${name}: ${refusal.message}`)
  }

  /** Says good-bye behind everything that waits. */
  end(code: number, reason: string): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.outbox.flush()
    this.#socket.close(code, cut(reason))
  }

  /** The socket is gone. */
  closed(): void {
    this.#isEnded = true
    this.outbox.close()
    this.#host.sessions.close(this.session)
    this.#abort.abort(new ConnectionGone())
  }

  drained(): void {
    this.outbox.drained()
  }

  /** Called now and then: ends a connection that does not greet, has no good credential, or does not read. */
  sweep(nowMs: number): void {
    if (this.#isEnded) return
    const { helloTimeoutMs, authenticationTimeoutMs, stalledTimeoutMs } = this.#host.limits
    if (this.#greetedAtMs === undefined) {
      if (nowMs - this.#openedAtMs >= helloTimeoutMs) this.#tooLate('hello', helloTimeoutMs)
    } else if (!this.session.isAuthenticated && nowMs - this.#greetedAtMs >= authenticationTimeoutMs) {
      // Who may go on without one does.
      if (this.session.refusal()) this.#tooLate('credential', authenticationTimeoutMs)
    } else if (this.#endedMs(nowMs) >= authenticationTimeoutMs) this.#notRenewed(authenticationTimeoutMs)
    if (this.#isEnded) return
    const stalledMs = this.#stalledMs(nowMs)
    if (stalledMs >= stalledTimeoutMs) this.#tooSlow(`it has taken nothing for ${Math.floor(stalledMs)} ms`)
  }

  /** For how long the credential has been good no more. */
  #endedMs(nowMs: number): number {
    const { hasEnded, identity } = this.session
    if (!hasEnded) {
      this.#ended = undefined
      return 0
    }
    // Between two looks there may have been a newer one, which has ended as well.
    if (this.#ended?.identity !== identity) this.#ended = { identity, sinceMs: nowMs }
    return nowMs - this.#ended.sinceMs
  }

  /** For how long bytes have waited without one of them being taken. */
  #stalledMs(nowMs: number): number {
    if (this.outbox.isEmpty()) {
      this.#stalledSinceMs = undefined
      return 0
    }
    const acceptedBytes = this.outbox.acceptedBytes()
    if (this.#stalledSinceMs === undefined || acceptedBytes > this.#acceptedBytes)
      this.#stalledSinceMs = nowMs
    this.#acceptedBytes = acceptedBytes
    return nowMs - this.#stalledSinceMs
  }

  /** A good-bye would wait behind what is not read, so there is none. */
  #tooSlow(why: string): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#host.tally.slowClientsTerminated++
    this.#host.logger.warn({ ...this.#logged(), reason: why }, 'client does not read, connection ended')
    this.#socket.terminate()
  }

  #tooLate(what: string, timeoutMs: number): void {
    this.#host.tally.breaches++
    this.#host.logger.warn(this.#logged(), `no ${what} in time`)
    this.end(CloseCode.POLICY_VIOLATION, `no ${what} within ${timeoutMs} ms`)
  }

  /** No breach: whoever is idle need not know that it has ended, and comes again when he wants something. */
  #notRenewed(timeoutMs: number): void {
    this.#host.logger.info(this.#logged(), 'the credential has ended and no newer one came in time')
    this.end(
      CloseCode.POLICY_VIOLATION,
      `the credential has ended and no newer one came within ${timeoutMs} ms`,
    )
  }

  #unreadable(code: number, reason: string): void {
    this.#host.tally.breaches++
    this.#host.logger.warn({ ...this.#logged(), reason }, 'unreadable message')
    this.end(code, reason)
  }

  #logged() {
    return { connection: this.id, remoteAddress: this.remoteAddress }
  }
}

/** At most {@link REASON_BYTES_MAX} bytes of UTF-8, and no half character. */
function cut(reason: string): string {
  let text = reason
  while (Buffer.byteLength(text) > REASON_BYTES_MAX)
    text = text.slice(0, Math.min(text.length - 1, REASON_BYTES_MAX)).replace(/[\ud800-\udbff]$/, '')
  return text
}
