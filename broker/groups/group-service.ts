/**
 * Performs what the coordinator of groups decides: appends its records, has them replayed, gives the answer away when they and all
 * before them are durable, asks again when time has passed, and holds heartbeats back until there is news.
 *
 * It promises: an answer tells of nothing that a crash could take back; after an accident of the log the groups are what the log
 * says, and meanwhile callers are told to come again; nothing waits longer than it asked to.
 */
import { namespaceOf } from '../../auth/acl/qualified-name.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { Clock, Timer, Timers } from '../ports.ts'
import type { CoordinatorLog } from './coordinator-log.ts'
import type { Decision, GroupLimits, GroupTopics, Now, Refusal } from './decision.ts'
import type { DescribedGroup, ListedGroup } from './group-admin.ts'
import { GroupCoordinator } from './group-coordinator.ts'
import { decodeGroupRecord, encodeGroupRecord, type GroupValue } from './group-record.ts'
import { type HeartbeatAnswer, type HeartbeatRequest, mayBeHeld } from './heartbeat-request.ts'
import { type DecidedHeartbeat, HeldHeartbeats } from './held-heartbeats.ts'
import { type MemberCaller, MemberCallers } from './member-callers.ts'
import type {
  OffsetCommitAnswer,
  OffsetCommitRequest,
  OffsetDeleteRequest,
  OffsetFetchAnswer,
  OffsetFetchRequest,
} from './offsets.ts'

export interface GroupServiceOptions {
  readonly log: CoordinatorLog
  readonly topics: GroupTopics
  readonly limits: GroupLimits
  readonly clock: Clock
  readonly timers: Timers
  /** Why nothing can be written now; undefined: it can. */
  readonly refusal: () => Error | undefined
  readonly onProblem: (error: Error) => void
}

/** Timers overflow after 24.8 days; nothing is lost by looking once a day. */
const PLAN_MS_MAX = 86_400_000
/** When what time brings could not be written, it is tried again. */
const RETRY_MS = 1_000
/** A burst of new topics is one change. */
const TOPICS_CHANGED_MS = 50
/** Groups looked at between two turns of the event loop. */
const GROUPS_PER_TURN = 50

export interface GroupStats {
  readonly groups: number
  readonly members: number
  /** Heartbeats that wait for news. */
  readonly heldHeartbeats: number
  /** Requests since the start, each of as many partitions as it may be. */
  readonly commits: number
  readonly committedOffsets: number
  /** Assignments made since the start. */
  readonly rebalances: number
}

export class GroupService {
  readonly #counts = { commits: 0, committedOffsets: 0, rebalances: 0 }
  readonly #options: GroupServiceOptions
  readonly #held: HeldHeartbeats
  readonly #callers: MemberCallers
  readonly #plans = new Map<string, { readonly atMs: number; readonly timer: Timer }>()
  #coordinator: GroupCoordinator
  /** Settles when everything appended so far has. */
  #durable: Promise<void> = Promise.resolve()
  /** Undefined: the groups are as the log has them. */
  #loading: Promise<void> | undefined
  #topicsTimer: Timer | undefined
  #isClosed = false

  private constructor(options: GroupServiceOptions) {
    this.#options = options
    this.#held = new HeldHeartbeats(options.timers, (request) => this.#decideHeartbeat(request))
    this.#callers = new MemberCallers(options.timers, (leaving) => this.#putOut(leaving))
    this.#coordinator = this.#newCoordinator()
  }

  /** Reads the log. Rejects with StorageError, or with an Error where a record cannot be understood. */
  static async open(options: GroupServiceOptions): Promise<GroupService> {
    const service = new GroupService(options)
    await service.#load()
    await service.#tickAll()
    return service
  }

  get groupCount(): number {
    return this.#coordinator.state.groupCount
  }

  /** For reading; it may be ahead of what is durable. */
  get state(): GroupCoordinator['state'] {
    return this.#coordinator.state
  }

  /** Groups for which something is due at some time. */
  get plannedCount(): number {
    return this.#plans.size
  }

