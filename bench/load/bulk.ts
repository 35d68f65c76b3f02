/**
 * Producing and consuming as fast as the SDK can: whole topics, counted, and only what was acknowledged or received
 * counts.
 */
import type { connect, FlushResult } from '../../client/index.ts'
import { ByteSum, sumBytes, ValuePool } from '../figures/values.ts'
import type { Answers, ConsumeTask, Moved, ProduceTask, SingleBatchesTask } from './tasks.ts'

/** How often the person who waits hears of it, in events. */
const PROGRESS_EVENTS = 1_000_000
const PROGRESS_BATCHES = 10_000

type Client = Awaited<ReturnType<typeof connect>>
export type OnProgress = (events: number) => void

export async function timed(events: number, run: () => Promise<void>): Promise<Moved> {
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  await run()
  const seconds = (performance.now() - startMs) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return { events, seconds, cpuSeconds: (user + system) / 1e6 }
}

/** Without keys and partitions: the producer spreads them, as it does for anyone. */
export async function produce(
  client: Client,
  { topic, events, valueBytes, seed, producer: choice = {} }: ProduceTask,
  onProgress: OnProgress,
): Promise<Answers['produce']> {
  const { views } = new ValuePool(seed, valueBytes)
  let batches = 0
  const producer = client.producer({ ...choice, onDelivery: () => batches++ })
  const moved = await timed(events, async () => {
    for (let i = 0, view = 0; i < events; i++, view++) {
      if (view === views.length) view = 0
      const room = producer.append(topic, { value: views[view] })
      if (room) await room
      if (i % PROGRESS_EVENTS === 0) onProgress(i)
    }
    requireAll(await producer.flush(), events)
  })
  await producer.close()
  return { ...moved, batches }
}

export async function produceSingleBatches(
  client: Client,
  { topic, partitions, turns, valueBytes, seed, idempotence }: SingleBatchesTask,
  onProgress: OnProgress,
): Promise<Answers['produce-single-batches']> {
  const { views } = new ValuePool(seed, valueBytes)
  const sums = views.map(sumBytes)
  const events = turns * partitions
  let batches = 0
  let sum = 0
  // A batch that has taken one event is full.
  const producer = client.producer({
    batchBytes: Math.max(1024, valueBytes),
    idempotence,
    onDelivery: () => batches++,
  })
  const moved = await timed(events, async () => {
    for (let i = 0; i < events; i++) {
      const view = i % views.length
      sum += sums[view]
      const room = producer.append(topic, { partition: i % partitions, value: views[view] })
      if (room) await room
      if (i % PROGRESS_BATCHES === 0) onProgress(i)
    }
    requireAll(await producer.flush(), events)
  })
  await producer.close()
  if (batches !== events) throw new Error(`${events} events went into ${batches} batches, not one into each`)
  return { ...moved, batches, sum }
}

export function requireAll({ acknowledged, failed, error }: FlushResult, events: number): void {
  if (acknowledged !== events || failed !== 0)
    throw new Error(`${acknowledged} of ${events} events were acknowledged: ${error?.message ?? 'no error'}`)
}

export async function consume(
  client: Client,
  task: ConsumeTask,
  onProgress: OnProgress,
): Promise<Answers['consume']> {
  const { topic, group, mode } = task
  const consumer = client.consumer({
    topics: [topic],
    from: 'earliest',
    untilEnd: true,
    ...(group !== undefined && { group }),
  })
  let events = 0
  const sum = new ByteSum()
  let said = 0
  const moved = await timed(task.events, async () => {
    if (mode === 'events') {
      for await (const record of consumer) events += record.offset >= 0 ? 1 : 0
      return
    }
    for await (const batch of consumer.batches()) {
      if (mode === 'lazy') for (const record of batch.records) events += record.offset >= 0 ? 1 : 0
      else
        for (const record of batch.records) {
          events++
          sum.add(record.value!)
        }
      if (events - said >= PROGRESS_EVENTS) {
        said = events
        onProgress(events)
      }
    }
  })
  if (events !== task.events)
    throw new Error(`${events} events were consumed, ${task.events} were acknowledged`)
  await consumer.close()
  return { ...moved, sum: sum.total }
}
