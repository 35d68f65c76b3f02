/**
 * One agent of the demo: a process of its own that publishes its share of the events through the SDK, at
 * an even pace, and reports which of them were acknowledged and where. It knows nothing of the broker's
 * death: it goes on sending, and the SDK connects again. When it is killed itself, its next life asks how many
 * of its events each partition holds, and goes on with the next.
 */
import { connect, murmur2Partitioner, type Producer } from '../../client/index.ts'
import {
  type AgentReport,
  type AgentTask,
  producerName,
  reconnect,
  type StartPublishing,
} from './agent-messages.ts'
import { loadDataSets } from './data-sets.ts'
import { type DemoEvent, demoEvents, eventValue, topics } from './events.ts'

const TICK_MS = 20
const REPORT_MS = 100

const task = JSON.parse(process.argv[2]) as AgentTask

/** Ctrl-C in the terminal reaches every process of it; the demo decides when an agent ends. */
process.on('SIGINT', () => {})
// Listening keeps the channel, and with it the process, alive until the demo has what it needs.
const started = new Promise<number>((resolve) => {
  process.on('message', (message: StartPublishing) => {
    if (message.kind === 'start') resolve(message.sinceMs)
  })
})

/** An event of this agent, and which of its events in its partition it is. */
interface OwnEvent {
  readonly index: number
  readonly partition: number
  readonly sequence: number
}

function report(message: AgentReport): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, undefined, undefined, (error) => (error ? reject(error) : resolve()))
  })
}

try {
  await run()
} catch (error) {
  await report({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })
}
process.exit()

/** The events of this agent, in order. Every life finds the same: keys decide the partitions. */
function ownEvents(events: readonly DemoEvent[]): OwnEvent[] {
  const counts = topics.map(({ partitions }) => new Array<number>(partitions).fill(0))
  const own: OwnEvent[] = []
  for (let index = task.agent; index < events.length; index += task.agents) {
    const { topic, region } = events[index]
    const { name, partitions } = topics[topic]
    const partition = murmur2Partitioner(region, partitions, name) ?? 0
    own.push({ index, partition, sequence: counts[topic][partition]++ })
  }
  return own
}

/** How many events of this agent each partition holds. */
function heldCounts(producer: Producer): Promise<number[][]> {
  return Promise.all(
    topics.map(({ name, partitions }) =>
      Promise.all(
        Array.from({ length: partitions }, (_, partition) => producer.nextSequence(name, partition)),
      ),
    ),
  )
}

async function run(): Promise<void> {
  const events = demoEvents(await loadDataSets(), task.stride)
  const client = await connect({
    url: task.url,
    clientName: `demo-agent-${task.agent}`,
    retryFirstConnect: true,
    reconnect,
  })
  const producer = client.producer({
    producerName: producerName(task.agent),
    lingerMs: 10,
    deliveryTimeoutMs: 40_000,
  })
  const held = await heldCounts(producer)
  const isHeld = ({ index, partition, sequence }: OwnEvent) => sequence < held[events[index].topic][partition]
  const own = ownEvents(events)
  const remaining = own.filter((event) => !isHeld(event))
  await report({ kind: 'ready' })
  const sinceMs = await started

  let published = own.length - remaining.length
  let acknowledged: number[] = []
  let failure: unknown
  const publish = ({ index, partition, sequence }: OwnEvent) => {
    const event = events[index]
    published++
    producer
      .send(topics[event.topic].name, { key: event.region, value: eventValue(event), partition, sequence })
      .then((at) => acknowledged.push(index, at.partition, at.offset, at.timestampMs))
      .catch((error: unknown) => {
        failure ??= error
      })
  }
  const reportProgress = (stored: readonly OwnEvent[] = []) => {
    const places = Float64Array.from(acknowledged)
    acknowledged = []
    const indexes = Float64Array.from(stored, ({ index }) => index)
    return report({ kind: 'progress', published, held: indexes, acknowledged: places })
  }
  await reportProgress(own.filter(isHeld))

  const startedAtMs = performance.now() - sinceMs
  let lastReportMs = performance.now()
  for (let next = 0; next < remaining.length; ) {
    const nowMs = performance.now()
    const due = Math.ceil(((nowMs - startedAtMs) / task.durationMs) * events.length)
    for (; next < remaining.length && remaining[next].index < due; next++) publish(remaining[next])
    if (nowMs - lastReportMs >= REPORT_MS) {
      lastReportMs += REPORT_MS
      await reportProgress()
    }
    if (failure !== undefined) throw failure
    await new Promise((resolve) => setTimeout(resolve, TICK_MS))
  }
  const reporting = setInterval(() => void reportProgress(), REPORT_MS)
  await producer.flush()
  clearInterval(reporting)
  if (failure !== undefined) throw failure
  await reportProgress()
  await client.close()
  await report({ kind: 'done' })
}
