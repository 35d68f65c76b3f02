/**
 * Broker and agents killed with SIGKILL at random moments under load, again and again. In the end every event is
 * there exactly once, in order, at the offset that its acknowledgement said, and whoever watched live saw the same.
 *
 * The agents are processes of their own with producers that have names. Beside them a producer without one lives
 * through all of it. OCTOPUS_SEED repeats the moments; OCTOPUS_SOAK makes it long.
 */
import t from 'tap'
import { connect } from '../../client/index.ts'
import { BrokerProcess } from '../support/broker-process.ts'
import { roundsOf } from '../support/rounds.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { AgentProcess } from './agent-process.ts'
import { compare, compareLive, Reading } from './event-history.ts'
import { Survivor } from './survivor.ts'

const cycles = process.env.OCTOPUS_SOAK ? 500 : 50
const PARTITIONS = 4
const AGENTS = 3
const TOPIC = 'lab.events'

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

t.test(`${cycles} SIGKILLs of broker and agents under load`, { timeout: cycles * 5_000 }, async (t) => {
  const random = seededRandom(t)
  const broker = await BrokerProcess.start(['--storage-segment-bytes', '16MiB'])
  t.teardown(() => broker.destroy())
  const client = await connect({ url: broker.url, reconnect: { backoffMinMs: 10, backoffMaxMs: 100 } })
  await client.admin().createTopic(TOPIC, { partitions: PARTITIONS })

  const survivor = new Survivor({ topic: TOPIC, partitions: PARTITIONS }, client, random)
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
  const live = new Reading(PARTITIONS)
  const consumer = client.consumer({ topics: [TOPIC], from: 'earliest' })
  const watching = live.follow(consumer)

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
  const counts = new Map<string, readonly number[]>([[survivor.name, survivor.next]])
  for (const agent of agents) counts.set(agent.name, await agent.finish())

  const stored = new Reading(PARTITIONS)
  const check = await connect({ url: broker.url })
  await stored.follow(check.consumer({ topics: [TOPIC], from: 'earliest', untilEnd: true }))
  const acknowledged = compare(t, stored, counts, [...agents, survivor])
  t.ok(acknowledged > cycles * 100, `${acknowledged} acknowledgements`)
  await compareLive(t, live, stored)
  const agentKills = agents.reduce((sum, { kills }) => sum + kills, 0)
  const duplicates = agents.reduce((sum, agent) => sum + agent.duplicates, 0)
  const total = stored.events.reduce((sum, { length }) => sum + length, 0)
  t.comment(
    `${total} events, ${brokerKills} kills of the broker, ${agentKills} of agents, ${duplicates} given twice`,
  )

  consumer.close()
  await watching
  await check.close()
  await client.close()
  t.equal(await broker.end('SIGTERM'), 0, 'and the broker ends in order')
})
