/**
 * Consumers of one group in a virtual world that goes wrong by seed: processes that are killed and paused, connections that
 * are cut, requests that are lost, late, refused, come twice, a broker that dies, a topic that grows. However it goes, the
 * history is one that may be (group-history.ts), and in the end all is processed and committed.
 *
 * Of every other seed all readers have one filter.
 *
 * `OCTOPUS_SEED=7 node …/random-groups.test.js` runs one seed.
 */
import t from 'tap'
import { OctopusClient } from '../../../client/client.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { roundsOf } from '../../support/rounds.ts'
import { FakeBroker, type FakeRequest, type Misbehaviour } from '../support/fake-broker.ts'
import { FakeGroups } from '../support/fake-groups.ts'
import { batchOf, numbered } from '../support/harness.ts'
import { MortalPorts } from '../support/mortal-ports.ts'
import { World } from '../support/world.ts'
import { GroupHistory, type Reader } from './support/group-history.ts'

const given = process.env.OCTOPUS_SEED
const count = process.env.OCTOPUS_SOAK ? 600 : 30

/** Wrong in so many of a thousand requests. */
function trouble(world: World, perMille: number): (request: FakeRequest) => Misbehaviour | undefined {
  return ({ api }) => {
    if (api.name === 'hello' || world.below(1_000) >= perMille) return undefined
    const isOfGroups = /^(group|offset)/.test(api.name)
    const kinds: Misbehaviour[] = [
      { kind: 'drop before' },
      { kind: 'drop after' },
      { kind: 'refuse', code: ErrorCode.BACKPRESSURE, retryAfterMs: world.below(50) },
      { kind: 'delay', ms: world.below(2_000) },
      { kind: 'fall silent' },
      { kind: 'ignore' },
    ]
    if (isOfGroups)
      kinds.push({ kind: 'twice', ms: world.below(3_000) }, { kind: 'twice', ms: world.below(20) })
    return kinds[world.below(kinds.length)]
  }
}

class Chaos {
  readonly world: World
  readonly broker: FakeBroker
  readonly groups: FakeGroups
  readonly history: GroupHistory
  readonly isFiltered: boolean
  readonly log: string[] = []
  isOver = false
  #readerCount = 0
  #produced = 0

  constructor(seed: number) {
    this.world = new World(seed)
    this.broker = new FakeBroker(this.world)
    this.broker.createTopic('t', 1 + this.world.below(6))
    this.groups = new FakeGroups(this.world, this.broker.topics, {
      assignmentIntervalMs: this.world.below(300),
    })
    this.groups.syncMs = () => 1 + this.world.below(this.world.below(10) === 0 ? 400 : 5)
    this.broker.groups = this.groups
    this.broker.network.latencyMsMax = this.world.below(20)
    this.isFiltered = seed % 2 === 0
    const density = this.isFiltered ? 1 + this.world.below(12) : 1
    const isWanted = (partition: number, offset: number) => (offset * 7 + partition) % density === 0
    this.broker.matches = (_, { partition, offset }) => isWanted(partition, offset)
    this.history = new GroupHistory(this.broker, isWanted)
    const wrong = trouble(this.world, this.world.below(60))
    this.broker.misbehave = (request) => {
      this.history.asked(request)
      return this.isOver ? undefined : wrong(request)
    }
  }

  get partitions(): number {
    return this.broker.topic('t').partitions.length
  }

