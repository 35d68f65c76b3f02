/**
 * Membership of one consumer in one group: joins, sends heartbeats on a schedule of its own, hands on what the broker
 * assigns, and leaves. Heartbeats know nothing of handlers: a slow one costs no membership before `maxProcessingMs`.
 *
 * It promises that a member which the broker may have put out says so: after a session without an answer it owns
 * nothing, and joins again. One heartbeat is on its way at a time.
 *
 * ```
 *           answered                     fenced, unknown, session over
 *  joining ───────────▶ member ──────────────────────────────────────▶ joining
 *     └── refused for good: failed          └── leave() ──▶ left
 * ```
 */
import { backoffDelayMs } from '../backoff.ts'
import type { BrokerLink } from '../broker-link.ts'
import { DelayGroup } from '../delay-group.ts'
import type { ClientPorts, Timer } from '../ports.ts'
import { apis } from '../protocol/api.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import {
  type AssignedPartitions,
  type GroupHeartbeatRequest,
  type GroupHeartbeatResponse,
  JOIN_EPOCH,
  LEAVE_EPOCH,
  LEAVE_STATIC_EPOCH,
} from '../protocol/messages/group-heartbeat.ts'
import { RETRY_BACKOFF } from '../retry.ts'
import type { GroupSettings } from './options.ts'

/** Who reads, as its membership sees him. */
export interface MembershipHost {
  /** What to read from now on, all of it. */
  assigned(partitions: readonly AssignedPartitions[]): void
  /** What is read at this moment, all of it, also what is being given up. */
  owned(): NonNullable<GroupHeartbeatRequest['owned']>
  /** For how long it has been at what it was handed last; -1: at nothing. */
  processingMs(): number
  /** Nothing is owned any more, and others may have it already. The membership joins again by itself. */
  lost(error: ProtocolError): void
  /** There is no way back into the group. */
  failed(error: ProtocolError): void
  warned(sentence: string): void
}

/** The member has been put out, and is welcome again. */
const rejoinCodes: ReadonlySet<number> = new Set([ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.UNKNOWN_MEMBER_ID])

/** How long leaving may hold up whoever closes. */
const LEAVE_MS_MAX = 2_000

export class Membership {
  readonly memberId: string
  readonly #link: BrokerLink
  readonly #ports: ClientPorts
  readonly #settings: GroupSettings
  readonly #clientName: string
  readonly #topics: readonly string[]
  readonly #host: MembershipHost
  readonly #delays: DelayGroup
  readonly #stops: (() => void)[] = []
  #memberEpoch = JOIN_EPOCH
  #isLeft = false
  /** The broker must be told everything, since it may not have what was said last. */
  #tellsAll = true
  /** What is owned has changed since the last heartbeat. */
  #ownsAnew = false
  #inFlight: Promise<void> | undefined
  #isWantedAgain = false
  #next: Timer | undefined
  #session: Timer | undefined
  #attempts = 0
  #warning: string | null = null
  #epochWaiters: (() => void)[] = []

  constructor(
    link: BrokerLink,
    ports: ClientPorts,
    settings: GroupSettings,
    { clientName, topics }: { readonly clientName: string; readonly topics: readonly string[] },
    host: MembershipHost,
  ) {
    this.#link = link
    this.#ports = ports
    this.#settings = settings
    this.#clientName = clientName
    this.#topics = topics
    this.#host = host
    this.#delays = new DelayGroup(ports.timers)
    this.memberId = uuid(ports)
  }

  /** 0: no member at this moment. */
  get memberEpoch(): number {
    return this.#memberEpoch
  }

