/** The producer against a broker that behaves: batching, partitions, acknowledgements, bounds, errors. */
import t from 'tap'
import type { Delivery, ProducerOptions } from '../../../client/producer/options.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import type { ProduceRequest } from '../../../client/protocol/messages/produce.ts'
import { json } from '../../../client/serializers.ts'
import { connected, failureOf, type Harness, numbered } from '../support/harness.ts'
import { EPOCH_MS } from '../support/world.ts'

/** Records of a request, by partition, as the broker saw them; and how many produce requests there were. */
function watchRequests({ broker }: Harness): { partition: number; bytes: number }[][] {
  const requests: { partition: number; bytes: number }[][] = []
  broker.misbehave = ({ api, message }) => {
    if (api.name === 'produce')
      requests.push(
        (message as ProduceRequest).partitions.map(({ partition, bytes }) => ({ partition, bytes })),
      )
    return undefined
  }
  return requests
}

t.test('send resolves with the place of the record', async (t) => {
  const { world, broker, client } = await connected(3)
  const producer = client.producer()
  const places = await world.until(
    Promise.all([
      producer.send('t', { value: 'a', partition: 1 }),
      producer.send('t', { value: 'b', partition: 1, timestampMs: 17 }),
      producer.send('t', { value: new Uint8Array([0x63]), partition: 2 }),
      producer.send('t', { value: null, partition: 1, key: 'k' }),
    ]),
  )
  t.same(places, [
    { topic: 't', partition: 1, offset: 0, timestampMs: EPOCH_MS },
    { topic: 't', partition: 1, offset: 1, timestampMs: 17 },
    { topic: 't', partition: 2, offset: 0, timestampMs: EPOCH_MS },
    { topic: 't', partition: 1, offset: 2, timestampMs: EPOCH_MS },
  ])
  t.same(broker.texts('t', 1), ['a', 'b', null])
  t.same(broker.texts('t', 2), ['c'])
  t.equal(broker.stored('t', 1)[2].key, 'k')
})

t.test('records of one turn leave together, small batches of many partitions in one request', async (t) => {
  const harness = await connected(16)
  const { world, client } = harness
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'first', partition: 0 }))
  const requests = watchRequests(harness)
  for (let i = 0; i < 64; i++) producer.append('t', { value: `v${i}`, partition: i % 16 })
  t.same(await world.until(producer.flush()), { acknowledged: 65, failed: 0 })
  t.equal(requests.length, 1)
  t.same(
    requests[0].map(({ partition }) => partition).sort((a, b) => a - b),
    [...Array(16).keys()],
  )
})

t.test('without flush a batch leaves at the end of the turn, or when it has lingered', async (t) => {
  const harness = await connected(2)
  const { world, client } = harness
  await world.until(client.producer().send('t', { value: 'x', partition: 0 }))
  const requests = watchRequests(harness)
  client.producer().append('t', { value: 'a', partition: 0 })
  await world.pass(1)
  t.equal(requests.length, 1, 'no lingering: at once')

  const patient = client.producer({ lingerMs: 20 })
  patient.append('t', { value: 'b', partition: 0 })
  await world.pass(15)
  patient.append('t', { value: 'c', partition: 0 })
  patient.append('t', { value: 'd', partition: 1 })
  t.equal(requests.length, 1)
  await world.pass(5)
  t.same(
    requests.slice(1).map((request) => request.map(({ partition }) => partition)),
    [[0]],
  )
  await world.pass(15)
  t.same(
    requests.slice(1).map((request) => request.map(({ partition }) => partition)),
    [[0], [1]],
  )
  await world.until(patient.close())
})

