/**
 * A group under mischief: a broker, a producer and members in processes of their own, what can be done to them, and in the end the
 * history of all they did.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { apis } from '../../../client/protocol/api.ts'
import { topicIdText } from '../../../client/topic-id.ts'
import { ProtocolClient } from '../../broker/protocol-client.ts'
import { BrokerProcess } from '../../support/broker-process.ts'
import type { SeededRandom } from '../../support/seeded-random.ts'
import { CutProxy } from './cut-proxy.ts'
import { type HistoryEntry, monotonicMs, readHistory } from './group-history.ts'
import type { MemberTask } from './group-tasks.ts'
import { MemberProcess, ProducerProcess } from './processes.ts'

/** Where one member lives after the other, behind a proxy of its own. */
export interface Slot {
  readonly name: string
  readonly proxy: CutProxy
  readonly instanceId: string | null
  lives: number
  member: MemberProcess | undefined
}

interface Topic {
  readonly name: string
  topicId: string
  partitions: number
}

export interface GroupRunOptions {
  readonly groupId: string
  readonly sessionTimeoutMs: number
  readonly rate: number
  /** Another program than `octopus`. */
  readonly main?: string
  /** What is the same for all members of the run. */
  readonly member?: Partial<MemberTask>
}

const DRIVER = 'the test'

export class GroupRun {
  readonly broker: BrokerProcess
  readonly slots: Slot[] = []
  readonly topics: Topic[] = []
  readonly producer: ProducerProcess
  readonly #random: SeededRandom
  readonly #options: GroupRunOptions
  readonly #directory: string
  /** What the test itself did. */
  readonly #notes: HistoryEntry[] = []
  readonly #lives: MemberProcess[] = []

  private constructor(
    broker: BrokerProcess,
    directory: string,
    random: SeededRandom,
    options: GroupRunOptions,
  ) {
    this.broker = broker
    this.#directory = directory
    this.#random = random
    this.#options = options
    const { rate } = options
    this.producer = new ProducerProcess({ url: broker.url, seed: random.below(2 ** 31), rate })
  }

  static async start(random: SeededRandom, options: GroupRunOptions): Promise<GroupRun> {
    const { main } = options
    const broker = await BrokerProcess.start(['--storage-segment-bytes', '16MiB'], { main })
    const directory = await mkdtemp(join(tmpdir(), 'octopus-group-'))
    return new GroupRun(broker, directory, random, options)
  }

  async addTopic(name: string, partitions: number): Promise<Topic> {
    const topicId = await this.ask((client) => client.createTopic(name, partitions))
    const topic = { name, topicId: topicIdText(topicId), partitions }
    this.topics.push(topic)
    this.producer.begin(name, topic.topicId, partitions)
    return topic
  }

  async grow(topic: Topic, partitions: number): Promise<void> {
    await this.ask((client) =>
      client.call(apis.alterTopics, {
        topics: [{ name: topic.name, partitions, configs: [] }],
        validateOnly: false,
        timeoutMs: 5_000,
      }),
    )
    topic.partitions = partitions
    this.producer.begin(topic.name, topic.topicId, partitions)
  }

  /** Another topic under the same name. */
  async recreate(topic: Topic, awayMs: number): Promise<void> {
    await this.producer.end(topic.name)
    await this.ask((client) =>
      client.call(apis.deleteTopics, { topics: [{ name: topic.name, topicId: null }], timeoutMs: 5_000 }),
    )
    await sleep(awayMs)
    const topicId = await this.ask((client) => client.createTopic(topic.name, topic.partitions))
    topic.topicId = topicIdText(topicId)
    this.producer.begin(topic.name, topic.topicId, topic.partitions)
  }

  async addSlot(name: string, instanceId: string | null = null): Promise<Slot> {
    const slot = {
      name,
      proxy: await CutProxy.start(this.broker.port),
      instanceId,
      lives: 0,
      member: undefined,
    }
    this.slots.push(slot)
    return slot
  }

