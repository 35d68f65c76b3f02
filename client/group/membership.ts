/**
 * Membership of one consumer in one group: joins, sends heartbeats on a schedule of its own, hands on what the broker
 * assigns, and leaves. Heartbeats know nothing of handlers: a slow one costs no membership before `maxProcessingMs`.
 *
 * A heartbeat says everything and waits at the broker until there is news, so that a change is known at once. What changes
 * here meanwhile is said by another, which ends the waiting of the first.
 *
 * It promises that a member which the broker may remove stops by its own clock before: after a session without an
 * answer, when the time to give back is over, or when its work has not moved for `maxProcessingMs`, it owns nothing. It tells
 * the broker and joins again under a new id; after the last, not before its work has moved.
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
  /** {@link Membership.isSettled} has become true, and nothing else. */
  settled(): void
  /** What is read at this moment, all of it, also what is being given back. */
  owned(): GroupHeartbeatRequest['owned']
  /** For how long it has been at what it was handed last; null: at nothing. */
  processingMs(): number | null
  /** Nothing is owned any more, and others may have it already. The membership joins again by itself. */
  lost(error: ProtocolError): void
  /** There is no way back into the group. */
  failed(error: ProtocolError): void
  warned(sentence: string): void
}

/** The member has been put out, and is welcome again. */
const rejoinCodes: ReadonlySet<number> = new Set([ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.UNKNOWN_MEMBER_ID])

/** Between an answer and the next heartbeat: whatever else happens in the same moment goes with it. */
const BETWEEN_MS = 1
const WARNED_MS = 1_000

/** When a member stops by itself, on the monotonic clock. */
interface Deadline {
  readonly atMs: number
  readonly why: string
  readonly timer: Timer
}
/** How long leaving may hold up whoever closes. */
const LEAVE_MS_MAX = 2_000

