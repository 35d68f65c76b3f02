/**
 * Whether old data leaves as fast as new data comes.
 *
 * Three stretches, each on a fresh broker after a warm-up: many gigabytes pass through a topic that keeps one; the
 * same with a hundredth of the events in a topic that is kept for ever, whose data stands in every segment
 * between the data that leaves; and a shorter one of the first kind again, so that the mixture has an unmixed
 * neighbour on both sides. Producing never pauses, and meanwhile the disk is watched. Afterwards what is left is read
 * and compared.
 */
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { TopicDescription } from '../../client/index.ts'
import { ask } from '../brokers/ask.ts'
import type { BrokerProcess } from '../brokers/broker-process.ts'
import { withBroker } from '../brokers/with-broker.ts'
import type { Progress } from '../display/progress.ts'
import { requireSameSum, sumBytes, ValuePool } from '../figures/values.ts'
import type { LoadProcess } from '../load/load-process.ts'
import { type Probe, type ProbeSizes, probeMachine } from '../machine/probes.ts'
import { MemoryWatch } from '../machine/process-statistics.ts'
import { type Footprint, watchFootprint } from './footprint.ts'

export interface RetentionOptions extends ProbeSizes {
  /** Bytes of values that pass in the long stretches. */
  readonly passingBytes: number
  /** And in the one that closes the comparison. */
  readonly closingBytes: number
  /** Bytes of values on a broker that stores nothing. */
  readonly nothingStoredBytes: number
  readonly warmupBytes: number
  /** What the topic keeps, all partitions together. */
  readonly keptBytes: number
  /** One event of so many goes to the topic that is kept for ever. */
  readonly mixedEvery: number
  /** Values of a stretch whose rate is told: a gigabyte. */
  readonly markBytes: number
  readonly checkIntervalMs: number
  readonly segmentBytes: number
  readonly partitions: number
  readonly valueBytes: number
  readonly seed: number
}

export interface Stretch {
  readonly events: number
  readonly seconds: number
  /** Seconds from the start until each gigabyte was acknowledged. */
  readonly markSeconds: readonly number[]
  readonly footprints: readonly Footprint[]
  readonly anonymousRssBytesMax: number | null
  /** What was there in the end and was read and compared. */
  readonly left: { readonly events: number }
}

export interface RetentionRun {
  readonly steady: Stretch
  readonly mixture: Stretch
  readonly closing: Stretch
  readonly nothingStored: { readonly events: number; readonly seconds: number }
  /** One before each stretch and one after the last. */
  readonly probes: readonly Probe[]
}

const PASSING = 'bench.passing'
const KEPT = 'bench.kept'
const WARMUP = 'bench.warmup'

export async function runRetention(
  directory: string,
  options: RetentionOptions,
  progress: Progress,
): Promise<RetentionRun> {
  const bench = new Retention(directory, options, progress)
  const probes: Probe[] = []
  const probed = async <T>(measure: () => Promise<T>): Promise<T> => {
    const result = await measure()
    probes.push(await bench.probe())
    return result
  }
  const nothingStored = await probed(() => bench.nothingStored())
  const { passingBytes, closingBytes } = options
  const steady = await probed(() => bench.stretch('one topic', passingBytes, false))
  const mixture = await probed(() => bench.stretch('beside a topic kept for ever', passingBytes, true))
  const closing = await probed(() => bench.stretch('one topic again', closingBytes, false))
  return { steady, mixture, closing, nothingStored, probes }
}

class Retention {
  readonly #directory: string
  readonly #options: RetentionOptions
  readonly #progress: Progress

  constructor(directory: string, options: RetentionOptions, progress: Progress) {
    this.#directory = directory
    this.#options = options
    this.#progress = progress
  }