t.test('full batches leave at once, one to a request, and none exceeds its size', async (t) => {
  const harness = await connected(1)
  const { world, broker, client } = harness
  const producer = client.producer({ batchBytes: 32_768, lingerMs: 1_000 })
  await world.until(producer.send('t', { value: 'x' }))
  const requests = watchRequests(harness)
  const values = numbered('value number ', 10_000)
  for (const value of values) producer.append('t', { value })
  await world.until(producer.flush())
  t.equal(broker.texts('t', 0).join(), ['x', ...values].join())
  t.ok(requests.length >= 8)
  for (const request of requests) t.ok(request.length === 1 && request[0].bytes <= 32_768)
})

t.test(
  'keys decide the partition, explicit partitions win, a partitioner of one’s own is asked',
  async (t) => {
    const { world, broker, client } = await connected(10)
    const producer = client.producer()
    await world.until(producer.send('t', { key: 'foobar', value: 'by key' }))
    await world.until(producer.send('t', { key: 'foobar', value: 'explicit', partition: 9 }))
    const own = client.producer({
      partitioner: (key, count, topic) => (key === null ? undefined : count - topic.length),
    })
    await world.until(own.send('t', { key: 'k', value: 'own' }))
    // (-790332482 & 0x7fffffff) % 10
    t.same(broker.texts('t', 6), ['by key'])
    t.same(broker.texts('t', 9), ['explicit', 'own'])
  },
)

t.test('records without a key stick to a partition until its batch is full or has left', async (t) => {
  const { world, broker, client } = await connected(4)
  const producer = client.producer({ batchBytes: 1024, lingerMs: 10 })
  for (const value of numbered('padding-padding-', 200)) producer.append('t', { value })
  await world.until(producer.flush())
  const counts = [0, 1, 2, 3].map((partition) => broker.stored('t', partition).length)
  t.equal(
    counts.reduce((a, b) => a + b),
    200,
  )
  for (const count of counts) t.ok(count >= 30, 'every partition has had its turn')
  for (const partition of [0, 1, 2, 3])
    for (const batch of broker.topic('t').partitions[partition].batches.slice(0, -1))
      t.ok(batch.length > 900, 'full batches, not scattered ones')
  const before = broker.topic('t').partitions.map(({ logEnd }) => logEnd)
  const order: number[] = []
  for (let i = 0; i < 8; i++)
    order.push((await world.until(producer.send('t', { value: 'alone' }))).partition)
  t.same(new Set(order).size, 4, 'a batch that left makes the next partition sticky')
  t.same(
    broker.topic('t').partitions.map(({ logEnd }, i) => logEnd - before[i]),
    [2, 2, 2, 2],
  )
})

t.test('flush counts what was taken since the last one, and deliveries come batch by batch', async (t) => {
  const { world, broker, client } = await connected(2)
  const deliveries: Delivery[] = []
  const producer = client.producer({ onDelivery: (delivery) => deliveries.push(delivery) })
  t.same(await world.until(producer.flush()), { acknowledged: 0, failed: 0 })
  for (const value of numbered('a', 5)) producer.append('t', { value, partition: 0 })
  const first = producer.flush()
  for (const value of numbered('b', 3)) producer.append('t', { value, partition: 0 })
  const second = producer.flush()
  const third = producer.flush()
  t.same(await world.until(first), { acknowledged: 5, failed: 0 })
  t.same(await world.until(second), { acknowledged: 3, failed: 0 })
  t.same(await world.until(third), { acknowledged: 0, failed: 0 })
  t.same(broker.texts('t', 0), ['a0', 'a1', 'a2', 'a3', 'a4', 'b0', 'b1', 'b2'])
  t.same(deliveries, [
    { topic: 't', partition: 0, baseOffset: 0, count: 5 },
    { topic: 't', partition: 0, baseOffset: 5, count: 3 },
  ])
})

t.test('acks none is answered without an offset', async (t) => {
  const { world, client } = await connected(1)
  const place = await world.until(client.producer({ acks: 'none' }).send('t', { value: 'x' }))
  t.same(place, { topic: 't', partition: 0, offset: -1, timestampMs: EPOCH_MS })
})

