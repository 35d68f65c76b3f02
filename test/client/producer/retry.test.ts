/** The producer when things go wrong: nothing is lost in silence, and nothing is put out of order. */
import t from 'tap'
import type { ProducerOptions } from '../../../client/producer/options.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import type { ProduceRequest } from '../../../client/protocol/messages/produce.ts'
import type { FakeRequest, Misbehaviour } from '../support/fake-broker.ts'
import { connected, failureOf, numbered } from '../support/harness.ts'

/** Misbehaves for the produce requests with these numbers, counted from 1. */
function onProduce(
  wrong: Readonly<Record<number, Misbehaviour>>,
): (request: FakeRequest) => Misbehaviour | undefined {
  let count = 0
  return ({ api }) => (api.name === 'produce' ? wrong[++count] : undefined)
}

const onePartition = { kind: 'refuse partitions', partitions: [0] } as const

const plain = { idempotence: false } as const

/** Five batches of two records each, in five requests, all in flight together. */
async function fiveInFlight(
  wrong: Readonly<Record<number, Misbehaviour>>,
  options: ProducerOptions = {},
  requestTimeoutMs = 30_000,
) {
  const harness = await connected(1, { requestTimeoutMs })
  const { world, broker, client } = harness
  const producer = client.producer({ batchBytes: 1_024, lingerMs: 1_000, ...options })
  await world.until(producer.send('t', { value: 'start' }))
  broker.commitMs = 5
  broker.misbehave = onProduce(wrong)
  const startMs = world.nowMs
  const value = 'x'.repeat(450)
  for (const prefix of numbered('r', 10)) producer.append('t', { value: `${prefix} ${value}` })
  const flushed = await world.until(producer.flush())
  const stored = broker
    .texts('t', 0)
    .slice(1)
    .map((text) => Number(text?.slice(1, 2)))
  return { ...harness, flushed, stored, tookMs: world.nowMs - startMs }
}

const inOrder = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

t.test('a connection that is lost before a batch is stored costs nothing', async (t) => {
  const { flushed, stored, broker } = await fiveInFlight({ 1: { kind: 'drop before' } })
  t.same(flushed, { acknowledged: 11, failed: 0 })
  t.same(stored, inOrder)
  t.equal(broker.network.attempts, 2)
})

t.test('a connection that is lost after it was stored: sent again, stored once', async (t) => {
  const { flushed, stored, broker } = await fiveInFlight({ 3: { kind: 'drop after' } })
  t.same(flushed, { acknowledged: 11, failed: 0 })
  t.same(stored, inOrder)
  t.equal(broker.producers.duplicates, 3)
})

t.test('without idempotence it repeats, in order', async (t) => {
  const { flushed, stored } = await fiveInFlight({ 3: { kind: 'drop after' } }, plain)
  t.same(flushed, { acknowledged: 11, failed: 0 })
  t.same(stored, [0, 1, 2, 3, 4, 5, ...inOrder], 'what was stored without an acknowledgement comes twice')
})

t.test('a refusal that may heal: all behind it is refused too, and goes again in order', async (t) => {
  const refused = { ...onePartition, code: ErrorCode.NOT_LEADER_OR_FOLLOWER }
  const { flushed, stored, broker } = await fiveInFlight({ 2: refused, 3: refused, 4: refused, 5: refused })
  t.same(flushed, { acknowledged: 11, failed: 0 })
  t.same(stored, inOrder)
  t.ok(broker.requests.filter((name) => name === 'metadata').length >= 2, 'who leads is asked again')
})

t.test('one batch is refused: the broker refuses all behind it, and they go again in order', async (t) => {
  const refused = { ...onePartition, code: ErrorCode.CORRUPT_MESSAGE }
  const { flushed, stored } = await fiveInFlight({ 2: refused, 5: refused })
  t.same(flushed, { acknowledged: 11, failed: 0 })
  t.same(stored, inOrder)
})

t.test('without idempotence a batch that was overtaken has failed: it is never put behind', async (t) => {
  const refused = { ...onePartition, code: ErrorCode.CORRUPT_MESSAGE }
  const { flushed, stored } = await fiveInFlight({ 2: refused, 5: refused }, plain)
  t.match(flushed, { acknowledged: 9, failed: 2, error: { name: 'CORRUPT_MESSAGE' } })
  t.match(
    flushed.error?.message,
    /^topic t, partition 0: .* A later batch was, or may have been, stored meanwhile/,
  )
  t.same(stored, [0, 1, 4, 5, 6, 7, 8, 9], 'the fifth was refused as well and overtaken by nobody')
})

t.test('a refused batch with a later one of unknown outcome: both go again', async (t) => {
  const refused = { ...onePartition, code: ErrorCode.CORRUPT_MESSAGE }
  const { flushed, stored } = await fiveInFlight({ 2: refused, 3: { kind: 'fall silent' } }, {}, 1_000)
  t.same(flushed, { acknowledged: 11, failed: 0 })
  t.same(stored, inOrder)
})

