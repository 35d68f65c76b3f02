/**
 * Whether a consumer that replays data from the disk is felt by those who live in the present.
 *
 * The data to replay is written first, a topic for each round, one after the other. Then the broker ends, its files are
 * put out of the page cache (while it runs they are mapped and would stay), and it is started again. Now a
 * producer and a consumer exchange events at a steady rate without a pause until the end, and rounds follow each other:
 * for a while they are alone, then a third process replays the topic of this round beside them. What an event
 * took belongs to the time in which it was due. The kernel tells how much the broker really read from the disk.
 */
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { BrokerProcess } from '../brokers/broker-process.ts'
import { withBroker } from '../brokers/with-broker.ts'
import type { Progress } from '../display/progress.ts'
import { requireSameSum, ValuePool } from '../figures/values.ts'
import type { LoadProcess } from '../load/load-process.ts'
import type { Paced, Replayed, Stretch, Timeline } from '../load/tasks.ts'
import { canEvict, evictDirectory } from '../machine/page-cache.ts'
import { type Probe, type ProbeSizes, probeColdRead, probeMachine } from '../machine/probes.ts'
import { diskReadBytes, MemoryWatch } from '../machine/process-statistics.ts'

export interface ColdOptions extends ProbeSizes {
  readonly rounds: number
  readonly ratePerSecond: number
  readonly liveValueBytes: number
  readonly warmupSeconds: number
  /** The live pair alone in each round; a replay lasts so long at most. */
  readonly seconds: number
  /** Values of each replayed topic. */
  readonly replayBytes: number
  readonly segmentBytes: number
  readonly valueBytes: number
  readonly partitions: number
  readonly seed: number
  /** A replay of which the disk gave less than this share was served from memory, and the run has failed. */
  readonly diskShareMin: number
}

export interface ColdRound {
  readonly alone: Stretch
  readonly replayed: Replayed
  /** Bytes the broker made the disk read during the replay. */
  readonly diskBytes: number
}

export interface ColdRun {
  readonly rounds: readonly ColdRound[]
  readonly live: Timeline
  readonly paced: Paced
  readonly anonymousRssBytesMax: number | null
  /** Before everything, before and after the rounds. */
  readonly probes: readonly Probe[]
  readonly coldReadMegabytesPerSecond: readonly number[]
}

const LIVE = 'bench.live'
/** Written last: a broker reads its newest segment when it starts, and that one must not be replayed. */
const FILLER = 'bench.filler'
const topicOf = (round: number) => `bench.replay-${round}`
/** A replay needs a moment to connect, and its last fetches one to be gone, before the pair counts as alone. */
const REST_SECONDS = 1

const monotonicNs = () => Number(process.hrtime.bigint())

export async function runCold(directory: string, options: ColdOptions, progress: Progress): Promise<ColdRun> {
  if (!canEvict) throw new Error('only Linux tells and lets go what its page cache holds: no cold reads here')
  const probes: Probe[] = []
  const coldReadMegabytesPerSecond: number[] = []
  const probe = async () => {
    progress.step('probing the disk: raw append and fdatasync, raw cold read')
    probes.push(await probeMachine(directory, options))
    coldReadMegabytesPerSecond.push(await probeColdRead(directory, options.diskProbeBytes))
  }
  await probe()
  const data = join(directory, 'broker')
  const settings = { 'storage-segment-bytes': options.segmentBytes }
  return withBroker({ data, settings }, async (broker, newLoad) => {
    const cold = new Cold(broker, newLoad, options, progress)
    await cold.write()
    progress.step('putting the data out of the page cache')
    await broker.stop()
    await evictDirectory(data)
    await probe()
    await broker.start()
    // Reading the summaries has brought much of their neighbourhood along: a disk reads ahead.
    await evictDirectory(data)
    const memory = new MemoryWatch(broker.pid)
    const measured = await cold.measure()
    const anonymousRssBytesMax = memory.stop() ?? null
    await cold.verify()
    await probe()
    return { ...measured, anonymousRssBytesMax, probes, coldReadMegabytesPerSecond }
  })
}

class Cold {
  readonly #broker: BrokerProcess
  readonly #newLoad: () => LoadProcess
  readonly #options: ColdOptions
  readonly #progress: Progress
  readonly #load: LoadProcess

