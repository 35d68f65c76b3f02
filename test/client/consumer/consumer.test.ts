/** The consumer: order, positions, seeking, pausing, bounds, new and deleted partitions, and errors. */
import t from 'tap'
import type { Consumer } from '../../../client/consumer/consumer.ts'
import type { ConsumerOptions } from '../../../client/consumer/options.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import type { FetchRequest } from '../../../client/protocol/messages/fetch.ts'
import { json } from '../../../client/serializers.ts'
import type { ConsumedRecord } from '../../../storage/record/record.ts'
import { batchOf, connected, failureOf, type Harness, numbered } from '../support/harness.ts'
import { EPOCH_MS } from '../support/world.ts'

/** The next events as text. */
async function take(
  { world }: Pick<Harness, 'world'>,
  consumer: Consumer,
  count: number,
): Promise<(string | null)[]> {
  const texts: (string | null)[] = []
  const taking = (async () => {
    if (count > 0)
      for await (const record of consumer) {
        texts.push(record.text())
        if (texts.length === count) return
      }
  })()
  await world.until(taking)
  return texts
}

/** Everything until the consumer ends by itself. */
async function rest({ world }: Pick<Harness, 'world'>, consumer: Consumer): Promise<ConsumedRecord[]> {
  const records: ConsumedRecord[] = []
  const reading = (async () => {
    for await (const record of consumer) records.push(record)
  })()
  await world.until(reading)
  return records
}

/** `t` with one partition: batches of three records, `a0` to `a29`. */
async function thirty(options: Partial<ConsumerOptions> = {}) {
  const harness = await connected(1)
  for (let i = 0; i < 30; i += 3) harness.broker.append('t', 0, batchOf(numbered('a', 3, i), EPOCH_MS + i))
  const consumer = harness.client.consumer({ topics: ['t'], from: 'earliest', ...options })
  return { ...harness, consumer }
}

t.test('events of every partition come in order, each once, with all they carry', async (t) => {
  const harness = await connected(3)
  const { world, broker, client } = harness
  const producer = client.producer()
  for (let i = 0; i < 300; i++)
    producer.append('t', { key: `k${i}`, value: `v${i}`, partition: i % 3, timestampMs: 1_000 + i })
  await world.until(producer.flush())
  broker.append('t', 0, batchOf(['last']))
  const consumer = client.consumer({ topics: ['t'], from: 'earliest', untilEnd: true })
  const records = await rest(harness, consumer)
  t.equal(records.length, 301)
  for (const partition of [0, 1, 2]) {
    const own = records.filter((record) => record.partition === partition)
    const expected = broker.stored('t', partition)
    t.equal(own.map((record) => record.text()).join(), expected.map(({ text }) => text).join())
    t.equal(own.map(({ offset }) => offset).join(), expected.map(({ offset }) => offset).join())
  }
  t.match(
    { ...records[0], topic: records[0].topic, key: records[0].keyText(), at: records[0].timestampMs },
    { topic: 't', at: 1_000 + Number(records[0].keyText()?.slice(1)) },
  )
})

t.test('batches come as they were written, decoded once, when looked at', async (t) => {
  const { world, consumer } = await thirty({ untilEnd: true })
  const batches: object[] = []
  const reading = (async () => {
    for await (const batch of consumer.batches()) {
      const { topic, partition, baseOffset, lastOffset, highWatermark, count } = batch
      t.equal(batch.records, batch.records)
      t.equal(batch.records.length, count)
      batches.push({ topic, partition, baseOffset, lastOffset, highWatermark, count })
    }
  })()
  await world.until(reading)
  t.same(
    batches,
    Array.from({ length: 10 }, (_, i) => ({
      topic: 't',
      partition: 0,
      baseOffset: i * 3,
      lastOffset: i * 3 + 2,
      highWatermark: 30,
      count: 3,
    })),
  )
})

