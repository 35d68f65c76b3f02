/**
 * A producer and a consumer, each in a process of its own, that exchange events at a steady rate without a pause, while something
 * else comes and goes beside them. Who looks at their latencies afterwards takes the events that were due within his stretches.
 */
import { setTimeout } from 'node:timers/promises'
import type { BrokerProcess } from '../brokers/broker-process.ts'
import type { LoadProcess } from './load-process.ts'
import type { Paced, Stretch, Timeline } from './tasks.ts'

export interface LivePairPlan {
  readonly topic: string
  readonly partitions: number
  readonly ratePerSecond: number
  readonly valueBytes: number
  /** The longest it can take; it ends when what is beside it has ended. */
  readonly secondsMax: number
  readonly seed: number
}

export interface LiveEvents {
  readonly timeline: Timeline
  readonly paced: Paced
}

const monotonicNs = () => Number(process.hrtime.bigint())

/** Nothing but waiting: the live pair alone. */
export async function pause(seconds: number): Promise<Stretch> {
  const startNs = monotonicNs()
  await setTimeout(seconds * 1000)
  return { startNs, endNs: monotonicNs() }
}

/**
 * Runs `beside` while the pair is at work, from its first event on. Rejects when the pair ends before `beside` does, since
 * then nobody was there to feel it.
 */
export async function withLivePair<T>(
  broker: BrokerProcess,
  newLoad: () => LoadProcess,
  { topic, partitions, ratePerSecond, valueBytes, secondsMax, seed }: LivePairPlan,
  beside: () => Promise<T>,
): Promise<{ live: LiveEvents; result: T }> {
  const [producer, consumer] = [newLoad(), newLoad()]
  const events = Math.ceil(ratePerSecond * secondsMax)
  await producer.run(broker.url, { kind: 'create-topic', topic, partitions })
  const received = consumer.run(broker.url, { kind: 'record-live', topic, events })
  const produce = { kind: 'produce-paced', topic, ratePerSecond, events, valueBytes, seed } as const
  let begun = () => {}
  const hasBegun = new Promise<void>((resolve) => {
    begun = resolve
  })
  const produced = producer.run(broker.url, produce, () => begun())
  const measuring = Promise.race([hasBegun, produced]).then(beside)
  // Whatever fails first ends the others: nobody would wait for them.
  const result = await Promise.race([measuring, failureOf(received), failureOf(produced)])
  const endNs = monotonicNs()
  producer.stop()
  const paced = await produced
  consumer.stop(paced.acknowledged)
  const timeline = await received
  for (const load of [producer, consumer]) load.destroy()
  const lastNs = timeline.dueNs.reduce((a, b) => Math.max(a, b), 0)
  if (endNs - lastNs > LATE_NS_MAX)
    throw new Error(
      'the live events ended before what was beside them: the machine is too slow for this bench',
    )
  return { live: { timeline, paced }, result }
}

/** The last event before the end is due so long before it at most: a generator that is late is late by less. */
const LATE_NS_MAX = 1e9

function failureOf(work: Promise<unknown>): Promise<never> {
  return new Promise((_, reject) => work.catch(reject))
}
