/**
 * Topics that the broker compresses anew, with configs that change all the time, workers that die in the middle of
 * batches and a broker that is killed. Every event is there exactly once, in order, at the offset that its acknowledgement
 * said; a producer is told one thing of each. Whoever reads live sees the same, across all codecs and both kinds of time.
 *
 * OCTOPUS_SEED repeats the moments; OCTOPUS_SOAK makes it long.
 */
import t from 'tap'
import { connect } from '../../client/index.ts'
import { BrokerProcess } from '../support/broker-process.ts'
import { roundsOf } from '../support/rounds.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { AgentProcess } from './agent-process.ts'
import { compare, compareLive, Reading } from './event-history.ts'
import { storedBatches } from './stored-batches.ts'
import { Survivor } from './survivor.ts'

const cycles = process.env.OCTOPUS_SOAK ? 300 : 20
const PARTITIONS = 3
const TOPIC = 'lab.events'
const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const TYPES = ['producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const TIMES = ['CreateTime', 'LogAppendTime'] as const

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

t.test(`${cycles} changes and kills under load`, { timeout: cycles * 8_000 }, async (t) => {
  const random = seededRandom(t)
  process.env.DYING_SEED = `${random.seed}`
  process.env.DYING_SHARE = '0.06'
  const main = new URL('./dying-workers-broker.js', import.meta.url).pathname
  const broker = await BrokerProcess.start([], { main })
  t.teardown(() => broker.destroy())
  const reconnect = { backoffMinMs: 10, backoffMaxMs: 100 }
  const client = await connect({ url: broker.url, reconnect })
  const admin = client.admin()
  await admin.createTopic(TOPIC, { partitions: PARTITIONS, configs: { 'compression.type': 'zstd' } })

  const survivors = COMPRESSIONS.map(
    (compression) =>
      new Survivor(
        { name: `survivor-${compression}`, topic: TOPIC, partitions: PARTITIONS },
        client,
        random,
        {
          compression,
        },
      ),
  )
  const surviving = Promise.all(survivors.map((survivor) => survivor.run()))
  const agents = (['none', 'lz4'] as const).map(
    (compression) =>
      new AgentProcess({
        url: broker.url,
        name: `lab.agent-${compression}`,
        topic: TOPIC,
        partitions: PARTITIONS,
        compression,
      }),
  )
  t.teardown(() => {
    for (const agent of agents) agent.destroy()
  })
  for (const agent of agents) agent.start(random.below(2 ** 31))
  const live = new Reading(PARTITIONS)
  const consumer = client.consumer({ topics: [TOPIC], from: 'earliest' })
  const watching = live.follow(consumer)

  const buried = { workers: 0, tasks: 0 }
  /** How many workers have died until now, and how many batches they had. */
  const deaths = () => {
    const ends = broker.log
      .split('\n')
      .filter((line) => line.includes('a worker of the codec pool has ended') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as { tasks: number })
    const tasks = ends.reduce((sum, end) => sum + end.tasks, buried.tasks)
    return { workers: buried.workers + ends.length, tasks }
  }
  const alter = (type: string, time: string) =>
    admin.alterTopic(TOPIC, { configs: { 'compression.type': type, 'message.timestamp.type': time } })
  let brokerKills = 0
  for (const _cycle of roundsOf(t, cycles)) {
    await sleep(50 + random.below(200))
    await alter(random.pick(TYPES), random.pick(TIMES))
    if (random.below(3) === 0) {
      const agent = random.pick(agents)
      await agent.kill()
      agent.start(random.below(2 ** 31))
    }
    if (random.below(5) > 0) continue
    brokerKills++
    Object.assign(buried, deaths())
    await broker.end('SIGKILL')
    process.env.DYING_SEED = `${random.below(2 ** 31)}`
    await broker.restart()
  }
  // However the dice fell, workers have died with work, and each kind of batch is there.
  await alter('zstd', 'CreateTime')
  while (deaths().tasks < 6) await sleep(20)
  const last = new Survivor({ name: 'last', topic: TOPIC, partitions: PARTITIONS }, client, random)
  for (const [at, type] of TYPES.entries()) {
    await alter(type, TIMES[at % TIMES.length])
    await last.send(0, 60)
  }
  for (const survivor of survivors) survivor.stop()
  await surviving
  const counts = new Map<string, readonly number[]>(survivors.map(({ name, next }) => [name, next]))
  counts.set(last.name, last.next)
  for (const agent of agents) counts.set(agent.name, await agent.finish())

  const check = await connect({ url: broker.url })
  const stored = new Reading(PARTITIONS)
  await stored.follow(check.consumer({ topics: [TOPIC], from: 'earliest', untilEnd: true }))
  const acknowledged = compare(t, stored, counts, [...agents, ...survivors, last])
  t.ok(acknowledged > cycles * 50, `${acknowledged} acknowledgements`)
  await compareLive(t, live, stored)
  const kinds: Record<string, number> = {}
  for (let partition = 0; partition < PARTITIONS; partition++)
    for (const { compression, time } of await storedBatches(broker.url, TOPIC, partition))
      for (const kind of [compression, time]) kinds[kind] = (kinds[kind] ?? 0) + 1
  t.comment(JSON.stringify({ acknowledged, deaths: deaths(), brokerKills, kinds }))
  for (const compression of COMPRESSIONS) t.ok(kinds[compression], `${compression} was stored`)
  t.ok(kinds.append && kinds.create, 'both kinds of time were')

  consumer.close()
  await watching
  await check.close()
  await client.close()
  t.equal(await broker.end('SIGTERM'), 0, 'and the broker ends in order')
})