t.test('where reading begins', async (t) => {
  const from = async (start: ConsumerOptions['from']) => {
    const harness = await thirty(start === undefined ? {} : { from: start })
    await harness.world.until(harness.consumer.ready())
    const position = harness.consumer.position('t', 0)
    harness.broker.append('t', 0, batchOf(['new']))
    return [position, (await take(harness, harness.consumer, 1))[0]]
  }
  t.same(await from('earliest'), [0, 'a0'])
  t.same(await from('latest'), [30, 'new'])
  t.same(await from({ offset: 4 }), [4, 'a4'], 'within a batch: what is before is left out')
  t.same(await from({ offset: 30 }), [30, 'new'])
  t.same(await from({ timeMs: EPOCH_MS + 12 }), [12, 'a12'])
  t.same(await from({ timeMs: EPOCH_MS + 13 }), [15, 'a15'], 'the first that is not older')
  t.same(await from({ timeMs: EPOCH_MS * 2 }), [30, 'new'], 'none that young')
})

t.test('assignments: exactly these partitions, each from its own place', async (t) => {
  const harness = await connected(3)
  const { broker, client } = harness
  for (const partition of [0, 1, 2]) broker.append('t', partition, batchOf(numbered(`p${partition}-`, 3)))
  const assignments = [
    { topic: 't', partition: 2 },
    { topic: 't', partition: 0, from: { offset: 2 } },
  ]
  const consumer = client.consumer({ assignments, from: 'earliest', untilEnd: true })
  const records = await rest(harness, consumer)
  t.same(new Set(records.map((record) => record.text())), new Set(['p2-0', 'p2-1', 'p2-2', 'p0-2']))
  const missing = client.consumer({ assignments: [{ topic: 't', partition: 3 }] })
  t.match(await failureOf(harness.world.until(missing.ready())), {
    code: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    message: 'topic "t" has partitions 0 to 2, not 3',
  })
})

t.test('untilEnd ends at the ends of the start, also of empty partitions', async (t) => {
  const harness = await thirty({ untilEnd: true })
  await harness.world.until(harness.consumer.ready())
  harness.broker.append('t', 0, batchOf(['too late']))
  t.equal((await rest(harness, harness.consumer)).length, 30)
  const empty = await connected(5)
  t.equal(
    (await rest(empty, empty.client.consumer({ topics: ['t'], from: 'earliest', untilEnd: true }))).length,
    0,
  )
  const latest = await thirty({ untilEnd: true, from: 'latest' })
  t.equal((await rest(latest, latest.consumer)).length, 0)
})

t.test('live events arrive without waiting for the poll to end', async (t) => {
  const harness = await connected(1)
  const { world, broker, client } = harness
  const consumer = client.consumer({ topics: ['t'], maxWaitMs: 60_000 })
  await world.until(consumer.ready())
  await world.pass(1_000)
  broker.append('t', 0, batchOf(['now']))
  t.same(await take(harness, consumer, 1), ['now'])
  t.equal(Math.round(world.nowMs), 1_000)
})

t.test('a loop that is left goes on later, over events and over batches', async (t) => {
  const harness = await thirty()
  const { world, consumer } = harness
  t.same(await take(harness, consumer, 4), ['a0', 'a1', 'a2', 'a3'])
  t.equal(consumer.position('t', 0), 4)
  t.same(await take(harness, consumer, 3), ['a4', 'a5', 'a6'])
  const next = await world.until(consumer.batches().next())
  t.same(
    (next.value?.records ?? []).map((record) => record.text()),
    ['a7', 'a8'],
    'the rest of a batch is a batch',
  )
  t.equal(next.value?.count, 2)
  t.equal(consumer.position('t', 0), 9)
  t.same(await take(harness, consumer, 1), ['a9'])
})