t.test('compression', async (t) => {
  const bytesWith = async (options: ProducerOptions) => {
    const harness = await connected(1)
    const { world, broker, client } = harness
    const requests = watchRequests(harness)
    const producer = client.producer(options)
    const values = numbered('the same words again and again ', 1_000)
    for (const value of values) producer.append('t', { value })
    await world.until(producer.flush())
    t.same(broker.texts('t', 0), values)
    return requests.flat().reduce((sum, { bytes }) => sum + bytes, 0)
  }
  for (const compression of ['gzip', 'snappy', 'lz4', 'zstd'] as const)
    t.ok((await bytesWith({ compression })) < 15_000, compression)
  const hurried = await bytesWith({ compression: 'gzip', compressionLevel: 1 })
  t.ok((await bytesWith({ compression: 'gzip', compressionLevel: 9 })) < hurried)
})

t.test('a serializer says what values become', async (t) => {
  const { world, broker, client } = await connected(1)
  const producer = client.producer({ serializer: json })
  await world.until(producer.send('t', { value: { magnitude: 4.5 } }))
  await world.until(producer.send('t', { value: null }))
  t.same(broker.texts('t', 0), ['{"magnitude":4.5}', null])
  const error = await failureOf(producer.send('t', { value: undefined }))
  t.match(error, { name: 'TypeError', message: 'a value that JSON cannot say: undefined' })
})

t.test(
  'the window, the number of requests and the batches of a partition in flight are bounded',
  async (t) => {
    const harness = await connected(8)
    const { world, broker, client } = harness
    broker.commitMs = 20
    broker.limits = { ...broker.limits, windowBytes: 200_000, inFlightRequestsMax: 7 }
    broker.network.dropAll()
    await world.pass(200)
    t.ok(client.isConnected, 'has read the new limits')
    const producer = client.producer({ batchBytes: 20_000, maxInFlight: 2 })
    const inFlight = new Map<number, number>()
    let inFlightMost = 0
    broker.misbehave = ({ api, message }) => {
      if (api.name !== 'produce') return undefined
      for (const { partition } of (message as ProduceRequest).partitions) {
        const count = (inFlight.get(partition) ?? 0) + 1
        inFlight.set(partition, count)
        inFlightMost = Math.max(inFlightMost, count)
        world.after(20, () => inFlight.set(partition, (inFlight.get(partition) ?? 0) - 1))
      }
      return undefined
    }
    const value = 'x'.repeat(1_000)
    const taken = (async () => {
      for (let i = 0; i < 4_000; i++) await producer.append('t', { value, partition: i % 8 })
    })()
    await world.until(taken)
    t.same(await world.until(producer.flush()), { acknowledged: 4_000, failed: 0 })
    t.ok(
      broker.unansweredBytesMost > 60_000 && broker.unansweredBytesMost <= 200_000,
      `${broker.unansweredBytesMost}`,
    )
    t.ok(broker.unansweredMost <= 7)
    t.equal(inFlightMost, 2)
  },
)

t.test('a window smaller than a batch lets one request through at a time', async (t) => {
  const { world, broker, client } = await connected(1)
  broker.limits = { ...broker.limits, windowBytes: 100 }
  const producer = client.producer({ batchBytes: 4_096 })
  await world.until(producer.send('t', { value: 'learns the window' }))
  broker.unansweredMost = 0
  for (const value of numbered('value number ', 1_000)) producer.append('t', { value })
  t.same(await world.until(producer.flush()), { acknowledged: 1_001, failed: 0 })
  t.equal(broker.unansweredMost, 1)
})