export class Membership {
  readonly #link: BrokerLink
  readonly #ports: ClientPorts
  readonly #settings: GroupSettings
  readonly #clientName: string
  readonly #topics: readonly string[]
  readonly #host: MembershipHost
  readonly #delays: DelayGroup
  readonly #stops: (() => void)[] = []
  #memberId: string
  #memberEpoch = JOIN_EPOCH
  #revision = 0
  #isSettled = false
  /** The broker's word on how long a heartbeat may wait there. */
  #intervalMs = 0
  #isLeft = false
  /** Of the heartbeat sent last; earlier ones are answered in vain once a later one was. */
  #sentCount = 0
  #answeredCount = 0
  #isChanging = false
  #next: Timer | undefined
  #session: Deadline | undefined
  #givingBack: Deadline | undefined
  /** When it was first said that work has stood still for half of what it may. */
  #slowSinceMs: number | undefined
  #hasBeenMember = false
  #isWaitingForName = false
  #isFull = false
  #attempts = 0
  #warning: string | null = null
  #waiters: (() => void)[] = []

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
    this.#memberId = uuid(ports)
  }

  get memberId(): string {
    return this.#memberId
  }

  /** Whether the member has all it is to have, and the group shares out nothing anew. */
  get isSettled(): boolean {
    return this.#isSettled
  }

  /** 0: no member at this moment. */
  get memberEpoch(): number {
    return this.#memberEpoch
  }

  start(): void {
    this.#stops.push(
      this.#link.watch({
        // What waited on the last connection has failed, and is sent again at once rather than after its rest.
        up: () => this.#send(),
        down: () => undefined,
        failed: () => this.#stop(),
      }),
    )
    this.#send()
  }

  /** What is owned has changed: the broker is told at once, because others may wait for it. */
  ownedChanged(): void {
    if (this.#isChanging) return
    this.#isChanging = true
    // Partitions are given back, and taken over, many at a time.
    this.#ports.timers.soon(() => {
      this.#isChanging = false
      this.#send()
    })
  }

  /** Asks the broker, and resolves after its next word, whatever it says, or when the membership has ended. */
  async answered(): Promise<void> {
    if (this.#isLeft) return
    const waiting = new Promise<void>((resolve) => this.#waiters.push(resolve))
    this.#send()
    await waiting
  }

  /** To be called before something is handed out: a process that was paused beyond its session stops before it goes on. */
  checkClock(): void {
    const nowMs = this.#ports.clock.monotonicMs()
    for (const deadline of [this.#session, this.#givingBack])
      if (deadline && nowMs >= deadline.atMs) {
        this.#stopOwning(deadline.why)
        return
      }
  }

  /** Says good-bye, within bounds of time, so that others need not wait for the session to end. Never rejects. */
  async leave(): Promise<void> {
    if (this.#isLeft) return
    this.#stop()
    if (this.#sentCount === 0 || !this.#link.connection) return
    const isStatic = this.#settings.instanceId !== null
    const request = this.#request(isStatic ? LEAVE_STATIC_EPOCH : LEAVE_EPOCH)
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
    this.#told()
  }

  #request(memberEpoch: number, processingMs: number | null = null): GroupHeartbeatRequest {
    const { groupId, instanceId, assignor, sessionTimeoutMs, rebalanceTimeoutMs, maxProcessingMs } =
      this.#settings
    const isMember = memberEpoch > JOIN_EPOCH
    return {
      groupId,
      memberId: this.#memberId,
      memberEpoch,
      instanceId,
      clientName: this.#clientName,
      subscribedTopics: [...this.#topics],
      assignor,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      maxProcessingMs,
      processingMs,
      revision: this.#revision,
      owned: isMember ? this.#host.owned() : [],
      maxWaitMs: isMember ? this.#intervalMs : 0,
    }
  }

  /** Sends a heartbeat now. Without a connection the next one does. */
  #send(): void {
    if (this.#isLeft) return
    this.#next?.cancel()
    const processingMs = this.#processingMs()
    if (processingMs === 'stuck') {
      this.#after(Math.min(WARNED_MS, this.#settings.maxProcessingMs))
      return
    }
    const { connection } = this.#link
    if (!connection) return
    const serial = ++this.#sentCount
    const memberId = this.#memberId
    const sentMs = this.#ports.clock.monotonicMs()
    const isCurrent = () => !this.#isLeft && memberId === this.#memberId && serial > this.#answeredCount
    const request = this.#request(this.#memberEpoch, processingMs)
    connection.start(
      apis.groupHeartbeat,
      request,
      {
        answer: (response) => {
          if (!isCurrent()) return
          this.#answeredCount = serial
          this.#answered(response, sentMs, serial)
        },
        failure: (error) => {
          if (!isCurrent()) return
          this.#refused(error)
          this.#told()
        },
      },
      request.maxWaitMs,
    )
  }

  /**
   * For how long work has not moved, as the broker is told. Never all of what it may: who would be removed for it, warned as long
   * ago as that takes, stops by itself first, and does not join while nothing moves.
   */
  #processingMs(): number | null | 'stuck' {
    const { maxProcessingMs } = this.#settings
    const nowMs = this.#ports.clock.monotonicMs()
    const processingMs = this.#host.processingMs()
    if (processingMs === null || processingMs < maxProcessingMs / 2) {
      this.#slowSinceMs = undefined
      return processingMs
    }
    this.#slowSinceMs ??= nowMs
    if (processingMs < maxProcessingMs) return processingMs
    if (this.#memberEpoch === JOIN_EPOCH) return 'stuck'
    if (nowMs - this.#slowSinceMs < maxProcessingMs / 2) return maxProcessingMs - 1
    this.#stopOwning(`nothing it was handed was done for ${maxProcessingMs} ms (maxProcessingMs)`)
    return 'stuck'
  }

  #answered(response: GroupHeartbeatResponse, sentMs: number, serial: number): void {
    this.#attempts = 0
    this.#hasBeenMember = true
    this.#isWaitingForName = false
    this.#isFull = false
    this.#memberEpoch = response.memberEpoch
    this.#revision = response.revision
    const wasSettled = this.#isSettled
    this.#isSettled = response.isSettled
    this.#intervalMs = response.heartbeatIntervalMs
    this.#watchSession(sentMs)
    this.#watchGivingBack(sentMs, response.giveBackWithinMs)
    this.#tellWarning(response.warning)
    if (response.assignment) this.#host.assigned(response.assignment)
    else if (response.isSettled && !wasSettled) this.#host.settled()
    this.#told()
    // The next one waits at the broker; it was sent already if what is owned has changed.
    // One that is warned is answered at once.
    if (!this.#isLeft && serial === this.#sentCount)
      this.#after(response.warning === null ? BETWEEN_MS : Math.min(WARNED_MS, this.#intervalMs))
  }

  #refused(error: ProtocolError): void {
    if (rejoinCodes.has(error.code)) {
      this.#rejoin(error)
      this.#after(this.#attempts++ === 0 ? 0 : this.#backoffMs(error))
    } else if (mayHeal(error) || this.#mayBeReleased(error) || this.#mayHaveRoom(error)) {
      this.#attempts++
      this.#after(this.#backoffMs(error))
    } else {
      this.#stop()
      this.#host.failed(error)
    }
  }

  /** The one who had the name before may have died: its session ends. */
  #mayBeReleased({ code, message }: ProtocolError): boolean {
    if (code !== ErrorCode.UNRELEASED_INSTANCE_ID || this.#memberEpoch !== JOIN_EPOCH) return false
    if (!this.#isWaitingForName) this.#host.warned(`it waits for its name: ${message}`)
    this.#isWaitingForName = true
    return true
  }

  /** The broker's disk is full for a while: who reads already waits for it. */
  #mayHaveRoom({ code, message }: ProtocolError): boolean {
    if (code !== ErrorCode.STORAGE_FULL || !this.#hasBeenMember) return false
    if (!this.#isFull) this.#host.warned(`partitions cannot be shared out anew at the moment: ${message}`)
    this.#isFull = true
    return true
  }

  /** Owns nothing from now on; others need not wait until the broker notices. */
  #stopOwning(why: string): void {
    const goodbye = this.#memberEpoch === JOIN_EPOCH ? undefined : this.#request(LEAVE_EPOCH)
    this.#rejoin(new ProtocolError(ErrorCode.UNKNOWN_MEMBER_ID, why))
    if (goodbye)
      this.#link.connection?.start(apis.groupHeartbeat, goodbye, { answer: noNews, failure: noNews }, 0)
    this.#after(0)
  }

  #rejoin(error: ProtocolError): void {
    const wasMember = this.#memberEpoch !== JOIN_EPOCH
    // A name once fenced is never heard again.
    this.#memberId = uuid(this.#ports)
    this.#memberEpoch = JOIN_EPOCH
    this.#revision = 0
    this.#isSettled = false
    this.#session?.timer.cancel()
    this.#givingBack?.timer.cancel()
    this.#session = undefined
    this.#givingBack = undefined
    if (wasMember) this.#host.lost(error)
  }

  /** From the sending of a heartbeat that was answered, the broker waits no longer than the session. */
  #watchSession(sentMs: number): void {
    this.#session?.timer.cancel()
    const { sessionTimeoutMs } = this.#settings
    this.#session = this.#endAt(
      sentMs + sessionTimeoutMs,
      `the broker has not answered for ${sessionTimeoutMs} ms, so that it may have given the partitions to others`,
    )
  }

  #watchGivingBack(sentMs: number, withinMs: number | null): void {
    this.#givingBack?.timer.cancel()
    this.#givingBack = undefined
    if (withinMs === null) return
    this.#givingBack = this.#endAt(
      sentMs + withinMs,
      `an event of a partition that is to be given back was held for ${withinMs} ms (rebalanceTimeoutMs)`,
    )
  }

  #endAt(atMs: number, why: string): Deadline {
    const delayMs = Math.max(0, atMs - this.#ports.clock.monotonicMs())
    return { atMs, why, timer: this.#delays.after(delayMs, () => this.#stopOwning(why)) }
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
    if (!this.#isLeft) this.#next = this.#delays.after(delayMs, () => this.#send())
  }

  #told(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const resolve of waiters) resolve()
  }
}

/** That a topic is not there is not refused, since it may come; that it is not there for this caller is for good. */
function mayHeal({ code, retriable }: ProtocolError): boolean {
  return retriable && code !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
}

/** Who leaves and is refused is out already. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof ProtocolError)) throw error
}

/** Nobody waits for the answer. */
function noNews(): void {}

/** A random UUID (RFC 9562, version 4). */
function uuid({ random }: ClientPorts): string {
  const digits = Array.from({ length: 32 }, () => Math.floor(random.unit() * 16).toString(16))
  digits[12] = '4'
  digits[16] = (8 + Math.floor(random.unit() * 4)).toString(16)
  const hex = digits.join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
