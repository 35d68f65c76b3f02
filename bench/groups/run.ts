/**
 * What consumer groups cost and how soon they do what they are for, in three parts, each on a fresh broker:
 *
 * A topic is read by the only member of a group, which commits by itself, and by a consumer without one, in turn, in batches and
 * event by event. Members join a large group and leave it, and processes in it die by SIGKILL, while its topic is
 * written to. Many members commit, each with one commit under way; then the broker is killed, and every
 * commit that was answered must be there.
 */
import { join } from 'node:path'
import type hdr from 'hdr-histogram-js'
import hdrHistogram from 'hdr-histogram-js'
import { ask } from '../brokers/ask.ts'
import type { BrokerProcess } from '../brokers/broker-process.ts'
import { withBroker } from '../brokers/with-broker.ts'
import type { Progress } from '../display/progress.ts'
import type { LoadProcess } from '../load/load-process.ts'
import type { GroupMove, Moved } from '../load/tasks.ts'
import { probeSmallSync } from '../machine/probes.ts'
import { exactCpuSeconds, MemoryWatch } from '../machine/process-statistics.ts'

export interface GroupsOptions {
  /** Of reading with and without a group. */
  readonly rounds: number
  readonly warmupRounds: number
  readonly partitions: number
  readonly events: number
  readonly eventEvents: number
  readonly valueBytes: number
  readonly seed: number
  readonly members: number
  readonly movedPartitions: number
  readonly joins: number
  readonly kills: number
  readonly sessionTimeoutMs: number
  readonly ratePerSecond: number
  readonly quietSeconds: number
  readonly committers: number
  readonly commitRounds: number
  readonly commitWarmupSeconds: number
  readonly commitSeconds: number
  readonly smallSyncs: number
}

/** One after the other. */
export interface Pair {
  readonly ungrouped: Moved
  readonly grouped: Moved
}

export interface Moves {
  readonly joins: readonly GroupMove[]
  readonly kills: readonly GroupMove[]
  readonly quiet: hdr.Histogram
  readonly staying: hdr.Histogram
}

export interface CommitRound {
  readonly commits: number
  readonly seconds: number
  readonly generatorCpuSeconds: number
  /** From the first connection to the last. */
  readonly brokerCpuSeconds: number | null
  readonly totalCommits: number
}

export interface GroupsRun {
  readonly lazy: readonly Pair[]
  readonly events: readonly Pair[]
  readonly moves: Moves
  readonly commits: readonly CommitRound[]
  /** From `commit` to its answer in µs, all rounds. */
  readonly commitHistogram: hdr.Histogram
  readonly anonymousRssBytesMax: number | null
  readonly fdatasyncP50Ms: readonly number[]
}

const READ_TOPIC = 'bench.read'
const SHORT_TOPIC = 'bench.read-one-by-one'
const MOVED_TOPIC = 'bench.moved'
const COMMITTED_TOPIC = 'bench.committed'

export async function runGroups(
  directory: string,
  options: GroupsOptions,
  progress: Progress,
): Promise<GroupsRun> {
  const bench = new GroupsBench(directory, options, progress)
  await bench.probe()
  const { lazy, events } = await bench.reading()
  await bench.probe()
  const moves = await bench.moving()
  await bench.probe()
  const commits: CommitRound[] = []
  while (commits.length < options.commitRounds) {
    commits.push(await bench.committing(commits.length + 1))
    await bench.probe()
  }
  const { commitHistogram, fdatasyncP50Ms } = bench
  const anonymousRssBytesMax = bench.anonymousRssBytesMax
  return { lazy, events, moves, commits, commitHistogram, anonymousRssBytesMax, fdatasyncP50Ms }
}

class GroupsBench {
  readonly commitHistogram = hdrHistogram.build({ highestTrackableValue: 60_000_000 })
  readonly fdatasyncP50Ms: number[] = []
  anonymousRssBytesMax: number | null = null
  readonly #directory: string
  readonly #options: GroupsOptions
  readonly #progress: Progress

  constructor(directory: string, options: GroupsOptions, progress: Progress) {
    this.#directory = directory
    this.#options = options
    this.#progress = progress
  }

