/**
 * Which partitions a member of a group reads: what the broker assigns, step by step. A partition is given up when nobody
 * works on an event of it any more and its offset is committed; the broker is told only then. What stays is read on as if
 * nothing had happened.
 *
 * ```
 *            offset found              not assigned any more            nobody at it, committed
 *  starting ─────────────▶ reading ───────────────────────▶ revoking ──────────────────────────▶ given up
 * ```
 */
import { backoffDelayMs } from '../backoff.ts'
import type { BrokerLink } from '../broker-link.ts'
import { nameOf } from '../consumer/handing-out.ts'
import type { PartitionName, StartPosition } from '../consumer/options.ts'
import type { PartitionSupply } from '../consumer/subscription.ts'
import { DelayGroup } from '../delay-group.ts'
import type { ClientPorts } from '../ports.ts'
import { apis } from '../protocol/api.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import type { AssignedPartitions } from '../protocol/messages/group-heartbeat.ts'
import type { FetchedOffset } from '../protocol/messages/group-offsets.ts'
import { RETRY_BACKOFF } from '../retry.ts'
import type { Topic, TopicDirectory } from '../topic-directory.ts'
import { sameTopicId } from '../topic-id.ts'
import { endsOf, GrownTopics } from './first-offsets.ts'
import { again, byTopic, groupError, type Held, ignoreRefusal, notHeld } from './held-partitions.ts'
import { Membership } from './membership.ts'
import { OffsetCommitter, type ProcessedOffset } from './offset-committer.ts'
import type { GroupSettings } from './options.ts'

/** The consumer, as its place in a group sees it. */
export interface GroupHost {
  /** A partition is to be read. */
  found(topic: Topic, partition: number, start: StartPosition): void
  /** What is known of a topic is new. */
  known(topic: Topic): void
  /** Nothing more of the partition is handed out. */
  hold(partition: PartitionName): void
  /** Whether an event of the partition is at work. */
  isAtWork(partition: PartitionName): boolean
  /** Whether {@link GroupSubscription.released} is to be called when something at work is done. */
  awaitsWork(isAwaited: boolean): void
  /** The partition is not read any more. */
  dropped(partition: PartitionName): void
  /** How far the partition was processed; undefined: not at all. */
  processed(partition: PartitionName): { readonly offset: number; readonly leaderEpoch: number } | undefined
  /** For how long it is at what it was handed last; null: at nothing. */
  processingMs(): number | null
  /** Something changed that somebody who waits may care for. */
  changed(): void
  /** The partition cannot be read. */
  failedAt(topic: Topic, partition: number, error: ProtocolError): void
  /** There is no way back into the group. */
  failed(error: ProtocolError): void
}

/** How long closing waits for what is at work: who closes in the middle of his own loop should leave it instead. */
const LAST_WORK_MS_MAX = 5_000
/** How long closing may wait for a last commit. */
const LAST_COMMIT_MS_MAX = 5_000

/** Somebody else may have it. */
const fencedCodes: ReadonlySet<number> = new Set([
  ErrorCode.FENCED_MEMBER_EPOCH,
  ErrorCode.STALE_MEMBER_EPOCH,
  ErrorCode.UNKNOWN_MEMBER_ID,
])

export class GroupSubscription implements PartitionSupply {
  readonly #link: BrokerLink
  readonly #directory: TopicDirectory
  readonly #ports: ClientPorts
  readonly #settings: GroupSettings
  readonly #topics: readonly string[]
  readonly #from: StartPosition
  readonly #host: GroupHost
  readonly #delays: DelayGroup
  readonly #membership: Membership
  readonly #committer: OffsetCommitter
  readonly #held = new Map<string, Held>()
  readonly #watched = new Map<string, () => void>()
  readonly #grown = new GrownTopics()
  #assigned = new Map<string, PartitionName & { readonly topicId: Uint8Array }>()
  #isAssigned = false
  #isClosed = false
  #closed: Promise<void> | undefined
  #onIdle: (() => void) | undefined