  probe(): Promise<Probe> {
    this.#progress.step('probing the disk: raw append and fdatasync')
    return probeMachine(this.#directory, this.#options)
  }

  nothingStored(): Promise<RetentionRun['nothingStored']> {
    const { nothingStoredBytes, warmupBytes, partitions } = this.#options
    this.#progress.step('producing to a broker that stores nothing')
    const plan = { data: join(this.#directory, 'nothing'), kind: 'discarding' } as const
    return withBroker(plan, async (broker, newLoad) => {
      const load = newLoad()
      await load.run(broker.url, { kind: 'create-topic', topic: PASSING, partitions })
      await this.#produce(broker, load, PASSING, warmupBytes)
      const { events, seconds } = await this.#produce(broker, load, PASSING, nothingStoredBytes)
      return { events, seconds }
    })
  }

  stretch(name: string, bytes: number, isMixed: boolean): Promise<Stretch> {
    const { checkIntervalMs, segmentBytes, warmupBytes, partitions } = this.#options
    const data = join(this.#directory, 'broker')
    const settings = {
      'retention-check-interval-ms': checkIntervalMs,
      'storage-segment-bytes': segmentBytes,
    }
    return withBroker({ data, settings }, async (broker, newLoad) => {
      const load = newLoad()
      const configs = { 'retention.bytes': String(this.#partitionBytes), 'retention.ms': '-1' }
      await load.run(broker.url, { kind: 'create-topic', topic: PASSING, partitions, configs })
      const forEver = { 'retention.ms': '-1' }
      if (isMixed)
        await load.run(broker.url, { kind: 'create-topic', topic: KEPT, partitions, configs: forEver })
      await this.#warmUp(broker, load, warmupBytes)

      this.#progress.step(`passing: ${name}`)
      const memory = new MemoryWatch(broker.pid)
      const producing = this.#produce(broker, load, PASSING, bytes, isMixed)
      const { result, footprints } = await watchFootprint(broker, data, producing)
      const anonymousRssBytesMax = memory.stop() ?? null

      this.#progress.step(`reading what is left: ${name}`)
      const left = await this.#readLeft(broker, load, result.events, isMixed)
      const { events, seconds, markSeconds } = result
      return { events, seconds, markSeconds, footprints, anonymousRssBytesMax, left }
    })
  }

  get #partitionBytes(): number {
    return Math.ceil(this.#options.keptBytes / this.#options.partitions)
  }

  async #warmUp(broker: BrokerProcess, load: LoadProcess, bytes: number): Promise<void> {
    this.#progress.step('warming up')
    await load.run(broker.url, { kind: 'create-topic', topic: WARMUP, partitions: this.#options.partitions })
    await this.#produce(broker, load, WARMUP, bytes)
    await ask(broker, (client) => client.admin().deleteTopic(WARMUP))
    // Its data leaves before the stretch begins, or its going would be judged with it.
    const segments = async () => (await ask(broker, (client) => client.admin().status())).storage.segments
    await this.#untilStill(segments)
  }

  #produce(broker: BrokerProcess, load: LoadProcess, topic: string, bytes: number, isMixed = false) {
    const { valueBytes, markBytes, mixedEvery, seed } = this.#options
    const markEvents = Math.ceil(markBytes / valueBytes)
    // Of whole gigabytes the last one has a rate too.
    const events = Math.ceil((bytes / markBytes) * markEvents)
    const kept = { topic: KEPT, every: mixedEvery }
    const task = { kind: 'produce-marked', topic, events, markEvents, valueBytes, seed } as const
    return load.run(broker.url, isMixed ? { ...task, kept } : task, (soFar) =>
      this.#progress.detail(`${Math.floor((100 * soFar) / events)} %`),
    )
  }

  /** Nothing that was to be kept has gone, and everything that is left is what was produced. */
  async #readLeft(
    broker: BrokerProcess,
    load: LoadProcess,
    events: number,
    isMixed: boolean,
  ): Promise<Stretch['left']> {
    const { valueBytes, seed, mixedEvery } = this.#options
    const passing = await this.#settled(broker)
    const keptEvents = isMixed ? Math.floor(events / mixedEvery) : 0
    const produced = passing.partitions.reduce((sum, { logEndOffset }) => sum + logEndOffset, 0)
    if (produced !== events - keptEvents)
      throw new Error(`${PASSING} ends at ${produced} events, ${events - keptEvents} were acknowledged`)
    for (const { partition, bytes, logStartOffset } of passing.partitions)
      if (logStartOffset > 0 && bytes < this.#partitionBytes)
        throw new Error(`${PASSING} ${partition} was cut down to ${bytes} bytes, below its retention.bytes`)
    const left = await load.run(broker.url, { kind: 'verify', topic: PASSING, valueBytes, seed })
    if (isMixed) {
      const consume = { kind: 'consume', topic: KEPT, events: keptEvents, mode: 'values' } as const
      const { sum } = await load.run(broker.url, consume)
      requireSameSum(sum, sumOfEvery(new ValuePool(seed, valueBytes), mixedEvery, keptEvents))
    }
    return { events: left.events + keptEvents }
  }

  /** The topic once retention has done what there was to do. */
  async #settled(broker: BrokerProcess): Promise<TopicDescription> {
    const described = () => ask(broker, (client) => client.admin().describeTopics([PASSING]))
    await this.#untilStill(async () =>
      (await described())[0].partitions.reduce((sum, { logStartOffset }) => sum + logStartOffset, 0),
    )
    return (await described())[0]
  }

  /** Until two of the broker's looks for old data have changed nothing. */
  async #untilStill(measure: () => Promise<number>): Promise<void> {
    for (let last = await measure(); ; ) {
      await setTimeout(2 * this.#options.checkIntervalMs)
      const now = await measure()
      if (now === last) return
      last = now
    }
  }
}

/** Sum of every byte of the events number `every - 1`, `2 * every - 1` and so on, `count` of them. */
export function sumOfEvery({ views }: ValuePool, every: number, count: number): number {
  const sums = views.map(sumBytes)
  let sum = 0
  for (let i = 1; i <= count; i++) sum += sums[(i * every - 1) % sums.length]
  return sum
}