  produce(): void {
    const values = numbered('v', 1 + this.world.below(12), this.#produced)
    this.#produced += values.length
    this.broker.append('t', this.world.below(this.partitions), batchOf(values))
  }

  async newReader(): Promise<void> {
    const { world, history } = this
    const process = new MortalPorts(this.broker.ports)
    const name = `reader ${++this.#readerCount}`
    const options = { requestTimeoutMs: 5_000, retryFirstConnect: true }
    const client = await OctopusClient.open(options, process.ports)
    const loops = world.below(4) === 0 ? 2 : 1
    const newest = Array.from({ length: loops }, () => new Map<number, number>())
    const consumer = client.consumer({
      topics: ['t'],
      from: 'earliest',
      ...(this.isFiltered && { filter: '{"value":{"is":["wanted"]}}' }),
      group: {
        id: 'g',
        sessionTimeoutMs: 3_000 + world.below(8_000),
        rebalanceTimeoutMs: 1_000 + world.below(10_000),
        maxProcessingMs: 4_000 + world.below(20_000),
        autoCommit: world.below(4) > 0,
        autoCommitIntervalMs: 50 + world.below(2_000),
        ...(world.below(4) === 0 ? { assignor: 'range' as const } : {}),
        onAssignment: ({ added, removed, isLost }) => {
          const numbers = (list: readonly { partition: number }[]) => list.map(({ partition }) => partition)
          this.log.push(
            `${world.nowMs}: ${name} has ${numbers(added)}, ${isLost ? 'lost' : 'is to give back'} ${numbers(removed)}`,
          )
          for (const { partition } of removed) for (const each of newest) each.delete(partition)
        },
      },
    })
    const readers = newest.map(
      (each): Reader => ({ name, process, consumer, newest: each, isAlone: loops === 1, isClosed: false }),
    )
    history.readers.push(readers[0])
    this.#life(readers, client)
    const isByBatch = world.below(3) === 0
    for (const reader of readers)
      void (isByBatch ? this.#readBatches(reader) : this.#readEvents(reader)).catch((error) =>
        history.faults.push(`${name}: ${error.stack}`),
      )
  }

  /** What becomes of it. */
  #life(readers: readonly Reader[], client: OctopusClient): void {
    const [reader] = readers
    const { world, history } = this
    const next = () => {
      if (this.isOver || reader.process.isDead) return
      const what = world.below(12)
      if (what === 0) {
        this.log.push(`${world.nowMs}: ${reader.name} is killed`)
        reader.process.kill()
      } else if (what <= 2) {
        this.log.push(`${world.nowMs}: ${reader.name} is paused`)
        reader.process.pause()
        world.after(world.below(world.below(2) === 0 ? 500 : 30_000), () => {
          this.log.push(`${world.nowMs}: ${reader.name} goes on`)
          reader.process.resume()
        })
      } else if (what === 3 && reader.process.isRunning) {
        this.log.push(`${world.nowMs}: ${reader.name} closes`)
        const startedMs = world.nowMs
        for (const each of readers) each.isClosed = true
        void reader.consumer.close().then(() => {
          if (world.nowMs - startedMs > 8_000 && reader.process.isRunning)
            history.faults.push(`closing ${reader.name} took ${world.nowMs - startedMs} ms`)
          history.readers.splice(history.readers.indexOf(reader), 1)
          return client.close()
        })
        return
      }
      world.after(500 + world.below(15_000), next)
    }
    world.after(world.below(10_000), next)
  }

