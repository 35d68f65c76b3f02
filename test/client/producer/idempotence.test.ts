/** The idempotent producer: ids and epochs, what a failure does to those behind it, and producers with a name. */
import t from 'tap'
import { OctopusClient } from '../../../client/client.ts'
import type { ProducerOptions } from '../../../client/producer/options.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import {
  baseSequenceAt,
  producerEpochAt,
  producerIdAt,
  recordCountAt,
} from '../../../storage/record/batch-header.ts'
import type { FakeRequest, Misbehaviour } from '../support/fake-broker.ts'
import { connected, failureOf, type Harness, numbered } from '../support/harness.ts'

const onePartition = { kind: 'refuse partitions', partitions: [0] } as const

function onProduce(wrong: Readonly<Record<number, Misbehaviour>>, api = 'produce') {
  let count = 0
  return (request: FakeRequest): Misbehaviour | undefined =>
    request.api.name === api ? wrong[++count] : undefined
}

/** `id/epoch/sequence+count` of every batch stored in a partition. */
function stamps({ broker }: Harness, partition = 0, topic = 't'): string[] {
  return broker
    .topic(topic)
    .partitions[partition].batches.map(
      (batch) =>
        `${producerIdAt(batch, 0)}/${producerEpochAt(batch, 0)}/${baseSequenceAt(batch, 0)}+${recordCountAt(batch, 0)}`,
    )
}

function countOf({ broker }: Harness, api: string): number {
  return broker.requests.filter((name) => name === api).length
}

t.test('one id for all partitions, taken with the first batch; sequences count per partition', async (t) => {
  const harness = await connected(2)
  const { world, broker, client } = harness
  const producer = client.producer()
  await world.pass(100)
  t.equal(countOf(harness, 'init-producer-id'), 0, 'nothing is asked before there is something to send')
  for (const partition of [0, 1, 0, 0]) {
    producer.append('t', { value: 'x', partition })
    await world.until(producer.send('t', { value: 'y', partition }))
  }
  t.same(stamps(harness, 0), ['0/0/0+2', '0/0/2+2', '0/0/4+2'])
  t.same(stamps(harness, 1), ['0/0/0+2'])
  t.equal(countOf(harness, 'init-producer-id'), 1)
  t.equal(countOf(harness, 'describe-producers'), 0)
  await world.until(client.producer().send('t', { value: 'other' }))
  t.equal(
    producerIdAt(
      broker
        .topic('t')
        .partitions.flatMap(({ batches }) => batches)
        .at(-1) ?? new Uint8Array(),
      0,
    ),
    0,
  )
  t.ok(
    [0, 1].some((partition) => stamps(harness, partition).includes('2/0/0+1')),
    'another producer has another id',
  )
})

t.test('without idempotence nothing is asked and nothing is stamped', async (t) => {
  const harness = await connected(1)
  const { world, client } = harness
  for (const options of [{ idempotence: false }, { acks: 'none' }, { acks: 'leader' }] as const)
    await world.until(client.producer(options).send('t', { value: 'x' }))
  t.same(stamps(harness), ['-1/-1/-1+1', '-1/-1/-1+1', '-1/-1/-1+1'])
  t.equal(countOf(harness, 'init-producer-id'), 0)
})

t.test('options that do not fit together are refused by name', async (t) => {
  const { client } = await connected(1)
  const refused: [ProducerOptions, RegExp][] = [
    [{ idempotence: true, acks: 'leader' }, /^option idempotence: needs acks 'all', got 'leader'$/],
    [{ producerName: 'a', acks: 'none' }, /^option producerName: needs acks 'all', got 'none'$/],
    [{ producerName: 'a', idempotence: false }, /^option producerName: the producer must be idempotent/],
    [{ producerName: '' }, /^option producerName: expected 1 to 249 .* got ""$/],
    [{ producerName: 'a b' }, /^option producerName: expected .* got "a b"$/],
    [
      { maxInFlight: 6 },
      /^option maxInFlight: an idempotent producer has at most 5 .* got 6; more need idempotence: false$/,
    ],
  ]
  for (const [options, message] of refused)
    t.throws(() => client.producer(options), { name: 'RangeError', message })
  client.producer({ maxInFlight: 6, idempotence: false })
  client.producer({ maxInFlight: 6, acks: 'leader' })
})

