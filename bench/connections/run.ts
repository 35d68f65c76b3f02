/**
 * What many clients get that wait for every acknowledgement: one event under way on each connection, fsynced
 * before it is acknowledged.
 *
 * A round is a fresh broker; beside it stand the small fdatasync of the disk and the same load on a broker that
 * stores nothing, which shows how far the load generator itself can go. Everything acknowledged, in the warm-up
 * too, is read back and compared by count and by the sum of every byte.
 */
import { join } from 'node:path'
import hdr from 'hdr-histogram-js'
import type { BrokerKind } from '../brokers/broker-process.ts'
import { withBroker } from '../brokers/with-broker.ts'
import type { Progress } from '../display/progress.ts'
import { requireSameSum } from '../figures/values.ts'
import type { OneInFlight } from '../load/tasks.ts'
import { probeSmallSync } from '../machine/probes.ts'
import { cpuSeconds, MemoryWatch } from '../machine/process-statistics.ts'

export interface ConnectionsOptions {
  readonly rounds: number
  readonly connections: number
  /** Processes the connections are shared out to. */
  readonly generators: number
  readonly partitions: number
  readonly warmupSeconds: number
  readonly seconds: number
  /** Measured seconds on the broker that stores nothing. */
  readonly nothingStoredSeconds: number
  readonly valueBytes: number
  readonly seed: number
  readonly smallSyncs: number
}

/** What all generators of a load reached together. */
export interface Load {
  readonly eventsPerSecond: number
  readonly generatorCpuSecondsPerMillionEvents: number
  readonly total: { readonly events: number; readonly sum: number }
}

export interface ConnectionsRound extends Load {
  readonly nothingStored: Load
  readonly brokerCpuSecondsPerMillionEvents: number | null
  readonly anonymousRssBytesMax: number | null
}

export interface ConnectionsRun {
  readonly rounds: readonly ConnectionsRound[]
  /** From `send` to its acknowledgement in µs, all rounds. */
  readonly histogram: hdr.Histogram
  /** p50 of a small append and fdatasync: one before each round and one after the last. */
  readonly fdatasyncP50Ms: readonly number[]
}

const TOPIC = 'bench.acknowledged'
const MEGA = 1e6

export async function runConnections(
  directory: string,
  options: ConnectionsOptions,
  progress: Progress,
): Promise<ConnectionsRun> {
  const bench = new Connections(directory, options, progress)
  const fdatasyncP50Ms = [await bench.probe()]
  const rounds: ConnectionsRound[] = []
  while (rounds.length < options.rounds) {
    rounds.push(await bench.round(rounds.length + 1))
    fdatasyncP50Ms.push(await bench.probe())
  }
  return { rounds, histogram: bench.histogram, fdatasyncP50Ms }
}

class Connections {
  readonly histogram = hdr.build({ highestTrackableValue: 60_000_000 })
  readonly #directory: string
  readonly #options: ConnectionsOptions
  readonly #progress: Progress

  constructor(directory: string, options: ConnectionsOptions, progress: Progress) {
    this.#directory = directory
    this.#options = options
    this.#progress = progress
  }

  probe(): Promise<number> {
    this.#progress.step('probing the disk: small fdatasync')
    return probeSmallSync(this.#directory, this.#options.smallSyncs)
  }

  async round(number: number): Promise<ConnectionsRound> {
    const { rounds, connections, seconds, nothingStoredSeconds } = this.#options
    const name = `round ${number} of ${rounds}: ${connections} connections`
    this.#progress.step(`${name}, nothing stored, for ${nothingStoredSeconds} s`)
    const nothing = await this.#load('discarding', nothingStoredSeconds)
    this.#progress.step(`${name}, fsynced, for ${seconds} s`)
    const stored = await this.#load('durable', seconds)
    for (const histogram of stored.histograms)
      this.histogram.add(hdr.decodeFromCompressedBase64(histogram) as hdr.Histogram)
    return { ...stored.round, nothingStored: nothing.round }
  }

  #load(kind: BrokerKind, seconds: number) {
    const { connections, generators, partitions, warmupSeconds, valueBytes, seed } = this.#options
    return withBroker({ data: join(this.#directory, kind), kind }, async (broker, newLoad) => {
      const loads = Array.from({ length: generators }, newLoad)
      await loads[0].run(broker.url, { kind: 'create-topic', topic: TOPIC, partitions })
      const memory = new MemoryWatch(broker.pid)
      const cpuAtStart = cpuSeconds(broker.pid)
      const answers = await Promise.all(
        loads.map((load, i) =>
          load.run(broker.url, {
            kind: 'one-in-flight',
            topic: TOPIC,
            connections: share(connections, i, generators),
            warmupSeconds,
            seconds,
            valueBytes,
            seed,
          }),
        ),
      )
      const cpuAtEnd = cpuSeconds(broker.pid)
      const load = together(answers)
      const anonymousRssBytesMax = memory.stop() ?? null
      if (kind === 'durable') {
        const { events } = load.total
        const consume = { kind: 'consume', topic: TOPIC, events, mode: 'values' } as const
        requireSameSum((await newLoad().run(broker.url, consume)).sum, load.total.sum)
      }
      const brokerCpuSecondsPerMillionEvents =
        cpuAtStart === undefined || cpuAtEnd === undefined
          ? null
          : ((cpuAtEnd - cpuAtStart) / load.total.events) * MEGA
      return {
        histograms: answers.map(({ histogram }) => histogram),
        round: { ...load, brokerCpuSecondsPerMillionEvents, anonymousRssBytesMax },
      }
    })
  }
}

/** Part `i` of `parts` nearly equal ones. */
function share(whole: number, i: number, parts: number): number {
  return Math.floor((whole * (i + 1)) / parts) - Math.floor((whole * i) / parts)
}

function together(answers: readonly OneInFlight[]): Load {
  const all = (measure: (answer: OneInFlight) => number) =>
    answers.reduce((sum, answer) => sum + measure(answer), 0)
  const acknowledged = all((answer) => answer.acknowledged)
  return {
    eventsPerSecond: all(({ acknowledged, seconds }) => acknowledged / seconds),
    generatorCpuSecondsPerMillionEvents: (all((answer) => answer.cpuSeconds) / acknowledged) * MEGA,
    total: { events: all(({ total }) => total.events), sum: all(({ total }) => total.sum) },
  }
}
