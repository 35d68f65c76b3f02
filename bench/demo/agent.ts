/**
 * One agent of the demo: a process of its own that publishes its share of the events through the SDK, at
 * an even pace, and reports which of them were acknowledged and where. It knows nothing of the broker's
 * death: it goes on sending, and the SDK connects again.
 */
import { connect } from '../../client/index.ts'
import { type AgentReport, type AgentTask, reconnect, type StartPublishing } from './agent-messages.ts'
import { loadDataSets } from './data-sets.ts'
import { type DemoEvent, demoEvents, eventValue, topics } from './events.ts'

const TICK_MS = 20
const REPORT_MS = 100

const task = JSON.parse(process.argv[2]) as AgentTask

/** Ctrl-C in the terminal reaches every process of it; the demo decides when an agent ends. */
process.on('SIGINT', () => {})
// Listening keeps the channel, and with it the process, alive until the demo has what it needs.
const started = new Promise<void>((resolve) => {
  process.on('message', (message: StartPublishing) => {
    if (message.kind === 'start') resolve()
  })
})

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

async function run(): Promise<void> {
  const events = demoEvents(await loadDataSets(), task.stride)
  const client = await connect({ url: task.url, clientName: `demo-agent-${task.agent}`, reconnect })
  const producer = client.producer({ lingerMs: 10, deliveryTimeoutMs: 40_000 })
  await report({ kind: 'ready' })
  await started

  let published = 0
  let acknowledged: number[] = []
  let failure: unknown
  const publish = (event: DemoEvent, index: number) => {
    published++
    producer
      .send(topics[event.topic].name, { key: event.region, value: eventValue(event) })
      .then((at) => acknowledged.push(index, at.partition, at.offset, at.timestampMs))
      .catch((error: unknown) => {
        failure ??= error
      })
  }
  const reportProgress = () => {
    const places = Float64Array.from(acknowledged)
    acknowledged = []
    return report({ kind: 'progress', published, acknowledged: places })
  }

  const startedAtMs = performance.now()
  let lastReportMs = startedAtMs
  for (let next = task.agent; next < events.length; ) {
    const elapsedMs = performance.now() - startedAtMs
    const due = Math.min(events.length, Math.ceil((elapsedMs / task.durationMs) * events.length))
    for (; next < due; next += task.agents) publish(events[next], next)
    if (elapsedMs + startedAtMs - lastReportMs >= REPORT_MS) {
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