t.test('producers of one client share the window, and none is forgotten', async (t) => {
  const { world, broker, client } = await connected(2)
  broker.limits = { ...broker.limits, windowBytes: 100 }
  const producers = [client.producer({ batchBytes: 1_024 }), client.producer({ batchBytes: 1_024 })]
  await world.until(
    Promise.all(producers.map((producer) => producer.send('t', { value: 'x', partition: 0 }))),
  )
  const order: number[] = []
  broker.misbehave = ({ api, message }) => {
    if (api.name === 'produce') order.push((message as ProduceRequest).partitions[0].partition)
    return undefined
  }
  for (const value of numbered('value number ', 400))
    for (const [partition, producer] of producers.entries()) producer.append('t', { value, partition })
  const flushed = await world.until(Promise.all(producers.map((producer) => producer.flush())))
  t.match(flushed, [{ acknowledged: 401 }, { acknowledged: 401 }])
  t.ok(order.length > 16)
  const changes = order.filter((partition, i) => i > 0 && partition !== order[i - 1]).length
  t.ok(changes > order.length / 2, `they take turns: ${order.join('')}`)
})

t.test('back-pressure: append says when to wait, memory stays within the bound', async (t) => {
  const { world, broker, client } = await connected(4)
  broker.network.isDown = true
  broker.network.dropAll()
  await world.pass(10)
  const bufferBytesMax = 1024 * 1024
  const producer = client.producer({ bufferBytesMax, batchBytes: 16_384 })
  const value = 'x'.repeat(500)
  let taken = 0
  let waited = false
  const filling = (async () => {
    for (let i = 0; i < 10_000; i++) {
      const full = producer.append('t', { value: `${i} ${value}`, partition: i % 4 })
      taken++
      waited ||= full !== undefined
      if (full) await full
    }
  })()
  await world.pass(1_000)
  t.ok(waited, 'it said so')
  t.ok(taken < 2_200, `${taken} records of 500 bytes fill a megabyte and no more`)
  broker.start()
  await world.until(filling)
  t.same(await world.until(producer.flush()), { acknowledged: 10_000, failed: 0 })
  for (const partition of [0, 1, 2, 3]) {
    const numbers = broker.texts('t', partition).map((text) => Number.parseInt(text ?? '', 10))
    const expected = [...Array(2_500).keys()].map((n) => n * 4 + partition)
    t.equal(numbers.join(), expected.join())
  }
})

t.test('who does not wait gets BUFFER_FULL in the end, and what was taken is delivered', async (t) => {
  const { world, broker, client } = await connected(1)
  const producer = client.producer({ bufferBytesMax: 200_000, batchBytes: 16_384 })
  let taken = 0
  const value = 'x'.repeat(1_000)
  try {
    for (;;) {
      producer.append('t', { value })
      taken++
    }
  } catch (error) {
    t.match(error, { code: ErrorCode.BUFFER_FULL, name: 'BUFFER_FULL' })
  }
  t.match(await failureOf(producer.send('t', { value })), { code: ErrorCode.BUFFER_FULL })
  t.ok(taken > 100 && taken < 400)
  t.same(await world.until(producer.flush()), { acknowledged: taken, failed: 0 })
  t.equal(broker.stored('t', 0).length, taken)
})

t.test('bytes are copied before append returns, also when the record has to wait', async (t) => {
  const { world, broker, client } = await connected(1)
  const producer = client.producer()
  const value = new Uint8Array(1)
  const record = { value, key: value, partition: 0, headers: [{ key: 'h', value }] }
  for (let i = 0; i < 3; i++) {
    value[0] = 0x61 + i
    producer.append('t', record)
  }
  await world.until(producer.flush())
  for (let i = 3; i < 6; i++) {
    value[0] = 0x61 + i
    producer.append('t', record)
  }
  await world.until(producer.flush())
  t.same(broker.texts('t', 0), ['a', 'b', 'c', 'd', 'e', 'f'])
  const consumer = client.consumer({ topics: ['t'], from: 'earliest', untilEnd: true })
  const headers = (async () => {
    let text = ''
    for await (const record of consumer)
      text += record.headers.map((header) => `${header.key}${header.value}`)
    return text
  })()
  t.equal(await world.until(headers), 'h97h98h99h100h101h102')
  t.match(await failureOf(world.until(producer.send('', { value: 'x' }))), {
    message: 'there is no topic ""',
  })
})