t.test('several who ask at once each get the next', async (t) => {
  const { world, broker, client } = await connected(1)
  const consumer = client.consumer({ topics: ['t'], from: 'earliest' })
  const iterator = consumer[Symbol.asyncIterator]()
  const asked = Promise.all(Array.from({ length: 7 }, () => iterator.next()))
  await world.pass(10)
  broker.append('t', 0, batchOf(numbered('a', 5)))
  broker.append('t', 0, batchOf(numbered('b', 5)))
  const texts = (await world.until(asked)).map(({ value }) => value?.text())
  t.same(texts, ['a0', 'a1', 'a2', 'a3', 'a4', 'b0', 'b1'])
  const batches = Promise.all(Array.from({ length: 3 }, () => consumer.batches().next()))
  await world.pass(10)
  broker.append('t', 0, batchOf(['c']))
  broker.append('t', 0, batchOf(['d']))
  const lists = (await world.until(batches)).map(({ value }) => value?.records.map((record) => record.text()))
  t.same(lists, [['b2', 'b3', 'b4'], ['c'], ['d']])
})

t.test('seek goes elsewhere at once; what was fetched before is for nobody', async (t) => {
  const harness = await thirty()
  const { world, consumer } = harness
  t.same(await take(harness, consumer, 2), ['a0', 'a1'])
  consumer.seek('t', 0, 25)
  t.equal(consumer.position('t', 0), 25)
  t.same(await take(harness, consumer, 2), ['a25', 'a26'])
  consumer.seek('t', 0, 'earliest')
  t.equal(consumer.position('t', 0), undefined)
  t.same(await take(harness, consumer, 1), ['a0'])
  consumer.seek('t', 0, { timeMs: EPOCH_MS + 27 })
  t.same(await take(harness, consumer, 1), ['a27'])
  // While a fetch is parked at the end.
  t.same(await take(harness, consumer, 2), ['a28', 'a29'])
  await world.pass(100)
  consumer.seek('t', 0, 6)
  const beforeMs = world.nowMs
  t.same(await take(harness, consumer, 1), ['a6'])
  t.ok(world.nowMs - beforeMs < 100, 'it does not wait for the parked fetch')
  for (const mistake of [-1, 1.5, Number.NaN]) t.throws(() => consumer.seek('t', 0, mistake), RangeError)
  t.throws(() => consumer.seek('t', 1, 0), {
    name: 'RangeError',
    message: 'partition 1 of t is not read here, or not found yet: await ready()',
  })
})

t.test('seek to where the broker must be asked for, at any moment after ready', async (t) => {
  for (let steps = 0; steps < 10; steps++)
    for (const to of ['earliest', { timeMs: EPOCH_MS }] as const) {
      const harness = await thirty({ from: 'latest' })
      const { world, consumer } = harness
      const seek = async () => {
        await consumer.ready()
        for (let i = 0; i < steps; i++) await undefined
        consumer.seek('t', 0, to)
      }
      await world.until(seek())
      t.same(await take(harness, consumer, 1), ['a0'], `${steps} steps`)
    }
})

t.test('pause holds back partitions, resume goes on where they were', async (t) => {
  const harness = await connected(2)
  const { world, broker, client } = harness
  for (const partition of [0, 1])
    for (let i = 0; i < 5; i++) broker.append('t', partition, batchOf(numbered(`p${partition}-`, 4, i * 4)))
  const consumer = client.consumer({ topics: ['t'], from: 'earliest' })
  const first = await take(harness, consumer, 6)
  consumer.pause([{ topic: 't', partition: 0 }])
  const position = consumer.position('t', 0) as number
  const second = await take(harness, consumer, 40 - first.length - (20 - position))
  t.ok(second.every((text) => text?.startsWith('p1-')))
  const waiting = take(harness, consumer, 1)
  await world.pass(2_000)
  t.match(consumer.positions(), [
    { topic: 't', partition: 0, position, isPaused: true },
    { topic: 't', partition: 1, position: 20, highWatermark: 20, isPaused: false },
  ])
  consumer.resume([{ topic: 't', partition: 0 }])
  const third = [...(await waiting), ...(await take(harness, consumer, 20 - position - 1))]
  const all = [...first, ...second, ...third]
  for (const partition of [0, 1])
    t.same(
      all.filter((text) => text?.startsWith(`p${partition}-`)),
      numbered(`p${partition}-`, 20),
    )
  consumer.pause()
  consumer.pause()
  const fetches = broker.requests.filter((name) => name === 'fetch').length
  await world.pass(5_000)
  t.ok(
    broker.requests.filter((name) => name === 'fetch').length <= fetches + 1,
    'nothing is fetched for nobody',
  )
  consumer.resume()
  broker.append('t', 1, batchOf(['after']))
  t.same(await take(harness, consumer, 1), ['after'])
})