t.test('batches that were finished before the id was known are stamped when they are sent', async (t) => {
  const harness = await connected(1)
  const { world, broker, client } = harness
  await world.until(client.producer({ idempotence: false }).send('t', { value: 'the topic is known' }))
  const producer = client.producer({ batchBytes: 1_024 })
  broker.misbehave = onProduce({ 1: { kind: 'delay', ms: 500 } }, 'init-producer-id')
  for (const value of numbered('x'.repeat(100), 40)) producer.append('t', { value })
  t.match(await world.until(producer.flush()), { acknowledged: 40, failed: 0 })
  const [, ...all] = stamps(harness)
  t.same(all, ['0/0/0+8', '0/0/8+8', '0/0/16+8', '0/0/24+8', '0/0/32+8'])
})

t.test('a record that is too large takes no sequence', async (t) => {
  const harness = await connected(1)
  const { world, broker, client } = harness
  broker.limits = { ...broker.limits, batchBytesMax: 2_000 }
  broker.network.dropAll()
  await world.pass(1_000)
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'a' }))
  const large = failureOf(producer.send('t', { value: 'x'.repeat(3_000) }))
  const next = producer.send('t', { value: 'b' })
  t.match(await world.until(large), { code: ErrorCode.MESSAGE_TOO_LARGE })
  t.match(await world.until(next), { offset: 1 })
  t.same(stamps(harness), ['0/0/0+1', '0/0/1+1'])
})

/** Five batches of two records each, in five requests, all in flight together, after one that was stored. */
async function fiveInFlight(wrong: Readonly<Record<number, Misbehaviour>>, cutAfterMs?: number) {
  const harness = await connected(1, { requestTimeoutMs: 1_000 })
  const { world, broker, client } = harness
  const producer = client.producer({ batchBytes: 1_024, lingerMs: 1_000 })
  await world.until(producer.send('t', { value: 'start' }))
  broker.commitMs = 5
  broker.misbehave = onProduce(wrong)
  if (cutAfterMs) world.after(cutAfterMs, () => broker.network.dropAll())
  const value = 'x'.repeat(450)
  for (const prefix of numbered('r', 10)) producer.append('t', { value: `${prefix} ${value}` })
  const flushed = await world.until(producer.flush())
  const stored = broker
    .texts('t', 0)
    .slice(1)
    .map((text) => Number(text?.slice(1, 2)))
  return { ...harness, flushed, stored, stamps: stamps(harness) }
}

t.test('a batch that was certainly not stored leaves its sequence to the next', async (t) => {
  const refused = { ...onePartition, code: ErrorCode.INVALID_TIMESTAMP }
  const { flushed, stored, stamps } = await fiveInFlight({ 2: refused })
  t.match(flushed, { acknowledged: 9, failed: 2, error: { name: 'INVALID_TIMESTAMP' } })
  t.same(stored, [0, 1, 4, 5, 6, 7, 8, 9])
  t.same(stamps, ['0/0/0+1', '0/0/1+2', '0/0/3+2', '0/0/5+2', '0/0/7+2'], 'no new epoch is needed')
})

t.test(
  'a batch that may be stored ends the epoch when it fails: it is not, and the others go on',
  async (t) => {
    const refused = { ...onePartition, code: ErrorCode.UNKNOWN_SERVER_ERROR }
    const harness = await fiveInFlight({ 2: refused })
    t.match(harness.flushed, { acknowledged: 9, failed: 2, error: { name: 'UNKNOWN_SERVER_ERROR' } })
    t.same(harness.stored, [0, 1, 4, 5, 6, 7, 8, 9])
    t.same(harness.stamps, ['0/0/0+1', '0/0/1+2', '0/1/0+2', '0/1/2+2', '0/1/4+2'])
    t.equal(countOf(harness, 'init-producer-id'), 2)
  },
)

