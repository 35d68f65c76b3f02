/**
 * The producer of a group's topics, in a process of its own that lives through everything: numbered events, each stored once and
 * in order, so that an event's number is its offset.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '../../../client/index.ts'
import { randomOf } from '../../support/seeded-random.ts'
import { eventValue, type ProducerOrder, type ProducerReport, type ProducerTask } from './group-tasks.ts'

const task = JSON.parse(process.argv[2]) as ProducerTask
const random = randomOf(task.seed)
const TURN_MS = 20

type Client = Awaited<ReturnType<typeof connect>>

interface Topic {
  /** Of its own, made anew when the topic has changed: so it knows the topic as it is. */
  readonly client: Client
  readonly producer: ReturnType<Client['producer']>
  readonly topicId: string
  readonly counts: number[]
  readonly unsettled: Set<Promise<unknown>>
}

const report = (message: ProducerReport) => process.send?.(message)
const topics = new Map<string, Topic>()
let isStopped = false

const newClient = () =>
  connect({
    url: task.url,
    clientName: 'producer',
    retryFirstConnect: true,
    reconnect: { backoffMinMs: 10, backoffMaxMs: 100 },
  })

/** Writes no more there, and waits until all is stored. */
async function end(name: string): Promise<readonly number[] | undefined> {
  const topic = topics.get(name)
  if (!topic) return undefined
  topics.delete(name)
  await Promise.all(topic.unsettled)
  await topic.client.close()
  return topic.counts
}

async function obey(order: ProducerOrder): Promise<void> {
  if (order.kind === 'stop') {
    isStopped = true
    return
  }
  if (order.kind === 'begin') {
    const { topic, topicId, partitions } = order
    const counts = [...((await end(topic)) ?? [])]
    while (counts.length < partitions) counts.push(0)
    const client = await newClient()
    topics.set(topic, { topicId, counts, client, producer: client.producer(), unsettled: new Set() })
    return
  }
  const counts = await end(order.topic)
  if (!counts) throw new Error(`${order.topic} was never begun`)
  report({ kind: 'ended', topic: order.topic, counts })
}

process.on('disconnect', () => process.exit(1))
// One order after the other.
let obeyed = Promise.resolve()
process.on('message', (order: ProducerOrder) => {
  obeyed = obeyed.then(() => obey(order))
})

function send(name: string, topic: Topic): void {
  const partition = random.below(topic.counts.length)
  const sequence = topic.counts[partition]++
  const value = eventValue(topic.topicId, partition, sequence)
  const sending = topic.producer
    .send(name, { partition, value })
    .then(
      ({ offset }) => {
        if (offset !== sequence)
          report({ kind: 'fault', text: `event ${sequence} of ${name}/${partition} stands at ${offset}` })
      },
      (error: Error) => report({ kind: 'fault', text: `${name}/${partition}: ${error.message}` }),
    )
    .finally(() => topic.unsettled.delete(sending))
  topic.unsettled.add(sending)
}

while (!isStopped) {
  const all = [...topics]
  if (all.length > 0)
    for (let left = Math.round((task.rate * TURN_MS) / 1000); left > 0; left--) {
      const [name, topic] = random.pick(all)
      // Nothing piles up while the broker is away.
      if (topic.unsettled.size < 1_000) send(name, topic)
    }
  await sleep(TURN_MS)
}
for (const name of topics.keys()) await end(name)
process.exit(0)
