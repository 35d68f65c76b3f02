/**
 * Which partitions a consumer reads: all of some topics, followed as partitions are added, or a fixed list. It
 * finds out that a topic is not there, is gone, or was replaced by another of the same name.
 */
import { backoffDelayMs } from '../backoff.ts'
import type { BrokerLink } from '../broker-link.ts'
import { DelayGroup } from '../delay-group.ts'
import type { ClientPorts } from '../ports.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import { RETRY_BACKOFF } from '../retry.ts'
import type { Topic, TopicDirectory } from '../topic-directory.ts'
import { sameTopicId } from '../topic-id.ts'
import type { ConsumerSettings, StartPosition } from './options.ts'

/** The consumer, as its subscription sees it. */
export interface SubscriptionHost {
  /** A partition is to be read; it was there at the start, or was added later. */
  found(topic: Topic, partition: number, start: StartPosition, isAdded: boolean): void
  /** Every topic is known; partitions may still be added. */
  complete(): void
  /** What is known of a topic is new. */
  known(topic: Topic): void
  /** The topic cannot be read (any more). */
  gone(name: string, error: ProtocolError): void
}

/** Where a consumer has its partitions from: a subscription of its own, or its place in a group. */
export interface PartitionSupply {
  /** Whether every partition there is to be read by now has been found. */
  readonly isComplete: boolean
  start(): void
  /** A broker's refusal says that what is known of a topic is out of date. */
  refresh(name: string): void
  /** Calling it again is harmless. Never rejects. */
  close(): void | Promise<void>
}

export class Subscription implements PartitionSupply {
  readonly #link: BrokerLink
  readonly #directory: TopicDirectory
  readonly #ports: ClientPorts
  readonly #settings: ConsumerSettings
  readonly #host: SubscriptionHost
  readonly #delays: DelayGroup
  readonly #names: ReadonlySet<string>
  readonly #topics = new Map<string, Topic>()
  readonly #gone = new Set<string>()
  readonly #stops: (() => void)[] = []
  #isClosed = false

  constructor(
    link: BrokerLink,
    directory: TopicDirectory,
    ports: ClientPorts,
    settings: ConsumerSettings,
    host: SubscriptionHost,
  ) {
    this.#link = link
    this.#directory = directory
    this.#ports = ports
    this.#settings = settings
    this.#host = host
    this.#delays = new DelayGroup(ports.timers)
    this.#names = new Set([...settings.topics, ...settings.assignments.map(({ topic }) => topic)])
  }

  /** Whether every topic is known. */
  get isComplete(): boolean {
    return this.#topics.size === this.#names.size
  }

  start(): void {
    for (const name of this.#names) {
      this.#stops.push(this.#directory.watch(name, (topic) => this.#told(name, topic)))
      void this.#ask(name)
    }
  }

  /** A broker's refusal says that what is known of a topic is out of date. */
  refresh(name: string): void {
    // The watcher gets the answer. Without one, the partition is tried again and asks again.
    this.#directory.refresh(name).catch(() => undefined)
  }

  close(): void {
    this.#isClosed = true
    for (const stop of this.#stops) stop()
    this.#delays.cancelAll()
  }

  async #ask(name: string): Promise<void> {
    for (let attempt = 1; !this.#isClosed && !this.#gone.has(name); attempt++) {
      try {
        this.#told(name, await this.#directory.lookup(name))
        return
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        if (this.#told(name, error) || this.#link.failure) return
        const delayMs = backoffDelayMs(RETRY_BACKOFF, attempt, this.#ports.random.unit(), error.retryAfterMs)
        await new Promise<void>((resolve) => {
          this.#delays.after(delayMs, resolve)
        })
      }
    }
  }

  /** Takes in what the broker says of a topic. False when asking again may say something else. */
  #told(name: string, answer: Topic | ProtocolError): boolean {
    if (this.#isClosed || this.#gone.has(name)) return true
    const before = this.#topics.get(name)
    if (answer instanceof ProtocolError) {
      // The error table calls it retriable, but a fresh answer that there is no such topic is certain.
      const isCertain = !answer.retriable || answer.code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      if (isCertain) this.#lose(name, before ? deleted(name, 'was deleted', answer) : answer)
      return isCertain
    }
    if (before === answer) return true
    if (before && !sameTopicId(before.topicId, answer.topicId))
      this.#lose(name, deleted(name, 'was deleted and created again'))
    else if (before) this.#changed(before, answer)
    else this.#first(answer)
    return true
  }

  #first(topic: Topic): void {
    const { from, assignments } = this.#settings
    const count = topic.partitions.length
    const assigned = assignments.filter((assignment) => assignment.topic === topic.name)
    const missing = assigned.find(({ partition }) => partition >= count)
    if (missing) {
      this.#lose(topic.name, noSuchPartition(topic.name, missing.partition, count))
      return
    }
    this.#topics.set(topic.name, topic)
    for (const assignment of assigned)
      this.#host.found(topic, assignment.partition, assignment.from ?? from, false)
    if (assigned.length === 0)
      for (let partition = 0; partition < count; partition++) this.#host.found(topic, partition, from, false)
    if (this.isComplete) this.#host.complete()
  }

  #changed(before: Topic, topic: Topic): void {
    const { topics, from, untilEnd } = this.#settings
    this.#topics.set(topic.name, topic)
    this.#host.known(topic)
    if (untilEnd || !topics.includes(topic.name)) return
    // Whatever is in a partition that has just been added is new.
    const start = typeof from === 'object' && 'timeMs' in from ? from : 'earliest'
    for (let partition = before.partitions.length; partition < topic.partitions.length; partition++)
      this.#host.found(topic, partition, start, true)
  }

  #lose(name: string, error: ProtocolError): void {
    this.#gone.add(name)
    this.#host.gone(name, error)
  }
}

function deleted(name: string, what: string, cause?: ProtocolError): ProtocolError {
  return new ProtocolError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `topic ${JSON.stringify(name)} ${what}`, {
    cause,
  })
}

function noSuchPartition(name: string, partition: number, count: number): ProtocolError {
  return new ProtocolError(
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    `topic ${JSON.stringify(name)} has partitions 0 to ${count - 1}, not ${partition}`,
  )
}