  constructor(broker: BrokerProcess, newLoad: () => LoadProcess, options: ColdOptions, progress: Progress) {
    this.#broker = broker
    this.#newLoad = newLoad
    this.#options = options
    this.#progress = progress
    this.#load = newLoad()
  }

  get #replayEvents(): number {
    return Math.ceil(this.#options.replayBytes / this.#options.valueBytes)
  }

  async write(): Promise<void> {
    const { rounds, partitions, segmentBytes, valueBytes, seed } = this.#options
    const { url } = this.#broker
    for (let round = 1; round <= rounds; round++) {
      this.#progress.step(`writing what round ${round} of ${rounds} will replay`)
      const topic = topicOf(round)
      await this.#load.run(url, { kind: 'create-topic', topic, partitions })
      const events = this.#replayEvents
      await this.#load.run(url, { kind: 'produce', topic, events, valueBytes, seed })
    }
    await this.#load.run(url, { kind: 'create-topic', topic: FILLER, partitions })
    const events = Math.ceil(segmentBytes / valueBytes)
    await this.#load.run(url, { kind: 'produce', topic: FILLER, events, valueBytes, seed })
  }

  async measure() {
    const { rounds, partitions, warmupSeconds, seconds, ratePerSecond, seed } = this.#options
    const valueBytes = this.#options.liveValueBytes
    const { url } = this.#broker
    await this.#load.run(url, { kind: 'create-topic', topic: LIVE, partitions })
    const events = Math.ceil(ratePerSecond * (warmupSeconds + rounds * (2 * seconds + 3 * REST_SECONDS)))
    const live = this.#newLoad().run(url, { kind: 'record-live', topic: LIVE, events })
    const produce = { kind: 'produce-paced', topic: LIVE, ratePerSecond, events, valueBytes, seed } as const
    let begun = () => {}
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve
    })
    const paced = this.#newLoad().run(url, produce, () => begun())
    const measuring = Promise.race([hasBegun, paced]).then(() => this.#rounds())
    const [measured, timeline, produced] = await Promise.all([measuring, live, paced])
    const lastNs = Math.max(...timeline.dueNs.subarray(-ratePerSecond))
    if (measured.some(({ replayed }) => replayed.endNs > lastNs))
      throw new Error('the live events ended before the last replay: the machine is too slow for this bench')
    return { rounds: measured, live: timeline, paced: produced }
  }

  async #rounds(): Promise<ColdRound[]> {
    const { rounds, warmupSeconds, seconds } = this.#options
    const replayer = this.#newLoad()
    const measured: ColdRound[] = []
    this.#progress.step(`the live pair warms up for ${warmupSeconds} s`)
    await setTimeout(warmupSeconds * 1000)
    for (let round = 1; round <= rounds; round++) {
      this.#progress.step(`round ${round} of ${rounds}: the live pair alone for ${seconds} s`)
      const startNs = monotonicNs()
      await setTimeout(seconds * 1000)
      const alone = { startNs, endNs: monotonicNs() }
      this.#progress.step(`round ${round} of ${rounds}: beside a replay, for ${seconds} s at most`)
      measured.push({ alone, ...(await this.#replay(replayer, topicOf(round))) })
      await setTimeout(REST_SECONDS * 1000)
    }
    return measured
  }

  async #replay(replayer: LoadProcess, topic: string) {
    const { pid, url } = this.#broker
    const before = diskReadBytes(pid) ?? 0
    const replayed = await replayer.run(url, { kind: 'replay', topic, seconds: this.#options.seconds })
    const diskBytes = (diskReadBytes(pid) ?? 0) - before
    if (diskBytes < this.#options.diskShareMin * replayed.bytes)
      throw new Error(
        `of ${replayed.bytes} bytes replayed only ${diskBytes} came from the disk: this was no cold read`,
      )
    return { replayed, diskBytes }
  }

  /** What was replayed is what was produced, all of it. */
  async verify(): Promise<void> {
    const { rounds, valueBytes, seed } = this.#options
    const events = this.#replayEvents
    const expected = new ValuePool(seed, valueBytes).sum(events)
    for (let round = 1; round <= rounds; round++) {
      this.#progress.step(`comparing what was replayed in round ${round} of ${rounds}`)
      const consume = { kind: 'consume', topic: topicOf(round), events, mode: 'values' } as const
      requireSameSum((await this.#load.run(this.#broker.url, consume)).sum, expected)
    }
  }
}