t.test('prefetching is bounded in bytes, and goes on while there is room', async (t) => {
  const harness = await connected(4)
  const { world, broker, client } = harness
  const value = 'x'.repeat(1_000)
  for (let i = 0; i < 400; i++) broker.append('t', i % 4, batchOf([value, value, value]))
  let sentBytes = 0
  broker.misbehave = ({ api, message }) => {
    if (api.name === 'fetch') sentBytes += (message as FetchRequest).maxBytes
    return undefined
  }
  const consumer = client.consumer({
    topics: ['t'],
    from: 'earliest',
    fetchBytesMax: 50_000,
    prefetchBytesMax: 100_000,
    partitionFetchBytesMax: 20_000,
  })
  await world.pass(5_000)
  t.ok(sentBytes > 50_000 && sentBytes <= 175_000, `${sentBytes} bytes asked for, some of which did not come`)
  const before = broker.requests.length
  await world.pass(5_000)
  t.equal(broker.requests.length, before, 'full: nothing is asked for')
  let held = 0
  const reading = (async () => {
    let count = 0
    for await (const batch of consumer.batches()) {
      held = Math.max(held, batch.bytes)
      count += batch.count
      if (count === 1_200) return
    }
  })()
  await world.until(reading)
  t.ok(held < 4_000)
})

t.test('what was fetched for nobody makes room again, also when it took all of it', async (t) => {
  const full = async () => {
    const harness = await thirty({ fetchBytesMax: 200, prefetchBytesMax: 200 })
    t.same(await take(harness, harness.consumer, 1), ['a0'])
    await harness.world.pass(5_000)
    const { requests } = harness.broker
    const before = requests.length
    await harness.world.pass(5_000)
    t.equal(requests.length, before, 'nothing is in flight')
    return harness
  }
  const sought = await full()
  sought.consumer.seek('t', 0, 20)
  t.same(await take(sought, sought.consumer, 3), ['a20', 'a21', 'a22'])
  const paused = await full()
  paused.consumer.pause()
  paused.consumer.resume()
  t.same(await take(paused, paused.consumer, 3), ['a1', 'a2', 'a3'])
})

t.test('batches without records make room again, also when they took all of it', async (t) => {
  const harness = await connected(1)
  const { world, broker, client } = harness
  const control = batchOf(['marker'])
  control[22] |= 0x20
  for (let i = 0; i < 20; i++) broker.append('t', 0, control)
  broker.append('t', 0, batchOf(['a']))
  const options = { fetchBytesMax: 200, prefetchBytesMax: 200, checkCrc: false } as const
  const consumer = client.consumer({ topics: ['t'], from: 'earliest', ...options })
  await world.pass(5_000)
  t.same(await take(harness, consumer, 1), ['a'])
})

t.test('a batch larger than every bound is read all the same', async (t) => {
  const harness = await connected(1)
  const { broker, client } = harness
  const large = 'x'.repeat(300_000)
  broker.append('t', 0, batchOf(['a']))
  broker.append('t', 0, batchOf([large]))
  broker.append('t', 0, batchOf(['b']))
  const options = { fetchBytesMax: 1_000, prefetchBytesMax: 1_000, partitionFetchBytesMax: 100 }
  const consumer = client.consumer({ topics: ['t'], from: 'earliest', untilEnd: true, ...options })
  const records = await rest(harness, consumer)
  t.same(
    records.map((record) => record.text()),
    ['a', large, 'b'],
  )
})