t.test('a batch that may be stored ends the epoch when it fails: it is, and so are the others', async (t) => {
  const refused = { ...onePartition, code: ErrorCode.UNKNOWN_SERVER_ERROR, isStored: true }
  const slow = { kind: 'delay', ms: 200 } as const
  const harness = await fiveInFlight({ 2: refused, 3: slow, 4: slow, 5: slow }, 100)
  t.match(harness.flushed, { acknowledged: 9, failed: 2 })
  t.same(harness.stored, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  t.same(harness.stamps, ['0/0/0+1', '0/0/1+2', '0/0/3+2', '0/0/5+2', '0/0/7+2', '0/0/9+2'])
  t.equal(
    countOf(harness, 'describe-producers'),
    1,
    'it is asked whether they are, and nothing is sent again',
  )
})

t.test('the places of batches found stored: that of the last is known', async (t) => {
  const { world, broker, client } = await connected(1)
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'start' }))
  const slow = { kind: 'delay', ms: 200 } as const
  broker.commitMs = 20
  broker.misbehave = onProduce({
    1: { ...onePartition, code: ErrorCode.UNKNOWN_SERVER_ERROR, isStored: true },
    2: slow,
    3: slow,
  })
  world.after(100, () => broker.network.dropAll())
  const sends = []
  for (const value of ['a', 'b', 'c']) {
    sends.push(producer.send('t', { value }).catch((error: Error) => error.name))
    await world.pass(1)
  }
  const [a, b, c] = await world.until(Promise.all(sends))
  t.same(a, 'UNKNOWN_SERVER_ERROR')
  t.match([b, c], [{ offset: -1 }, { offset: 3 }])
  t.same(broker.texts('t', 0), ['start', 'a', 'b', 'c'])
})

t.test('while an epoch ends nothing new is sent to any partition', async (t) => {
  const harness = await connected(2)
  const { world, broker, client } = harness
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'start', partition: 0 }))
  await world.until(producer.send('t', { value: 'start', partition: 1 }))
  broker.misbehave = onProduce({
    1: { kind: 'delay', ms: 300 },
    2: { ...onePartition, code: ErrorCode.UNKNOWN_SERVER_ERROR },
  })
  const slow = producer.send('t', { value: 'slow', partition: 1 })
  await world.pass(1)
  await world.until(failureOf(producer.send('t', { value: 'failed', partition: 0 })))
  const after = [0, 1].map((partition) => producer.send('t', { value: 'after', partition }))
  await world.pass(100)
  t.equal(countOf(harness, 'init-producer-id'), 1, 'it waits for what is in flight')
  await world.until(Promise.all([slow, ...after]))
  t.same(stamps(harness, 0), ['0/0/0+1', '0/1/0+1'])
  t.same(stamps(harness, 1), ['0/0/0+1', '0/0/1+1', '0/1/0+1'])
})

t.test('a partition that has forgotten the producer: a new epoch, and it goes on', async (t) => {
  const harness = await connected(1)
  const { world, broker, client } = harness
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'a' }))
  broker.producers.forget(broker.topic('t').partitions[0])
  t.match(await world.until(producer.send('t', { value: 'b' })), { offset: 1 })
  t.match(await world.until(producer.send('t', { value: 'c' })), { offset: 2 })
  t.same(stamps(harness), ['0/0/0+1', '0/1/0+1', '0/1/1+1'])
})

t.test(
  '… but what was sent and not acknowledged has failed: nobody can tell whether it is stored',
  async (t) => {
    const harness = await connected(1)
    const { world, broker, client } = harness
    const producer = client.producer()
    await world.until(producer.send('t', { value: 'a' }))
    broker.misbehave = ({ api, socket }) => {
      if (api.name !== 'produce') return undefined
      broker.misbehave = undefined
      world.after(1, () => {
        broker.producers.forget(broker.topic('t').partitions[0])
        socket.drop()
      })
      return { kind: 'delay', ms: 10 }
    }
    t.match(await world.until(failureOf(producer.send('t', { value: 'b' }))), {
      code: ErrorCode.UNKNOWN_PRODUCER_ID,
      message:
        /^topic t, partition 0: 1 records were sent, .* forgotten this producer since: they may be stored or not$/,
    })
    t.match(await world.until(producer.send('t', { value: 'c' })), { offset: 2 })
    t.same(broker.texts('t', 0), ['a', 'b', 'c'], 'it was, and sending it again would have doubled it')
  },
)

