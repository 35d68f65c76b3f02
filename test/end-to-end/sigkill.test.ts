/**
 * Broker and agents killed with SIGKILL at random moments under load, again and again. In the end every event is
 * there exactly once, in order, at the offset that its acknowledgement said, and whoever watched live saw the same.
 *
 * The agents are processes of their own with producers that have names. Beside them a producer without one lives
 * through all of it. OCTOPUS_SEED repeats the moments; OCTOPUS_SOAK makes it long.
 */
import t from 'tap'
import { type ConsumedRecord, connect, type OctopusClient } from '../../client/index.ts'
import { BrokerProcess } from '../support/broker-process.ts'
import { roundsOf } from '../support/rounds.ts'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import { eventText, readEvent } from './agent-events.ts'
import { AgentProcess } from './agent-process.ts'

const cycles = process.env.OCTOPUS_SOAK ? 500 : 50
const PARTITIONS = 4
const AGENTS = 3
const TOPIC = 'lab.events'
const SURVIVOR = 'survivor'
const UNSETTLED_MAX = 2_000

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** The producer that is never killed, and has no name. */
class Survivor {
  /** Offsets by partition and number. */
  readonly offsets = Array.from({ length: PARTITIONS }, () => new Map<number, number>())
  readonly next = new Array<number>(PARTITIONS).fill(0)
  readonly faults: string[] = []
  readonly #client: OctopusClient
  readonly #random: SeededRandom
  #isStopped = false

  constructor(client: OctopusClient, random: SeededRandom) {
    this.#client = client
    this.#random = random
  }

  async run(): Promise<void> {
    const producer = this.#client.producer({ batchBytes: 20_000 })
    let unsettled = 0
    while (!this.#isStopped) {
      for (let left = 1 + this.#random.below(40); left > 0; left--) {
        const partition = this.#random.below(PARTITIONS)
        const number = this.next[partition]++
        unsettled++
        producer
          .send(TOPIC, { value: eventText(SURVIVOR, partition, number), partition })
          .then(
            ({ offset }) => void this.offsets[partition].set(number, offset),
            (error: Error) => void this.faults.push(error.message),
          )
          .finally(() => unsettled--)
      }
      await sleep(this.#random.below(6))
      while (unsettled > UNSETTLED_MAX) await sleep(10)
    }
    await producer.close()
  }

  stop(): void {
    this.#isStopped = true
  }
}

/** What one reader of the topic saw: who sent what stands where. */
class Reading {
  /** By partition, sender and number of every offset, as one text. */
  readonly events = Array.from({ length: PARTITIONS }, () => [] as string[])
  readonly faults: string[] = []
  /** By partition and sender: the number that must come next. */
  readonly #next = Array.from({ length: PARTITIONS }, () => new Map<string, number>())

  take({
    partition,
    offset,
    ...record
  }: Pick<ConsumedRecord, 'partition' | 'offset'> & { text: string }): void {
    const events = this.events[partition]
    if (offset !== events.length)
      this.faults.push(`offset ${offset} of ${partition} came after ${events.length - 1}`)
    const event = readEvent(record.text, partition)
    if (!event) this.faults.push(`the event at ${partition}@${offset} is damaged`)
    const { name, sequence } = event ?? { name: 'nobody', sequence: 0 }
    const due = this.#next[partition].get(name) ?? 0
    if (event && sequence !== due)
      this.faults.push(`${partition}@${offset} holds ${name} ${sequence}, ${due} was due`)
    this.#next[partition].set(name, sequence + 1)
    events.push(`${name}:${sequence}`)
  }

