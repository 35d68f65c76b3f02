/**
 * Producing JSON events that nobody made up: as fast as the producer takes them, or so many a second, evenly spaced. For loads
 * whose cost depends on what is in the events. Counts what was acknowledged, with the sum of every byte of it.
 */
import { setTimeout } from 'node:timers/promises'
import type { connect } from '../../client/index.ts'
import { readJsonEvents } from '../events/read-data-sets.ts'
import { sumBytes } from '../figures/values.ts'
import { type OnProgress, requireAll, timed } from './bulk.ts'
import type { StopSign } from './stop-sign.ts'
import type { Answers, JsonProduceTask } from './tasks.ts'

type Client = Awaited<ReturnType<typeof connect>>

/** How often the clock is looked at, in events. */
const STRETCH_EVENTS = 512
const TICK_MS = 1
const PROGRESS_EVENTS = 1_000_000

const monotonicNs = () => Number(process.hrtime.bigint())

interface Values {
  readonly seed: number
  readonly views: readonly Uint8Array[]
  readonly sums: readonly number[]
}

/** Kept for the next load of this process, which is then not slower at its start than later. */
let kept: Values | undefined

async function valuesOf(seed: number): Promise<Values> {
  if (kept?.seed === seed) return kept
  const views = await readJsonEvents(seed)
  kept = { seed, views, sums: views.map(sumBytes) }
  return kept
}

/** The first word of progress comes when the first event is about to leave. */
export async function produceJson(
  client: Client,
  { topic, events, seconds, ratePerSecond, seed, producer: choice = {} }: JsonProduceTask,
  stop: StopSign,
  onProgress: OnProgress,
): Promise<Answers['produce-json']> {
  const { views, sums } = await valuesOf(seed)
  let batches = 0
  const producer = client.producer({ ...choice, onDelivery: () => batches++ })
  let next = 0
  let view = 0
  let sum = 0
  let bytes = 0

  const sendUntil = async (end: number) => {
    for (; next < end; next++) {
      if (view === views.length) view = 0
      const value = views[view]
      sum += sums[view++]
      bytes += value.length
      const room = producer.append(topic, { value })
      if (room) await room
    }
  }

  const eventsMax = events ?? Number.POSITIVE_INFINITY
  const startNs = monotonicNs()
  onProgress(0)
  let said = 0
  const moved = await timed(eventsMax, async () => {
    const lastNs = startNs + (seconds ?? Number.POSITIVE_INFINITY) * 1e9
    for (
      let nowNs = startNs;
      next < eventsMax && nowNs < lastNs && stop.events === undefined;
      nowNs = monotonicNs()
    ) {
      if (ratePerSecond === undefined) await sendUntil(Math.min(eventsMax, next + STRETCH_EVENTS))
      else {
        await sendUntil(Math.min(eventsMax, Math.ceil(((nowNs - startNs) / 1e9) * ratePerSecond)))
        await setTimeout(TICK_MS)
      }
      if (next - said >= PROGRESS_EVENTS) {
        said = next
        onProgress(next)
      }
    }
    requireAll(await producer.flush(), next)
  })
  const endNs = monotonicNs()
  await producer.close()
  return { ...moved, events: next, startNs, endNs, batches, sum, bytes }
}
