/**
 * A group of many members that reads a topic while it is written to: newcomers join and leave again, and processes die by SIGKILL. For
 * each change: how long partitions that moved were without a reader, and whether those that stayed lost anything of what
 * had been fetched.
 *
 * A partition is read again when its new owner sends the first request for its events. All members but those who die live in this
 * process, so that one clock measures them.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import hdr from 'hdr-histogram-js'
import { OctopusClient } from '../../client/client.ts'
import { connect } from '../../client/index.ts'
import { leash } from '../brokers/broker-process.ts'
import { randomBytes } from '../figures/values.ts'
import { GroupWatch, type WatchedMember } from './group-watch.ts'
import type { GroupMove, GroupMoves, GroupMovesTask } from './tasks.ts'

const VICTIM = fileURLToPath(new URL('./group-victim.js', import.meta.url))
const TICK_MS = 2
const LATENCY_US_MAX = 60_000_000
/** Nothing takes so long unless it is broken. */
const SETTLE_MS_MAX = 60_000

/** What the process that dies is told. */
export interface VictimTask {
  readonly url: string
  readonly topic: string
  readonly group: string
  readonly sessionTimeoutMs: number
}

interface Member {
  readonly client: OctopusClient
  readonly watched: WatchedMember
  readonly reading: Promise<void>
}

/** How things stood. */
interface Before {
  readonly readers: readonly (WatchedMember | undefined)[]
  readonly again: readonly number[]
}

export async function groupMoves(url: string, task: GroupMovesTask): Promise<GroupMoves> {
  const moves = new Moves(url, task)
  try {
    return await moves.run()
  } finally {
    await moves.close()
  }
}

class Moves {
  readonly #url: string
  readonly #task: GroupMovesTask
  readonly #watch: GroupWatch
  readonly #members: Member[] = []
  readonly #quiet = newHistogram()
  readonly #staying = newHistogram()
  /** Partition and latency in µs of each event during a join: which partitions stay is known at its end. */
  #during: [partition: number, latencyUs: number][] | undefined
  #isQuiet = false
  #events = 0
  #isOver = false

  constructor(url: string, task: GroupMovesTask) {
    this.#url = url
    this.#task = task
    this.#watch = new GroupWatch(task.partitions)
  }