t.test('mistakes are refused by name, and disturb nobody else', async (t) => {
  const { world, broker, client } = await connected(2)
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'good', partition: 0 }))
  t.throws(() => producer.append('t', { value: 3 as unknown as string }), {
    name: 'TypeError',
    message: 'record value: expected bytes, text or null, got number',
  })
  t.throws(() => producer.append('t', { value: 'x', key: {} as string }), {
    message: 'record key: expected bytes, text or null, got object',
  })
  const headers = (key: unknown, value: unknown) => [{ key, value }] as { key: string; value: null }[]
  t.throws(() => producer.append('t', { value: 'x', headers: headers(1, null) }), {
    message: 'record headers: expected a key that is text, got number',
  })
  t.throws(() => producer.append('t', { value: 'x', headers: headers('k', 'text') }), {
    message: 'record header k: expected bytes or null, got string',
  })
  t.throws(() => producer.append('t', { value: 'x', partition: 2 }), {
    code: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    message: 'topic t has partitions 0 to 1, not 2',
  })
  t.throws(() => producer.append('t', { value: 'x', timestampMs: 0.5 }), RangeError)
  t.match(await failureOf(world.until(producer.send('nobody', { value: 'x' }))), {
    code: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    message: 'there is no topic "nobody"',
  })
  producer.append('nobody', { value: 'y' })
  producer.append('t', { value: 'good too', partition: 0 })
  const flushed = await world.until(producer.flush())
  t.match(flushed, { acknowledged: 2, failed: 2, error: { message: 'there is no topic "nobody"' } })
  t.same(broker.texts('t', 0), ['good', 'good too'])
  for (const [options, message] of [
    [{ lingerMs: -1 }, /option lingerMs: expected a whole number from 0/],
    [{ acks: 'some' }, 'option acks: expected all, leader or none, got "some"'],
    [{ compression: 'zip' }, 'option compression: expected none, gzip, snappy, lz4 or zstd, got "zip"'],
    [
      { compression: 'gzip', compressionLevel: 10 },
      'option compressionLevel: gzip has levels 1 to 9, got 10',
    ],
    [{ compression: 'lz4', compressionLevel: 1 }, 'option compressionLevel: lz4 has no levels, got 1'],
    [{ compressionLevel: 1 }, 'option compressionLevel: none has no levels, got 1'],
    [{ bufferBytesMax: 100 }, /option bufferBytesMax/],
  ] as const)
    t.throws(() => client.producer(options as object), { name: 'RangeError', message })
})

t.test('a record larger than a batch goes alone; larger than the broker takes, it is refused', async (t) => {
  const { world, broker, client } = await connected(1)
  const producer = client.producer()
  const large = 'x'.repeat(500_000)
  producer.append('t', { value: 'before' })
  producer.append('t', { value: large })
  producer.append('t', { value: 'after' })
  t.same(await world.until(producer.flush()), { acknowledged: 3, failed: 0 })
  t.same(broker.texts('t', 0), ['before', large, 'after'])
  const error = await failureOf(world.until(producer.send('t', { value: 'x'.repeat(1024 * 1024) })))
  t.match(error, {
    code: ErrorCode.MESSAGE_TOO_LARGE,
    message: /a record of topic t makes a batch of 10486\d\d bytes/,
  })
  t.same(await world.until(producer.send('t', { value: 'still works' })).then(({ offset }) => offset), 3)
})

t.test('partitions that are added are used', async (t) => {
  const { world, broker, client } = await connected(1, { metadataMaxAgeMs: 1_000 })
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'a' }))
  broker.addPartition('t')
  t.throws(() => producer.append('t', { value: 'b', partition: 1 }), { name: 'UNKNOWN_TOPIC_OR_PARTITION' })
  await world.pass(1_100)
  await world.until(producer.send('t', { value: 'b', partition: 1 }))
  t.same(broker.texts('t', 1), ['b'])
  await world.until(client.close())
})