  async probe(): Promise<void> {
    this.#progress.step('probing the disk: small fdatasync')
    this.fdatasyncP50Ms.push(await probeSmallSync(this.#directory, this.#options.smallSyncs))
  }

  reading() {
    const { partitions, events, eventEvents, valueBytes, seed } = this.#options
    return this.#withBroker(async (broker, newLoad) => {
      const load = newLoad()
      for (const [topic, count] of [
        [READ_TOPIC, events],
        [SHORT_TOPIC, eventEvents],
      ] as const) {
        await load.run(broker.url, { kind: 'create-topic', topic, partitions })
        this.#progress.step(`producing ${count} events`)
        await load.run(broker.url, { kind: 'produce', topic, events: count, valueBytes, seed })
      }
      const lazy = await this.#pairs(broker, load, READ_TOPIC, events, 'lazy')
      return { lazy, events: await this.#pairs(broker, load, SHORT_TOPIC, eventEvents, 'events') }
    })
  }

  /** Who begins takes turns, too. */
  async #pairs(
    broker: BrokerProcess,
    load: LoadProcess,
    topic: string,
    events: number,
    mode: 'lazy' | 'events',
  ): Promise<Pair[]> {
    const { rounds, warmupRounds } = this.#options
    const pairs: Pair[] = []
    for (let round = 0; round < warmupRounds + rounds; round++) {
      this.#progress.step(
        round < warmupRounds
          ? 'warming up'
          : `round ${round - warmupRounds + 1} of ${rounds}: reading ${mode === 'lazy' ? 'in batches' : 'event by event'}`,
      )
      const read = (group?: string) =>
        load.run(broker.url, { kind: 'consume', topic, events, mode, ...(group !== undefined && { group }) })
      // Another group each time: it begins at the beginning.
      const group = `bench.${mode}-${round}`
      const pair =
        round % 2 === 0
          ? { ungrouped: await read(), grouped: await read(group) }
          : await read(group).then(async (grouped) => ({ grouped, ungrouped: await read() }))
      if (round >= warmupRounds) pairs.push(pair)
    }
    return pairs
  }

  moving(): Promise<Moves> {
    const { movedPartitions, members, joins, kills, sessionTimeoutMs, ratePerSecond, quietSeconds, seed } =
      this.#options
    return this.#withBroker(async (broker, newLoad) => {
      const load = newLoad()
      await load.run(broker.url, { kind: 'create-topic', topic: MOVED_TOPIC, partitions: movedPartitions })
      this.#progress.step(
        `${members} members and ${movedPartitions} partitions: ${joins} join and leave, ${kills} are killed`,
      )
      const moves = await load.run(broker.url, {
        kind: 'group-moves',
        topic: MOVED_TOPIC,
        group: 'bench.moved',
        partitions: movedPartitions,
        members,
        joins,
        kills,
        sessionTimeoutMs,
        ratePerSecond,
        quietSeconds,
        seed,
      })
      return {
        joins: moves.joins,
        kills: moves.kills,
        quiet: hdrHistogram.decodeFromCompressedBase64(moves.quietHistogram) as hdr.Histogram,
        staying: hdrHistogram.decodeFromCompressedBase64(moves.stayingHistogram) as hdr.Histogram,
      }
    })
  }

  committing(round: number): Promise<CommitRound> {
    const { committers, commitRounds, commitWarmupSeconds, commitSeconds } = this.#options
    return this.#withBroker(async (broker, newLoad) => {
      const load = newLoad()
      await load.run(broker.url, { kind: 'create-topic', topic: COMMITTED_TOPIC, partitions: committers })
      this.#progress.step(
        `round ${round} of ${commitRounds}: ${committers} members commit for ${commitSeconds} s`,
      )
      const cpuAtStart = exactCpuSeconds(broker.pid)
      const group = 'bench.committed'
      const answer = await load.run(broker.url, {
        kind: 'group-commits',
        topic: COMMITTED_TOPIC,
        group,
        members: committers,
        warmupSeconds: commitWarmupSeconds,
        seconds: commitSeconds,
      })
      const cpuAtEnd = exactCpuSeconds(broker.pid)
      this.commitHistogram.add(hdrHistogram.decodeFromCompressedBase64(answer.histogram) as hdr.Histogram)
      await this.#requireCommitted(broker, group, answer.committed)
      return {
        commits: answer.commits,
        seconds: answer.seconds,
        generatorCpuSeconds: answer.cpuSeconds,
        brokerCpuSeconds: cpuAtStart === undefined || cpuAtEnd === undefined ? null : cpuAtEnd - cpuAtStart,
        totalCommits: answer.committed.reduce((sum, offset) => sum + offset, 0),
      }
    })
  }

  /** What was answered is there when the broker comes back from SIGKILL. */
  async #requireCommitted(broker: BrokerProcess, group: string, committed: readonly number[]): Promise<void> {
    this.#progress.step('killing the broker, and comparing what was committed')
    await broker.kill()
    await broker.start()
    const offsets = await ask(broker, (client) => client.admin().groupOffsets(group))
    for (const [partition, count] of committed.entries()) {
      const kept = offsets.find((entry) => entry.partition === partition)?.offset
      if (kept !== count)
        throw new Error(`partition ${partition}: ${count} was committed and answered, ${kept} is kept`)
    }
  }

  async #withBroker<T>(run: (broker: BrokerProcess, newLoad: () => LoadProcess) => Promise<T>): Promise<T> {
    return withBroker({ data: join(this.#directory, 'durable') }, async (broker, newLoad) => {
      const memory = new MemoryWatch(broker.pid)
      try {
        return await run(broker, newLoad)
      } finally {
        const bytes = memory.stop()
        if (bytes !== undefined) this.anonymousRssBytesMax = Math.max(this.anonymousRssBytesMax ?? 0, bytes)
      }
    })
  }
}
