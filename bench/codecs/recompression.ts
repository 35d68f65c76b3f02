/**
 * What a broker reaches that compresses what it gets, and what others feel of it. One round is a fresh broker:
 *
 * - **capacity**: events go uncompressed to a topic with a codec of its own, as fast as the SDK takes them;
 * - **consumption**: all of them are read back, compressed, and unpacked by the SDK: their count and the sum of every byte are
 *   those of what was acknowledged;
 * - **live**: another topic has a producer and a consumer at a steady rate, alone and beside events to be recompressed, at
 *   the rate that is promised;
 * - **plain**: a topic without compression gets as many events as it takes, alone and beside half that rate of events to be
 *   recompressed; and that half is also measured alone, for the CPU time it takes.
 */
import type { BrokerProcess } from '../brokers/broker-process.ts'
import { metric } from '../brokers/metrics.ts'
import { withBroker } from '../brokers/with-broker.ts'
import type { Progress } from '../display/progress.ts'
import { requireSameSum } from '../figures/values.ts'
import { type LiveEvents, pause, withLivePair } from '../load/live-pair.ts'
import type { LoadProcess } from '../load/load-process.ts'
import type { Answers, JsonProduceTask, Moved, Stretch } from '../load/tasks.ts'
import { type CpuUse, watchCpu } from '../machine/cpu-use.ts'
import { MemoryWatch } from '../machine/process-statistics.ts'
import { type CodecChoice, nameOf } from './codec-speed.ts'

export interface RecompressionOptions {
  readonly partitions: number
  /** To a topic that is compressed, and read back; and as many to one that is not. */
  readonly warmupEvents: number
  /** To see how many a second. */
  readonly events: number
  /** What is promised: the live pair is judged beside so many events a second, the plain topic beside half of them. */
  readonly recompressedPerSecond: number
  readonly livePerSecond: number
  readonly liveValueBytes: number
  readonly liveWarmupSeconds: number
  /** Of the live pair, alone and beside. */
  readonly liveSeconds: number
  /** Of the plain topic, alone and beside. */
  readonly plainSeconds: number
  /** What a load is given to connect and to get going. */
  readonly leadSeconds: number
  readonly seed: number
}

type JsonProduced = Answers['produce-json']

/** A load, and the CPU time that broker and generators took meanwhile. */
export interface Measured {
  readonly produced: JsonProduced
  readonly cpu: CpuUse
}

export interface RecompressionRound {
  readonly capacity: Measured
  /** Bytes that went to the disk for a byte of values. */
  readonly storedShare: number
  readonly lazy: Consumed
  readonly values: Consumed
  readonly live: LiveEvents
  readonly alone: Stretch
  /** What was recompressed beside the live pair. */
  readonly beside: JsonProduced
  readonly plain: PlainRound
  readonly anonymousRssBytesMax: number | null
}

export interface Consumed {
  readonly moved: Moved
  readonly cpu: CpuUse
}

export interface PlainRound {
  readonly alone: Measured
  /** The plain topic while the other is recompressed. The CPU time is that of all. */
  readonly beside: Measured
  /** What was recompressed meanwhile, and a little longer. */
  readonly half: JsonProduced
  /** The same rate of events to be recompressed, nothing beside them. */
  readonly halfAlone: Measured
}

const RECOMPRESSED = 'bench.recompressed'
const HALF = 'bench.half'
const PLAIN = 'bench.plain'
const LIVE = 'bench.live'
const WARMUP = 'bench.warmup'

export async function measureRecompression(
  data: string,
  choice: CodecChoice,
  options: RecompressionOptions,
  progress: Progress,
): Promise<RecompressionRound> {
  return withBroker({ data }, (broker, newLoad) =>
    new Recompression(broker, newLoad, choice, options, progress).round(),
  )
}

class Recompression {
  readonly #broker: BrokerProcess
  readonly #newLoad: () => LoadProcess
  readonly #choice: CodecChoice
  readonly #options: RecompressionOptions
  readonly #progress: Progress
  readonly #load: LoadProcess
  readonly #other: LoadProcess

  constructor(
    broker: BrokerProcess,
    newLoad: () => LoadProcess,
    choice: CodecChoice,
    options: RecompressionOptions,
    progress: Progress,
  ) {
    this.#broker = broker
    this.#newLoad = newLoad
    this.#choice = choice
    this.#options = options
    this.#progress = progress
    this.#load = newLoad()
    this.#other = newLoad()
  }