t.test('close delivers everything that was taken, then refuses', async (t) => {
  const { world, broker, client } = await connected(2)
  const producer = client.producer({ lingerMs: 10_000 })
  const sent = producer.send('t', { value: 'a', partition: 0 })
  for (const value of numbered('b', 100)) producer.append('t', { value, partition: 1 })
  const closed = producer.close()
  t.equal(producer.close(), closed)
  t.throws(() => producer.append('t', { value: 'late' }), { code: ErrorCode.CLOSED })
  t.match(await failureOf(producer.send('t', { value: 'late' })), { code: ErrorCode.CLOSED })
  await world.until(closed)
  t.match(await sent, { offset: 0 })
  t.equal(broker.stored('t', 1).length, 100)
  await world.until(client.close())
  t.throws(() => client.producer(), { code: ErrorCode.CLOSED })
  await world.pass(1)
  t.equal(world.pendingCount, 0, 'nothing keeps the process alive')
})

t.test('an error thrown by onDelivery comes up by itself and breaks nothing', async (t) => {
  const { world, client } = await connected(1)
  const producer = client.producer({
    onDelivery: () => {
      throw new Error('of the listener')
    },
  })
  producer.append('t', { value: 'x' })
  t.same(await world.until(producer.flush()), { acknowledged: 1, failed: 0 })
  await t.rejects(world.pass(1), { message: 'of the listener' })
  t.same(await world.until(producer.send('t', { value: 'y' })).then(({ offset }) => offset), 1)
})

t.test('calls for several topics in turn each reach their own', async (t) => {
  const { world, broker, client } = await connected(1)
  broker.createTopic('u', 1)
  const producer = client.producer()
  // Equal names that are not the same object, as from parsed input.
  const names = () => JSON.parse('["t","u"]') as [string, string]
  for (let i = 0; i < 3; i++) {
    const [first, second] = names()
    producer.append(first, { value: `t${i}` })
    producer.append(names()[0], { value: `t${i} again` })
    const sent = producer.send(second, { value: `u${i}` })
    producer.append(first, { value: `t${i} last` })
    await world.until(sent)
  }
  await world.until(producer.flush())
  const expected = [0, 1, 2].flatMap((i) => [`t${i}`, `t${i} again`, `t${i} last`])
  t.same(broker.texts('t', 0), expected)
  t.same(broker.texts('u', 0), ['u0', 'u1', 'u2'])
})

t.test('every request says the size of its own batch and the leader epoch of the moment', async (t) => {
  const { world, broker, client } = await connected(2)
  const seen: number[][] = []
  let stale = false
  broker.misbehave = ({ api, message }) => {
    if (api.name !== 'produce') return undefined
    for (const { partition, bytes, leaderEpoch } of (message as ProduceRequest).partitions)
      seen.push([partition, leaderEpoch, bytes])
    if (!stale) return undefined
    stale = false
    return { kind: 'refuse partitions', partitions: [0], code: ErrorCode.FENCED_LEADER_EPOCH }
  }
  const producer = client.producer()
  const send = (value: string, partition: number) => world.until(producer.send('t', { value, partition }))
  for (const value of ['one', 'two', 'three', 'six']) await send(value, 0)
  await send('one', 1)
  broker.leaderEpoch = 7
  stale = true
  await send('new', 0)
  const bytes = seen[0][2]
  t.same(seen, [
    [0, 0, bytes],
    [0, 0, bytes],
    [0, 0, bytes + 2],
    [0, 0, bytes],
    [1, 0, bytes],
    [0, 0, bytes],
    [0, 7, bytes],
  ])
  t.same(broker.texts('t', 0), ['one', 'two', 'three', 'six', 'new'])
  t.same(broker.texts('t', 1), ['one'])
})