t.test(
  'a broker that does not know the id for this producer’s: what may be stored fails, the rest goes on',
  async (t) => {
    const harness = await connected(1)
    const { world, broker, client } = harness
    const producer = client.producer()
    // Lost on the way; then the broker is one that knows the id for somebody else's.
    broker.misbehave = ({ api }) => {
      if (api.name !== 'produce') return undefined
      let asked = 0
      broker.misbehave = ({ api }) => {
        if (api.name === 'produce' && asked === 0)
          return { ...onePartition, code: ErrorCode.UNKNOWN_PRODUCER_ID }
        if (api.name === 'init-producer-id' && asked++ === 0)
          return { kind: 'refuse', code: ErrorCode.UNKNOWN_PRODUCER_ID }
        if (api.name === 'describe-producers') return { ...onePartition, code: ErrorCode.UNKNOWN_PRODUCER_ID }
        return undefined
      }
      return { kind: 'drop before' }
    }
    const lost = failureOf(producer.send('t', { value: 'lost' }))
    t.match(await world.until(lost), {
      code: ErrorCode.UNKNOWN_PRODUCER_ID,
      message: /they may be stored or not$/,
    })
    t.match(await world.until(producer.send('t', { value: 'after' })), { offset: 0 })
    t.match(await world.until(producer.flush()), { acknowledged: 1, failed: 1 })
    t.same(broker.texts('t', 0), ['after'])
    t.equal(countOf(harness, 'describe-producers'), 1, 'it is not asked again')
  },
)

t.test('a broker that has lost count is asked where it stands', async (t) => {
  const harness = await connected(1)
  const { world, broker, client } = harness
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'a' }))
  broker.producers.count(broker.topic('t').partitions[0], 0, 0)
  t.match(await world.until(producer.send('t', { value: 'b' })), { offset: 1 })
  broker.producers.count(broker.topic('t').partitions[0], 0, 9)
  t.match(await world.until(failureOf(producer.send('t', { value: 'c' }))), {
    code: ErrorCode.DUPLICATE_SEQUENCE_NUMBER,
  })
  t.match(await world.until(producer.send('t', { value: 'd' })), { offset: 2 })
})

t.test('sequences wrap after 2^31 - 1', async (t) => {
  const harness = await connected(1)
  const { world, broker, client } = harness
  await world.until(client.producer({ producerName: 'lab.a' }).send('t', { value: 'a' }))
  const [log] = broker.topic('t').partitions
  broker.producers.count(log, 1, 2 ** 33 + 2 ** 31 - 1)
  const producer = client.producer({ producerName: 'lab.a' })
  t.equal(await world.until(producer.nextSequence('t', 0)), 2 ** 33 + 2 ** 31 - 1)
  producer.append('t', { value: 'b' })
  producer.append('t', { value: 'c' })
  await world.until(producer.send('t', { value: 'd', sequence: 2 ** 33 + 2 ** 31 + 1 }))
  await world.until(producer.send('t', { value: 'e' }))
  t.same(stamps(harness), ['1/0/0+1', '1/1/2147483647+3', '1/1/2+1'])
})

t.test('an id that is refused for good fails what waits at once; the next record asks again', async (t) => {
  const harness = await connected(1)
  const { world, broker, client } = harness
  for (const options of [{}, { producerName: 'lab.a' }]) {
    const producer = client.producer(options)
    broker.misbehave = ({ api }) =>
      api.name === 'init-producer-id' ? { kind: 'refuse', code: ErrorCode.STORAGE_FULL } : undefined
    const startMs = world.nowMs
    producer.append('t', { value: 'a' })
    t.match(await world.until(failureOf(producer.send('t', { value: 'b' }))), {
      code: ErrorCode.STORAGE_FULL,
    })
    t.match(await world.until(producer.flush()), { acknowledged: 0, failed: 2 })
    t.ok(world.nowMs - startMs < 10)
    broker.misbehave = undefined
    t.match(await world.until(producer.send('t', { value: 'c' })), { topic: 't' })
    await world.until(producer.close())
  }
  t.same(broker.texts('t', 0), ['c', 'c'])
})