t.test('without idempotence it counts as overtaken', async (t) => {
  const refused = { ...onePartition, code: ErrorCode.CORRUPT_MESSAGE }
  const { flushed, stored } = await fiveInFlight({ 2: refused, 3: { kind: 'fall silent' } }, plain, 1_000)
  t.match(flushed, { acknowledged: 9, failed: 2, error: { name: 'CORRUPT_MESSAGE' } })
  t.same(stored, [0, 1, 4, 5, 6, 7, 8, 9])
})

t.test('a batch that the disk failed on may be stored: sent again, it is known', async (t) => {
  const refused = { ...onePartition, code: ErrorCode.CORRUPT_MESSAGE }
  const failed = { ...onePartition, code: ErrorCode.KAFKA_STORAGE_ERROR, isStored: true }
  const { flushed, stored } = await fiveInFlight({ 2: failed, 3: refused, 4: refused, 5: refused })
  t.same(flushed, { acknowledged: 11, failed: 0 })
  t.same(stored, inOrder)
})

t.test('without idempotence it comes twice, and nothing is put behind it', async (t) => {
  const refused = { ...onePartition, code: ErrorCode.CORRUPT_MESSAGE }
  const failed = { ...onePartition, code: ErrorCode.KAFKA_STORAGE_ERROR, isStored: true }
  const wrong = { 2: refused, 3: failed, 4: refused, 5: refused }
  const { flushed, stored } = await fiveInFlight(wrong, plain)
  t.match(flushed, { acknowledged: 9, failed: 2, error: { name: 'CORRUPT_MESSAGE' } })
  t.same(stored, [0, 1, 4, 5, 4, 5, 6, 7, 8, 9])
})

t.test('after a refusal nothing is sent until all that is in flight is settled', async (t) => {
  const { world, broker, client } = await connected(1)
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'start' }))
  broker.misbehave = onProduce({
    1: { kind: 'delay', ms: 200 },
    2: { kind: 'refuse', code: ErrorCode.BACKPRESSURE },
  })
  const sends = []
  for (const value of ['a', 'b', 'c', 'd']) {
    sends.push(producer.send('t', { value }))
    await world.pass(20)
  }
  await world.until(Promise.all(sends))
  t.same(broker.texts('t', 0), ['start', 'a', 'b', 'c', 'd'])
})

t.test('a refusal for good fails that batch alone', async (t) => {
  const refused = { ...onePartition, code: ErrorCode.INVALID_TIMESTAMP }
  const { flushed, stored } = await fiveInFlight({ 2: refused })
  t.match(flushed, { acknowledged: 9, failed: 2, error: { name: 'INVALID_TIMESTAMP' } })
  t.same(stored, [0, 1, 4, 5, 6, 7, 8, 9])
})

t.test('a refusal of whole requests, with a time to wait', async (t) => {
  const refused = { kind: 'refuse', code: ErrorCode.BACKPRESSURE, retryAfterMs: 700 } as const
  const all = { 1: refused, 2: refused, 3: refused, 4: refused, 5: refused }
  const { flushed, stored, tookMs } = await fiveInFlight(all)
  t.same(flushed, { acknowledged: 11, failed: 0 })
  t.same(stored, inOrder)
  t.ok(tookMs >= 700 && tookMs < 760, `${tookMs}`)
})

t.test('the back-off grows with every refusal and starts anew after a success', async (t) => {
  const { world, broker, client } = await connected(1)
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'x' }))
  const times: number[] = []
  broker.misbehave = ({ api }) => {
    if (api.name !== 'produce') return undefined
    times.push(world.nowMs)
    return times.length <= 12 ? { ...onePartition, code: ErrorCode.KAFKA_STORAGE_ERROR } : undefined
  }
  await world.until(producer.send('t', { value: 'y' }))
  const gaps = times.slice(1).map((time, i) => time - times[i])
  t.equal(gaps.length, 12)
  for (const [i, gap] of gaps.entries())
    t.ok(gap <= Math.min(1_000, 50 * 2 ** i) + 2, `${gap} after ${i + 1} refusals`)
  t.ok(Math.max(...gaps.slice(5)) > 300)
})

