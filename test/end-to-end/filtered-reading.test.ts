/**
 * Filters on a real broker: what comes is exactly what filtering everything that is stored gives, whatever was stored, however it
 * was packed, while it is written, and over restarts; of a group nothing that matches is missed, and nothing is looked at again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { parseRecordPattern } from '../../broker/filters/parse-pattern.ts'
import type { RecordPattern } from '../../broker/filters/pattern.ts'
import { type Consumer, connect, type OctopusClient } from '../../client/index.ts'
import type { CompressionName } from '../../storage/record/compression.ts'
import type { ConsumedRecord } from '../../storage/record/record.ts'
import {
  randomFilter,
  randomObject,
  randomRecord,
  written,
} from '../broker/filters/support/random-filters.ts'
import { jsonOf, slowMatch } from '../broker/filters/support/slow-matcher.ts'
import { ADMIN_KEY } from '../support/admin-key.ts'
import { BrokerProcess } from '../support/broker-process.ts'
import { roundsOf } from '../support/rounds.ts'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'

const rounds = process.env.OCTOPUS_SOAK ? 60 : 4
const codecs: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

const broker = await BrokerProcess.start()
const client = await connect({ url: broker.url, token: ADMIN_KEY })
t.teardown(async () => {
  await client.close()
  await broker.destroy()
})

/** Stores so many random events; returns filters that fit some of them. */
async function store(
  random: SeededRandom,
  topic: string,
  partitions: number,
  count: number,
): Promise<string[]> {
  const filters: string[] = []
  for (let left = count; left > 0; ) {
    const producer = client.producer({
      compression: random.pick(codecs),
      batchBytes: random.pick([1_024, 4_000, 100_000]),
    })
    const some = Math.min(left, 1 + random.below(200))
    for (let i = 0; i < some; i++) {
      const json = randomObject(random, 3)
      const record = randomRecord(random, random.unit() < 0.05 ? 'no json' : written(random, json))
      if (filters.length < 3 || random.below(30) === 0)
        filters.push(JSON.stringify(randomFilter(random, record, json)))
      await producer.append(topic, {
        ...record,
        headers: record.headers.map(({ name, value }) => ({ key: name, value })),
        partition: random.below(partitions),
        timestampMs: Math.max(0, record.timestampMs),
      })
    }
    const { failed, error } = await producer.flush()
    if (failed > 0) throw error ?? new Error(`${failed} events were not stored`)
    await producer.close()
    left -= some
  }
  return filters
}

const isMatch = (pattern: RecordPattern, { key, value, headers, timestampMs }: ConsumedRecord) => {
  const named = headers.map((header) => ({ name: header.key, value: header.value }))
  return slowMatch(pattern, { key, value, headers: named, timestampMs })
}

const place = ({ partition, offset }: ConsumedRecord) => `${partition}@${offset}`

async function readAll(consumer: Consumer<ConsumedRecord>): Promise<ConsumedRecord[]> {
  const records: ConsumedRecord[] = []
  for await (const batch of consumer.batches()) records.push(...batch.records)
  return records
}

t.test('random events, random filters', async (t) => {
  const random = seededRandom(t)
  let matched = 0
  for (const round of roundsOf(t, rounds)) {
    const topic = `random-${round}`
    const partitions = 1 + random.below(3)
    const type = random.pick(['producer', 'producer', ...codecs.slice(1), 'uncompressed'])
    await client.admin().createTopic(topic, {
      partitions,
      configs: { 'retention.ms': '-1', 'compression.type': type },
    })
    const filters = await store(random, topic, partitions, 100 + random.below(700))
    if (random.below(2) === 0) {
      await broker.end(random.pick(['SIGTERM', 'SIGKILL']))
      await broker.restart()
    }
    const all = await readAll(client.consumer({ topics: [topic], from: 'earliest', untilEnd: true }))
    const reading = filters.slice(-6).map(async (filter) => {
      const consumer = client.consumer({
        topics: [topic],
        from: 'earliest',
        untilEnd: true,
        filter,
        fetchBytesMax: random.pick([1, 5_000, 8_000_000]),
        partitionFetchBytesMax: random.pick([1, 2_000, 1_000_000]),
        ...(random.below(3) === 0 && { compressions: random.pick([[], ['gzip']] as const) }),
        order: random.pick(['arrival', 'time']),
      })
      const came = await readAll(consumer)
      return { filter, came, ...consumer.filtered }
    })
    for (const { filter, came, examined, notJson } of await Promise.all(reading)) {
      const pattern = parseRecordPattern(filter)
      const expected = all.filter((record) => isMatch(pattern, record))
      t.same(came.map(place).sort(), expected.map(place).sort(), `round ${round}`, { filter })
      t.equal(examined, all.length, 'everything was looked at, once')
      const foreign = all.filter(({ value }) => value !== null && jsonOf(value) === undefined).length
      t.ok(notJson <= foreign, `${notJson} of ${foreign}`)
      matched += came.length
    }
  }
  t.ok(matched > rounds * 20, `${matched} matched`)
})

