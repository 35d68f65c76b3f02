/**
 * A member of a group in a process of its own, to be killed, stopped and cut off: reads, takes its time over some events, and notes
 * everything. Ends in order when it is told to.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { OctopusClient } from '../../../client/client.ts'
import { WorkInHand } from '../../../client/group/work-in-hand.ts'
import type { ConsumedRecord } from '../../../client/index.ts'
import { ProtocolError } from '../../../client/protocol/errors.ts'
import { ADMIN_KEY } from '../../support/admin-key.ts'
import { randomOf } from '../../support/seeded-random.ts'
import { HistoryFile, monotonicMs } from './group-history.ts'
import { type MemberTask, placeOfEvent } from './group-tasks.ts'
import { notingPorts } from './noting-ports.ts'

const TICK_MS = 10
/** So late is a timer only when the process was not let run. */
const STALL_MS = 60

const task = JSON.parse(process.argv[2]) as MemberTask
const random = randomOf(task.seed)
const history = new HistoryFile(task.historyPath, task.life)

if (task.mistake === 'commits-before-processing')
  WorkInHand.prototype.processedOf = (_cursor, position) => position

let tickedMs = monotonicMs()
setInterval(() => {
  const fromMs = tickedMs
  tickedMs = monotonicMs()
  if (tickedMs - fromMs > STALL_MS) history.note({ kind: 'stalled', fromMs })
}, TICK_MS).unref()

const client = await OctopusClient.open(
  {
    url: task.url,
    token: ADMIN_KEY,
    clientName: task.life,
    retryFirstConnect: true,
    reconnect: { backoffMinMs: 10, backoffMaxMs: 100 },
  },
  notingPorts(history, task.clockOffMs),
)
const consumer = client.consumer({
  topics: task.topics,
  from: 'earliest',
  group: {
    id: task.groupId,
    ...(task.instanceId !== null && { instanceId: task.instanceId }),
    assignor: task.assignor,
    autoCommit: task.reading !== 'each',
    autoCommitIntervalMs: task.autoCommitIntervalMs,
    sessionTimeoutMs: task.sessionTimeoutMs,
    rebalanceTimeoutMs: task.rebalanceTimeoutMs,
    maxProcessingMs: task.maxProcessingMs,
    onAssignment: ({ added, removed, isLost }) =>
      history.note({ kind: 'told', added: added.length, removed: removed.length, isLost }),
    onWarning: (text) => history.note({ kind: 'said', text }),
  },
})

// Whoever started it is gone.
process.on('disconnect', () => process.exit(1))
process.on('message', () => void consumer.close())

let isReading = false

async function handle(): Promise<void> {
  if (random.below(task.slowEvery) === 0) await sleep(1 + random.below(task.slowMsMax))
  else if (random.below(8) === 0) await sleep(random.below(4))
}

function placeOf(record: ConsumedRecord): string {
  const event = placeOfEvent(record.text() ?? '')
  if (event?.sequence === record.offset && event.place.endsWith(`/${record.partition}`)) return event.place
  const where = `${record.topic}/${record.partition}@${record.offset}`
  history.note({ kind: 'fault', text: `what stands at ${where} is ${record.text()}` })
  return where
}

async function work(records: readonly ConsumedRecord[]): Promise<void> {
  const place = placeOf(records[0])
  const range = { place, first: records[0].offset, last: records[records.length - 1].offset }
  history.note({ kind: 'handed', ...range })
  if (!isReading) process.send?.('reading')
  isReading = true
  await handle()
  history.note({ kind: 'done', ...range })
}

async function read(): Promise<void> {
  if (task.reading === 'batches') {
    for await (const { records } of consumer.batches()) await work(records)
    return
  }
  for await (const record of consumer) {
    await work([record])
    if (task.reading !== 'each') continue
    try {
      await consumer.commit(record)
    } catch (error) {
      // The partition is another's by now, or the consumer is closed; the history has it.
      if (!(error instanceof ProtocolError)) throw error
      history.note({ kind: 'said', text: `commit refused: ${error.message}` })
    }
  }
}

try {
  await read()
  await consumer.close()
  await client.close()
} catch (error) {
  history.note({ kind: 'fault', text: `it failed: ${error}` })
}
history.close()
process.exit(0)
