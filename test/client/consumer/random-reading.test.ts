/**
 * The newest so many, windows, the order of time and replays, by seed, against a broker that misbehaves and goes away:
 * what comes is exactly what sorting and filtering everything that is stored gives. Every other seed has the broker filter.
 *
 * `OCTOPUS_SEED=7 node …/random-reading.test.js` runs one seed.
 */
import t from 'tap'
import { OctopusClient } from '../../../client/client.ts'
import type { ConsumerOptions, StartPosition } from '../../../client/consumer/options.ts'
import type { Timer } from '../../../client/ports.ts'
import { FakeBroker } from '../support/fake-broker.ts'
import { batchOf, timedBatch } from '../support/harness.ts'
import { mischief, outages } from '../support/mischief.ts'
import { EPOCH_MS, World } from '../support/world.ts'

const FILTER = '{"value":{"is":["wanted"]}}'

const given = process.env.OCTOPUS_SEED
const seeds = given
  ? [Number(given)]
  : Array.from({ length: process.env.OCTOPUS_SOAK ? 2_000 : 60 }, (_, i) => i + 1)

interface Expected {
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  /** 1 for the last record of its partition. */
  depth: number
}

/** Fills the broker; what can be read. Some offsets have no record, and where `isLate` times do not ascend. */
function fill(world: World, broker: FakeBroker, partitionCount: number, isLate: boolean): Expected[] {
  const all: Expected[] = []
  const batchCount = world.below(60)
  let now = EPOCH_MS
  for (let i = 0; i < batchCount; i++) {
    const partition = world.below(partitionCount)
    const log = broker.topic('t').partitions[partition]
    const what = world.below(12)
    if (what === 0) {
      const control = batchOf(['marker', 'marker'], now + world.below(10_000))
      control[22] |= 0x20
      broker.append('t', partition, control)
      continue
    }
    // A gap ends with a batch, as on every broker.
    if (what === 1) log.logEnd += world.below(100)
    const records = Array.from({ length: 1 + world.below(9) }, () => {
      now += world.below(20)
      const timestampMs = isLate && world.below(3) === 0 ? Math.max(EPOCH_MS, now - world.below(300)) : now
      return { text: `${'x'.repeat(world.below(200))}`, timestampMs }
    })
    records.forEach(({ timestampMs }, j) => {
      all.push({ partition, offset: log.logEnd + j, timestampMs, depth: 0 })
    })
    broker.append('t', partition, timedBatch(records))
  }
  return all
}

/** One in so many, scattered. */
function isMatch(partition: number, offset: number, density: number): boolean {
  return ((offset * 2_654_435_761 + partition * 97) >>> 4) % density === 0
}

function withDepths(all: readonly Expected[]): readonly Expected[] {
  for (const partition of new Set(all.map((record) => record.partition))) {
    const own = all.filter((record) => record.partition === partition)
    own.forEach((record, i) => {
      record.depth = own.length - i
    })
  }
  return all
}

/** What to read, and what has to come of it. */
function question(world: World, all: readonly Expected[], isLate: boolean) {
  const time = () => EPOCH_MS + world.below(3_000)
  const kind = world.below(3)
  if (kind === 0 && !isLate) {
    const last = 1 + world.below(120)
    const newest = [...all].sort(
      (a, b) => b.timestampMs - a.timestampMs || a.depth - b.depth || a.partition - b.partition,
    )
    return { options: { from: { last } } as const, expected: newest.slice(0, last) }
  }
  if (kind === 1) {
    const fromMs = time()
    const toMs = fromMs + 1 + world.below(1_500)
    return {
      // Nothing is later than that; see above.
      options: {
        from: { timeMs: fromMs },
        to: { timeMs: toMs },
        ...(world.below(2) === 0 && { lateMs: 300 }),
      } as const,
      expected: all.filter(({ timestampMs }) => timestampMs >= fromMs && timestampMs < toMs),
    }
  }
  const offset = 1 + world.below(30)
  const from: StartPosition = world.below(2) === 0 ? 'earliest' : { offset: 0 }
  return {
    options: { from, to: { offset } } as const,
    expected: all.filter((record) => record.offset < offset),
  }
}

