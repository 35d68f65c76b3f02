/**
 * A long stream of events as fast as the SDK takes them, with a note of when each stretch of it was
 * acknowledged: a rate that sinks on the way shows, where a mean would hide it.
 */
import type { connect } from '../../client/index.ts'
import { ValuePool } from '../figures/values.ts'
import { type OnProgress, requireAll, timed } from './bulk.ts'
import type { Answers, MarkedTask } from './tasks.ts'

type Client = Awaited<ReturnType<typeof connect>>

export async function produceMarked(
  client: Client,
  { topic, kept, events, markEvents, valueBytes, seed }: MarkedTask,
  onProgress: OnProgress,
): Promise<Answers['produce-marked']> {
  const { views } = new ValuePool(seed, valueBytes)
  const markSeconds: number[] = []
  const startMs = performance.now()
  let acknowledged = 0
  let nextMark = markEvents
  const producer = client.producer({
    onDelivery({ count, error }) {
      if (error) return
      acknowledged += count
      for (; acknowledged >= nextMark; nextMark += markEvents) {
        markSeconds.push((performance.now() - startMs) / 1000)
        onProgress(acknowledged)
      }
    },
  })
  const moved = await timed(events, async () => {
    let untilKept = kept ? kept.every : Number.POSITIVE_INFINITY
    for (let i = 0, view = 0; i < events; i++, view++) {
      if (view === views.length) view = 0
      let target = topic
      if (--untilKept === 0) {
        target = kept!.topic
        untilKept = kept!.every
      }
      const room = producer.append(target, { value: views[view] })
      if (room) await room
    }
    requireAll(await producer.flush(), events)
  })
  await producer.close()
  return { ...moved, markSeconds }
}
