/**
 * Paced producing and live consuming, for the time an event takes from the instant it was due to the loop
 * of its consumer.
 *
 * Latency counts from when an event was **due**, not from when it was sent: a generator that falls behind,
 * or sends its events in bursts because timers tick once a millisecond, shows up in the figures instead
 * of hiding in them (no coordinated omission). Both processes read CLOCK_MONOTONIC, which is one clock
 * for the whole machine; `performance.now()` counts from each process's own start and would not do.
 */
import hdr from 'hdr-histogram-js'
import type { connect } from '../../client/index.ts'
import { ValuePool } from '../figures/values.ts'
import type { StopSign } from './stop-sign.ts'
import type { LiveConsumeTask, Paced, PacedProduceTask, Received, RecordLiveTask, Timeline } from './tasks.ts'

type Client = Awaited<ReturnType<typeof connect>>

/** A value begins with its event's due time in ns (float64: exact to 2 ns for 200 days) and its number. */
const STAMP_BYTES = 16
const TICK_MS = 1
/** The first event is due so long after the start, so that everything is set up. */
const LEAD_NS = 50e6
const LATENCY_US_MAX = 60_000_000

const nowNs = () => Number(process.hrtime.bigint())

/** `onBegun` is called when the first event is about to be due. */
export async function producePaced(
  client: Client,
  task: PacedProduceTask,
  stop: StopSign,
  onBegun: () => void,
): Promise<Paced> {
  if (task.valueBytes < STAMP_BYTES) throw new RangeError(`a paced value has at least ${STAMP_BYTES} bytes`)
  const { views } = new ValuePool(task.seed, task.valueBytes)
  const producer = client.producer({ lingerMs: 0 })
  const intervalNs = 1e9 / task.ratePerSecond
  let acknowledged = 0
  let failure: unknown
  let lateNsMax = 0
  const firstNs = nowNs() + LEAD_NS
  onBegun()

  const send = (index: number, dueNs: number) => {
    const value = Buffer.from(views[index % views.length])
    value.writeDoubleLE(dueNs, 0)
    value.writeDoubleLE(index, 8)
    producer.send(task.topic, { value }).then(
      () => acknowledged++,
      (error: unknown) => {
        failure ??= error
      },
    )
  }

  await new Promise<void>((resolve) => {
    let next = 0
    const tick = () => {
      const now = nowNs()
      if (stop.events !== undefined) return resolve()
      for (; next < task.events && firstNs + next * intervalNs <= now; next++) {
        const dueNs = firstNs + next * intervalNs
        lateNsMax = Math.max(lateNsMax, now - dueNs)
        send(next, dueNs)
      }
      if (next < task.events) setTimeout(tick, TICK_MS)
      else resolve()
    }
    tick()
  })
  await producer.flush()
  const seconds = (nowNs() - firstNs) / 1e9
  await producer.close()
  if (failure !== undefined) throw failure
  return { acknowledged, seconds, lateMsMax: lateNsMax / 1e6 }
}

export async function consumeLive(client: Client, task: LiveConsumeTask): Promise<Received> {
  const histogram = hdr.build({ lowestDiscernibleValue: 1, highestTrackableValue: LATENCY_US_MAX })
  await receive(client, task, (dueNs, index, nowNs) => {
    if (index < task.warmupEvents) return
    histogram.recordValue(Math.min(Math.round((nowNs - dueNs) / 1000), LATENCY_US_MAX))
  })
  return { histogram: hdr.encodeIntoCompressedBase64(histogram), measured: histogram.totalCount }
}

export async function recordLive(client: Client, task: RecordLiveTask, stop: StopSign): Promise<Timeline> {
  const dueNs = new Float64Array(task.events)
  const latencyUs = new Float64Array(task.events)
  let received = 0
  await receive(
    client,
    task,
    (due, _index, now) => {
      dueNs[received] = due
      latencyUs[received++] = (now - due) / 1000
    },
    stop,
  )
  return { dueNs: dueNs.slice(0, received), latencyUs: latencyUs.slice(0, received) }
}

/** Until all events have come: those of the task, or fewer if it is stopped. */
async function receive(
  client: Client,
  { topic, events }: { readonly topic: string; readonly events: number },
  onEvent: (dueNs: number, index: number, nowNs: number) => void,
  stop?: StopSign,
): Promise<void> {
  const consumer = client.consumer({ topics: [topic], from: 'earliest' })
  let received = 0
  let eventsMax = events
  stop?.onSet(() => {
    eventsMax = Math.min(events, stop.events as number)
    // Otherwise it would wait for one more.
    if (received >= eventsMax) void consumer.close()
  })
  for await (const batch of consumer.batches()) {
    for (const record of batch.records) {
      const now = nowNs()
      const { buffer, byteOffset, byteLength } = record.value!
      const value = new DataView(buffer, byteOffset, byteLength)
      onEvent(value.getFloat64(0, true), value.getFloat64(8, true), now)
      if (++received === eventsMax) return
    }
  }
}
