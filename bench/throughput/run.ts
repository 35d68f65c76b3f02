/**
 * How many small events a second go from the SDK to an fsynced disk, and back out again.
 *
 * A round is a fresh broker on a fresh directory: a warm-up that is not counted, then produce, then consume
 * twice. Beside every round stand the probes: the raw disk at the commit size the broker really uses, and
 * the same load on a broker that stores nothing. Client, network and disk share the cores, so the rate to
 * compare with is the serial one of those two.
 */
import { join } from 'node:path'
import type { BrokerKind, BrokerProcess } from '../brokers/broker-process.ts'
import { metric } from '../brokers/metrics.ts'
import { withBroker } from '../brokers/with-broker.ts'
import type { Progress } from '../display/progress.ts'
import { requireSameSum, ValuePool } from '../figures/values.ts'
import type { LoadProcess } from '../load/load-process.ts'
import type { Moved } from '../load/tasks.ts'
import { type Probe, type ProbeSizes, probeMachine, warmPageCache } from '../machine/probes.ts'
import { cpuSeconds, MemoryWatch } from '../machine/process-statistics.ts'

export interface ThroughputOptions extends ProbeSizes {
  readonly rounds: number
  /** Measured events a round. */
  readonly events: number
  readonly warmupEvents: number
  /** How much of the page cache is warmed before the events of a round are stored. */
  readonly pageCacheBytes: number
  readonly valueBytes: number
  readonly partitions: number
  readonly seed: number
  /** Beside each round the same over TLS. */
  readonly tls: boolean
}

export interface Round extends Measured {
  /** The same load on a broker that stores nothing. */
  readonly nothingStored: Moved
  /** The same on an encrypted connection; undefined where that was not asked for. */
  readonly overTls: Measured | undefined
}

/** One broker, loaded and read. */
export interface Measured {
  readonly produced: Moved
  readonly lazy: Moved
  readonly values: Moved
  /** Sum of every byte of every value, as the consumer found it. */
  readonly sum: number
  readonly brokerCpuSeconds: { readonly produce: number | null; readonly consumeLazy: number | null }
  readonly anonymousRssBytesMax: number | null
  /** Bytes the broker wrote for one event. */
  readonly storedBytesPerEvent: number
}

export interface ThroughputRun {
  readonly rounds: readonly Round[]
  /** One before each round and one after the last. */
  readonly probes: readonly Probe[]
}

const TOPIC = 'bench.events'
const WARMUP_TOPIC = 'bench.warmup'
const SYNC_BYTES = 4096

export async function runThroughput(
  directory: string,
  options: ThroughputOptions,
  progress: Progress,
): Promise<ThroughputRun> {
  const bench = new Throughput(directory, options, progress)
  const chunkBytes = await bench.commitBytes()
  const probes = [await bench.probe(chunkBytes)]
  const rounds: Round[] = []
  while (rounds.length < options.rounds) {
    rounds.push(await bench.round(rounds.length + 1))
    probes.push(await bench.probe(chunkBytes))
  }
  return { rounds, probes }
}

class Throughput {
  readonly #directory: string
  readonly #options: ThroughputOptions
  readonly #progress: Progress
  readonly #expectedSum: number
  #brokers = 0

  constructor(directory: string, options: ThroughputOptions, progress: Progress) {
    this.#directory = directory
    this.#options = options
    this.#progress = progress
    this.#expectedSum = new ValuePool(options.seed, options.valueBytes).sum(options.events)
  }

