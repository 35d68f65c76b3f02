/**
 * Random batches of every codec and size, for topics whose configs change between them, through a pool whose threads are
 * done in any order or die. What was acknowledged is stored once, where the acknowledgement said, in the order in which its
 * connection sent it, as the topic had it when it came; of everything else nothing is stored.
 */
import t from 'tap'
import type { TopicConfigValues } from '../../../broker/topics/topic-config.ts'
import type { CompressionName } from '../../../storage/record/compression.ts'
import { randomOf, seededRandom } from '../../support/seeded-random.ts'
import { contextOf } from '../sessions.ts'
import { intakeWorld, NOW_MS, settled } from './intake-world.ts'
import { event, eventsBatch } from './produced-batches.ts'

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const TYPES = ['producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const PARTITIONS = 3
const rounds = process.env.OCTOPUS_SOAK ? 400 : 25

interface Sent {
  readonly connection: object
  readonly from: number
  readonly count: number
  readonly valueBytes: number
  readonly codec: CompressionName
  readonly configs: TopicConfigValues
}

t.test(`${rounds} random worlds`, { timeout: rounds * 5_000 }, async (t) => {
  const { seed } = seededRandom(t)
  for (let round = 0; round < rounds; round++) {
    const random = randomOf(seed + round)
    const { pool, send, alter, stored, intake } = await intakeWorld(
      {},
      { partitions: PARTITIONS, offloadBytesMin: random.pick([0, 300, 2_000, 1e9]) },
    )
    let configs: TopicConfigValues = {}
    const sent = Array.from({ length: PARTITIONS }, (): Sent[] => [])
    const next = new Array<number>(PARTITIONS).fill(0)
    const outcomes: Promise<readonly { readonly error: string; readonly baseOffset: number }[]>[] = []
    let refused = 0
    const contexts = [contextOf(undefined, NOW_MS), contextOf(undefined, NOW_MS)]

    const produce = () => {
      const entries: Uint8Array[] = []
      const context = random.pick(contexts)
      const { connection } = context
      for (const partition of sent.keys()) {
        const count = 1 + random.below(20)
        const codec = random.pick(CODECS)
        const valueBytes = 20 + random.below(300)
        sent[partition].push({ connection, from: next[partition], count, valueBytes, codec, configs })
        entries.push(eventsBatch(next[partition], count, { compression: codec, valueBytes }))
        next[partition] += count
      }
      outcomes.push(send(entries, { context }))
    }
    const change = () => {
      configs = {
        'compression.type': random.pick(TYPES),
        'message.timestamp.type': random.pick(['CreateTime', 'LogAppendTime']),
        'compression.zstd.level': `${random.pick([-5, 1, 3])}`,
      }
      alter(configs)
    }
    const work = () => {
      const held = pool.take(random.below(pool.held.length))
      if (random.below(12) > 0) return held.finish()
      refused++
      held.fail(random.pick(['worker-died', 'overloaded', 'failed']))
    }
    for (let step = 0; step < 120; step++) {
      const dice = random.below(100)
      if (dice < 40) produce()
      else if (dice < 50) change()
      else if (dice < 60) await settled()
      else if (pool.held.length > 0) work()
    }
    while (pool.held.length > 0) work()
    const answers = await Promise.all(outcomes)
    if (intake.waiting !== 0) t.fail(`${intake.waiting} entries were left behind`)

    let failures = 0
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const kept = sent[partition]
        .map((batch, at) => ({ ...batch, at, ...answers[at][partition] }))
        .filter(({ error }) => error === 'NONE')
        .sort((a, b) => a.baseOffset - b.baseOffset)
      failures += sent[partition].length - kept.length
      const batches = stored(partition)
      let offset = 0
      const wrong: string[] = []
      const newest = new Map<object, number>()
      for (const [at, batch] of kept.entries()) {
        const { connection, from, count, valueBytes, codec, configs, baseOffset } = batch
        const { records, compression, time } = batches[at] ?? { records: [], compression: '', time: '' }
        const values = Array.from({ length: count }, (_, n) => event(from + n, valueBytes))
        if (records.map(({ value }) => value).join() !== values.join())
          wrong.push(`batch ${at} is another one`)
        if (baseOffset !== offset)
          wrong.push(`batch ${at} was acknowledged at ${baseOffset}, it is at ${offset}`)
        if (batch.at < (newest.get(connection) ?? 0)) wrong.push(`batch ${at} was overtaken`)
        newest.set(connection, batch.at)
        offset += count
        const type = configs['compression.type'] ?? 'producer'
        const wanted = type === 'producer' ? codec : type === 'uncompressed' ? 'none' : type
        // One small record may get no smaller.
        if (compression !== wanted && compression !== 'none')
          wrong.push(`batch ${at} is ${compression}, not ${wanted}`)
        const isBroker = configs['message.timestamp.type'] === 'LogAppendTime'
        if (time !== (isBroker ? 'append' : 'create')) wrong.push(`batch ${at} has the time of ${time}`)
      }
      if (batches.length !== kept.length)
        wrong.push(`${batches.length} batches are stored, not ${kept.length}`)
      if (wrong.length > 0) t.same(wrong, [], `seed ${seed + round}, partition ${partition}`)
    }
    if (failures !== refused) t.fail(`seed ${seed + round}: ${refused} tasks failed, ${failures} entries did`)
  }
  t.pass('all of them')
})
