/**
 * Topics, offsets, groups, the state of the broker, and who may do what, one question at a time. Questions that change nothing are asked
 * again when the connection is lost meanwhile; the others fail with DISCONNECTED, and may have been carried out.
 */
import type { BrokerLink } from './broker-link.ts'
import type { PartitionName } from './consumer/options.ts'
import { GroupAdmin } from './group-admin.ts'
import { apis } from './protocol/api.ts'
import { ErrorCode, ProtocolError } from './protocol/errors.ts'
import { OFFSET_EARLIEST, OFFSET_LATEST } from './protocol/messages/list-offsets.ts'
import type { MetadataResponse } from './protocol/messages/metadata.ts'
import type { StatusResponse } from './protocol/messages/status.ts'
import type { DescribeTopicsResponse, ListTopicsResponse } from './protocol/messages/topics.ts'
import { topicIdText } from './topic-id.ts'

/** The answer of the wire with topic ids as 32 hexadecimal digits. */
type WithTopicIdText<T extends { topicId: Uint8Array | null }> = Omit<T, 'topicId'> & {
  readonly topicId: Exclude<T['topicId'], Uint8Array> | string
}

export type TopicDescription = Omit<
  WithTopicIdText<DescribeTopicsResponse['topics'][number]>,
  'error' | 'message'
>
export type TopicListing = WithTopicIdText<ListTopicsResponse['topics'][number]>

export interface TopicSummary {
  readonly name: string
  /** 32 hexadecimal digits; null when nothing was created because it was only to be checked. */
  readonly topicId: string | null
  readonly partitions: number
}

export interface CreateTopicOptions {
  /** Default: the broker's. */
  readonly partitions?: number
  /** Default: the broker's. */
  readonly replicationFactor?: number
  readonly configs?: Readonly<Record<string, string>>
  /** Check everything, create nothing. Default false. */
  readonly validateOnly?: boolean
}

export interface AlterTopicOptions {
  /** New total count, larger than the present one. */
  readonly partitions?: number
  /** Only the named ones change; null: back to the broker's default. */
  readonly configs?: Readonly<Record<string, string | null>>
  readonly validateOnly?: boolean
}

export interface OffsetQuery extends PartitionName {
  /** The first record not older than a time is looked for by `{ timeMs }`, ms since 1970. */
  readonly at: 'earliest' | 'latest' | { readonly timeMs: number }
}

export interface OffsetAnswer extends PartitionName {
  /** -1: no record is that young. */
  readonly offset: number
  /** Time of the record that was found; -1 for `earliest` and `latest`. */
  readonly timestampMs: number
}

export class Admin extends GroupAdmin {
  readonly #link: BrokerLink
  readonly #timeoutMs: number

  /** Made by `client.admin()`. */
  constructor(link: BrokerLink, timeoutMs: number) {
    super(link)
    this.#link = link
    this.#timeoutMs = timeoutMs
  }