t.test('partitions take turns when one answer cannot feed them all', async (t) => {
  const harness = await connected(4)
  const { world, broker, client } = harness
  const value = 'x'.repeat(900)
  for (let i = 0; i < 80; i++) broker.append('t', i % 4, batchOf([value]))
  const consumer = client.consumer({
    topics: ['t'],
    from: 'earliest',
    fetchBytesMax: 3_000,
    prefetchBytesMax: 3_000,
  })
  const seen = new Set<number>()
  const reading = (async () => {
    let count = 0
    for await (const record of consumer) {
      seen.add(record.partition)
      if (++count === 16) return
    }
  })()
  await world.until(reading)
  t.same([...seen].sort(), [0, 1, 2, 3])
})

t.test('partitions that are added are read from their beginning', async (t) => {
  const harness = await connected(1, { metadataMaxAgeMs: 1_000 })
  const { world, broker, client } = harness
  const consumer = client.consumer({ topics: ['t'] })
  await world.until(consumer.ready())
  broker.addPartition('t')
  broker.append('t', 1, batchOf(['written before we knew of it']))
  t.same(await take(harness, consumer, 1), ['written before we knew of it'])
  t.equal(consumer.positions().length, 2)
  await world.until(client.close())
  await world.pass(600)
  t.equal(world.pendingCount, 0)
})

t.test('a topic that is not there, or is deleted, or replaced, is an error', async (t) => {
  const harness = await thirty()
  const { world, broker, client, consumer } = harness
  const nobody = client.consumer({ topics: ['t', 'nobody'] })
  const missing = { code: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message: 'there is no topic "nobody"' }
  t.match(await failureOf(world.until(nobody.ready())), missing)
  t.match(await failureOf(world.until(nobody.batches().next())), missing)

  t.equal((await take(harness, consumer, 30)).length, 30)
  broker.topics.delete('t')
  const gone = { code: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message: 'topic "t" was deleted' }
  t.match(await failureOf(world.until(consumer.batches().next())), gone)
  t.match(await failureOf(world.until(consumer.batches().next())), gone, 'and stays one')

  const other = await thirty()
  t.equal((await take(other, other.consumer, 30)).length, 30)
  other.broker.topics.delete('t')
  other.broker.createTopic('t', 1)
  t.match(await failureOf(other.world.until(other.consumer.batches().next())), {
    message: 'topic "t" was deleted and created again',
  })
})

t.test('an offset out of range: by policy', async (t) => {
  const outOfRange = async (onOutOfRange: ConsumerOptions['onOutOfRange'], from: number) => {
    const harness = await thirty({ from: { offset: from }, ...(onOutOfRange && { onOutOfRange }) })
    harness.broker.truncateBefore('t', 0, 9)
    harness.broker.append('t', 0, batchOf(['new']))
    return harness
  }
  const failing = await outOfRange(undefined, 2)
  const error = await failureOf(failing.world.until(failing.consumer.batches().next()))
  t.match(error, {
    code: ErrorCode.OFFSET_OUT_OF_RANGE,
    message:
      'offset 2 of topic t, partition 0 is out of range: the partition holds 9 to 31; seek, or choose with the option onOutOfRange where to go on',
  })
  failing.consumer.seek('t', 0, 'earliest')
  t.same(await take(failing, failing.consumer, 1), ['a9'], 'seek heals it')

  const earliest = await outOfRange('earliest', 2)
  t.same(await take(earliest, earliest.consumer, 2), ['a9', 'a10'])
  const latest = await outOfRange('latest', 2)
  await latest.world.pass(100)
  latest.broker.append('t', 0, batchOf(['newer']))
  t.same(await take(latest, latest.consumer, 1), ['newer'])
  const beyond = await outOfRange('earliest', 1_000)
  t.same(await take(beyond, beyond.consumer, 1), ['a9'])
})