  stats(): GroupStats {
    let members = 0
    for (const group of this.#coordinator.state.groups()) members += group.members.size
    return { groups: this.groupCount, members, heldHeartbeats: this.heldCount, ...this.#counts }
  }

  /** How many groups are in a namespace, as they are with all that was appended. Throws while they are being read. */
  countOfNamespace(namespace: string): number {
    this.#throwIfNotReady()
    let count = 0
    for (const { groupId } of this.#coordinator.state.groups())
      if (namespaceOf(groupId) === namespace) count++
    return count
  }

  /** Heartbeats that wait for news. */
  get heldCount(): number {
    return this.#held.size
  }

  /**
   * Answers at once where there is news for the member, else when there is, at the latest after `maxWaitMs`, or when the member
   * sends another heartbeat, or `signal` aborts. Whoever may not stay in the group is put out when {@link rightsChanged} is
   * called; undefined: it does not depend on that.
   */
  async heartbeat(
    request: HeartbeatRequest,
    maxWaitMs: number,
    signal: AbortSignal,
    caller?: MemberCaller,
  ): Promise<HeartbeatAnswer> {
    this.#throwIfNotReady()
    this.#held.supersede(request)
    const { answer, isNews } = this.#decideHeartbeat(request)
    if (caller && answer.error === ErrorCode.NONE) this.#callers.heard(request, caller)
    const waitMs = Math.min(maxWaitMs, answer.heartbeatIntervalMs)
    if (isNews || waitMs <= 0) return this.#whenDurable(answer)
    return this.#whenDurable(await this.#held.hold(request, answer, waitMs, signal))
  }

  async commitOffsets(request: OffsetCommitRequest): Promise<OffsetCommitAnswer> {
    this.#counts.commits++
    const answer = await this.#perform(request.groupId, (now) =>
      this.#coordinator.commitOffsets(request, now, this.#options.topics),
    )
    for (const { error } of answer.offsets) if (error === ErrorCode.NONE) this.#counts.committedOffsets++
    return answer
  }

  async fetchOffsets(request: OffsetFetchRequest): Promise<OffsetFetchAnswer> {
    return this.#perform(request.groupId, () => this.#coordinator.fetchOffsets(request))
  }

  async deleteOffsets(
    request: OffsetDeleteRequest,
  ): Promise<Refusal & { readonly offsets: readonly Refusal[] }> {
    return this.#perform(request.groupId, (now) =>
      this.#coordinator.deleteOffsets(request, now, this.#options.topics),
    )
  }

  async deleteGroup(groupId: string): Promise<Refusal> {
    return this.#perform(groupId, () => this.#coordinator.deleteGroup(groupId))
  }

  /** In no order. */
  async list(): Promise<ListedGroup[]> {
    this.#throwIfNotReady()
    return this.#whenDurable(this.#coordinator.list())
  }

  /** Undefined: there is no such group. */
  async describe(groupId: string): Promise<DescribedGroup | undefined> {
    this.#throwIfNotReady()
    return this.#whenDurable(this.#coordinator.describe(groupId, this.#now()))
  }

  /** A topic has come, gone or grown: groups look at what that means to them. */
  topicsChanged(): void {
    if (this.#topicsTimer || this.#isClosed) return
    this.#topicsTimer = this.#options.timers.after(TOPICS_CHANGED_MS, () => {
      this.#topicsTimer = undefined
      void this.#tickAll()
    })
  }

  /** Somebody may do more or less than before: members who may not stay are put out, soon. */
  rightsChanged(): void {
    if (!this.#isClosed) this.#callers.reconsider()
  }

  /** Holds nothing back any more; what was appended is waited for by the log. */
  close(): void {
    this.#isClosed = true
    this.#topicsTimer?.cancel()
    this.#unplanAll()
    this.#held.releaseAll()
  }

  #newCoordinator(): GroupCoordinator {
    const { limits, clock } = this.#options
    return new GroupCoordinator({ limits, startedAtMs: clock.monotonicMs() })
  }