  async round(): Promise<RecompressionRound> {
    const { events, warmupEvents } = this.#options
    const memory = new MemoryWatch(this.#broker.pid)
    for (const topic of [RECOMPRESSED, HALF, WARMUP]) await this.#createTopic(topic, this.#choice)
    for (const topic of [PLAIN, `${PLAIN}-warmup`]) await this.#createTopic(topic)

    this.#step('warming up')
    await this.#produce(this.#load, { topic: WARMUP, events: warmupEvents })
    await this.#produce(this.#other, { topic: `${PLAIN}-warmup`, events: warmupEvents })
    for (const mode of ['lazy', 'values'] as const) await this.#consume(WARMUP, warmupEvents, mode)

    this.#step(`${events} events, as fast as the SDK takes them`)
    const storedBefore = await metric(this.#broker, 'octopus_committed_bytes_total')
    const capacity = await this.#measured({ topic: RECOMPRESSED, events })
    const stored = (await metric(this.#broker, 'octopus_committed_bytes_total')) - storedBefore
    this.#step('reading them back')
    const lazy = await this.#consume(RECOMPRESSED, events, 'lazy')
    const values = await this.#consume(RECOMPRESSED, events, 'values')
    requireSameSum(values.moved.sum, capacity.produced.sum)

    const { live, result } = await this.#live()
    const plain = await this.#plain()
    const storedShare = stored / capacity.produced.bytes
    const anonymousRssBytesMax = memory.stop() ?? null
    return { capacity, storedShare, lazy, values, live, ...result, plain, anonymousRssBytesMax }
  }

  #live() {
    const { partitions, livePerSecond, liveValueBytes, liveWarmupSeconds, liveSeconds, seed } = this.#options
    const { recompressedPerSecond, leadSeconds } = this.#options
    // Enough for a machine on which everything takes much longer.
    const secondsMax = liveWarmupSeconds + 4 * liveSeconds + 60 * leadSeconds
    const pair = { partitions, ratePerSecond: livePerSecond, valueBytes: liveValueBytes, secondsMax, seed }
    return withLivePair(this.#broker, this.#newLoad, { topic: LIVE, ...pair }, async () => {
      this.#step(`a live pair alone for ${liveSeconds} s`)
      await pause(liveWarmupSeconds)
      const alone = await pause(liveSeconds)
      this.#step(`beside ${recompressedPerSecond} events/s to be recompressed, for ${liveSeconds} s`)
      const load = { topic: HALF, ratePerSecond: recompressedPerSecond, seconds: liveSeconds }
      return { alone, beside: await this.#produce(this.#load, load) }
    })
  }

  async #plain(): Promise<PlainRound> {
    const { plainSeconds, leadSeconds, recompressedPerSecond } = this.#options
    const ratePerSecond = recompressedPerSecond / 2
    this.#step(`a plain topic alone for ${plainSeconds} s`)
    const alone = await this.#measured({ topic: PLAIN, seconds: plainSeconds })
    this.#step(`${ratePerSecond} events/s to be recompressed alone, for ${plainSeconds} s`)
    const halfAlone = await this.#measured({ topic: HALF, ratePerSecond, seconds: plainSeconds })
    this.#step(`the plain topic beside them, for ${plainSeconds} s`)
    let begun = () => {}
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve
    })
    const halfLoad = this.#produce(this.#other, { topic: HALF, ratePerSecond }, () => begun())
    await Promise.race([hasBegun, halfLoad])
    await pause(leadSeconds)
    const beside = await this.#measured({ topic: PLAIN, seconds: plainSeconds }, [this.#other])
    this.#other.stop()
    const half = await halfLoad
    return { alone, beside, half, halfAlone }
  }

  async #measured(
    task: Omit<JsonProduceTask, 'kind' | 'seed'>,
    others: readonly LoadProcess[] = [],
  ): Promise<Measured> {
    const stop = watchCpu(this.#broker, [this.#load, ...others])
    const produced = await this.#produce(this.#load, task)
    return { produced, cpu: stop() }
  }

  #produce(
    load: LoadProcess,
    task: Omit<JsonProduceTask, 'kind' | 'seed'>,
    onProgress?: (events: number) => void,
  ): Promise<JsonProduced> {
    const { seed } = this.#options
    return load.run(this.#broker.url, { kind: 'produce-json', seed, ...task }, onProgress)
  }

  async #consume(topic: string, events: number, mode: 'lazy' | 'values') {
    const stop = watchCpu(this.#broker, [this.#load])
    const moved = await this.#load.run(this.#broker.url, { kind: 'consume', topic, events, mode })
    return { moved, cpu: stop() }
  }

  #createTopic(topic: string, choice?: CodecChoice) {
    const { partitions } = this.#options
    const { codec, level } = choice ?? {}
    const configs = {
      ...(codec !== undefined && { 'compression.type': codec }),
      ...(level !== undefined && { [`compression.${codec}.level`]: String(level) }),
    }
    return this.#load.run(this.#broker.url, { kind: 'create-topic', topic, partitions, configs })
  }

  #step(text: string): void {
    this.#progress.step(`${nameOf(this.#choice)}: ${text}`)
  }
}