  /** The size of a commit under this load, in whole pages: what the raw disk is compared at. */
  async commitBytes(): Promise<number> {
    this.#progress.step('finding the size of a commit')
    return this.#withBroker('durable', async (broker, load) => {
      const before = await committed(broker)
      await this.#produce(load, broker, WARMUP_TOPIC, this.#options.warmupEvents)
      const after = await committed(broker)
      const bytes = (after.bytes - before.bytes) / (after.commits - before.commits)
      return Math.ceil(bytes / SYNC_BYTES) * SYNC_BYTES
    })
  }

  probe(chunkBytes: number): Promise<Probe> {
    this.#progress.step('probing the disk: raw append and fdatasync')
    return probeMachine(this.#directory, this.#options, chunkBytes)
  }

  async round(number: number): Promise<Round> {
    const name = `round ${number} of ${this.#options.rounds}`
    const nothingStored = await this.#withBroker('discarding', async (broker, load) => {
      this.#progress.step(`${name}: producing to a broker that stores nothing`)
      await this.#produce(load, broker, WARMUP_TOPIC, this.#options.warmupEvents)
      return this.#produce(load, broker, TOPIC, this.#options.events)
    })
    const measured = await this.#withBroker('durable', (broker, load) => this.#measure(name, broker, load))
    const overTls = this.#options.tls
      ? await this.#withBroker(
          'durable',
          (broker, load) => this.#measure(`${name}, over TLS`, broker, load),
          true,
        )
      : undefined
    return { ...measured, nothingStored, overTls }
  }

  async #measure(name: string, broker: BrokerProcess, load: LoadProcess): Promise<Measured> {
    const { warmupEvents, events, pageCacheBytes } = this.#options
    const memory = new MemoryWatch(broker.pid)
    this.#progress.step(`${name}: warming up`)
    await this.#produce(load, broker, WARMUP_TOPIC, warmupEvents)
    await this.#consume(load, broker, WARMUP_TOPIC, warmupEvents, 'lazy')
    await this.#consume(load, broker, WARMUP_TOPIC, warmupEvents, 'values')
    // A virtual machine gives free memory back to its host within seconds.
    await warmPageCache(this.#directory, pageCacheBytes)

    this.#progress.step(`${name}: producing`)
    const before = await committed(broker)
    const cpuAtStart = cpuSeconds(broker.pid)
    const produced = await this.#produce(load, broker, TOPIC, events)
    const cpuProduced = cpuSeconds(broker.pid)
    const storedBytes = (await committed(broker)).bytes - before.bytes

    this.#progress.step(`${name}: consuming, every record an object`)
    const lazy = await this.#consume(load, broker, TOPIC, events, 'lazy')
    const cpuConsumed = cpuSeconds(broker.pid)
    this.#progress.step(`${name}: consuming, every byte of every value added up`)
    const values = await this.#consume(load, broker, TOPIC, events, 'values')
    requireSameSum(values.sum, this.#expectedSum)
    return {
      produced,
      lazy,
      values,
      sum: values.sum,
      brokerCpuSeconds: {
        produce: difference(cpuProduced, cpuAtStart),
        consumeLazy: difference(cpuConsumed, cpuProduced),
      },
      anonymousRssBytesMax: memory.stop() ?? null,
      storedBytesPerEvent: storedBytes / events,
    }
  }

  #produce(load: LoadProcess, broker: BrokerProcess, topic: string, events: number): Promise<Moved> {
    const { valueBytes, seed } = this.#options
    return load.run(
      broker.url,
      { kind: 'produce', topic, events, valueBytes, seed },
      this.#showProgress(events),
    )
  }

  #consume(load: LoadProcess, broker: BrokerProcess, topic: string, events: number, mode: 'lazy' | 'values') {
    return load.run(broker.url, { kind: 'consume', topic, events, mode }, this.#showProgress(events))
  }

  #showProgress(events: number): (soFar: number) => void {
    return (soFar) => this.#progress.detail(`${Math.floor((100 * soFar) / events)} %`)
  }

  /** A fresh broker with both topics, and a load generator; both gone afterwards, with their data. */
  async #withBroker<T>(
    kind: BrokerKind,
    run: (broker: BrokerProcess, load: LoadProcess) => Promise<T>,
    tls = false,
  ): Promise<T> {
    this.#brokers++
    const data = join(this.#directory, `broker-${this.#brokers}`)
    return withBroker({ data, kind, tls }, async (broker, newLoad) => {
      const load = newLoad()
      for (const topic of [TOPIC, WARMUP_TOPIC])
        await load.run(broker.url, { kind: 'create-topic', topic, partitions: this.#options.partitions })
      return run(broker, load)
    })
  }
}

async function committed(broker: BrokerProcess): Promise<{ commits: number; bytes: number }> {
  return {
    commits: await metric(broker, 'octopus_commits_total'),
    bytes: await metric(broker, 'octopus_committed_bytes_total'),
  }
}

function difference(end: number | undefined, start: number | undefined): number | null {
  return end === undefined || start === undefined ? null : end - start
}
