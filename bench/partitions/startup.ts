/**
 * How long a broker with much to know takes to be ready: many partitions, many batches, many segments; ended by
 * SIGTERM, by SIGKILL, and with nothing of its data in the page cache. Then what it holds on to when all of that log is
 * read: descriptors, mappings, the cache of indexes, memory.
 *
 * Every batch holds one event and every segment has a batch of every partition, which is the most there is to know about
 * a log of this size. After each start the offsets of all partitions are compared with what was acknowledged,
 * and in the end every byte is read back.
 */
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import prettyBytes from 'pretty-bytes'
import { ask } from '../brokers/ask.ts'
import type { BrokerProcess } from '../brokers/broker-process.ts'
import { metricIfAny } from '../brokers/metrics.ts'
import { withBroker } from '../brokers/with-broker.ts'
import type { Progress } from '../display/progress.ts'
import { requireSameSum, ValuePool } from '../figures/values.ts'
import type { LoadProcess } from '../load/load-process.ts'
import { canEvict, evictDirectory } from '../machine/page-cache.ts'
import { anonymousBytes, MemoryWatch } from '../machine/process-statistics.ts'
import { type HeldSegments, SegmentWatch } from '../machine/segment-watch.ts'

export interface StartupOptions {
  readonly partitions: number
  /** What is built at least. */
  readonly batches: number
  readonly segments: number
  readonly segmentBytes: number
  readonly batchValueBytes: number
  /** Starts of each kind. */
  readonly starts: number
  /** The log is grown to so many bytes, in segments of the default size, before all of it is read. */
  readonly logBytes: number
  readonly growthBatchBytes: number
  readonly growthValueBytes: number
  readonly seed: number
}

export interface Start {
  readonly seconds: number
  readonly anonymousRssBytes: number | null
}

export interface StartupRun {
  readonly afterTerm: readonly Start[]
  readonly afterKill: readonly Start[]
  /** After SIGTERM, with nothing of the data in the page cache; empty where files cannot be put out of it. */
  readonly evicted: readonly Start[]
  /** What the broker that was started had. */
  readonly built: { readonly batches: number; readonly segments: number; readonly bytes: number }
  readonly log: HeldLog
}

/** What the broker held while its whole log was read. */
export interface HeldLog {
  readonly bytes: number
  readonly segments: number
  readonly held: HeldSegments | null
  /** Null: this broker does not tell. */
  readonly indexCacheBytesMax: number | null
  readonly anonymousRssBytesMax: number | null
  readonly read: { readonly events: number; readonly sum: number; readonly seconds: number }
}

const TOPIC = 'bench.known'
const INDEX_CACHE_METRIC = 'octopus_index_cache_bytes'
const GROWTH_STEP_BYTES = 512e6
const METRIC_EVERY_MS = 500

export function measureStartup(
  directory: string,
  options: StartupOptions,
  progress: Progress,
): Promise<StartupRun> {
  const data = join(directory, 'startup')
  const settings = { 'storage-segment-bytes': options.segmentBytes }
  return withBroker({ data, settings }, async (broker, newLoad) => {
    const startup = new Startup(broker, newLoad(), options, progress)
    await startup.build()
    const built = await startup.built()
    const afterKill = await startup.starts('SIGKILL', () => broker.kill())
    const afterTerm = await startup.starts('SIGTERM', () => broker.stop())
    const evicted = !canEvict
      ? []
      : await startup.starts('SIGTERM, and nothing in the page cache', async () => {
          await broker.stop()
          await evictDirectory(data)
        })
    return { afterTerm, afterKill, evicted, built, log: await startup.readAll() }
  })
}

class Startup {
  readonly #broker: BrokerProcess
  readonly #load: LoadProcess
  readonly #options: StartupOptions
  readonly #progress: Progress
  #events = 0
  #sum = 0

  constructor(broker: BrokerProcess, load: LoadProcess, options: StartupOptions, progress: Progress) {
    this.#broker = broker
    this.#load = load
    this.#options = options
    this.#progress = progress
  }

  /** Until there are as many batches and as many segments as are asked for. */
  async build(): Promise<void> {
    const { partitions, batches, segments } = this.#options
    this.#progress.step(`building a log: ${partitions} partitions, ${batches} batches, ${segments} segments`)
    await this.#load.run(this.#broker.url, { kind: 'create-topic', topic: TOPIC, partitions })
    // By one producer, whose numbers the broker has to remember for every partition.
    let turns = Math.ceil(batches / partitions)
    do {
      await this.#appendBatches(partitions, turns, true)
      turns = 1
    } while ((await this.built()).segments < segments)
  }

