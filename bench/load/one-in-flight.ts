/**
 * Many clients with one event each under way: what a fleet of instruments does that wait for every
 * acknowledgement. Each has a connection and a producer of its own, and sends its next event when the last
 * one is durable; nothing is batched unless the broker batches it.
 */
import hdr from 'hdr-histogram-js'
import { connect } from '../../client/index.ts'
import { sumBytes, ValuePool } from '../figures/values.ts'
import type { OneInFlight, OneInFlightTask } from './tasks.ts'

type Client = Awaited<ReturnType<typeof connect>>

const LATENCY_US_MAX = 60_000_000
/** Connections that are opened at a time: a broker greets each of them. */
const OPENED_AT_ONCE = 50

export async function oneInFlight(url: string, task: OneInFlightTask): Promise<OneInFlight> {
  const { views } = new ValuePool(task.seed, task.valueBytes)
  const sums = views.map(sumBytes)
  const histogram = hdr.build({ lowestDiscernibleValue: 1, highestTrackableValue: LATENCY_US_MAX })
  const clients = await openClients(url, task.connections)
  const startMs = performance.now() + task.warmupSeconds * 1000
  const endMs = startMs + task.seconds * 1000
  const total = { events: 0, sum: 0 }
  let acknowledged = 0

  const run = async (client: Client, first: number): Promise<void> => {
    const producer = client.producer()
    let view = first % views.length
    for (let sentMs = performance.now(); sentMs < endMs; ) {
      await producer.send(task.topic, { value: views[view] })
      const nowMs = performance.now()
      if (nowMs >= startMs && nowMs < endMs) {
        acknowledged++
        histogram.recordValue(Math.min(Math.round((nowMs - sentMs) * 1000), LATENCY_US_MAX))
      }
      total.events++
      total.sum += sums[view]
      view = view + 1 === views.length ? 0 : view + 1
      sentMs = nowMs
    }
    await producer.close()
  }

  const cpuSeconds = cpuSecondsBetween(task.warmupSeconds, task.seconds)
  // Clients differ in what they send.
  await Promise.all(clients.map((client, i) => run(client, i * 7)))
  await Promise.all(clients.map((client) => client.close()))
  return {
    acknowledged,
    seconds: task.seconds,
    cpuSeconds: await cpuSeconds,
    histogram: hdr.encodeIntoCompressedBase64(histogram),
    total,
  }
}

export async function openClients(url: string, count: number): Promise<Client[]> {
  const clients: Client[] = []
  while (clients.length < count) {
    const few = Math.min(OPENED_AT_ONCE, count - clients.length)
    const opening = Array.from({ length: few }, () => connect({ url, clientName: 'octopus-bench' }))
    clients.push(...(await Promise.all(opening)))
  }
  return clients
}

/** This process's own work in a stretch of time that begins some seconds from now. */
export function cpuSecondsBetween(afterSeconds: number, seconds: number): Promise<number> {
  return new Promise((resolve) => {
    setTimeout(() => {
      const before = process.cpuUsage()
      setTimeout(() => {
        const { user, system } = process.cpuUsage(before)
        resolve((user + system) / 1e6)
      }, seconds * 1000)
    }, afterSeconds * 1000)
  })
}