async function readAtRandom(seed: number): Promise<string[]> {
  const world = new World(seed)
  const broker = new FakeBroker(world)
  const partitionCount = 1 + world.below(6)
  broker.createTopic('t', partitionCount)
  broker.network.latencyMsMax = world.below(4)
  broker.batchesPerFrameMax = 1 + world.below(8)
  const isLate = world.below(2) === 0
  const all = fill(world, broker, partitionCount, isLate)
  const isFiltered = seed % 2 === 0
  const density = 1 + world.below(20)
  broker.matches = (_, { partition, offset }) => isMatch(partition, offset, density)
  const wanted = isFiltered ? all.filter(({ partition, offset }) => isMatch(partition, offset, density)) : all
  const { options, expected } = question(world, withDepths(wanted), isLate)
  const client = await world.until(
    OctopusClient.open(
      { requestTimeoutMs: 300, livenessTimeoutMs: 250, reconnect: { backoffMinMs: 5, backoffMaxMs: 50 } },
      broker.ports,
    ),
  )
  broker.misbehave = mischief(world, partitionCount, 30 + world.below(200), 'fickle')
  const stop = outages(world, broker)
  const speed = world.below(3) === 0 ? 1 + world.below(10) : undefined
  const more: Partial<ConsumerOptions> = {
    maxWaitMs: 1 + world.below(100),
    fetchBytesMax: 200 + world.below(5_000),
    prefetchBytesMax: 200 + world.below(8_000),
    partitionFetchBytesMax: 100 + world.below(3_000),
    // The control batches are made by hand.
    checkCrc: false,
    untilEnd: true,
    ...(speed !== undefined ? { speed } : { order: world.below(3) === 0 ? 'arrival' : 'time' }),
  }
  const consumer = client.consumer({
    topics: ['t'],
    ...options,
    ...more,
    ...(isFiltered && { filter: FILTER }),
  })
  const came: { partition: number; offset: number; timestampMs: number; atMs: number }[] = []
  const reading = (async () => {
    const take = ({ partition, offset, timestampMs }: (typeof came)[number] | Expected) =>
      came.push({ partition, offset, timestampMs, atMs: world.nowMs })
    if (world.below(2) === 0) for await (const record of consumer) take(record as unknown as Expected)
    else
      for await (const batch of consumer.batches())
        for (const record of batch.records) take(record as unknown as Expected)
  })()
  let end: Timer | undefined
  const tooLong = new Promise<string>((resolve) => {
    end = world.after(600_000, () => resolve('it does not end'))
  })
  const outcome = await world.until(Promise.race([reading, tooLong]))
  end?.cancel()
  stop()
  broker.start()
  const faults = outcome === undefined ? [] : [outcome]
  const place = ({ partition, offset }: { partition: number; offset: number }) => `${partition}/${offset}`
  if (came.map(place).sort().join() !== expected.map(place).sort().join())
    faults.push(`${came.length} came, ${expected.length} expected`)
  for (let i = 1; i < came.length; i++) {
    const before = came.slice(0, i).filter(({ partition }) => partition === came[i].partition)
    if (before.some(({ offset }) => offset >= came[i].offset))
      faults.push(`${place(came[i])} is out of order`)
    if (more.order !== 'arrival' && !isLate && came[i].timestampMs < came[i - 1].timestampMs)
      faults.push(`${place(came[i])} is out of the order of time`)
    const dueMs = (came[i].timestampMs - came[0].timestampMs) / (speed ?? Number.POSITIVE_INFINITY)
    if (came[i].atMs - came[0].atMs < dueMs - 0.001) faults.push(`${place(came[i])} came too early`)
  }
  await world.until(client.close())
  await world.pass(700)
  if (world.pendingCount > 0) faults.push(`${world.pendingCount} timers are left`)
  return faults
}

t.test('what is read back in trouble is exactly what is there', async (t) => {
  for (const seed of seeds) t.same(await readAtRandom(seed), [], `seed ${seed}`)
})