  constructor(
    link: BrokerLink,
    directory: TopicDirectory,
    ports: ClientPorts,
    settings: GroupSettings,
    reading: {
      readonly clientName: string
      readonly topics: readonly string[]
      readonly from: StartPosition
    },
    host: GroupHost,
  ) {
    this.#link = link
    this.#directory = directory
    this.#ports = ports
    this.#settings = settings
    this.#topics = reading.topics
    this.#from = reading.from
    this.#host = host
    this.#delays = new DelayGroup(ports.timers)
    this.#membership = new Membership(link, ports, settings, reading, {
      assigned: (partitions) => this.#assign(partitions),
      settled: () => host.changed(),
      owned: () => byTopic(this.#held.values()),
      processingMs: () => host.processingMs(),
      lost: (error) => this.#lose(error),
      failed: (error) => host.failed(groupError(settings.groupId, error)),
      warned: (sentence) => this.#warn(sentence),
    })
    this.#committer = new OffsetCommitter(link, ports, settings.groupId, this.#membership)
  }

  /** Whether the broker has assigned something, or nothing, is not at sharing out anew, and all of it is being read. */
  get isComplete(): boolean {
    if (!this.#isAssigned || !this.#membership.isSettled || this.#held.size !== this.#assigned.size)
      return false
    for (const { state } of this.#held.values()) if (state !== 'reading') return false
    return true
  }

  start(): void {
    this.#membership.start()
    this.#commitLater()
    for (const name of this.#topics)
      this.#directory.lookup(name).catch((error: unknown) => {
        if (!(error instanceof ProtocolError)) throw error
        if (error.code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
          this.#warn(`${error.message}: group ${this.#settings.groupId} reads it as soon as there is`)
      })
  }

  /** A broker's refusal says that what is known of a topic is out of date. */
  refresh(name: string): void {
    // Whoever watches gets the answer; the broker assigns anew when the topic is gone.
    this.#directory.refresh(name).catch(ignoreRefusal)
  }

  /** Something that was at work is done: partitions may wait for that to be given up. */
  released(): void {
    if (this.#onIdle && !this.#isAtWork) this.#onIdle()
    for (const held of this.#held.values()) if (held.state === 'revoking') void this.#giveUp(held)
  }

  /**
   * As {@link OffsetCommitter.commit}. With `isOfAll` what is committed already, and has nothing beside it, is not sent again; but while a
   * commit is on its way nobody knows what is committed, and the last word has to count.
   */
  async commit(
    offsets: readonly (PartitionName & Omit<ProcessedOffset, 'topicId'>)[],
    { isOfAll }: { readonly isOfAll: boolean },
  ): Promise<void> {
    const isKnown = isOfAll && this.#committer.isIdle
    const placed = offsets.map((offset) => {
      const held = this.#held.get(nameOf(offset))
      if (!held) throw notHeld(offset)
      return { ...offset, topicId: held.topicId, isNew: !isKnown || held.committedOffset !== offset.offset }
    })
    await this.#committer.commit(placed.filter(({ isNew, metadata }) => isNew || metadata !== ''))
    for (const offset of offsets) this.#committed(offset)
  }

  /** As {@link Membership.checkClock}. */
  checkClock(): void {
    this.#membership.checkClock()
  }

  /** Commits what was processed, leaves the group, and ends. Never rejects; what could not be committed is warned of. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#isClosed = true
    this.#delays.cancelAll()
    for (const stop of this.#watched.values()) stop()
    if (this.#isAtWork) await this.#within(LAST_WORK_MS_MAX, this.#idle())
    if (this.#settings.autoCommitIntervalMs !== undefined && this.#link.connection)
      await this.#within(LAST_COMMIT_MS_MAX, this.#commitProcessed([...this.#held.values()]))
    await this.#membership.leave()
    this.#committer.close()
  }

  get #isAtWork(): boolean {
    return [...this.#held.values()].some((held) => this.#host.isAtWork(held))
  }

  /** Resolves when nothing is at work. */
  #idle(): Promise<void> {
    this.#host.awaitsWork(true)
    return new Promise((resolve) => {
      this.#onIdle = resolve
    })
  }

  #assign(assignment: readonly AssignedPartitions[]): void {
    if (this.#isClosed) return
    const assigned = new Map<string, PartitionName & { readonly topicId: Uint8Array }>()
    for (const { topic, topicId, partitions } of assignment)
      for (const partition of partitions)
        assigned.set(nameOf({ topic, partition }), { topic, topicId, partition })
    this.#assigned = assigned
    this.#isAssigned = true
    const removed: Held[] = []
    for (const held of this.#held.values()) {
      const still = assigned.get(held.key)
      if (still && sameTopicId(still.topicId, held.topicId)) continue
      if (held.state === 'revoking') continue
      held.state = 'revoking'
      this.#host.hold(held)
      removed.push(held)
    }
    this.#tell({ added: [], removed, isLost: false })
    this.#awaitWork()
    for (const held of removed) void this.#giveUp(held)
    this.#takeOver()
    this.#host.changed()
  }

  #awaitWork(): void {
    const isRevoking = [...this.#held.values()].some(({ state }) => state === 'revoking')
    this.#host.awaitsWork(isRevoking || this.#onIdle !== undefined)
  }

  /** Begins with what is assigned and not held; what is still being given up comes when it was. */
  #takeOver(): void {
    const added: Held[] = []
    for (const [key, { topic, topicId, partition }] of this.#assigned) {
      if (this.#held.has(key)) continue
      const held: Held = {
        key,
        topic,
        topicId,
        partition,
        state: 'starting',
        isLeaving: false,
        committedOffset: -1,
      }
      this.#held.set(key, held)
      added.push(held)
    }
    if (added.length === 0) return
    this.#tell({ added, removed: [], isLost: false })
    // The broker learns that they were taken over: until then it goes on telling.
    this.#membership.ownedChanged()
    void this.#begin(added)
  }

  /** Nobody may be at it. Commits what was processed, and tells the broker. */
  async #giveUp(held: Held): Promise<void> {
    if (held.state !== 'revoking' || held.isLeaving || this.#host.isAtWork(held)) return
    held.isLeaving = true
    if (this.#settings.autoCommitIntervalMs !== undefined) await this.#commitProcessed([held])
    // Meanwhile all may have been lost, or ended.
    if (this.#held.get(held.key) !== held || this.#isClosed) return
    this.#drop(held)
    this.#awaitWork()
    // What is left to give up does not hold up those who wait for this.
    this.#membership.ownedChanged()
    this.#takeOver()
  }

  #lose(error: ProtocolError): void {
    const removed = [...this.#held.values()]
    for (const held of removed) this.#drop(held)
    this.#assigned = new Map()
    this.#isAssigned = false
    // Whoever closes waits for nothing that is not owned any more.
    this.#onIdle?.()
    this.#awaitWork()
    if (removed.length > 0) {
      this.#tell({ added: [], removed, isLost: true })
      this.#warn(
        `this consumer was put out of group ${this.#settings.groupId} and joins again: ${error.message}`,
      )
    }
    this.#host.changed()
  }

  #drop(held: Held): void {
    this.#held.delete(held.key)
    this.#host.dropped(held)
    const isLast = ![...this.#held.values()].some(({ topic }) => topic === held.topic)
    if (!isLast) return
    this.#watched.get(held.topic)?.()
    this.#watched.delete(held.topic)
  }

  async #begin(added: readonly Held[]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const waiting = added.filter((held) => this.#isStarting(held))
      if (waiting.length === 0) return
      const error = await this.#lookUp(waiting)
      if (!error) return
      if (this.#isClosed || this.#link.failure) return
      // The membership learns of it by its own heartbeat, and loses everything.
      if (fencedCodes.has(error.code)) {
        await this.#membership.answered()
        await this.#pause(attempt, 0)
      } else if (error.retriable) await this.#pause(attempt, error.retryAfterMs)
      else {
        this.#host.failed(groupError(this.#settings.groupId, error))
        return
      }
    }
  }

  #isStarting(held: Held): boolean {
    return !this.#isClosed && this.#held.get(held.key) === held && held.state === 'starting'
  }

  /** Finds out where partitions begin, and begins. The error after which to ask again. */
  async #lookUp(waiting: readonly Held[]): Promise<ProtocolError | undefined> {
    let offsets: readonly FetchedOffset[]
    const topics = new Map<string, Topic>()
    try {
      for (const { topic, topicId } of waiting)
        if (!topics.has(topic)) topics.set(topic, await this.#topic(topic, topicId))
      const { memberId, memberEpoch } = this.#membership
      const partitions = waiting.map(({ topicId, partition }) => ({ topicId, partition }))
      const request = { groupId: this.#settings.groupId, memberId, memberEpoch, partitions }
      offsets = (await this.#link.call(apis.offsetFetch, request, { repeatable: true })).partitions
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      return error.code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION ? again(error) : error
    }
    let failure: ProtocolError | undefined
    const unread: Held[] = []
    for (const [i, held] of waiting.entries()) {
      if (!this.#isStarting(held)) continue
      const entry = offsets[i]
      const error = entry ? entry.error : ErrorCode.UNKNOWN_SERVER_ERROR
      if (error !== ErrorCode.NONE) failure = new ProtocolError(error, entry?.message ?? undefined)
      else if (this.#beginsAtEnd(held, topics.get(held.topic) as Topic, entry?.offset)) unread.push(held)
      else this.#read(held, topics.get(held.topic) as Topic, entry as FetchedOffset)
    }
    failure ??= await this.#readFromEnd(unread, topics)
    this.#host.changed()
    return failure
  }

  #beginsAtEnd({ partition }: Held, topic: Topic, offset: number | undefined): boolean {
    const isAdded = this.#grown.isAdded(topic, partition)
    return offset === -1 && this.#from === 'latest' && !isAdded && !this.#settings.failWithoutOffset
  }

  /** Commits where they end now, and begins there. The error after which to ask again. */
  async #readFromEnd(
    unread: readonly Held[],
    topics: ReadonlyMap<string, Topic>,
  ): Promise<ProtocolError | undefined> {
    if (unread.length === 0) return undefined
    try {
      const places = unread.map((held) => ({
        topic: topics.get(held.topic) as Topic,
        partition: held.partition,
      }))
      const ends = await endsOf(this.#link, places)
      await this.#committer.commit(
        unread.map((held, i) => ({ ...held, offset: ends[i], leaderEpoch: -1, metadata: '' })),
      )
      for (const [i, held] of unread.entries())
        if (this.#isStarting(held)) this.#read(held, places[i].topic, { offset: ends[i] })
      return undefined
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      return error
    }
  }

  #read(held: Held, topic: Topic, { offset }: Pick<FetchedOffset, 'offset'>): void {
    held.state = 'reading'
    if (!this.#watched.has(topic.name))
      this.#watched.set(
        topic.name,
        this.#directory.watch(topic.name, (answer) => {
          if (!(answer instanceof ProtocolError)) this.#host.known(answer)
        }),
      )
    if (offset < 0 && this.#settings.failWithoutOffset) {
      const { groupId } = this.#settings
      const sentence = `group ${groupId} has no offset in topic ${held.topic}, partition ${held.partition}; commit one (octopus group reset), or leave out onNoOffset: 'fail'`
      this.#host.failedAt(topic, held.partition, new ProtocolError(ErrorCode.OFFSET_OUT_OF_RANGE, sentence))
      return
    }
    held.committedOffset = offset
    // What is in a partition that was added while the topic was read is new.
    const fresh = this.#from === 'latest' ? 'earliest' : this.#from
    this.#host.found(topic, held.partition, offset < 0 ? fresh : { offset })
  }

  /** The topic of that name and id. */
  async #topic(name: string, topicId: Uint8Array): Promise<Topic> {
    const known = await this.#directory.lookup(name)
    if (sameTopicId(known.topicId, topicId)) return known
    const fresh = await this.#directory.refresh(name)
    if (sameTopicId(fresh.topicId, topicId)) return fresh
    // Deleted and created again: the broker assigns anew.
    throw new ProtocolError(ErrorCode.UNKNOWN_TOPIC_ID, `topic ${name} was deleted and created again`)
  }

  #commitLater(): void {
    const { autoCommitIntervalMs } = this.#settings
    if (autoCommitIntervalMs === undefined || this.#isClosed) return
    this.#delays.after(autoCommitIntervalMs, () => {
      const reading = [...this.#held.values()].filter(({ state }) => state === 'reading')
      void this.#commitProcessed(reading).finally(() => this.#commitLater())
    })
  }

  /** Never rejects: what could not be committed is committed with the next, or handed out again to whoever reads then. */
  async #commitProcessed(partitions: readonly Held[]): Promise<void> {
    const offsets: ProcessedOffset[] = []
    for (const held of partitions) {
      const processed = this.#host.processed(held)
      if (processed && processed.offset !== held.committedOffset)
        offsets.push({ ...held, ...processed, metadata: '' })
    }
    try {
      await this.#committer.commit(offsets)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      // Of a topic that is gone nobody will read on.
      if (error.code !== ErrorCode.UNKNOWN_TOPIC_ID) this.#warn(error.message)
      return
    }
    for (const offset of offsets) this.#committed(offset)
  }

  #committed({ offset, ...partition }: PartitionName & { readonly offset: number }): void {
    const held = this.#held.get(nameOf(partition))
    if (held) held.committedOffset = offset
  }

  #tell(change: {
    readonly added: readonly Held[]
    readonly removed: readonly Held[]
    readonly isLost: boolean
  }): void {
    const { onAssignment } = this.#settings
    if (!onAssignment || change.added.length + change.removed.length === 0) return
    const named = (list: readonly Held[]) => list.map(({ topic, partition }) => ({ topic, partition }))
    const told = { added: named(change.added), removed: named(change.removed), isLost: change.isLost }
    this.#ports.timers.soon(() => onAssignment(told))
  }

  #warn(sentence: string): void {
    const { onWarning } = this.#settings
    if (onWarning) this.#ports.timers.soon(() => onWarning(sentence))
  }

  #pause(attempt: number, atLeastMs: number): Promise<void> {
    const delayMs = backoffDelayMs(RETRY_BACKOFF, attempt, this.#ports.random.unit(), atLeastMs)
    return new Promise((resolve) => {
      if (this.#isClosed) resolve()
      else this.#delays.after(delayMs, resolve)
    })
  }

  async #within(timeMs: number, work: Promise<void>): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#ports.timers.after(timeMs, resolve)
      void work.finally(() => {
        timer.cancel()
        resolve()
      })
    })
  }
}