  async built(): Promise<StartupRun['built']> {
    const { storage } = await this.#status()
    return { batches: this.#events, segments: storage.segments, bytes: storage.bytes }
  }

  async starts(after: string, end: () => Promise<void>): Promise<Start[]> {
    const { partitions, starts } = this.#options
    const measured: Start[] = []
    while (measured.length < starts) {
      this.#progress.step(`start ${measured.length + 1} of ${starts} after ${after}`)
      // So that the newest segment holds something that no index tells yet.
      await this.#appendBatches(Math.ceil(partitions / 2), 1, false)
      await end()
      const startMs = performance.now()
      await this.#broker.start()
      const seconds = (performance.now() - startMs) / 1000
      measured.push({ seconds, anonymousRssBytes: anonymousBytes(this.#broker.pid) ?? null })
      await this.#requireAllOffsets()
    }
    return measured
  }

  /** Grows the log to the size that is asked for and reads all of it, looking at what the broker holds meanwhile. */
  async readAll(): Promise<HeldLog> {
    await this.#broker.stop()
    await this.#broker.start({})
    const { url, pid } = this.#broker
    const memory = new MemoryWatch(pid)
    const segments = new SegmentWatch(pid)
    await this.#grow()
    this.#progress.step(`reading ${this.#events} events of the whole log`)
    const reading = this.#load.run(
      url,
      { kind: 'consume', topic: TOPIC, events: this.#events, mode: 'values' },
      (soFar) => this.#progress.detail(`${Math.floor((100 * soFar) / this.#events)} %`),
    )
    const [{ events, sum, seconds }, indexCacheBytesMax] = await Promise.all([
      reading,
      highestMetric(url, INDEX_CACHE_METRIC, reading),
    ])
    requireSameSum(sum, this.#sum)
    const { storage } = await this.#status()
    return {
      bytes: storage.bytes,
      segments: storage.segments,
      held: segments.stop(),
      indexCacheBytesMax,
      anonymousRssBytesMax: memory.stop() ?? null,
      read: { events, sum, seconds },
    }
  }

  async #grow(): Promise<void> {
    const { logBytes, growthBatchBytes: batchBytes, growthValueBytes: valueBytes, seed } = this.#options
    const pool = new ValuePool(seed, valueBytes)
    const growthEvents = Math.ceil(GROWTH_STEP_BYTES / valueBytes)
    for (let bytes = (await this.built()).bytes; bytes < logBytes; bytes = (await this.built()).bytes) {
      this.#progress.step(`growing the log: ${prettyBytes(bytes)} of ${prettyBytes(logBytes)}`)
      const events = Math.min(growthEvents, Math.ceil((logBytes - bytes) / valueBytes))
      const producer = { batchBytes }
      const task = { kind: 'produce', topic: TOPIC, events, valueBytes, seed, producer } as const
      await this.#load.run(this.#broker.url, task)
      this.#events += events
      this.#sum += pool.sum(events)
    }
  }

  async #appendBatches(partitions: number, turns: number, idempotence: boolean): Promise<void> {
    const { batchValueBytes: valueBytes, seed } = this.#options
    const where = { kind: 'produce-single-batches', topic: TOPIC, partitions, turns } as const
    const { events, sum } = await this.#load.run(
      this.#broker.url,
      { ...where, valueBytes, seed, idempotence },
      (soFar) => this.#progress.detail(`${soFar} batches`),
    )
    this.#events += events
    this.#sum += sum
  }

  /** What was acknowledged is there: no offset less, and none more. */
  #requireAllOffsets(): Promise<void> {
    return ask(this.#broker, async (client) => {
      const [topic] = await client.admin().describeTopics([TOPIC])
      const events = topic.partitions.reduce(
        (sum, { logStartOffset, logEndOffset }) => sum + logEndOffset - logStartOffset,
        0,
      )
      if (events !== this.#events)
        throw new Error(`after a start there are ${events} events, ${this.#events} were acknowledged`)
    })
  }

  #status() {
    return ask(this.#broker, (client) => client.admin().status())
  }
}

/** The most a metric shows until something has ended; null if it never shows. */
async function highestMetric(url: string, name: string, until: Promise<unknown>): Promise<number | null> {
  let highest: number | null = null
  let isOver = false
  const over = until.finally(() => {
    isOver = true
  })
  while (!isOver) {
    const value = await metricIfAny({ url }, name)
    if (value !== null) highest = Math.max(highest ?? 0, value)
    await Promise.race([over, setTimeout(METRIC_EVERY_MS)])
  }
  return highest
}