  #now(): Now {
    const { clock } = this.#options
    return { nowMs: clock.nowMs(), monotonicMs: clock.monotonicMs() }
  }

  #decideHeartbeat(request: HeartbeatRequest): DecidedHeartbeat {
    const decision = this.#coordinator.heartbeat(request, this.#now(), this.#options.topics)
    return { answer: this.#take(request.groupId, decision), isNews: !mayBeHeld(decision) }
  }

  async #perform<Answer>(groupId: string, decide: (now: Now) => Decision<Answer>): Promise<Answer> {
    this.#throwIfNotReady()
    return this.#whenDurable(this.#take(groupId, decide(this.#now())))
  }

  /** Appends the records of a decision and replays them. Throws, and changes nothing, where nothing can be written. */
  #take<Answer>(groupId: string, { records, answer, nextDeadlineMs }: Decision<Answer>): Answer {
    if (records.length > 0) {
      const refusal = this.#options.refusal()
      if (refusal) {
        this.#coordinator.dropped(groupId)
        throw refusal
      }
      // All before it are durable when it is, and fail when one of them does.
      this.#durable = this.#options.log.append(records.map(encodeGroupRecord))
      this.#durable.catch((error: Error) => this.#failed(error))
      let isNews = false
      for (const record of records) {
        // Offsets are nothing that members wait for, and there are thousands of them a second.
        isNews ||= record.kind !== 'offset'
        if (record.kind === 'group' && this.#isRebalance(record.groupId, record.value))
          this.#counts.rebalances++
        this.#coordinator.replay(record)
        this.#callers.replayed(record)
      }
      if (isNews) this.#held.changed(groupId)
    }
    if (this.#coordinator.state.group(groupId)) this.#plan(groupId, nextDeadlineMs)
    else this.#unplan(groupId)
    return answer
  }

  #isRebalance(groupId: string, value: GroupValue | null): boolean {
    const before = this.#coordinator.state.group(groupId)?.value.assignmentEpoch ?? 0
    return value !== null && value.assignmentEpoch > before
  }

  /** What waits for it is answered at the end of the turn. */
  #putOut(leaving: HeartbeatRequest): void {
    if (!this.#isClosed && !this.#loading) this.#decideHeartbeat(leaving)
  }

  async #whenDurable<T>(answer: T): Promise<T> {
    await this.#durable
    return answer
  }

  #throwIfNotReady(): void {
    if (this.#isClosed) throw new ProtocolError(ErrorCode.SHUTTING_DOWN)
    if (this.#loading) throw new ProtocolError(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
  }

  /** What was replayed may not be in the log: the groups are read again from it, and until then nothing is decided. */
  #failed(error: Error): void {
    if (this.#loading || this.#isClosed) return
    this.#options.onProblem(error)
    this.#unplanAll()
    this.#loading = this.#reload()
    this.#held.releaseAll()
  }

  async #reload(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#load()
        break
      } catch (error) {
        this.#options.onProblem(error as Error)
        await new Promise<void>((resolve) => this.#options.timers.after(RETRY_MS, resolve))
      }
    }
    this.#durable = Promise.resolve()
    this.#loading = undefined
    await this.#tickAll()
  }

  async #load(): Promise<void> {
    const coordinator = this.#newCoordinator()
    await this.#options.log.load(({ key, value }) => coordinator.replay(decodeGroupRecord(key, value)))
    this.#coordinator = coordinator
    this.#callers.forgetAll()
  }

  /** A few groups a turn: there may be ten thousand. */
  async #tickAll(): Promise<void> {
    const coordinator = this.#coordinator
    const groupIds = Array.from(coordinator.state.groups(), ({ groupId }) => groupId)
    for (const [i, groupId] of groupIds.entries()) {
      if (this.#isClosed || this.#loading || coordinator !== this.#coordinator) return
      this.#tick(groupId)
      this.#held.changed(groupId)
      if (i % GROUPS_PER_TURN === GROUPS_PER_TURN - 1)
        await new Promise<void>((resolve) => this.#options.timers.soon(resolve))
    }
  }

  #tick(groupId: string): void {
    this.#unplan(groupId)
    const decision = this.#coordinator.tick(groupId, this.#now(), this.#options.topics)
    if (decision.records.length === 0 || !this.#options.refusal()) {
      this.#take(groupId, decision)
      return
    }
    // The disk is full; whoever watches it says so.
    this.#coordinator.dropped(groupId)
    this.#plan(groupId, this.#options.clock.monotonicMs() + RETRY_MS)
  }

  #unplan(groupId: string): void {
    this.#plans.get(groupId)?.timer.cancel()
    this.#plans.delete(groupId)
  }

  #unplanAll(): void {
    for (const { timer } of this.#plans.values()) timer.cancel()
    this.#plans.clear()
  }

  /** An earlier plan stays: at its time the next is known. */
  #plan(groupId: string, atMs: number): void {
    if (atMs === Number.POSITIVE_INFINITY || this.#isClosed) return
    const planned = this.#plans.get(groupId)
    if (planned && planned.atMs <= atMs) return
    planned?.timer.cancel()
    const { clock, timers } = this.#options
    const delayMs = Math.min(PLAN_MS_MAX, Math.max(0, atMs - clock.monotonicMs()))
    this.#plans.set(groupId, { atMs, timer: timers.after(delayMs, () => this.#tick(groupId)) })
  }
}
