/**
 * Consumers with filters: one that goes through all that a topic holds, and many that wait for what comes. How much the broker looked
 * at for them is what its answers say.
 */
import { setTimeout } from 'node:timers/promises'
import { connect } from '../../client/index.ts'
import type { StopSign } from './stop-sign.ts'
import type { Scanned, ScanTask, WatchTask } from './tasks.ts'

type Client = Awaited<ReturnType<typeof connect>>

/** How often many consumers are asked where they are. */
const LOOK_MS = 100

const monotonicNs = () => Number(process.hrtime.bigint())

async function counted(
  run: () => Promise<{ readonly examined: number; readonly matched: number }>,
): Promise<Scanned> {
  const cpu = process.cpuUsage()
  const startNs = monotonicNs()
  const counts = await run()
  const endNs = monotonicNs()
  const { user, system } = process.cpuUsage(cpu)
  return { ...counts, startNs, endNs, cpuSeconds: (user + system) / 1e6 }
}

export function scan(
  client: Client,
  { topic, filters, events, untilStopped = false }: ScanTask,
  stop: StopSign,
): Promise<Scanned> {
  return counted(async () => {
    let examined = 0
    let matched = 0
    let passes = 0
    do {
      const filter = filters[passes++ % filters.length]
      const consumer = client.consumer({ topics: [topic], from: 'earliest', untilEnd: true, filter })
      // Where nothing matches the loop has nothing to end at.
      stop.onSet(() => void consumer.close())
      for await (const { records } of consumer.batches()) matched += records.length
      await consumer.close()
      examined += consumer.filtered.examined
    } while (untilStopped && stop.events === undefined)
    if (!untilStopped && examined < events)
      throw new Error(`${examined} of ${events} events were held against the filter`)
    return { examined, matched }
  })
}

/** `onReady` is called when every consumer waits. */
export async function watch(url: string, task: WatchTask, onReady: () => void): Promise<Scanned> {
  const { topic, filters, connections, events } = task
  const clients: Client[] = []
  while (clients.length < Math.min(connections, filters.length))
    clients.push(await connect({ url, clientName: 'octopus-bench' }))
  const consumers = filters.map((filter, i) =>
    clients[i % clients.length].consumer({ topics: [topic], from: 'earliest', filter }),
  )
  let matched = 0
  const reading = consumers.map(async (consumer) => {
    for await (const { records } of consumer.batches()) matched += records.length
  })
  const failed = Promise.all(reading)
  const watched = await counted(async () => {
    await Promise.race([Promise.all(consumers.map((consumer) => consumer.ready())), failed])
    onReady()
    const behind = new Set(consumers)
    while (behind.size > 0) {
      await Promise.race([setTimeout(LOOK_MS), failed])
      for (const consumer of behind) {
        const passed = consumer.positions().reduce((sum, { position }) => sum + (position ?? 0), 0)
        if (passed >= events) behind.delete(consumer)
      }
    }
    return { examined: consumers.reduce((sum, { filtered }) => sum + filtered.examined, 0), matched }
  })
  await Promise.all(consumers.map((consumer) => consumer.close()))
  await failed
  await Promise.all(clients.map((client) => client.close()))
  return watched
}