  /** Works on something, mostly quickly; whether it was done. */
  async #work({ process }: Reader): Promise<boolean> {
    const { world } = this
    const slow = this.isOver ? 399 : world.below(400)
    const ms = slow === 0 ? 30_000 : slow < 10 ? world.below(3_000) : slow < 100 ? world.below(20) : 0
    if (ms > 0) await new Promise<void>((resolve) => void process.ports.timers.after(ms, resolve))
    return this.isOver || world.below(60) > 0
  }

  async #readEvents(reader: Reader): Promise<void> {
    const { history, world } = this
    const { consumer } = reader
    let broken: (() => void) | undefined
    for (let isOver = false; !isOver; ) {
      isOver = true
      try {
        // Asking again says that what a loop was broken at is done.
        broken?.()
        broken = undefined
        for await (const { partition, offset } of consumer) {
          history.handed(reader, partition, offset)
          isOver = false
          if (!(await this.#work(reader))) {
            broken = () => history.processed(partition, offset)
            // Another loop that asks says it, too.
            if (!reader.isAlone) broken()
            if (world.below(2) === 0) break
            throw new Error('the handler is broken')
          }
          history.processed(partition, offset)
          isOver = true
          if (world.below(20) === 0) await this.#commit(reader, { topic: 't', partition, offset })
        }
      } catch (error) {
        if ((error as Error).message !== 'the handler is broken') throw error
        await new Promise<void>(
          (resolve) => void reader.process.ports.timers.after(world.below(500), resolve),
        )
      }
    }
  }

  async #readBatches(reader: Reader): Promise<void> {
    const { history, world } = this
    for await (const batch of reader.consumer.batches()) {
      for (const { partition, offset } of batch.records) history.handed(reader, partition, offset)
      while (!(await this.#work(reader)));
      for (const { partition, offset } of batch.records) history.processed(partition, offset)
      if (world.below(5) === 0) await this.#commit(reader, batch)
    }
  }

  /** It may not be this one's any more: others read it then. */
  async #commit(reader: Reader, upTo: Parameters<Reader['consumer']['commit']>[0]): Promise<void> {
    // It speaks for itself only.
    if (!reader.isAlone) return
    await reader.consumer.commit(upTo, { metadata: reader.name }).catch((error) => {
      if (error.code === undefined) throw error
    })
  }

  brokerDies(): void {
    this.log.push(`${this.world.nowMs}: the broker dies`)
    this.broker.stop()
    this.groups.crash()
    this.world.after(this.world.below(4_000), () => {
      void this.groups.start().then(() => this.broker.start())
    })
  }
}

async function run(
  seed: number,
): Promise<{ faults: readonly string[]; log: readonly string[]; handedOut: number }> {
  const chaos = new Chaos(seed)
  const { world, groups, history } = chaos
  await world.until(groups.start())
  chaos.produce()
  const joining: Promise<void>[] = []
  for (let i = 1 + world.below(4); i > 0; i--) joining.push(chaos.newReader())
  const endMs = 60_000 + world.below(60_000)
  const step = () => {
    if (chaos.isOver) return
    const what = world.below(40)
    if (what < 25) chaos.produce()
    else if (what < 27) joining.push(chaos.newReader())
    else if (what < 28 && chaos.partitions < 9) chaos.broker.addPartition('t')
    else if (what < 30) chaos.broker.network.dropAll()
    else if (what < 31 && groups.isRunning) chaos.brokerDies()
    world.after(world.below(2_500), step)
  }
  step()
  for (let ms = 0; ms < endMs && history.faults.length === 0; ms += 1_000) await world.pass(1_000)
  chaos.isOver = true
  for (const reader of history.readers) if (!reader.process.isDead) reader.process.resume()
  joining.push(chaos.newReader())
  await world.pass(150_000)
  for (const [partition, { logEnd }] of chaos.broker.topic('t').partitions.entries()) {
    if (history.frontier(partition) < logEnd)
      history.faults.push(
        `partition ${partition}: ${history.frontier(partition)} of ${logEnd} was never processed`,
      )
  }
  const open = history.readers.filter(({ process }) => !process.isDead)
  await world.until(Promise.all(open.map(({ consumer }) => consumer.close())))
  if (history.faults.length === 0 && groups.problems.length > 0)
    history.faults.push(...groups.problems.map(({ message }) => message))
  return { faults: history.faults, log: chaos.log, handedOut: history.handedOut }
}

t.test('random lives of a group', async (t) => {
  const seeds = given ? [Number(given)] : Array.from({ length: count }, (_, i) => i + 1)
  let handedOut = 0
  for (const i of roundsOf(t, seeds.length)) {
    const outcome = await run(seeds[i])
    handedOut += outcome.handedOut
    if (outcome.faults.length > 0) t.comment(outcome.log.slice(-40).join('\n'))
    t.same(outcome.faults.slice(0, 5), [], `seed ${seeds[i]}`)
  }
  t.ok(handedOut > seeds.length * 50, `${handedOut} events were handed out`)
})