  /** A new life in a slot; beside the one that is there, if it still runs. */
  startMember(slot: Slot, chosen: Partial<MemberTask> = {}): MemberProcess {
    const random = this.#random
    const life = `${slot.name}.${++slot.lives}`
    const member = new MemberProcess({
      url: slot.proxy.url,
      life,
      historyPath: join(this.#directory, `${life}.jsonl`),
      groupId: this.#options.groupId,
      topics: this.topics.map(({ name }) => name),
      instanceId: slot.instanceId,
      sessionTimeoutMs: this.#options.sessionTimeoutMs,
      rebalanceTimeoutMs: this.#options.sessionTimeoutMs,
      maxProcessingMs: 4_000,
      assignor: random.below(3) === 0 ? 'range' : 'uniform',
      reading: random.pick(['events', 'batches', 'each'] as const),
      autoCommitIntervalMs: 30 + random.below(300),
      slowEvery: 20 + random.below(200),
      slowMsMax: 300,
      clockOffMs: random.below(2) === 0 ? 0 : (random.unit() - 0.5) * 2 * 86_400_000,
      seed: random.below(2 ** 31),
      mistake: null,
      ...this.#options.member,
      ...chosen,
    })
    this.#lives.push(member)
    slot.member = member
    return member
  }

  /** SIGKILL, and up again. */
  async killBroker(): Promise<void> {
    await this.broker.end('SIGKILL')
    await this.broker.restart()
  }

  async ask<T>(question: (client: ProtocolClient) => Promise<T>): Promise<T> {
    const client = await ProtocolClient.connect(this.broker.url)
    try {
      return await question(client)
    } finally {
      await client.close()
    }
  }

  /** What is committed, by place; -1: nothing. */
  async committed(groupId = this.#options.groupId): Promise<Map<string, number>> {
    const partitions = this.topics.flatMap(({ topicId, partitions: count }) =>
      Array.from({ length: count }, (_, partition) => ({ topicId: Buffer.from(topicId, 'hex'), partition })),
    )
    const answer = await this.ask((client) =>
      client.call(apis.offsetFetch, { groupId, memberId: null, memberEpoch: -1, partitions }),
    )
    return new Map(
      answer.partitions.map(({ topicId, partition, offset }) => [
        `${topicIdText(topicId)}/${partition}`,
        offset,
      ]),
    )
  }

  /** Sets offsets as an administrator does. Resolves with the error of the first that was refused, 0 for none. */
  async reset(client: ProtocolClient, offsets: ReadonlyMap<string, number>): Promise<number> {
    const { partitions } = await client.call(apis.offsetCommit, {
      groupId: this.#options.groupId,
      memberId: null,
      memberEpoch: -1,
      partitions: [...offsets].map(([place, offset]) => {
        const [topicId, partition] = place.split('/')
        return {
          topicId: Buffer.from(topicId, 'hex'),
          partition: Number(partition),
          offset,
          leaderEpoch: -1,
          metadata: 'reset',
        }
      }),
    })
    return partitions.find(({ error }) => error !== 0)?.error ?? 0
  }

  /** Resolves when nobody is in the group any more: who was killed is in it until its session is over. */
  async empty(): Promise<void> {
    while ((await this.#memberCount()) > 0) await sleep(20)
  }

  async #memberCount(): Promise<number> {
    const { groups } = await this.ask((client) =>
      client.call(apis.describeGroups, { groups: [this.#options.groupId] }),
    )
    return groups[0]?.members.length ?? 0
  }

  noteReset(offsets: ReadonlyMap<string, number>): void {
    this.#notes.push({ kind: 'reset', life: DRIVER, atMs: monotonicMs(), offsets: [...offsets] })
  }

  /** Writing ends; resolves when all is committed, or after that time. */
  async drain(withinMs: number): Promise<void> {
    const ends = new Map<string, number>()
    for (const { name, topicId } of this.topics)
      for (const [partition, count] of (await this.producer.end(name)).entries())
        ends.set(`${topicId}/${partition}`, count)
    const deadlineMs = monotonicMs() + withinMs
    let committed = await this.committed()
    const lags = () => [...ends].some(([place, end]) => end > 0 && committed.get(place) !== end)
    while (lags() && monotonicMs() < deadlineMs) {
      await sleep(50)
      committed = await this.committed()
    }
    for (const [place, endOffset] of ends) {
      // Where nothing was written nothing is to be committed.
      const committedOffset = endOffset === 0 ? 0 : (committed.get(place) ?? -1)
      this.#notes.push({ kind: 'end', life: DRIVER, atMs: monotonicMs(), place, endOffset, committedOffset })
    }
  }

  /** Of all lives, and of what the test did. */
  async history(): Promise<HistoryEntry[]> {
    const files = (await readdir(this.#directory)).filter((name) => name.endsWith('.jsonl'))
    const entries = files.flatMap((name) => readHistory(join(this.#directory, name)))
    for (const { task, pauses } of this.#lives)
      for (const { fromMs, toMs } of pauses)
        entries.push({ kind: 'stalled', life: task.life, fromMs, atMs: toMs })
    for (const text of this.producer.faults)
      this.#notes.push({ kind: 'fault', life: 'producer', atMs: monotonicMs(), text })
    return [...entries, ...this.#notes]
  }

  async destroy(): Promise<void> {
    for (const member of this.#lives) member.destroy()
    this.producer.destroy()
    for (const { proxy } of this.slots) proxy.close()
    await this.broker.destroy()
    await rm(this.#directory, { recursive: true, force: true })
  }
}