  start(): void {
    this.#stops.push(
      this.#link.watch({
        // The broker may have restarted, or waits for a word since the connection was lost.
        up: () => this.beat(),
        down: () => undefined,
        failed: () => this.#stop(),
      }),
    )
    this.beat()
  }

  /** What is owned has changed: the broker is told at once, because others may wait for it. */
  ownedChanged(): void {
    this.#ownsAnew = true
    this.beat()
  }

  /** Sends a heartbeat now, or right after the one that is on its way. */
  beat(): void {
    if (this.#isLeft) return
    if (this.#inFlight) {
      this.#isWantedAgain = true
      return
    }
    this.#next?.cancel()
    this.#isWantedAgain = false
    this.#inFlight = this.#send().finally(() => {
      this.#inFlight = undefined
      if (this.#isWantedAgain) this.beat()
    })
  }

  /** Resolves after the next answer to a heartbeat, whatever it says, or when the membership has ended. */
  async answered(): Promise<void> {
    if (this.#isLeft) return
    const waiting = new Promise<void>((resolve) => this.#epochWaiters.push(resolve))
    this.beat()
    await waiting
  }

  /** Says good-bye, within bounds of time, so that others need not wait for the session to end. Never rejects. */
  async leave(): Promise<void> {
    if (this.#isLeft) return
    const wasMember = this.#memberEpoch !== JOIN_EPOCH || this.#inFlight !== undefined
    this.#stop()
    if (!wasMember || !this.#link.connection) return
    const isStatic = this.#settings.instanceId !== null
    const request = this.#request(isStatic ? LEAVE_STATIC_EPOCH : LEAVE_EPOCH, true)
    const left = this.#link
      .call(apis.groupHeartbeat, request, { repeatable: true })
      .then(() => undefined, ignoreRefusal)
    await new Promise<void>((resolve) => {
      const timer = this.#ports.timers.after(LEAVE_MS_MAX, resolve)
      void left.finally(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  #stop(): void {
    this.#isLeft = true
    for (const stop of this.#stops) stop()
    this.#delays.cancelAll()
    this.#answeredNow()
  }

  #request(memberEpoch: number, withOwned: boolean): GroupHeartbeatRequest {
    const { groupId, instanceId, assignor, sessionTimeoutMs, rebalanceTimeoutMs, maxProcessingMs } =
      this.#settings
    const isJoining = memberEpoch === JOIN_EPOCH
    return {
      groupId,
      memberId: this.memberId,
      memberEpoch,
      instanceId,
      clientName: this.#clientName,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      maxProcessingMs,
      processingMs: this.#host.processingMs(),
      subscribedTopics: isJoining || this.#tellsAll ? [...this.#topics] : null,
      assignor: isJoining || this.#tellsAll ? assignor : null,
      owned: isJoining ? [] : withOwned || this.#tellsAll ? this.#host.owned() : null,
    }
  }

  async #send(): Promise<void> {
    const sentMs = this.#ports.clock.monotonicMs()
    const request = this.#request(this.#memberEpoch, this.#ownsAnew)
    this.#ownsAnew = false
    let response: GroupHeartbeatResponse
    try {
      response = await this.#link.call(apis.groupHeartbeat, request, { repeatable: true })
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#tellsAll = true
      if (!this.#isLeft) this.#refused(error)
      this.#answeredNow()
      return
    }
    if (this.#isLeft) return
    this.#tellsAll = false
    this.#attempts = 0
    this.#memberEpoch = response.memberEpoch
    this.#watchSession(sentMs)
    this.#tellWarning(response.warning)
    if (response.assignment) this.#host.assigned(response.assignment)
    this.#answeredNow()
    // Members that joined together need not be heard together for ever.
    this.#after(response.heartbeatIntervalMs * (0.9 + 0.1 * this.#ports.random.unit()))
  }

  #refused(error: ProtocolError): void {
    if (rejoinCodes.has(error.code)) {
      this.#rejoin(error)
      this.#after(this.#attempts++ === 0 ? 0 : this.#backoffMs(error))
    } else if (error.retriable || this.#mayBeReleased(error)) {
      this.#attempts++
      this.#after(this.#backoffMs(error))
    } else {
      this.#stop()
      this.#host.failed(error)
    }
  }

  /** The one who had the name before may have died: its session ends. */
  #mayBeReleased({ code }: ProtocolError): boolean {
    return code === ErrorCode.UNRELEASED_INSTANCE_ID && this.#memberEpoch === JOIN_EPOCH
  }

  #rejoin(error: ProtocolError): void {
    const wasMember = this.#memberEpoch !== JOIN_EPOCH
    this.#memberEpoch = JOIN_EPOCH
    this.#tellsAll = true
    this.#session?.cancel()
    if (wasMember) this.#host.lost(error)
  }

  /** From the sending of a heartbeat that was answered, the broker waits no longer than the session. */
  #watchSession(sentMs: number): void {
    this.#session?.cancel()
    const { sessionTimeoutMs } = this.#settings
    const leftMs = Math.max(0, sentMs + sessionTimeoutMs - this.#ports.clock.monotonicMs())
    this.#session = this.#delays.after(leftMs, () => {
      const sentence = `the broker has not answered for ${sessionTimeoutMs} ms, so that it may have given the partitions to others`
      this.#rejoin(new ProtocolError(ErrorCode.UNKNOWN_MEMBER_ID, sentence))
      this.beat()
    })
  }

  #tellWarning(warning: string | null): void {
    if (warning !== null && this.#warning === null) this.#host.warned(warning)
    this.#warning = warning
  }

  #backoffMs(error: ProtocolError): number {
    const limits = { ...RETRY_BACKOFF, backoffMaxMs: Math.max(50, this.#settings.sessionTimeoutMs / 10) }
    return backoffDelayMs(limits, this.#attempts, this.#ports.random.unit(), error.retryAfterMs)
  }

  #after(delayMs: number): void {
    this.#next?.cancel()
    if (!this.#isLeft) this.#next = this.#delays.after(delayMs, () => this.beat())
  }

  #answeredNow(): void {
    const waiters = this.#epochWaiters
    this.#epochWaiters = []
    for (const resolve of waiters) resolve()
  }
}

/** Who leaves and is refused is out already. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof ProtocolError)) throw error
}

/** A random UUID (RFC 9562, version 4). */
function uuid({ random }: ClientPorts): string {
  const digits = Array.from({ length: 32 }, () => Math.floor(random.unit() * 16).toString(16))
  digits[12] = '4'
  digits[16] = (8 + Math.floor(random.unit() * 4)).toString(16)
  const hex = digits.join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