t.test('the delivery timeout: told with the reason, nothing after it is lost', async (t) => {
  const { world, broker, client } = await connected(1, { reconnect: { backoffMaxMs: 200 } })
  const producer = client.producer({ deliveryTimeoutMs: 2_000 })
  await world.until(producer.send('t', { value: 'start' }))
  broker.stop()
  const startMs = world.nowMs
  const early = failureOf(producer.send('t', { value: 'early' }))
  await world.pass(1_500)
  const late = producer.send('t', { value: 'late' })
  t.match(await world.until(early), {
    code: ErrorCode.REQUEST_TIMED_OUT,
    message:
      /^topic t: not acknowledged within 2000 ms; cannot connect to ws:\/\/127.0.0.1:7654: connection refused/,
  })
  t.equal(Math.round(world.nowMs - startMs), 2_000)
  broker.start()
  t.match(await world.until(late), { offset: 1 })
  t.same(broker.texts('t', 0), ['start', 'late'])
})

t.test('records that wait for a topic to be known time out too', async (t) => {
  const { world, broker, client } = await connected(1)
  broker.stop()
  await world.pass(1)
  const producer = client.producer({ deliveryTimeoutMs: 5_000 })
  producer.append('t', { value: 'a' })
  const failure = failureOf(producer.send('t', { value: 'b' }))
  t.match(await world.until(failure), { code: ErrorCode.REQUEST_TIMED_OUT })
  t.match(await world.until(producer.flush()), { acknowledged: 0, failed: 2 })
  t.equal(Math.round(world.nowMs), 5_001)
})

t.test('a topic that is deleted fails what is on its way; created again, it is used again', async (t) => {
  const { world, broker, client } = await connected(1)
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'a' }))
  broker.topics.delete('t')
  t.match(await failureOf(world.until(producer.send('t', { value: 'b' }))), {
    code: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    message: 'there is no topic "t"',
  })
  broker.createTopic('t', 2)
  t.match(await world.until(producer.send('t', { value: 'c', partition: 1 })), { offset: 0, partition: 1 })
  broker.topics.delete('t')
  broker.createTopic('t', 1)
  t.match(
    await world.until(producer.send('t', { value: 'd', partition: 0 })),
    { offset: 0 },
    'with another id',
  )
  t.same(broker.texts('t', 0), ['d'])
})

t.test('batches that come back for a topic that is gone are failed, not forgotten', async (t) => {
  const { world, broker, client } = await connected(1, { metadataMaxAgeMs: 50 })
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'a' }))
  broker.misbehave = ({ api }) => {
    if (api.name !== 'produce') return undefined
    // The topic goes while the request is under way, and the client hears of that first.
    world.after(1, () => broker.topics.delete('t'))
    return { kind: 'refuse', code: ErrorCode.NOT_LEADER_OR_FOLLOWER, afterMs: 200 }
  }
  t.match(await failureOf(world.until(producer.send('t', { value: 'b' }))), {
    message: 'there is no topic "t"',
  })
  t.match(await world.until(producer.flush()), { acknowledged: 1, failed: 1 })
})

t.test('an answer that never comes ends the connection, and the batch goes again', async (t) => {
  const { world, broker, client } = await connected(1, { requestTimeoutMs: 1_000 })
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'a' }))
  broker.misbehave = onProduce({ 1: { kind: 'ignore' } })
  t.match(await world.until(producer.send('t', { value: 'b' })), { offset: 1 })
  t.equal(broker.network.attempts, 2)
  t.same(broker.texts('t', 0), ['a', 'b'])
})

t.test('an answer for something else ends the connection, and the batch goes again', async (t) => {
  const { world, broker, client } = await connected(1)
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'a' }))
  let asked = 0
  broker.misbehave = ({ api, message }) => {
    // The broker handles the request as if it were for another partition.
    if (api.name === 'produce' && ++asked === 1) (message as ProduceRequest).partitions[0].partition = 7
    return undefined
  }
  t.match(await world.until(producer.send('t', { value: 'b' })), { offset: 1 })
  t.equal(broker.network.attempts, 2)
})

t.test('close waits for a broker that comes back, and loses nothing', async (t) => {
  const { world, broker, client } = await connected(4)
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'start', partition: 0 }))
  broker.stop()
  const values = numbered('v', 1_000)
  for (const [i, value] of values.entries()) producer.append('t', { value, partition: i % 4 })
  const closed = client.close()
  await world.pass(60_000)
  broker.start()
  await world.until(closed)
  const stored = [0, 1, 2, 3].flatMap((partition) => broker.texts('t', partition))
  t.same(new Set(stored), new Set(['start', ...values]))
  t.equal(stored.length, 1_001)
})

t.test('close of a client whose broker never comes back ends with the delivery timeout', async (t) => {
  const { world, broker, client } = await connected(1)
  const producer = client.producer({ deliveryTimeoutMs: 3_000 })
  await world.until(producer.send('t', { value: 'start' }))
  broker.stop()
  await world.pass(100)
  const sent = failureOf(producer.send('t', { value: 'lost' }))
  await world.until(client.close())
  t.match(await sent, { code: ErrorCode.REQUEST_TIMED_OUT })
  t.equal(Math.round(world.nowMs), 3_101)
  t.equal(world.pendingCount, 0)
})
