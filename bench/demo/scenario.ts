/**
 * The story of the demo: a broker, agents that publish real events through it, a live consumer, broker and
 * agents killed in the middle and started again, a replay from a point in time, and the audit of it all.
 *
 * It performs and counts; what is right is decided by {@link Ledger} and {@link checks}.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ConsumerOptions, connect, type OctopusClient } from '../../client/index.ts'
import { agentKey, isRefusedToRead } from './agent-keys.ts'
import { reconnect } from './agent-messages.ts'
import { type DemoEvent, topics } from './events.ts'
import { Ledger, placeOf, type SeenRecord } from './ledger.ts'
import type { Outcome } from './outcome.ts'
import { AgentProcess, BrokerProcess } from './processes.ts'
import { RateMeter } from './rate-meter.ts'
import { type BrokerState, number, type View } from './view.ts'

export interface ScenarioOptions {
  readonly events: readonly DemoEvent[]
  readonly stride: number
  readonly agents: number
  /** Over how long the agents spread their publishing. */
  readonly durationMs: number
  /** The broker is killed when these shares of the events have been acknowledged. */
  readonly killAt: readonly number[]
  /** An agent is killed when these shares have been, another one each time. */
  readonly killAgentAt: readonly number[]
  /** An empty directory. */
  readonly dataDirectory: string
  readonly wallClockMs: () => number
  readonly monotonicMs: () => number
  /** Called on whatever happens. */
  readonly onNote: (text: string) => void
}

/** The share of published events at which the moment for the replay is taken. */
const REPLAY_FROM = 0.5
const STEP_MS = 20