t.test('an id that is refused for now is asked for again, as long as somebody waits', async (t) => {
  const harness = await connected(1)
  const { world, broker, client } = harness
  const producer = client.producer({ deliveryTimeoutMs: 3_000 })
  broker.misbehave = ({ api }) =>
    api.name === 'init-producer-id' ? { kind: 'refuse', code: ErrorCode.KAFKA_STORAGE_ERROR } : undefined
  const late = failureOf(producer.send('t', { value: 'late' }))
  t.match(await world.until(late), { code: ErrorCode.REQUEST_TIMED_OUT })
  await world.pass(5_000)
  const asked = countOf(harness, 'init-producer-id')
  t.ok(asked > 3 && asked < 40, `${asked}`)
  await world.pass(60_000)
  t.equal(countOf(harness, 'init-producer-id'), asked, 'nobody waits any more')
  broker.misbehave = undefined
  t.match(await world.until(producer.send('t', { value: 'b' })), { offset: 0 })
  await world.until(client.close())
  await world.pass(1)
  t.equal(world.pendingCount, 0)
})

t.test(
  'a full disk: every record is told at once, close and flush end, and there is a way back',
  async (t) => {
    const harness = await connected(1)
    const { world, broker, client } = harness
    for (const options of [{}, { producerName: 'lab.a' }]) {
      const producer = client.producer({ batchBytes: 1_024, ...options })
      await world.until(producer.send('t', { value: 'before' }))
      broker.misbehave = ({ api }) =>
        api.name === 'produce' ? { ...onePartition, code: ErrorCode.STORAGE_FULL } : undefined
      const before = countOf(harness, 'produce')
      const startMs = world.nowMs
      const stored = broker.texts('t', 0).length
      for (const value of numbered('x'.repeat(300), 60)) producer.append('t', { value })
      t.match(await world.until(producer.flush()), { failed: 60, error: { name: 'STORAGE_FULL' } })
      t.ok(world.nowMs - startMs < 1_000, `${world.nowMs - startMs} ms`)
      t.ok(countOf(harness, 'produce') - before <= 60, 'each batch is sent a few times at most')
      broker.misbehave = undefined
      t.match(await world.until(producer.send('t', { value: 'after' })), { offset: stored })
      await world.until(producer.close())
    }
    t.same(broker.texts('t', 0), ['before', 'after', 'before', 'after'])
  },
)

t.test('a producer with a name goes on where its last life ended', async (t) => {
  const harness = await connected(2)
  const { world, broker, client } = harness
  const name = { producerName: 'lab.detector-7' }
  const first = client.producer(name)
  t.equal(await world.until(first.nextSequence('t', 0)), 0)
  for (let sequence = 0; sequence < 5; sequence++)
    first.append('t', { value: `r${sequence}`, partition: 0, sequence })
  await world.until(first.flush())

  const second = client.producer(name)
  t.equal(await world.until(second.nextSequence('t', 0)), 5)
  t.equal(await world.until(second.nextSequence('t', 1)), 0)
  const places = []
  for (let sequence = 3; sequence < 8; sequence++)
    places.push(second.send('t', { value: `r${sequence}`, partition: 0, sequence }))
  const known = { topic: 't', partition: 0, offset: -1, timestampMs: -1, isDuplicate: true }
  t.match(await world.until(Promise.all(places)), [known, known, { offset: 5 }, { offset: 6 }, { offset: 7 }])
  t.match(await world.until(second.flush()), { acknowledged: 5, duplicates: 2, failed: 0 })
  t.same(broker.texts('t', 0), numbered('r', 8))
  t.same(stamps(harness), ['1/0/0+5', '1/1/5+3'])
  t.equal(await world.until(second.nextSequence('t', 0)), 8)
})

