/**
 * Ten thousand partitions against one, both with batches of 4 KiB, in turns on the same broker.
 *
 * The ten thousand get the SDK as it comes. One partition could not use it so: with five batches under way it would
 * wait for the disk most of the time and be no rival. So the rival may have as many batches under way as it likes, which
 * costs it idempotence; what one partition reaches with the defaults is measured too. What was produced is read
 * back and compared by count and by the sum of every byte.
 */
import { join } from 'node:path'
import type { BrokerKind } from '../brokers/broker-process.ts'
import { withBroker } from '../brokers/with-broker.ts'
import { requireSameSum, ValuePool } from '../figures/values.ts'
import type { LoadProcess } from '../load/load-process.ts'
import type { ProducerChoice } from '../load/tasks.ts'
import { cpuSeconds, MemoryWatch } from '../machine/process-statistics.ts'

export interface SpreadOptions {
  readonly partitions: number
  /** Measured events a round for the many and for the one. */
  readonly events: number
  readonly warmupEvents: number
  /** Turns the events are cut into. */
  readonly slices: number
  readonly batchBytes: number
  readonly valueBytes: number
  readonly seed: number
}

export interface Spread {
  readonly events: number
  readonly seconds: number
  readonly batches: number
  readonly brokerCpuSeconds: number | null
}

export interface SpreadRound {
  readonly many: Spread
  readonly one: Spread
  /** One partition with the defaults of the SDK. */
  readonly oneWithDefaults: Spread
  readonly anonymousRssBytesMax: number | null
  /** All that was read back. */
  readonly total: { readonly events: number; readonly sum: number }
}

export interface NothingStored {
  readonly many: Spread
  readonly one: Spread
}

type Part = 'many' | 'one' | 'oneWithDefaults'

const topics: Readonly<Record<Part, string>> = {
  many: 'bench.many',
  one: 'bench.one',
  oneWithDefaults: 'bench.one',
}
/** More than a connection's window holds. */
const IN_FLIGHT_UNBOUNDED = 1_000
/** With five batches under way one partition takes many times as long: it gets a part of the events. */
const DEFAULTS_SHARE = 1 / 8

export function measureNothingStored(directory: string, options: SpreadOptions): Promise<NothingStored> {
  return withTopics(directory, 'discarding', options, async ({ produce }) => {
    await produce('many', options.warmupEvents)
    return { many: await produce('many', options.events), one: await produce('one', options.events) }
  })
}

export function measureSpread(directory: string, options: SpreadOptions): Promise<SpreadRound> {
  const { events, warmupEvents, slices, valueBytes, seed } = options
  return withTopics(directory, 'durable', options, async ({ pid, produce, consume }) => {
    const memory = new MemoryWatch(pid)
    for (const part of ['many', 'one'] as const) await produce(part, warmupEvents)
    const sliceEvents = Math.ceil(events / slices)
    const many: Spread[] = []
    const one: Spread[] = []
    while (many.length < slices) {
      many.push(await produce('many', sliceEvents))
      one.push(await produce('one', sliceEvents))
    }
    const defaultsEvents = Math.ceil(events * DEFAULTS_SHARE)
    const oneWithDefaults = await produce('oneWithDefaults', defaultsEvents)
    const anonymousRssBytesMax = memory.stop() ?? null

    const pool = new ValuePool(seed, valueBytes)
    const sliced = slices * pool.sum(sliceEvents) + pool.sum(warmupEvents)
    const each = slices * sliceEvents + warmupEvents
    requireSameSum(await consume('many', each), sliced)
    requireSameSum(await consume('one', each + defaultsEvents), sliced + pool.sum(defaultsEvents))
    return {
      many: together(many),
      one: together(one),
      oneWithDefaults,
      anonymousRssBytesMax,
      total: { events: 2 * each + defaultsEvents, sum: 2 * sliced + pool.sum(defaultsEvents) },
    }
  })
}

interface Hands {
  readonly pid: number
  readonly produce: (part: Part, events: number) => Promise<Spread>
  /** The sum of every byte of the values. */
  readonly consume: (part: Part, events: number) => Promise<number>
}

function withTopics<T>(
  directory: string,
  kind: BrokerKind,
  options: SpreadOptions,
  run: (hands: Hands) => Promise<T>,
): Promise<T> {
  const { partitions, batchBytes, valueBytes, seed } = options
  const choices: Readonly<Record<Part, ProducerChoice>> = {
    many: { batchBytes },
    one: { batchBytes, idempotence: false, maxInFlight: IN_FLIGHT_UNBOUNDED },
    oneWithDefaults: { batchBytes },
  }
  return withBroker({ data: join(directory, 'spread'), kind }, async ({ pid, url }, newLoad) => {
    const load: LoadProcess = newLoad()
    await load.run(url, { kind: 'create-topic', topic: topics.many, partitions })
    await load.run(url, { kind: 'create-topic', topic: topics.one, partitions: 1 })
    return run({
      pid,
      async produce(part, events) {
        const before = cpuSeconds(pid)
        const producer = choices[part]
        const task = { kind: 'produce', topic: topics[part], events, valueBytes, seed, producer } as const
        const { seconds, batches } = await load.run(url, task)
        const after = cpuSeconds(pid)
        const brokerCpuSeconds = before === undefined || after === undefined ? null : after - before
        return { events, seconds, batches, brokerCpuSeconds }
      },
      consume: async (part, events) =>
        (await load.run(url, { kind: 'consume', topic: topics[part], events, mode: 'values' })).sum,
    })
  })
}

function together(slices: readonly Spread[]): Spread {
  const sum = (measure: (slice: Spread) => number | null) =>
    slices.map(measure).reduce<number | null>((a, b) => (a === null || b === null ? null : a + b), 0)
  return {
    events: sum(({ events }) => events)!,
    seconds: sum(({ seconds }) => seconds)!,
    batches: sum(({ batches }) => batches)!,
    brokerCpuSeconds: sum(({ brokerCpuSeconds }) => brokerCpuSeconds),
  }
}
