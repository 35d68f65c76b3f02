/**
 * How long an event takes from the instant it is due to the loop of a live consumer in another process,
 * fsynced in between, while events come at a steady rate.
 *
 * Rounds alternate with the probe; the latencies of all rounds go into one histogram. Each round starts
 * with events that are received but not measured.
 */
import { join } from 'node:path'
import hdr from 'hdr-histogram-js'
import { withBroker } from '../brokers/with-broker.ts'
import type { Progress } from '../display/progress.ts'
import type { Paced, Received } from '../load/tasks.ts'
import { probeSmallSync } from '../machine/probes.ts'

export interface LatencyOptions {
  readonly rounds: number
  readonly ratePerSecond: number
  /** Measured seconds a round. */
  readonly seconds: number
  readonly warmupSeconds: number
  readonly valueBytes: number
  readonly partitions: number
  readonly seed: number
  readonly smallSyncs: number
}

export interface LatencyRun {
  /** Latencies in µs of all rounds. */
  readonly histogram: hdr.Histogram
  readonly rounds: readonly (Paced & Received)[]
  /** p50 of a small append and fdatasync: one before each round and one after the last. */
  readonly fdatasyncP50Ms: readonly number[]
}

const TOPIC = 'bench.latency'

export async function runLatency(
  directory: string,
  options: LatencyOptions,
  progress: Progress,
): Promise<LatencyRun> {
  const probe = () => {
    progress.step('probing the disk: small fdatasync')
    return probeSmallSync(directory, options.smallSyncs)
  }
  const histogram = hdr.build({ highestTrackableValue: 60_000_000 })
  const fdatasyncP50Ms = [await probe()]
  const rounds: (Paced & Received)[] = []
  while (rounds.length < options.rounds) {
    const { ratePerSecond, seconds, warmupSeconds } = options
    const name = `round ${rounds.length + 1} of ${options.rounds}`
    progress.step(`${name}: ${ratePerSecond} events/s for ${warmupSeconds} + ${seconds} s`)
    const round = await runRound(join(directory, `broker-${rounds.length + 1}`), options)
    histogram.add(hdr.decodeFromCompressedBase64(round.histogram) as hdr.Histogram)
    rounds.push(round)
    fdatasyncP50Ms.push(await probe())
  }
  return { histogram, rounds, fdatasyncP50Ms }
}

async function runRound(data: string, options: LatencyOptions): Promise<Paced & Received> {
  const { ratePerSecond, valueBytes, partitions, seed } = options
  const warmupEvents = Math.round(ratePerSecond * options.warmupSeconds)
  const events = warmupEvents + Math.round(ratePerSecond * options.seconds)
  return withBroker({ data }, async (broker, newLoad) => {
    const producer = newLoad()
    await producer.run(broker.url, { kind: 'create-topic', topic: TOPIC, partitions })
    const [received, paced] = await Promise.all([
      newLoad().run(broker.url, { kind: 'consume-live', topic: TOPIC, events, warmupEvents }),
      producer.run(broker.url, {
        kind: 'produce-paced',
        topic: TOPIC,
        ratePerSecond,
        events,
        valueBytes,
        seed,
      }),
    ])
    return { ...paced, ...received }
  })
}
