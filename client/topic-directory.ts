/**
 * What the client knows of topics: id, partitions and leaders by name, asked for once, shared by everybody
 * and asked for again while a topic is in use, so that new partitions are noticed.
 *
 * A topic that the broker does not know is an error at once. What was known and is gone is forgotten, and
 * whoever watches is told.
 */
import type { BrokerLink } from './broker-link.ts'
import type { ClientPorts, Timer } from './ports.ts'
import { apis } from './protocol/api.ts'
import { ErrorCode, ProtocolError } from './protocol/errors.ts'
import type { MetadataResponse } from './protocol/messages/metadata.ts'
import { topicIdText } from './topic-id.ts'

export interface TopicPartition {
  readonly leaderId: number
  readonly leaderEpoch: number
}

export interface Topic {
  readonly name: string
  readonly topicId: Uint8Array
  /** The id as 32 hexadecimal digits. */
  readonly topicIdText: string
  /** By partition number. */
  readonly partitions: readonly TopicPartition[]
}

/** Told what is known of a topic whenever it was asked for again; the error when it is gone. */
export type TopicWatcher = (topic: Topic | ProtocolError) => void

type TopicEntry = MetadataResponse['topics'][number]

export class TopicDirectory {
  readonly #link: BrokerLink
  readonly #ports: ClientPorts
  readonly #maxAgeMs: number
  readonly #topics = new Map<string, Topic>()
  readonly #asking = new Map<string, Promise<Topic>>()
  readonly #watchers = new Map<string, Set<TopicWatcher>>()
  #timer: Timer | undefined
  #closed = false

  constructor(link: BrokerLink, ports: ClientPorts, maxAgeMs: number) {
    this.#link = link
    this.#ports = ports
    this.#maxAgeMs = maxAgeMs
  }

  /** What is known already. */
  known(name: string): Topic | undefined {
    return this.#topics.get(name)
  }

  /** What is known, or asks. Rejects with a {@link ProtocolError} when there is no such topic. */
  lookup(name: string): Promise<Topic> {
    const topic = this.#topics.get(name)
    return topic ? Promise.resolve(topic) : this.refresh(name)
  }

  /** Asks the broker; several who ask for the same topic at the same time share one question. */
  refresh(name: string): Promise<Topic> {
    let asking = this.#asking.get(name)
    if (!asking) {
      asking = this.#ask(name).finally(() => this.#asking.delete(name))
      this.#asking.set(name, asking)
    }
    return asking
  }

  /** Tells `watcher` of a topic from now on. Returns how to stop that. */
  watch(name: string, watcher: TopicWatcher): () => void {
    const watchers = this.#watchers.get(name) ?? new Set()
    this.#watchers.set(name, watchers)
    watchers.add(watcher)
    this.#arm()
    return () => {
      watchers.delete(watcher)
      if (watchers.size === 0 && this.#watchers.get(name) === watchers) this.#watchers.delete(name)
    }
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  async #ask(name: string): Promise<Topic> {
    const query = { topics: [{ name, topicId: null }] }
    const response = await this.#link.call(apis.metadata, query, { repeatable: true })
    const topic = topicOf(name, response.topics[0])
    if (topic instanceof ProtocolError) this.#topics.delete(name)
    else this.#topics.set(name, topic)
    for (const watcher of [...(this.#watchers.get(name) ?? [])]) watcher(topic)
    if (topic instanceof ProtocolError) throw topic
    return topic
  }

  /** Asks again for every watched topic, one maximum age after the last time. */
  #arm(): void {
    if (this.#closed || this.#timer || this.#watchers.size === 0) return
    this.#timer = this.#ports.timers.after(this.#maxAgeMs, () => {
      this.#timer = undefined
      // Without a connection the answer would be late by an outage; the next round asks.
      if (this.#link.connection)
        // The watchers have been told of a topic that is gone; a connection that ended asks next round.
        for (const name of this.#watchers.keys()) this.refresh(name).catch(() => undefined)
      this.#arm()
    })
  }
}

function topicOf(name: string, entry: TopicEntry | undefined): Topic | ProtocolError {
  if (!entry || entry.error === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    return new ProtocolError(
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      `there is no topic ${JSON.stringify(name)}`,
    )
  if (entry.error !== ErrorCode.NONE)
    return new ProtocolError(
      entry.error,
      `topic ${JSON.stringify(name)}: ${entry.message ?? new ProtocolError(entry.error).message}`,
    )
  const partitions: TopicPartition[] = []
  for (const { partition, leaderId, leaderEpoch } of entry.partitions)
    partitions[partition] = { leaderId, leaderEpoch }
  // A hole would be a partition that nobody can write to or read.
  if (!entry.topicId || partitions.length === 0 || Object.keys(partitions).length !== partitions.length)
    return new ProtocolError(
      ErrorCode.UNKNOWN_SERVER_ERROR,
      `topic ${JSON.stringify(name)} came without id or partitions`,
    )
  return { name, topicId: entry.topicId, topicIdText: topicIdText(entry.topicId), partitions }
}