t.test('the newer producer fences the older, whose records fail with the reason', async (t) => {
  const { world, broker, client } = await connected(1)
  const name = { producerName: 'lab.a' }
  const first = client.producer(name)
  await world.until(first.send('t', { value: 'a' }))
  const second = client.producer(name)
  await world.until(second.send('t', { value: 'b' }))
  const fenced = {
    code: ErrorCode.INVALID_PRODUCER_EPOCH,
    message: 'another producer with the name lab.a has taken over: this one may send nothing more',
  }
  const sends = ['c', 'd'].map((value) => failureOf(first.send('t', { value })))
  for (const failure of await world.until(Promise.all(sends))) t.match(failure, fenced)
  t.match(await failureOf(first.send('t', { value: 'e' })), fenced)
  t.throws(() => first.append('t', { value: 'f' }), fenced)
  t.match(await failureOf(world.until(first.nextSequence('t', 0))), fenced)
  t.match(await world.until(first.flush()), { acknowledged: 1, failed: 2 })
  await world.until(second.send('t', { value: 'g' }))
  t.same(broker.texts('t', 0), ['a', 'b', 'g'])
  await world.until(client.close())
  await world.pass(1)
  t.equal(world.pendingCount, 0)
})

t.test('records that say their number: gaps and misuse are refused by name', async (t) => {
  const { world, broker, client } = await connected(2)
  const producer = client.producer({ producerName: 'lab.a' })
  const at = (sequence: number) => ({ value: `r${sequence}`, partition: 1, sequence })
  t.match(await world.until(failureOf(producer.send('t', at(2)))), {
    code: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    message:
      'topic t, partition 1: expected the record with sequence 0, got 2: those between would be missing',
  })
  await world.until(producer.send('t', at(0)))
  t.throws(() => producer.append('t', at(2)), { message: /expected the record with sequence 1, got 2/ })
  t.throws(() => producer.append('t', { value: 'x', sequence: 1 }), {
    code: ErrorCode.INVALID_REQUEST,
    message:
      /^a record of topic t with a sequence: it must name its partition or have a key, .* the 2 partitions/,
  })
  for (const sequence of [-1, 0.5, Number.NaN, 2 ** 53])
    t.throws(() => producer.append('t', at(sequence)), {
      name: 'RangeError',
      message: /record sequence: expected/,
    })
  t.throws(() => client.producer().append('t', at(0)), { name: 'TypeError', message: /option producerName/ })
  t.match(await failureOf(client.producer().nextSequence('t', 0)), {
    name: 'TypeError',
    message: /producerName/,
  })
  t.match(await world.until(failureOf(producer.nextSequence('t', 2))), {
    code: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    message: 'topic t has partitions 0 to 1, not 2',
  })
  t.match(await world.until(failureOf(producer.nextSequence('nowhere', 0))), {
    code: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  })
  // A key decides the partition, the same one every time.
  t.match(await world.until(producer.send('t', { key: 'foobar', value: 'k', sequence: 0 })), { partition: 0 })
  t.same(broker.texts('t', 1), ['r0'])
})

t.test('a record that is given twice is settled with the one that is on its way', async (t) => {
  const { world, broker, client } = await connected(1)
  const producer = client.producer({ producerName: 'lab.a', batchBytes: 1_024 })
  await world.until(producer.send('t', { value: 'start', sequence: 0 }))
  broker.commitMs = 20
  const value = 'x'.repeat(450)
  const sends = []
  for (let sequence = 1; sequence <= 4; sequence++) sends.push(producer.send('t', { value, sequence }))
  await world.pass(1)
  for (let sequence = 1; sequence <= 4; sequence++) {
    sends.push(producer.send('t', { value: 'again', sequence }))
    producer.append('t', { value: 'again', sequence })
  }
  sends.push(
    producer.send('t', { value: 'open', sequence: 5 }),
    producer.send('t', { value: 'again', sequence: 5 }),
  )
  const places = await world.until(Promise.all(sends))
  t.same(
    places.map(({ offset, isDuplicate }) => [offset, isDuplicate]),
    [
      ...[1, 2, 3, 4].map((offset) => [offset, undefined]),
      ...[1, 2, 3, 4].map((offset) => [offset, true]),
      [5, undefined],
      [5, true],
    ],
  )
  t.match(await world.until(producer.flush()), { acknowledged: 15, duplicates: 9, failed: 0 })
  t.equal(broker.texts('t', 0).length, 6)
})

