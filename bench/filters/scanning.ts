/**
 * Filters through a broker. One round is a fresh broker:
 *
 * - **scan**: all that a topic holds is read by a consumer without a filter, by one whose filter nothing matches, and by one whose filter
 *   takes a few: how many events a second, what the broker spends, and what goes over the network;
 * - **live**: another topic has a producer and a consumer without a filter at a steady rate, alone and beside a consumer that has the
 *   broker look through the first topic again and again for nothing;
 * - **many**: a topic is written to at a steady rate while nobody reads it, while one consumer with a filter does, and while many do, each
 *   with a filter of its own: what they cost the broker for the same events.
 */
import type { BrokerProcess } from '../brokers/broker-process.ts'
import { metric } from '../brokers/metrics.ts'
import { withBroker } from '../brokers/with-broker.ts'
import type { Progress } from '../display/progress.ts'
import { type LiveEvents, pause, withLivePair } from '../load/live-pair.ts'
import type { LoadProcess } from '../load/load-process.ts'
import type { Answers, Moved, Scanned, Stretch } from '../load/tasks.ts'
import { type CpuUse, watchCpu } from '../machine/cpu-use.ts'
import { MemoryWatch } from '../machine/process-statistics.ts'
import { differentPatterns, exactPatterns, SELECTIVE_PATTERN } from './patterns.ts'

export interface ScanningOptions {
  readonly partitions: number
  /** Of the topic that is read through. */
  readonly events: number
  readonly warmupEvents: number
  readonly livePerSecond: number
  readonly liveValueBytes: number
  readonly liveWarmupSeconds: number
  /** Of the live pair, alone and beside. */
  readonly liveSeconds: number
  /** Consumers with a filter each, and the connections they share. */
  readonly watchers: number
  readonly watchConnections: number
  readonly watchedPartitions: number
  readonly watchedEvents: number
  readonly watchedPerSecond: number
  readonly seed: number
}

/** What was read, and what it took. */
export interface Measured<T> {
  readonly answer: T
  readonly cpu: CpuUse
  /** Over the network, by the broker. */
  readonly sentBytes: number
}

export interface Watched {
  readonly produced: Answers['produce-json']
  /** Undefined where nobody reads. */
  readonly watched: Scanned | undefined
  /** From when all wait to when the last is behind the last event. */
  readonly cpu: CpuUse
}

export interface ScanningRound {
  readonly plain: Measured<Moved>
  readonly noMatch: Measured<Scanned>
  readonly selective: Measured<Scanned>
  readonly live: LiveEvents
  readonly alone: Stretch
  readonly beside: Scanned
  readonly nobody: Watched
  readonly one: Watched
  readonly many: Watched
  readonly anonymousRssBytesMax: number | null
}

const READ = 'bench.read'
const LIVE = 'bench.live'
const WARMUP = 'bench.warmup'

/**
 * As most filters are, and so many that none comes twice: what the broker knows of a filter that was there a moment ago it
 * does not look for again.
 */
const NO_MATCH = exactPatterns(1_000)

export function measureScanning(
  data: string,
  options: ScanningOptions,
  progress: Progress,
): Promise<ScanningRound> {
  return withBroker({ data }, (broker, newLoad) => new Scanning(broker, newLoad, options, progress).round())
}

class Scanning {
  readonly #broker: BrokerProcess
  readonly #newLoad: () => LoadProcess
  readonly #options: ScanningOptions
  readonly #progress: Progress
  readonly #load: LoadProcess
  readonly #reader: LoadProcess

  constructor(
    broker: BrokerProcess,
    newLoad: () => LoadProcess,
    options: ScanningOptions,
    progress: Progress,
  ) {
    this.#broker = broker
    this.#newLoad = newLoad
    this.#options = options
    this.#progress = progress
    this.#load = newLoad()
    this.#reader = newLoad()
  }