t.test(
  'a beginning that has moved beyond the end ends the reading, once what was fetched is handed out',
  async (t) => {
    const harness = await thirty({ untilEnd: true, onOutOfRange: 'earliest', partitionFetchBytesMax: 200 })
    const { world, broker, consumer } = harness
    let fetches = 0
    broker.misbehave = ({ api }) => {
      if (api.name === 'fetch' && ++fetches === 2) broker.truncateBefore('t', 0, 30)
      return undefined
    }
    await world.pass(5_000)
    t.equal(consumer.position('t', 0), 0, 'nothing was handed out')
    const records = await rest(harness, consumer)
    t.same(
      records.map((record) => record.text()),
      numbered('a', 6),
    )
    t.equal(consumer.position('t', 0), 30)
  },
)

t.test('retention that moves on between looking up the beginning and reading is no error', async (t) => {
  const harness = await thirty()
  const { broker, consumer } = harness
  broker.misbehave = ({ api }) => {
    if (api.name === 'fetch' && broker.topic('t').partitions[0].logStart < 9)
      broker.truncateBefore('t', 0, broker.topic('t').partitions[0].logStart + 3)
    return undefined
  }
  t.same(await take(harness, consumer, 2), ['a9', 'a10'])
})

t.test('damage is an error that names the place, and nothing behind it is handed out', async (t) => {
  const harness = await thirty()
  const { world, broker, client, consumer } = harness
  broker.topic('t').partitions[0].batches[4][68] ^= 1
  t.same(await take(harness, consumer, 12), numbered('a', 12), 'all before it comes')
  const damage = {
    code: ErrorCode.CORRUPT_MESSAGE,
    message: /^damaged record batch at offset 12 of topic t, partition 0: the checksum/,
  }
  t.match(await failureOf(world.until(consumer.batches().next())), damage)
  t.match(await failureOf(world.until(consumer.batches().next())), damage)
  t.equal(consumer.position('t', 0), 12)
  consumer.seek('t', 0, 15)
  t.same(await take(harness, consumer, 1), ['a15'])

  const trusting = client.consumer({ topics: ['t'], from: { offset: 12 }, checkCrc: false })
  t.equal((await take(harness, trusting, 1)).length, 1, 'without the check the flipped bit goes unnoticed')
})

t.test('damage inside a sound frame is found when the records are looked at', async (t) => {
  const harness = await thirty({ checkCrc: false })
  const { world, broker, consumer } = harness
  // The record count.
  broker.topic('t').partitions[0].batches[4][60] = 7
  t.same(await take(harness, consumer, 12), numbered('a', 12))
  const damage = { code: ErrorCode.CORRUPT_MESSAGE, message: /^damaged record batch at offset 12/ }
  t.match(await failureOf(take(harness, consumer, 1)), damage)
  t.equal(consumer.position('t', 0), 12, 'the place is before it')
  t.match(await failureOf(take(harness, consumer, 1)), damage, 'nothing behind it comes')
  consumer.seek('t', 0, 12)
  const { value } = await world.until(consumer.batches().next())
  t.throws(() => value?.records, damage, 'over batches: whoever looks at the records')
})

t.test('bytes that are no batches are damage', async (t) => {
  const harness = await thirty()
  const { broker, world, consumer } = harness
  broker.topic('t').partitions[0].batches[1] = new Uint8Array(80)
  broker.topic('t').partitions[0].batches[1][16] = 2
  broker.topic('t').partitions[0].batches[1][11] = 68
  broker.topic('t').partitions[0].batches[1][7] = 5
  t.match(
    await failureOf(
      world.until(
        consumer
          .batches()
          .next()
          .then(() => consumer.batches().next()),
      ),
    ),
    {
      code: ErrorCode.CORRUPT_MESSAGE,
    },
  )
})