  async run(): Promise<GroupMoves> {
    const { members, joins, kills } = this.#task
    const writing = this.#write()
    for (let i = 0; i < members; i++) await this.#join()
    await this.#settled()
    const ofJoins: GroupMove[] = []
    while (ofJoins.length < joins) {
      await this.#rest()
      ofJoins.push(await this.#measureJoin())
    }
    const ofKills: GroupMove[] = []
    while (ofKills.length < kills) {
      await this.#rest()
      ofKills.push(await this.#measureKill())
    }
    this.#isOver = true
    await writing
    return {
      joins: ofJoins,
      kills: ofKills,
      quietHistogram: hdr.encodeIntoCompressedBase64(this.#quiet),
      stayingHistogram: hdr.encodeIntoCompressedBase64(this.#staying),
      events: this.#events,
    }
  }

  async close(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#members.map(({ client }) => client.close()))
    await Promise.all(this.#members.map(({ reading }) => reading))
  }

  async #measureJoin(): Promise<GroupMove> {
    const { client, watched } = await this.#connect()
    this.#during = []
    const before = this.#before()
    const beginMs = performance.now()
    this.#members.push({ client, watched, reading: this.#read(client) })
    await this.#settled()
    const move = this.#moved(before, beginMs)
    for (const [partition, latencyUs] of this.#during)
      if (this.#watch.readers[partition]?.member === before.readers[partition])
        this.#staying.recordValue(latencyUs)
    this.#during = undefined
    await this.#leave()
    return move
  }

  async #measureKill(): Promise<GroupMove> {
    const { topic, group, sessionTimeoutMs } = this.#task
    const victim: VictimTask = { url: this.#url, topic, group, sessionTimeoutMs }
    const child = fork(VICTIM, [JSON.stringify(victim)], { execArgv: ['--import', leash] })
    const partitions = await this.#victimSettled(child)
    // Anywhere between two heartbeats.
    await sleep((sessionTimeoutMs * (this.#events % 7)) / 14)
    const before = this.#before()
    const beginMs = performance.now()
    child.kill('SIGKILL')
    await once(child, 'exit')
    await this.#settled()
    for (const partition of partitions) this.#watch.leftMs[partition] = beginMs
    return this.#moved(before, beginMs)
  }

  /** Resolves with what it has when all partitions are shared out. */
  async #victimSettled(child: ChildProcess): Promise<readonly number[]> {
    let partitions: readonly number[] = []
    child.on('message', (message: readonly number[]) => {
      partitions = message
    })
    await this.#until(() => partitions.length > 0 && this.#watch.isSettled(partitions.length, 1))
    return partitions
  }

  #before(): Before {
    return {
      readers: this.#watch.readers.map((reader) => reader?.member),
      again: [...this.#watch.again],
    }
  }

  #moved(before: Before, beginMs: number): GroupMove {
    const movedMs: number[] = []
    const unreadMs: number[] = []
    let stayed = 0
    let fetchedAgain = 0
    for (const [partition, reader] of this.#watch.readers.entries()) {
      if (reader && reader.sinceMs >= beginMs) {
        movedMs.push(reader.sinceMs - beginMs)
        unreadMs.push(reader.sinceMs - this.#watch.leftMs[partition])
      } else {
        stayed++
        fetchedAgain += this.#watch.again[partition] - before.again[partition]
      }
    }
    return { movedMs, unreadMs, stayed, fetchedAgain }
  }

  async #connect() {
    const { member: watched, ports } = this.#watch.newMember()
    const token = process.env.OCTOPUS_TOKEN
    const client = await OctopusClient.open(
      { url: this.#url, clientName: 'octopus-bench', ...(token !== undefined && { token }) },
      ports,
    )
    return { client, watched }
  }

  async #join(): Promise<void> {
    const { client, watched } = await this.#connect()
    this.#members.push({ client, watched, reading: this.#read(client) })
  }

  /** Who came last. */
  async #leave(): Promise<void> {
    const { client, watched, reading } = this.#members.pop()!
    await client.close()
    await reading
    this.#watch.leave(watched)
    await this.#settled()
  }

  async #read(client: OctopusClient): Promise<void> {
    const { topic, group } = this.#task
    const consumer = client.consumer({ topics: [topic], from: 'earliest', group })
    for await (const batch of consumer.batches())
      for (const { partition, value } of batch.records) this.#took(partition, value!)
  }

  #took(partition: number, value: Uint8Array): void {
    this.#events++
    const dueMs = new DataView(value.buffer, value.byteOffset).getFloat64(0, true)
    const latencyUs = Math.min(Math.max(1, Math.round((performance.now() - dueMs) * 1000)), LATENCY_US_MAX)
    if (this.#during) this.#during.push([partition, latencyUs])
    else if (this.#isQuiet) this.#quiet.recordValue(latencyUs)
  }

  async #rest(): Promise<void> {
    this.#isQuiet = true
    await sleep(this.#task.quietSeconds * 1000)
    this.#isQuiet = false
  }

  #settled(): Promise<void> {
    return this.#until(() => this.#watch.isSettled())
  }

  async #until(isSo: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + SETTLE_MS_MAX
    while (!isSo()) {
      if (performance.now() > deadlineMs)
        throw new Error(`the group was not settled within ${SETTLE_MS_MAX} ms`)
      await sleep(TICK_MS)
    }
  }

  /** An event to each partition in turn, evenly spaced; each says when it was due. */
  async #write(): Promise<void> {
    const { topic, partitions, ratePerSecond, seed } = this.#task
    const client = await connect({ url: this.#url, clientName: 'octopus-bench' })
    const producer = client.producer({ lingerMs: 0 })
    const filling = randomBytes(seed, 32)
    const intervalMs = 1000 / ratePerSecond
    const firstMs = performance.now()
    for (let next = 0; !this.#isOver; ) {
      for (
        let dueMs = firstMs + next * intervalMs;
        dueMs <= performance.now();
        dueMs = firstMs + next * intervalMs
      ) {
        const value = Buffer.from(filling)
        value.writeDoubleLE(dueMs, 0)
        const room = producer.append(topic, { partition: next++ % partitions, value })
        if (room) await room
      }
      await sleep(TICK_MS)
    }
    const { failed, error } = await producer.flush()
    if (failed > 0) throw error ?? new Error(`${failed} events were not stored`)
    await client.close()
  }
}

function newHistogram(): hdr.Histogram {
  return hdr.build({ lowestDiscernibleValue: 1, highestTrackableValue: LATENCY_US_MAX })
}
