/**
 * A consumer that reads as a member of a group: what binds its cursors, and what is at work, to its place in the group.
 */
import type { BrokerLink } from '../broker-link.ts'
import type { BatchInHand } from '../consumer/batch-in-hand.ts'
import type { PlacedRecord } from '../consumer/consumed-batch.ts'
import { type Cursor, UNKNOWN_OFFSET } from '../consumer/cursor.ts'
import { type CommitPoint, nameOf } from '../consumer/handing-out.ts'
import type { ConsumerSettings, PartitionName, StartPosition } from '../consumer/options.ts'
import type { ClientPorts } from '../ports.ts'
import type { ProtocolError } from '../protocol/errors.ts'
import type { Topic, TopicDirectory } from '../topic-directory.ts'
import { sameTopicId } from '../topic-id.ts'
import { GroupSubscription } from './group-subscription.ts'
import type { GroupSettings } from './options.ts'
import { WorkInHand } from './work-in-hand.ts'

/** The consumer, as its membership sees it. */
export interface ReadingHost<R extends PlacedRecord> {
  /** By {@link nameOf}. */
  readonly cursors: Map<string, Cursor>
  readonly hand: BatchInHand<R>
  /** A partition is to be read: there is a cursor for it when this returns. */
  found(topic: Topic, partition: number, start: StartPosition): void
  known(topic: Topic): void
  /** Cursors are others than before. */
  changed(): void
  failedAt(cursor: Cursor, error: ProtocolError): void
  failed(error: ProtocolError): void
}

export class GroupReading<R extends PlacedRecord> {
  readonly subscription: GroupSubscription
  readonly work: WorkInHand
  readonly #host: ReadingHost<R>
  /** Of partitions that are given back. */
  readonly #heldBack = new WeakSet<Cursor>()

  constructor(
    link: BrokerLink,
    directory: TopicDirectory,
    ports: ClientPorts,
    {
      topics,
      from,
      group,
    }: Pick<ConsumerSettings, 'topics' | 'from'> & { readonly group?: GroupSettings | undefined },
    clientName: string,
    host: ReadingHost<R>,
  ) {
    this.#host = host
    this.work = new WorkInHand(
      () => ports.clock.monotonicMs(),
      (run) => ports.timers.soon(run),
      () => this.subscription.released(),
    )
    this.subscription = new GroupSubscription(
      link,
      directory,
      ports,
      group as GroupSettings,
      { clientName, topics, from },
      {
        found: (topic, partition, start) => host.found(topic, partition, start),
        known: (topic) => {
          if (!this.#isOther(topic)) host.known(topic)
        },
        hold: (partition) => this.#hold(partition),
        isAtWork: (partition) => {
          const cursor = host.cursors.get(nameOf(partition))
          return cursor !== undefined && this.work.isAt(cursor)
        },
        awaitsWork: (isAwaited) => {
          this.work.isAwaited = isAwaited
        },
        dropped: (partition) => this.#drop(partition),
        processed: (partition) => this.#processed(partition),
        processingMs: () => this.work.processingMs(),
        changed: () => host.changed(),
        failedAt: (topic, partition, error) => {
          host.found(topic, partition, { offset: 0 })
          const cursor = host.cursors.get(nameOf({ topic: topic.name, partition }))
          if (!cursor) return
          // It stands nowhere until somebody has sought: or the next would find an offset where there should be none.
          cursor.position = UNKNOWN_OFFSET
          cursor.rewind()
          host.failedAt(cursor, error)
        },
        failed: (error) => host.failed(error),
      },
    )
  }

  /** Nothing more of anything is handed out. */
  holdAll(): void {
    for (const { source } of this.#host.cursors.values()) this.#hold(source)
  }

  /** Whether nothing more of it is handed out, whoever asks for it. */
  isHeldBack(cursor: Cursor): boolean {
    return this.#heldBack.has(cursor)
  }

  /** Up to this offset, without it; without one all that was handed out. */
  commit(point: CommitPoint | undefined, metadata: string): Promise<void> {
    const cursor = point && this.#host.cursors.get(nameOf(point))
    if (cursor) this.work.processedUpTo(cursor, point.offset)
    const isOfAll = point === undefined
    // What is behind it and for nobody is not to be looked at again by whoever takes over.
    const offset = cursor ? this.#host.hand.passedFrom(cursor, point.offset) : (point?.offset ?? 0)
    const offsets = isOfAll ? this.#handedOut(metadata) : [{ ...point, offset, leaderEpoch: -1, metadata }]
    return this.subscription.commit(offsets, { isOfAll })
  }

  /**
   * Whether something is read here of a topic that had this name before: its offsets mean nothing in this one. The broker assigns
   * anew, and until then it is not there.
   */
  #isOther({ name, topicId }: Topic): boolean {
    for (const { source, topic } of this.#host.cursors.values())
      if (source.topic === name && !sameTopicId(topic.topicId, topicId)) return true
    return false
  }

  /** Nothing more of it is handed out; it may be at work. */
  #hold(partition: PartitionName): void {
    const cursor = this.#host.cursors.get(nameOf(partition))
    if (!cursor) return
    this.#host.hand.dropOf(cursor)
    this.#heldBack.add(cursor)
    cursor.paused = true
    cursor.rewind()
  }

  #drop(partition: PartitionName): void {
    this.#hold(partition)
    this.#host.cursors.delete(nameOf(partition))
    this.#host.changed()
  }

  #processed(partition: PartitionName): { offset: number; leaderEpoch: number } | undefined {
    const { cursors, hand } = this.#host
    const cursor = cursors.get(nameOf(partition))
    if (!cursor) return undefined
    const position = hand.positionOf(cursor)
    if (position === UNKNOWN_OFFSET) return undefined
    return { offset: this.work.processedOf(cursor, position), leaderEpoch: cursor.lastFetchedEpoch }
  }

  #handedOut(metadata: string) {
    const points: (CommitPoint & { leaderEpoch: number; metadata: string })[] = []
    for (const cursor of this.#host.cursors.values()) {
      const offset = this.#host.hand.positionOf(cursor)
      if (offset !== UNKNOWN_OFFSET)
        points.push({ ...cursor.source, offset, leaderEpoch: cursor.lastFetchedEpoch, metadata })
    }
    return points
  }
}