t.test('after a failure the numbers go on where it was; records that say others fail', async (t) => {
  const harness = await connected(1)
  const { world, broker, client } = harness
  const producer = client.producer({ producerName: 'lab.a', batchBytes: 1_024 })
  await world.until(producer.send('t', { value: 'start', sequence: 0 }))
  broker.misbehave = onProduce({ 1: { ...onePartition, code: ErrorCode.INVALID_TIMESTAMP } })
  const value = (sequence: number) => `r${sequence} ${'x'.repeat(450)}`
  const sends = []
  for (let sequence = 1; sequence <= 6; sequence++)
    sends.push(failureOf(producer.send('t', { value: value(sequence), sequence })))
  const [first, second, third] = await world.until(Promise.all(sends))
  for (const failure of [first, second]) t.match(failure, { code: ErrorCode.INVALID_TIMESTAMP })
  t.match(third, {
    code: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    message: /expected the record with sequence 1, got 3/,
  })
  t.equal(await world.until(producer.nextSequence('t', 0)), 1)
  const again = []
  for (let sequence = 1; sequence <= 6; sequence++)
    again.push(producer.send('t', { value: value(sequence), sequence }))
  await world.until(Promise.all(again))
  t.same(
    broker.texts('t', 0).map((text) => text?.split(' ')[0]),
    ['start', 'r1', 'r2', 'r3', 'r4', 'r5', 'r6'],
  )
})

t.test('a name whose batch may be stored: the broker is asked, and it is not stored twice', async (t) => {
  const harness = await connected(1, { requestTimeoutMs: 500, reconnect: { backoffMaxMs: 100 } })
  const { world, broker, client } = harness
  const producer = client.producer({ producerName: 'lab.a', deliveryTimeoutMs: 2_000 })
  await world.until(producer.send('t', { value: 'r0', sequence: 0 }))
  broker.misbehave = ({ api }) => {
    if (api.name !== 'produce') return undefined
    broker.network.isDown = true
    return { kind: 'drop after' }
  }
  const late = failureOf(producer.send('t', { value: 'r1', sequence: 1 }))
  t.match(await world.until(late), {
    code: ErrorCode.REQUEST_TIMED_OUT,
    message: /it was sent, and may be stored/,
  })
  broker.network.isDown = false
  broker.misbehave = undefined
  const again = producer.send('t', { value: 'r1', sequence: 1 })
  const next = producer.send('t', { value: 'r2', sequence: 2 })
  t.match(await world.until(again), { isDuplicate: true })
  t.match(await world.until(next), { offset: 2 })
  t.same(broker.texts('t', 0), ['r0', 'r1', 'r2'])
  t.same(stamps(harness), ['1/0/0+1', '1/0/1+1', '1/1/2+1'])
})

t.test('a producer that needs a new epoch does not take the name back from its successor', async (t) => {
  const harness = await connected(1, { reconnect: { backoffMaxMs: 100 } })
  const { world, broker, client } = harness
  const name = { producerName: 'lab.a' }
  const first = client.producer({ ...name, deliveryTimeoutMs: 1_000 })
  await world.until(first.send('t', { value: 'r0', sequence: 0 }))
  broker.misbehave = ({ api }) => {
    if (api.name !== 'produce') return undefined
    broker.network.isDown = true
    return { kind: 'drop after' }
  }
  const late = failureOf(first.send('t', { value: 'r1', sequence: 1 }))
  await world.until(late)
  broker.network.isDown = false
  // The first asks for its new epoch only when the second has claimed the name.
  let asked = 0
  broker.misbehave = ({ api }) =>
    api.name === 'init-producer-id' && asked++ < 3 ? { kind: 'delay', ms: 200 } : undefined
  const again = failureOf(first.send('t', { value: 'r2', sequence: 2 }))
  const other = await world.until(OctopusClient.open({}, broker.ports))
  const second = other.producer(name)
  broker.misbehave = undefined
  t.equal(await world.until(second.nextSequence('t', 0)), 2)
  t.match(await world.until(again), {
    code: ErrorCode.INVALID_PRODUCER_EPOCH,
    message: /another producer with the name lab.a has taken over/,
  })
  t.match(await world.until(second.send('t', { value: 'r2', sequence: 2 })), { offset: 2 })
  t.same(broker.texts('t', 0), ['r0', 'r1', 'r2'])
})

