/**
 * An edge agent in a process of its own, to be killed: a producer with a name that publishes events with numbers. Each
 * life asks how far the last one came and goes on from there, a little earlier on purpose now and then.
 */
import { connect } from '../../client/index.ts'
import { randomOf } from '../support/seeded-random.ts'
import { type AgentReport, type AgentTask, eventText } from './agent-events.ts'

const UNSETTLED_MAX = 2_000
const REPORT_MS = 20

const task = JSON.parse(process.argv[2]) as AgentTask
const random = randomOf(task.seed)
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
let isStopped = false
process.on('message', () => {
  isStopped = true
})
// Whoever started it is gone.
process.on('disconnect', () => process.exit(1))

function report(message: AgentReport): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, undefined, undefined, (error) => (error ? reject(error) : resolve()))
  })
}

const client = await connect({
  url: task.url,
  clientName: task.name,
  retryFirstConnect: true,
  reconnect: { backoffMinMs: 10, backoffMaxMs: 100 },
})
const producer = client.producer({
  producerName: task.name,
  batchBytes: 20_000,
  compression: task.compression ?? 'none',
})
const held: number[] = []
const next: number[] = []
for (let partition = 0; partition < task.partitions; partition++) {
  held.push(await producer.nextSequence(task.topic, partition))
  next.push(Math.max(0, held[partition] - (random.below(2) === 0 ? random.below(40) : 0)))
}

let unsettled = 0
let places: number[] = []
let duplicates = 0
let failure: string | undefined
function publish(partition: number): void {
  const sequence = next[partition]++
  unsettled++
  producer
    .send(task.topic, { value: eventText(task.name, partition, sequence), partition, sequence })
    .then(
      ({ offset, isDuplicate }) => {
        if (isDuplicate) duplicates++
        else places.push(partition, sequence, offset)
      },
      (error: Error) => {
        failure ??= `${error.name}: ${error.message}`
      },
    )
    .finally(() => unsettled--)
}

function progress(): Promise<void> {
  const stored = places
  places = []
  return report({ kind: 'progress', places: stored })
}

const reporting = setInterval(() => void progress(), REPORT_MS)
while (!isStopped && failure === undefined) {
  for (let left = 1 + random.below(40); left > 0; left--) publish(random.below(task.partitions))
  await sleep(random.below(6))
  while (unsettled > UNSETTLED_MAX) await sleep(10)
}
await producer.flush()
clearInterval(reporting)
await progress()
const counts = next.map((count, partition) => Math.max(count, held[partition]))
await report({ kind: 'done', counts, duplicates, failure: failure ?? null })
await client.close()
process.exit()