  async round(): Promise<ScanningRound> {
    const { partitions, events, warmupEvents } = this.#options
    const memory = new MemoryWatch(this.#broker.pid)
    this.#progress.step('warming up')
    for (const topic of [READ, WARMUP]) await this.#createTopic(topic, partitions)
    await this.#produce(WARMUP, warmupEvents)
    await this.#consume(WARMUP, warmupEvents)
    await this.#scan(WARMUP, warmupEvents, NO_MATCH)
    await this.#scan(WARMUP, warmupEvents, [SELECTIVE_PATTERN])
    await this.#produce(READ, events)

    this.#progress.step(`${events} events, read without a filter`)
    const plain = await this.#measured(() => this.#consume(READ, events))
    this.#progress.step(`${events} events, none of which matches`)
    const noMatch = await this.#measured(() => this.#scan(READ, events, NO_MATCH))
    this.#progress.step(`${events} events, of which few match`)
    const selective = await this.#measured(() => this.#scan(READ, events, [SELECTIVE_PATTERN]))
    const { live, result } = await this.#live()
    const watching = await this.#watching()
    const anonymousRssBytesMax = memory.stop() ?? null
    return { plain, noMatch, selective, live, ...result, ...watching, anonymousRssBytesMax }
  }

  #live() {
    const { partitions, livePerSecond, liveValueBytes, liveWarmupSeconds, liveSeconds, seed } = this.#options
    // Enough for a machine on which everything takes much longer.
    const secondsMax = 10 * (liveWarmupSeconds + 2 * liveSeconds)
    const pair = { partitions, ratePerSecond: livePerSecond, valueBytes: liveValueBytes, secondsMax, seed }
    return withLivePair(this.#broker, this.#newLoad, { topic: LIVE, ...pair }, async () => {
      this.#progress.step(`a live pair alone for ${liveSeconds} s`)
      await pause(liveWarmupSeconds)
      const alone = await pause(liveSeconds)
      this.#progress.step(`beside a filter that looks through everything, for ${liveSeconds} s`)
      // The first one was there already.
      const beside = this.#scan(READ, this.#options.events, NO_MATCH.slice(1), true)
      await Promise.race([pause(liveSeconds), beside])
      this.#load.stop()
      return { alone, beside: await beside }
    })
  }

  /** Each on a topic of its own, with the same events at the same rate. */
  async #watching() {
    const filters = differentPatterns(this.#options.watchers)
    const { watchedPerSecond } = this.#options
    const rate = `${watchedPerSecond} events/s`
    this.#progress.step(`${rate} that nobody reads`)
    const nobody = await this.#watched('bench.nobody', [])
    this.#progress.step(`${rate} and one filter`)
    const one = await this.#watched('bench.one', filters.slice(0, 1))
    this.#progress.step(`${rate} and ${filters.length} filters`)
    const many = await this.#watched('bench.many', filters)
    return { nobody, one, many }
  }

  async #watched(topic: string, filters: readonly string[]): Promise<Watched> {
    const { watchedPartitions, watchConnections, watchedEvents, watchedPerSecond, seed } = this.#options
    await this.#createTopic(topic, watchedPartitions)
    const watch = {
      kind: 'watch',
      topic,
      filters,
      connections: watchConnections,
      events: watchedEvents,
    } as const
    let ready = () => {}
    const areReady = new Promise<void>((resolve) => {
      ready = resolve
    })
    const watching = filters.length > 0 ? this.#reader.run(this.#broker.url, watch, () => ready()) : undefined
    if (watching) await Promise.race([areReady, watching])
    const stop = watchCpu(this.#broker, [this.#load, this.#reader])
    const produce = {
      kind: 'produce-json',
      topic,
      events: watchedEvents,
      ratePerSecond: watchedPerSecond,
    } as const
    const [produced, watched] = await Promise.all([
      this.#load.run(this.#broker.url, { ...produce, seed }),
      watching,
    ])
    return { produced, watched, cpu: stop() }
  }

  async #measured<T>(run: () => Promise<T>): Promise<Measured<T>> {
    const sentBefore = await metric(this.#broker, 'octopus_sent_bytes_total')
    const stop = watchCpu(this.#broker, [this.#load])
    const answer = await run()
    const cpu = stop()
    return { answer, cpu, sentBytes: (await metric(this.#broker, 'octopus_sent_bytes_total')) - sentBefore }
  }

  #createTopic(topic: string, partitions: number) {
    return this.#load.run(this.#broker.url, { kind: 'create-topic', topic, partitions })
  }

  #produce(topic: string, events: number) {
    const { seed } = this.#options
    return this.#load.run(this.#broker.url, { kind: 'produce-json', topic, events, seed })
  }

  #consume(topic: string, events: number): Promise<Moved> {
    return this.#load.run(this.#broker.url, { kind: 'consume', topic, events, mode: 'lazy' })
  }

  #scan(topic: string, events: number, filters: readonly string[], untilStopped = false): Promise<Scanned> {
    return this.#load.run(this.#broker.url, { kind: 'scan', topic, events, filters, untilStopped })
  }
}