t.test('partitions that come later are asked about too', async (t) => {
  const { world, broker, client } = await connected(1, { metadataMaxAgeMs: 100 })
  const name = { producerName: 'lab.a' }
  const producer = client.producer(name)
  await world.until(producer.send('t', { value: 'a', sequence: 0 }))
  broker.addPartition('t')
  await world.pass(200)
  await world.until(producer.send('t', { value: 'b', partition: 1, sequence: 0 }))
  t.same(broker.texts('t', 1), ['b'])
})

t.test('a partition that nobody tells of fails what waits for it, and is asked about again', async (t) => {
  const { world, broker, client } = await connected(1)
  const producer = client.producer({ producerName: 'lab.a' })
  broker.misbehave = ({ api }) =>
    api.name === 'describe-producers'
      ? { ...onePartition, code: ErrorCode.TOPIC_AUTHORIZATION_FAILED }
      : undefined
  t.match(await world.until(failureOf(producer.send('t', { value: 'a' }))), {
    code: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  })
  t.match(await failureOf(world.until(producer.nextSequence('t', 0))), {
    code: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  })
  broker.misbehave = undefined
  t.match(await world.until(producer.send('t', { value: 'b' })), { offset: 0 })
})

t.test('nextSequence waits for a broker that comes back, and not for ever', async (t) => {
  const { world, broker, client } = await connected(1, { requestTimeoutMs: 2_000 })
  const producer = client.producer({ producerName: 'lab.a' })
  broker.stop()
  await world.pass(1)
  const asked = producer.nextSequence('t', 0)
  await world.pass(1_000)
  broker.start()
  t.equal(await world.until(asked), 0)
  broker.stop()
  await world.pass(1)
  t.match(await world.until(failureOf(producer.nextSequence('t', 0))), { code: ErrorCode.DISCONNECTED })
  const closing = failureOf(producer.nextSequence('t', 0))
  await world.until(client.close())
  t.match(await world.until(closing), { code: ErrorCode.CLOSED })
  t.match(await failureOf(producer.nextSequence('t', 0)), { code: ErrorCode.CLOSED })
  await world.pass(5_000)
  t.equal(world.pendingCount, 0)
})

t.test('what is told late of an epoch before does not count in the present one', async (t) => {
  const { world, broker, client } = await connected(1, { reconnect: { backoffMinMs: 1, backoffMaxMs: 5 } })
  const producer = client.producer({ deliveryTimeoutMs: 1_000 })
  broker.misbehave = ({ api }) =>
    api.name === 'produce' || api.name === 'describe-producers' ? { kind: 'drop before' } : undefined
  const first = failureOf(producer.send('t', { value: 'a' }))
  await world.pass(600)
  const second = failureOf(producer.send('t', { value: 'b' }))
  t.match(await world.until(first), { code: ErrorCode.REQUEST_TIMED_OUT })
  // Of the second one it is asked whether it is stored, until it has failed as well.
  t.match(await world.until(second), { code: ErrorCode.REQUEST_TIMED_OUT })
  broker.misbehave = ({ api }) => (api.name === 'describe-producers' ? { kind: 'delay', ms: 300 } : undefined)
  const offsets: number[] = []
  for (const value of numbered('c', 8)) {
    offsets.push((await world.until(producer.send('t', { value }))).offset)
    await world.pass(100)
  }
  t.same(broker.texts('t', 0), numbered('c', 8))
  t.same(offsets, [0, 1, 2, 3, 4, 5, 6, 7])
  await world.until(client.close())
})