  /** Rejects with a {@link ProtocolError}: TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_CONFIG, … */
  async createTopic(name: string, options: CreateTopicOptions = {}): Promise<TopicSummary> {
    const { partitions = -1, replicationFactor = -1, configs = {}, validateOnly = false } = options
    const topic = { name, partitions, replicationFactor, configs: entries(configs) }
    const request = { topics: [topic], validateOnly, timeoutMs: this.#timeoutMs }
    const response = await this.#link.call(apis.createTopics, request, { repeatable: validateOnly })
    return summary(only(response.topics))
  }

  async alterTopic(name: string, options: AlterTopicOptions): Promise<TopicSummary> {
    const { partitions = null, configs = {}, validateOnly = false } = options
    const topic = { name, partitions, configs: entries(configs) }
    const request = { topics: [topic], validateOnly, timeoutMs: this.#timeoutMs }
    // The same change made twice is the same change.
    const response = await this.#link.call(apis.alterTopics, request, { repeatable: true })
    return summary(only(response.topics))
  }

  /** Its data is dead from then on, for ever, also for a topic that is created later with the same name. */
  async deleteTopic(name: string): Promise<void> {
    const request = { topics: [{ name, topicId: null }], timeoutMs: this.#timeoutMs }
    const response = await this.#link.call(apis.deleteTopics, request, { repeatable: false })
    only(response.topics)
  }

  /** Configuration, partitions, offsets and sizes; of every topic the caller may see, or of some. */
  async describeTopics(names?: readonly string[]): Promise<TopicDescription[]> {
    const request = { names: names ? [...names] : null }
    const { topics } = await this.#link.call(apis.describeTopics, request, { repeatable: true })
    return topics.map((topic) => {
      const { error: _error, message: _message, topicId, ...description } = succeeded(topic)
      return { ...description, topicId: topicId && topicIdText(topicId) }
    })
  }

  async listTopics(options: { readonly includeInternal?: boolean } = {}): Promise<TopicListing[]> {
    const request = { includeInternal: options.includeInternal ?? false }
    const { topics } = await this.#link.call(apis.listTopics, request, { repeatable: true })
    return topics.map(({ topicId, ...topic }) => ({ ...topic, topicId: topicIdText(topicId) }))
  }

  /** One answer for each query, in their order. Rejects when one of them fails. */
  async listOffsets(
    queries: readonly OffsetQuery[],
    options: { readonly isolation?: 'committed' | 'uncommitted' } = {},
  ): Promise<OffsetAnswer[]> {
    const names = [...new Set(queries.map(({ topic }) => topic))]
    const { topics } = await this.metadata(names)
    const ids = new Map(topics.map((topic) => [topic.name, succeeded(topic).topicId]))
    const partitions = queries.map(({ topic, partition, at }) => ({
      topicId: ids.get(topic) ?? new Uint8Array(16),
      partition,
      leaderEpoch: -1,
      timestamp: at === 'earliest' ? OFFSET_EARLIEST : at === 'latest' ? OFFSET_LATEST : at.timeMs,
    }))
    const request = { isolationLevel: options.isolation === 'uncommitted' ? 0 : 1, partitions }
    const listed = (await this.#link.call(apis.listOffsets, request, { repeatable: true })).partitions
    return queries.map(({ topic, partition }, i) => {
      const { offset, timestamp } = succeeded({ ...listed[i], name: topic })
      return { topic, partition, offset, timestampMs: timestamp }
    })
  }

  /** What the node is and how it fares. */
  status(): Promise<StatusResponse> {
    return this.#link.call(apis.status, {}, { repeatable: true })
  }

  /** Nodes, and who leads each partition; of every topic the caller may see, or of some. Errors stand in the entries. */
  metadata(names?: readonly string[]): Promise<MetadataResponse> {
    const topics = names ? names.map((name) => ({ name, topicId: null })) : null
    return this.#link.call(apis.metadata, { topics }, { repeatable: true })
  }
}

interface Outcome {
  readonly name: string | null
  readonly error: number
  readonly message: string | null
}

/** The outcome, unless it is an error. */
function succeeded<O extends Outcome>(outcome: O): O {
  if (outcome.error === ErrorCode.NONE) return outcome
  const { message } = new ProtocolError(outcome.error, outcome.message ?? undefined)
  throw new ProtocolError(outcome.error, `topic ${JSON.stringify(outcome.name)}: ${message}`)
}

function only<O extends Outcome>(outcomes: readonly O[]): O {
  if (outcomes.length !== 1)
    throw new ProtocolError(ErrorCode.UNKNOWN_SERVER_ERROR, `${outcomes.length} answers for one topic`)
  return succeeded(outcomes[0])
}

function summary(
  result: Outcome & { name: string; topicId: Uint8Array | null; partitions: number },
): TopicSummary {
  const { name, topicId, partitions } = result
  return { name, topicId: topicId && topicIdText(topicId), partitions }
}

function entries<V>(configs: Readonly<Record<string, V>>): { name: string; value: V }[] {
  return Object.entries(configs).map(([name, value]) => ({ name, value }))
}