  countOf(name: string): number[] {
    return this.#next.map((next) => next.get(name) ?? 0)
  }
}

t.test(`${cycles} SIGKILLs of broker and agents under load`, { timeout: cycles * 5_000 }, async (t) => {
  const random = seededRandom(t)
  const broker = await BrokerProcess.start(['--storage-segment-bytes', '16MiB'])
  t.teardown(() => broker.destroy())
  const client = await connect({ url: broker.url, reconnect: { backoffMinMs: 10, backoffMaxMs: 100 } })
  await client.admin().createTopic(TOPIC, { partitions: PARTITIONS })

  const survivor = new Survivor(client, random)
  const surviving = survivor.run()
  const agents = Array.from(
    { length: AGENTS },
    (_, i) =>
      new AgentProcess({ url: broker.url, name: `lab.agent-${i}`, topic: TOPIC, partitions: PARTITIONS }),
  )
  t.teardown(() => {
    for (const agent of agents) agent.destroy()
  })
  for (const agent of agents) agent.start(random.below(2 ** 31))
  const live = new Reading()
  const consumer = client.consumer({ topics: [TOPIC], from: 'earliest' })
  const watching = (async () => {
    for await (const record of consumer)
      live.take({ partition: record.partition, offset: record.offset, text: record.text() ?? '' })
  })()

  let brokerKills = 0
  const startedAtMs = performance.now()
  for (const _cycle of roundsOf(t, cycles)) {
    await sleep(20 + random.below(200))
    const isBroker = random.below(2) === 0
    const agent = random.below(3) > 0 || !isBroker ? random.pick(agents) : undefined
    // Both at once too: an agent that comes back to a broker that is not there yet.
    await Promise.all([isBroker && broker.end('SIGKILL'), agent?.kill()])
    agent?.start(random.below(2 ** 31))
    if (!isBroker) continue
    brokerKills++
    await broker.restart()
  }
  t.comment(`${cycles} cycles took ${Math.round(performance.now() - startedAtMs)} ms`)
  // The last lives get to publish something too.
  await sleep(500)
  survivor.stop()
  await surviving
  const counts = new Map([[SURVIVOR, survivor.next as readonly number[]]])
  for (const agent of agents) counts.set(agent.name, await agent.finish())

  const stored = new Reading()
  const check = await connect({ url: broker.url })
  for await (const record of check.consumer({ topics: [TOPIC], from: 'earliest', untilEnd: true }))
    stored.take({ partition: record.partition, offset: record.offset, text: record.text() ?? '' })
  t.same(stored.faults.slice(0, 5), [], 'every event is whole, there once and in order')
  for (const [name, next] of counts) t.same(stored.countOf(name), next, `everything of ${name} is there`)

  const wrong: string[] = []
  let acknowledged = 0
  for (const { name, offsets } of [...agents, { name: SURVIVOR, offsets: survivor.offsets }])
    for (const [partition, known] of offsets.entries())
      for (const [sequence, offset] of known) {
        acknowledged++
        if (stored.events[partition][offset] !== `${name}:${sequence}`)
          wrong.push(`${name} ${sequence} was acknowledged at ${partition}@${offset}`)
      }
  t.same(wrong.slice(0, 5), [], 'every acknowledged event is exactly where its acknowledgement said')
  t.same(
    agents.flatMap(({ faults }) => faults),
    [],
    'nothing failed',
  )
  t.same(survivor.faults, [], 'nothing failed')
  t.ok(acknowledged > cycles * 100, `${acknowledged} acknowledgements`)

  // The live consumer has seen at least what was there when the last acknowledgement came; give it the rest.
  const ends = stored.events.map(({ length }) => length)
  while (ends.some((end, partition) => live.events[partition].length < end)) await sleep(10)
  t.same(live.faults.slice(0, 5), [], 'the live consumer got every event whole, once and in order')
  const differing = ends.filter(
    (_, partition) => live.events[partition].join() !== stored.events[partition].join(),
  )
  t.same(differing, [], 'and saw what is stored')
  const agentKills = agents.reduce((sum, { kills }) => sum + kills, 0)
  const duplicates = agents.reduce((sum, agent) => sum + agent.duplicates, 0)
  const total = ends.reduce((sum, end) => sum + end, 0)
  t.comment(
    `${total} events, ${brokerKills} kills of the broker, ${agentKills} of agents, ${duplicates} given twice`,
  )

  consumer.close()
  await watching
  await check.close()
  await client.close()
  t.equal(await broker.end('SIGTERM'), 0, 'and the broker ends in order')
})