export class Scenario {
  readonly #options: ScenarioOptions
  readonly #ledger: Ledger
  readonly #broker: BrokerProcess
  /** The present life of each agent. */
  #agents: AgentProcess[] = []
  /** The API key of each agent, in all its lives. */
  #keys: string[] = []
  readonly #doneAgents = new Set<number>()
  #agentFailed: (error: Error) => void = () => {}
  readonly #startedAtMs: number
  readonly #published: number[]
  readonly #notes: string[] = []
  readonly #rates = { published: new RateMeter(), acknowledged: new RateMeter(), consumed: new RateMeter() }
  readonly #topicCounts = topics.map((topic) => ({
    name: topic.name,
    partitions: new Array<number>(topic.partitions).fill(0),
    regions: new Map<string, number>(),
  }))
  #brokerState: BrokerState = 'starting'
  #kills = 0
  #agentKills = 0
  /** The moment when half of the events were published; later ones are replayed. */
  #replayFromMs: number | undefined

  constructor(options: ScenarioOptions) {
    this.#options = options
    this.#ledger = new Ledger(options.events)
    this.#broker = new BrokerProcess(options.dataDirectory)
    this.#published = new Array<number>(options.agents).fill(0)
    this.#startedAtMs = options.monotonicMs()
  }

  /** The numbers as they are now. */
  view(): View {
    const published = this.#publishedCount()
    const { acknowledged, consumed } = this.#ledger
    const elapsedMs = this.#elapsedMs()
    return {
      elapsedMs,
      events: this.#options.events.length,
      agents: this.#options.agents,
      published,
      acknowledged,
      consumed,
      rates: {
        published: this.#rates.published.sample(elapsedMs, published),
        acknowledged: this.#rates.acknowledged.sample(elapsedMs, acknowledged),
        consumed: this.#rates.consumed.sample(elapsedMs, consumed),
      },
      broker: { state: this.#brokerState, url: this.#broker.url, kills: this.#kills },
      topics: this.#topicCounts,
      notes: this.#notes,
    }
  }

  async run(): Promise<Outcome> {
    await this.#startBroker()
    const token = await readFile(join(this.#options.dataDirectory, 'admin.key'), 'utf8')
    const client = await connect({
      url: this.#broker.url,
      clientName: 'demo',
      token: token.trim(),
      reconnect,
    })
    for (const topic of topics) await client.admin().createTopic(topic.name, { partitions: topic.partitions })
    this.#note(
      `topics ${topics.map((topic) => `${topic.name} (${topic.partitions} partitions)`).join(' and ')} created`,
    )
    this.#keys = await Promise.all(
      Array.from({ length: this.#options.agents }, (_, agent) => agentKey(client.admin(), agent)),
    )
    this.#note(`${this.#options.agents} API keys made, one for each agent: good for writing and nothing else`)

    const stopLive = new AbortController()
    const live = this.#consumeLive(client, stopLive.signal)
    await Promise.race([this.#publish(), live])
    const endOffsets = await this.#endOffsets(client)
    while (this.#ledger.consumed < sum(endOffsets.values())) await Promise.race([live, pause(STEP_MS)])
    this.#note('the live consumer has reached the end')
    stopLive.abort()
    await live

    const replayFromMs = this.#replayFromMs ?? Number.NaN
    const replayed = await this.#countFrom(client, replayFromMs)
    this.#note(`replayed ${number(replayed)} records from ${new Date(replayFromMs).toISOString()}`)
    const comparison = await this.#ledger.compare(everything(client), replayFromMs)
    this.#note(`read all ${number(comparison.stored)} records back and compared them with the data sets`)

    const refused = await Promise.all(this.#keys.map((key) => isRefusedToRead(this.#broker.url, key)))
    await client.close()
    const brokerExitCode = await this.#broker.stop()
    this.#brokerState = 'stopped'
    return {
      dataSet: {
        earthquakes: this.#options.events.filter((event) => event.source === 'earthquakes').length,
        flights: this.#options.events.filter((event) => event.source === 'flights').length,
      },
      published: this.#publishedCount(),
      acknowledged: this.#ledger.acknowledged,
      consumed: this.#ledger.consumed,
      consumedDistinct: this.#ledger.consumedDistinct,
      outOfOrder: this.#ledger.outOfOrder,
      replayed,
      replayExpected: comparison.replayable,
      kills: this.#kills,
      agentKills: this.#agentKills,
      agents: this.#options.agents,
      readsRefused: refused.filter(Boolean).length,
      stored: comparison.stored,
      missing: comparison.missing,
      duplicated: comparison.duplicated,
      foreign: comparison.foreign,
      vanished: comparison.vanished,
      brokerExitCode,
      seconds: Math.round(this.#elapsedMs()) / 1000,
    }
  }

  /** Ends every process at once, in whatever state the story is. */
  destroy(): void {
    for (const agent of this.#agents) agent.destroy()
    this.#broker.destroy()
  }

  async #startBroker(): Promise<void> {
    const beganMs = this.#elapsedMs()
    await this.#broker.start()
    this.#brokerState = 'serving'
    const tookMs = Math.round(this.#elapsedMs() - beganMs)
    this.#note(
      `broker ${this.#kills === 0 ? 'ready' : 'back on the same data'} at ${this.#broker.url} after ${tookMs} ms`,
    )
  }

  /** Lets the agents publish everything, with the kills in between. */
  async #publish(): Promise<void> {
    const { agents, events, killAt, killAgentAt, monotonicMs } = this.#options
    this.#agents = Array.from({ length: agents }, (_, agent) => this.#createAgent(agent))
    await Promise.all(this.#agents.map((agent) => agent.ready))
    this.#note(`${agents} agents connected, each a process of its own`)
    const beganMs = monotonicMs()
    const sinceMs = () => monotonicMs() - beganMs
    const failed = new Promise<never>((_, reject) => {
      this.#agentFailed = reject
    })
    for (const [agent, life] of this.#agents.entries()) this.#run(agent, life, sinceMs())

    const brokerKills = [...killAt]
    const agentKills = [...killAgentAt]
    while (this.#doneAgents.size < agents) {
      const acknowledged = this.#ledger.acknowledged / events.length
      const isPublishing = this.#publishedCount() < events.length
      if (isPublishing && acknowledged >= brokerKills[0]) {
        brokerKills.shift()
        await this.#killAndRestart()
      } else if (isPublishing && acknowledged >= agentKills[0]) {
        agentKills.shift()
        await this.#killAgent(sinceMs)
      }
      await Promise.race([failed, pause(STEP_MS)])
    }
    this.#note(`all ${number(this.#ledger.acknowledged)} events are acknowledged`)
  }

  #createAgent(agent: number): AgentProcess {
    const { agents, stride, durationMs, events, wallClockMs } = this.#options
    const task = { url: this.#broker.url, agent, agents, stride, durationMs }
    return new AgentProcess(task, this.#keys[agent], {
      progress: (published, held, acknowledged) => {
        this.#published[agent] = published
        if (this.#publishedCount() >= events.length * REPLAY_FROM) this.#replayFromMs ??= wallClockMs()
        for (const index of held) this.#ledger.hold(index)
        this.#book(acknowledged)
      },
    })
  }

  #run(agent: number, life: AgentProcess, sinceMs: number): void {
    this.#agents[agent] = life
    life.start(sinceMs)
    life.done.then(() => this.#doneAgents.add(agent), this.#agentFailed)
  }

  async #killAgent(sinceMs: () => number): Promise<void> {
    const { agents } = this.#options
    const busy = Array.from({ length: agents }, (_, i) => (this.#agentKills + i) % agents)
    const agent = busy.find((each) => !this.#doneAgents.has(each))
    if (agent === undefined) return
    await this.#agents[agent].kill()
    // It may just have finished.
    if (this.#doneAgents.has(agent)) return
    this.#agentKills++
    this.#note(`agent ${agent} killed (SIGKILL); started again, it asks how far it had come`)
    const life = this.#createAgent(agent)
    this.#agents[agent] = life
    await life.ready
    this.#run(agent, life, sinceMs())
  }

  async #killAndRestart(): Promise<void> {
    this.#kills++
    this.#brokerState = 'killed'
    const acknowledged = number(this.#ledger.acknowledged)
    await this.#broker.kill()
    this.#note(
      `broker killed (SIGKILL) with ${acknowledged} events acknowledged; the agents go on publishing`,
    )
    this.#brokerState = 'recovering'
    await this.#startBroker()
  }

  #publishedCount(): number {
    return sum(this.#published)
  }

  #book(acknowledged: Float64Array): void {
    for (let i = 0; i < acknowledged.length; i += 4) {
      this.#ledger.acknowledge(acknowledged[i], acknowledged[i + 1], acknowledged[i + 2], acknowledged[i + 3])
    }
  }

  /** Resolves when aborted; rejects when it ends before. */
  async #consumeLive(client: OctopusClient, signal: AbortSignal): Promise<void> {
    try {
      for await (const record of records(client, { from: 'earliest', signal })) {
        const event = this.#ledger.consume(record)
        if (event === undefined) continue
        const counts = this.#topicCounts[event.topic]
        counts.partitions[record.partition]++
        counts.regions.set(event.region, (counts.regions.get(event.region) ?? 0) + 1)
      }
      throw new Error('the live consumer ended by itself')
    } catch (error) {
      // An aborted iteration throws the reason; it was aborted because it has seen everything.
      if (!signal.aborted) throw error
    }
  }

  async #endOffsets(client: OctopusClient): Promise<Map<string, number>> {
    const queries = topics.flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({
        topic: name,
        partition,
        at: 'latest' as const,
      })),
    )
    const ends = await client.admin().listOffsets(queries)
    return new Map(ends.map(({ topic, partition, offset }) => [placeOf(topic, partition), offset]))
  }

  async #countFrom(client: OctopusClient, timeMs: number): Promise<number> {
    let count = 0
    for await (const _record of records(client, { from: { timeMs }, untilEnd: true })) count++
    return count
  }

  #note(text: string): void {
    this.#notes.push(`${(this.#elapsedMs() / 1000).toFixed(1).padStart(5)} s  ${text}`)
    this.#options.onNote(text)
  }

  #elapsedMs(): number {
    return this.#options.monotonicMs() - this.#startedAtMs
  }
}

function everything(client: OctopusClient): AsyncIterable<SeenRecord> {
  return records(client, { from: 'earliest', untilEnd: true })
}

/** Records of all topics of the demo. */
async function* records(client: OctopusClient, options: ConsumerOptions): AsyncIterable<SeenRecord> {
  const consumer = client.consumer({ topics: topics.map((topic) => topic.name), ...options })
  for await (const record of consumer) {
    yield {
      topic: record.topic,
      partition: record.partition,
      offset: record.offset,
      timestampMs: record.timestampMs,
      key: record.keyText(),
      value: record.text() ?? '',
    }
  }
}

function sum(numbers: Iterable<number>): number {
  let total = 0
  for (const value of numbers) total += value
  return total
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs))
}