t.test('gaps, empty batches and control batches: positions move, nothing is made up', async (t) => {
  const harness = await connected(1)
  const { world, broker, client } = harness
  const log = broker.topic('t').partitions[0]
  broker.append('t', 0, batchOf(['a']))
  log.logEnd = 5
  broker.append('t', 0, batchOf(['f', 'g']))
  // A control batch: attribute bit 5.
  const control = batchOf(['marker'])
  control[22] |= 0x20
  broker.append('t', 0, control)
  // Compacted to nothing: the count is zero, the offsets stay.
  const empty = batchOf(['x', 'y']).slice(0, 61)
  new DataView(empty.buffer).setInt32(8, 61 - 12)
  new DataView(empty.buffer).setInt32(57, 0)
  broker.append('t', 0, empty)
  t.equal(log.logEnd, 10)
  const consumer = client.consumer({ topics: ['t'], from: 'earliest', untilEnd: true, checkCrc: false })
  const records = await rest(harness, consumer)
  t.same(
    records.map(({ offset }) => offset),
    [0, 5, 6],
  )
  t.equal(consumer.position('t', 0), 10)
  await world.until(client.close())
})

t.test('a deserializer gives values a meaning', async (t) => {
  const { world, broker, client } = await connected(1)
  broker.append('t', 0, batchOf(['{"magnitude":4.5}', 'no json']))
  const consumer = client.consumer({ topics: ['t'], from: 'earliest', deserializer: json })
  const iterator = consumer[Symbol.asyncIterator]()
  const { value } = await world.until(iterator.next())
  t.same(value?.value, { magnitude: 4.5 })
  t.match(value, { topic: 't', partition: 0, offset: 0, timestampMs: EPOCH_MS, key: null, headers: [] })
  t.equal(value?.raw.text(), '{"magnitude":4.5}')
  const bad = await world.until(iterator.next())
  t.throws(() => bad.value?.value, SyntaxError)
})

t.test('closing and aborting end a loop that waits', async (t) => {
  const { world, client } = await connected(1)
  const consumer = client.consumer({ topics: ['t'] })
  const waiting = consumer.batches().next()
  await world.pass(1_000)
  consumer.close()
  t.same(await world.until(waiting), { value: undefined, done: true })
  t.same(await world.until(consumer[Symbol.asyncIterator]().next()), { value: undefined, done: true })
  t.match(await failureOf(consumer.ready()), { code: ErrorCode.CLOSED })
  consumer.close()

  const abort = new AbortController()
  const aborted = client.consumer({ topics: ['t'], signal: abort.signal })
  const looping = failureOf(aborted.batches().next())
  await world.pass(1_000)
  abort.abort(new Error('stop that'))
  t.match(await world.until(looping), { message: 'stop that' })
  const never = client.consumer({ topics: ['t'], signal: abort.signal })
  t.match(await failureOf(world.until(never.batches().next())), { message: 'stop that' })

  const open = client.consumer({ topics: ['t'] })
  const end = open.batches().next()
  await world.until(client.close())
  t.same(await world.until(end), { value: undefined, done: true })
  await world.pass(600)
  t.equal(world.pendingCount, 0)
})

t.test('wrong options are refused by name', async (t) => {
  const { client } = await connected(1)
  const refused = (options: object) => {
    try {
      client.consumer(options)
    } catch (error) {
      return (error as Error).message
    }
    return 'taken'
  }
  t.equal(refused({}), 'options topics and assignments: give one of them, with at least one entry')
  t.equal(
    refused({ topics: ['t'], from: 'oldest' }),
    'option from: expected earliest, latest, { offset }, { timeMs } or { last }, got "oldest"',
  )
  t.match(
    refused({ topics: ['t'], from: { offset: -1 } }),
    /option from.offset: expected a whole number from 0/,
  )
  t.match(refused({ topics: ['t'], maxWaitMs: 0 }), /option maxWaitMs/)
  t.equal(
    refused({ topics: ['t'], onOutOfRange: 'skip' }),
    'option onOutOfRange: expected earliest, latest or fail, got "skip"',
  )
  const twice = [
    { topic: 't', partition: 0 },
    { topic: 't', partition: 0 },
  ]
  t.equal(refused({ assignments: twice }), 'option assignments: partition 0 of t is there twice')
})