t.test('a batch comes unpacked to who unpacks nothing, and packed to others', async (t) => {
  for (const compression of codecs) {
    const topic = `packed-${compression}`
    await client.admin().createTopic(topic)
    const producer = client.producer({ compression })
    for (let i = 0; i < 200; i++) await producer.append(topic, { value: `{"n":${i}}` })
    await producer.close()
    const bytesOf = async (compressions?: readonly CompressionName[]) => {
      const consumer = client.consumer({
        topics: [topic],
        from: 'earliest',
        untilEnd: true,
        ...(compressions && { compressions }),
      })
      let bytes = 0
      let count = 0
      for await (const batch of consumer.batches()) {
        bytes += batch.bytes
        count += batch.count
      }
      t.equal(count, 200)
      return bytes
    }
    const [stored, unpacked, known] = [await bytesOf(), await bytesOf([]), await bytesOf([compression])]
    t.equal(known, stored)
    if (compression === 'none') t.equal(unpacked, stored)
    else t.ok(unpacked > 1.5 * stored, `${compression}: ${unpacked} and ${stored}`)
  }
})

/** Reads as a member of the group until it is told to stop; whether it commits event by event is up to chance. */
class Member {
  readonly client: OctopusClient
  readonly consumer: Consumer<ConsumedRecord>
  readonly #reading: Promise<void>

  constructor(
    client: OctopusClient,
    topic: string,
    filter: string,
    byBatch: boolean,
    done: (place: string) => void,
  ) {
    this.client = client
    this.consumer = client.consumer({
      topics: [topic],
      from: 'earliest',
      filter,
      group: { id: 'filtered', autoCommitIntervalMs: 20, sessionTimeoutMs: 5_000 },
    })
    const read = async () => {
      if (byBatch)
        for await (const { records } of this.consumer.batches())
          for (const record of records) done(place(record))
      else for await (const record of this.consumer) done(place(record))
    }
    this.#reading = read()
  }

  async stop(): Promise<void> {
    await this.consumer.close()
    await this.#reading
    await this.client.close()
  }
}

t.test('a group misses no match over kills, and ends at the end of the topic', async (t) => {
  const random = seededRandom(t)
  const topic = 'grouped'
  await client.admin().createTopic(topic, { partitions: 3, configs: { 'retention.ms': '-1' } })
  const filter = '{"value":{"n":[{"numeric":["<",3]}]}}'
  const seen = new Set<string>()
  const newMember = async () =>
    new Member(
      await connect({ url: broker.url, token: ADMIN_KEY, retryFirstConnect: true }),
      topic,
      filter,
      random.below(2) === 0,
      (place) => seen.add(place),
    )
  const members = [await newMember(), await newMember()]
  const producer = client.producer({ compression: 'lz4' })
  for (let step = 0; step < 12; step++) {
    for (let i = 0; i < 300; i++)
      await producer.append(topic, { value: `{"n":${random.below(200)}}`, partition: random.below(3) })
    await producer.flush()
    const what = random.below(6)
    if (what === 0) {
      await broker.end('SIGKILL')
      await broker.restart()
    } else if (what === 1) members.push(await newMember())
    else if (what === 2 && members.length > 1) await members.shift()?.stop()
    else await sleep(random.below(50))
  }
  // None of these matches: nobody is handed anything any more.
  for (let partition = 0; partition < 3; partition++)
    for (let i = 0; i < 50; i++) await producer.append(topic, { value: '{"n":100}', partition })
  await producer.close()
  const all = await readAll(client.consumer({ topics: [topic], from: 'earliest', untilEnd: true }))
  const pattern = parseRecordPattern(filter)
  const wanted = all.filter((record) => isMatch(pattern, record)).map(place)
  const lags = async () => {
    const offsets = await client.admin().groupOffsets('filtered')
    return offsets.map(({ lag }) => lag)
  }
  for (let i = 0; i < 600 && (await lags()).join() !== '0,0,0'; i++) await sleep(50)
  t.same(await lags(), [0, 0, 0], 'what matched nobody is committed as well')
  t.same(
    wanted.filter((place) => !seen.has(place)),
    [],
    `${wanted.length} of ${all.length} match`,
  )
  t.equal(seen.size, wanted.length, 'and nothing else came')
  for (const member of members) await member.stop()

  const late = await newMember()
  await late.consumer.ready()
  await sleep(700)
  t.equal(late.consumer.filtered.examined, 0, 'whoever comes next looks at nothing again')
  await late.stop()
})
