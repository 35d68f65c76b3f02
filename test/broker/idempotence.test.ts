/**
 * Idempotent produce on a real broker, in bare frames: what is sent again after a lost connection or a
 * SIGKILL is stored once, who was fenced stores nothing, and a named producer goes on where it was.
 */

import t from 'tap'
import { apis } from '../../client/protocol/api.ts'
import { ErrorCode, errorDefinition } from '../../client/protocol/errors.ts'
import type { InitProducerIdRequest } from '../../client/protocol/messages/init-producer-id.ts'
import { idempotentBatch as batchWithOldTimes } from '../storage/log/idempotent-batches.ts'
import { adminHeaders } from '../support/admin-key.ts'
import { BrokerProcess } from '../support/broker-process.ts'
import { roundsOf } from '../support/rounds.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { ProtocolClient } from './protocol-client.ts'

const broker = await BrokerProcess.start(['--storage-segment-bytes', '16MiB'])
t.teardown(() => broker.destroy())

const idempotentBatch: typeof batchWithOldTimes = (batch) =>
  batchWithOldTimes({ timestampMs: Date.now(), ...batch })

function init(client: ProtocolClient, request: Partial<InitProducerIdRequest> = {}) {
  return client.call(apis.initProducerId, {
    producerName: null,
    producerId: -1,
    producerEpoch: -1,
    ...request,
  })
}

/** Where the batch is, or the name of the error. */
async function outcome(answering: ReturnType<ProtocolClient['produce']>): Promise<number | string> {
  const { error, baseOffset } = await answering
  return error === ErrorCode.NONE ? baseOffset : errorDefinition(error).name
}

async function describe(
  client: ProtocolClient,
  topicId: Uint8Array,
  producerId: number,
  partitions: readonly number[],
) {
  const asked = partitions.map((partition) => ({ topicId, partition }))
  const answer = await client.call(apis.describeProducers, { producerId, partitions: asked })
  return answer.partitions
}

t.test('a batch sent again after a lost connection or a SIGKILL is stored once', async (t) => {
  const first = await ProtocolClient.connect(broker.url)
  const topicId = await first.createTopic('idempotence.again', 2)
  const { producerId } = await init(first)
  const batch = (sequence: number) => idempotentBatch({ producerId, first: sequence, records: 3 })
  for (let i = 0; i < 6; i++) t.equal(await outcome(first.produce(topicId, 0, batch(i * 3))), i * 3)
  await first.close()

  const second = await ProtocolClient.connect(broker.url)
  for (let i = 1; i < 6; i++) t.equal(await outcome(second.produce(topicId, 0, batch(i * 3))), i * 3)
  t.equal(await outcome(second.produce(topicId, 0, batch(0))), 'DUPLICATE_SEQUENCE_NUMBER')
  t.equal(await outcome(second.produce(topicId, 0, batch(21))), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  t.equal(await outcome(second.produce(topicId, 1, batch(18))), 'UNKNOWN_PRODUCER_ID')
  t.equal(
    await outcome(second.produce(topicId, 0, idempotentBatch({ producerId, epoch: 1, first: 3 }))),
    'OUT_OF_ORDER_SEQUENCE_NUMBER',
  )

  await broker.end('SIGKILL')
  await broker.restart()
  const third = await ProtocolClient.connect(broker.url)
  for (let i = 1; i < 6; i++) t.equal(await outcome(third.produce(topicId, 0, batch(i * 3))), i * 3)
  t.equal(await outcome(third.produce(topicId, 0, batch(18))), 18)
  const { records } = await third.fetch(topicId, 0, 0)
  t.same(
    records.map(({ offset }) => offset),
    Array.from({ length: 21 }, (_, i) => i),
  )
  await third.close()
})

t.test(
  'a producer without a name that has a new epoch: what it sent before is refused everywhere',
  async (t) => {
    const client = await ProtocolClient.connect(broker.url)
    const topicId = await client.createTopic('idempotence.renewed', 2)
    const { producerId } = await init(client)
    const batch = (epoch: number, first: number) => idempotentBatch({ producerId, epoch, first, records: 3 })
    t.equal(await outcome(client.produce(topicId, 0, batch(0, 0))), 0)
    t.same(await init(client, { producerId, producerEpoch: 0 }), { producerId, producerEpoch: 1 })
    t.equal(await outcome(client.produce(topicId, 0, batch(0, 3))), 'INVALID_PRODUCER_EPOCH')
    t.equal(await outcome(client.produce(topicId, 1, batch(0, 0))), 'INVALID_PRODUCER_EPOCH')
    const [standing] = await describe(client, topicId, producerId, [0])
    t.match(standing, { producerEpoch: 0, nextSequence: 3 })
    t.equal(await outcome(client.produce(topicId, 0, batch(1, 0))), 3)
    t.equal(await outcome(client.produce(topicId, 1, batch(1, 0))), 0)
    await client.close()
  },
)

t.test('what waits when a new epoch is asked for is durable or refused when it is given', async (t) => {
  const client = await ProtocolClient.connect(broker.url)
  const topicId = await client.createTopic('idempotence.waiting', 1)
  let { producerId, producerEpoch } = await init(client)
  let stored = 0
  for (let round = 0; round < 20; round++) {
    const batch = { producerId, epoch: producerEpoch, records: 3 }
    const answers = [0, 3, 6].map((first) =>
      outcome(client.produce(topicId, 0, idempotentBatch({ ...batch, first }))),
    )
    const given = await init(client, { producerId, producerEpoch })
    const [standing] = await describe(client, topicId, producerId, [0])
    const outcomes = await Promise.all(answers)
    const held = outcomes.filter((each) => typeof each === 'number').length * 3
    t.ok(outcomes.every((each) => typeof each === 'number' || each === 'INVALID_PRODUCER_EPOCH'))
    if (held > 0) t.match(standing, { producerEpoch, nextSequence: held })
    stored += held
    producerId = given.producerId
    producerEpoch = given.producerEpoch
  }
  const { records } = await client.fetch(topicId, 0, 0)
  t.equal(records.length, stored)
  await client.close()
})

t.test('two batches of an idempotent producer do not share an entry', async (t) => {
  const client = await ProtocolClient.connect(broker.url)
  const topicId = await client.createTopic('idempotence.pair', 1)
  const { producerId } = await init(client)
  const pair = Buffer.concat([
    idempotentBatch({ producerId, first: 0 }),
    idempotentBatch({ producerId, first: 10 }),
  ])
  t.match(await client.produce(topicId, 0, pair), {
    error: ErrorCode.INVALID_REQUEST,
    message: /is not alone in the entry of its partition/,
  })
  const mixed = Buffer.concat([
    idempotentBatch({ producerId: -1, epoch: -1, first: -1 }),
    idempotentBatch({ producerId, first: 0 }),
  ])
  t.match(await client.produce(topicId, 0, mixed), { error: ErrorCode.INVALID_REQUEST })
  t.equal(await outcome(client.produce(topicId, 0, idempotentBatch({ producerId, first: 0 }))), 0)
  await client.close()
})

t.test('acks 0 follows the same rules', async (t) => {
  const client = await ProtocolClient.connect(broker.url)
  const topicId = await client.createTopic('idempotence.unacknowledged', 1)
  const { producerId } = await init(client)
  const send = (first: number) => {
    const batch = idempotentBatch({ producerId, first })
    const partitions = [{ topicId, partition: 0, leaderEpoch: -1, bytes: batch.length }]
    return client.call(apis.produce, { acks: 0, timeoutMs: 5_000, transactionalId: null, partitions }, batch)
  }
  for (const first of [0, 0, 20, 10, 10]) await send(first)
  t.equal(await outcome(client.produce(topicId, 0, idempotentBatch({ producerId, first: 20 }))), 20)
  await client.close()
})

t.test(
  'whoever claims a name fences its predecessor on every partition, and goes on from there',
  async (t) => {
    const [old, young] = [await ProtocolClient.connect(broker.url), await ProtocolClient.connect(broker.url)]
    const topicId = await old.createTopic('idempotence.fenced', 3)
    const producerName = 'lab.detector-7'
    const before = await init(old, { producerName })
    const { producerId } = before
    const batch = (epoch: number, first: number) => idempotentBatch({ producerId, epoch, first })
    t.equal(await outcome(old.produce(topicId, 0, batch(before.producerEpoch, 0))), 0)
    t.equal(await outcome(old.produce(topicId, 0, batch(before.producerEpoch, 10))), 10)
    // Its answers are lost, for all it knows.
    const unanswered = [0, 1].map((partition) =>
      outcome(old.produce(topicId, partition, batch(before.producerEpoch, partition === 0 ? 20 : 0))),
    )

    const after = await init(young, { producerName })
    t.same(after, { producerId, producerEpoch: before.producerEpoch + 1 })
    const [zero, one, two] = await describe(young, topicId, producerId, [0, 1, 2])
    for (const partition of [0, 1, 2])
      t.equal(
        await outcome(old.produce(topicId, partition, batch(before.producerEpoch, partition === 0 ? 30 : 0))),
        'INVALID_PRODUCER_EPOCH',
      )
    t.same(
      await describe(young, topicId, producerId, [0, 1, 2]),
      [zero, one, two],
      'nothing came after the answer',
    )
    t.match(two, { error: ErrorCode.NONE, producerEpoch: -1, nextSequence: -1 })

    // What the old one had in flight is there or not, and described either way.
    const told = await Promise.all(unanswered)
    t.equal(zero.nextSequence, told[0] === 20 ? 30 : 20)
    t.equal(one.nextSequence, told[1] === 0 ? 10 : -1)
    const next = zero.nextSequence
    t.equal(await outcome(young.produce(topicId, 0, batch(after.producerEpoch, next - 10))), next - 10)
    t.equal(await outcome(young.produce(topicId, 0, batch(after.producerEpoch, next))), next)

    await broker.end('SIGKILL')
    await broker.restart()
    const reborn = await ProtocolClient.connect(broker.url)
    const latest = await init(reborn, { producerName })
    t.same(latest, { producerId, producerEpoch: after.producerEpoch + 1 })
    t.equal(
      await outcome(reborn.produce(topicId, 0, batch(after.producerEpoch, next + 10))),
      'INVALID_PRODUCER_EPOCH',
    )
    t.match(await describe(reborn, topicId, producerId, [0]), [
      {
        producerEpoch: after.producerEpoch,
        lastSequence: next + 9,
        nextSequence: next + 10,
        lastOffset: next + 9,
        lastTimestampMs: Number,
      },
    ])
    t.equal(await outcome(reborn.produce(topicId, 0, batch(latest.producerEpoch, next + 10))), next + 10)
    for (const client of [old, young]) client.socket.terminate()
    await reborn.close()
  },
)

t.test('what cannot be described says so', async (t) => {
  const client = await ProtocolClient.connect(broker.url)
  const topicId = await client.createTopic('idempotence.described', 1)
  const { producerId } = await init(client)
  t.match(await describe(client, topicId, producerId, [0, 1]), [
    { error: ErrorCode.NONE, producerEpoch: -1, lastSequence: -1, nextSequence: -1, lastOffset: -1 },
    { error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message: /has partitions 0 to 0, not 1/ },
  ])
  t.match(await describe(client, topicId, 4, [0]), [
    { error: ErrorCode.UNKNOWN_PRODUCER_ID, nextSequence: -1 },
  ])
  await t.rejects(describe(client, topicId, 4, [0, 0]), { code: ErrorCode.INVALID_REQUEST })
  t.match(await describe(client, new Uint8Array(16), 4, [0]), [{ error: ErrorCode.UNKNOWN_TOPIC_ID }])
  await client.close()
})

t.test('status and metrics tell how many are remembered', async (t) => {
  const client = await ProtocolClient.connect(broker.url)
  const topicId = await client.createTopic('idempotence.counted', 2)
  const { producers: before } = await client.call(apis.status, {})
  const { producerId } = await init(client)
  const named = await init(client, { producerName: 'lab.counted' })
  for (const [id, partition] of [
    [producerId, 0],
    [producerId, 1],
    [named.producerId, 1],
  ])
    await client.produce(topicId, partition, idempotentBatch({ producerId: id, first: 0 }))
  await client.produce(topicId, 0, idempotentBatch({ producerId, first: 0 }))
  const { producers } = await client.call(apis.status, {})
  t.same({ ...producers, idsMax: 0 }, { names: before.names + 1, ids: before.ids + 3, idsMax: 0 })
  const text = await (await fetch(`${broker.httpUrl}/metrics`, { headers: adminHeaders })).text()
  t.match(text, new RegExp(`^octopus_producer_ids ${producers.ids}$`, 'm'))
  t.match(text, new RegExp(`^octopus_producer_ids_max ${producers.idsMax}$`, 'm'))
  t.match(text, new RegExp(`^octopus_producer_names ${producers.names}$`, 'm'))
  t.match(text, /^octopus_producer_duplicates_total [1-9]/m)
  await client.close()
})

t.test('SIGKILL under load: everything once, in order, where it was acknowledged', async (t) => {
  const random = seededRandom(t)
  const cycles = process.env.OCTOPUS_SOAK === '1' ? 100 : 6
  const setup = await ProtocolClient.connect(broker.url)
  const topicId = await setup.createTopic('idempotence.killed', 1)
  const given = [(await init(setup)).producerId, (await init(setup)).producerId]
  await setup.close()
  const [producerId] = given
  const acknowledged = new Map<number, number>()
  let next = 0
  /** Answers of the last five batches may be missing: they are sent again first, in order. */
  let unanswered: { first: number; records: number }[] = []
  const send = async (client: ProtocolClient, batch: { first: number; records: number }) => {
    const { error, message, baseOffset } = await client.produce(
      topicId,
      0,
      idempotentBatch({ producerId, ...batch }),
    )
    if (error !== ErrorCode.NONE) throw new Error(`${errorDefinition(error).name}: ${message}`)
    acknowledged.set(batch.first, baseOffset)
    unanswered = unanswered.filter((other) => other !== batch)
  }
  for (const _cycle of roundsOf(t, cycles)) {
    const client = await ProtocolClient.connect(broker.url)
    const sending = unanswered.map((batch) => send(client, batch))
    const goal = next + 100 + random.below(2_000)
    let killing: Promise<unknown> | undefined
    while (!killing) {
      while (unanswered.length < 5) {
        const batch = { first: next, records: 1 + random.below(20) }
        next += batch.records
        unanswered.push(batch)
        sending.push(send(client, batch))
      }
      if (next >= goal) killing = broker.end('SIGKILL')
      else await Promise.race(sending.slice(-5))
    }
    const outcomes = await Promise.allSettled(sending)
    for (const one of outcomes)
      if (one.status === 'rejected' && !/^closed with/.test(one.reason.message)) throw one.reason
    await killing
    await broker.restart()
    const probe = await ProtocolClient.connect(broker.url)
    const fresh = (await init(probe)).producerId
    t.notOk(given.includes(fresh), 'an id given before is not given again')
    given.push(fresh)
    await probe.close()
  }
  const client = await ProtocolClient.connect(broker.url)
  await Promise.all(unanswered.map((batch) => send(client, batch)))
  let read = 0
  for (;;) {
    const { records } = await client.fetch(topicId, 0, read)
    if (records.length === 0) break
    for (const { offset } of records)
      if (offset !== read++) throw new Error(`offset ${offset} in place of ${read - 1}`)
  }
  t.equal(read, next, 'as many as were sent')
  for (const [first, offset] of acknowledged)
    if (first !== offset) t.fail(`the batch from ${first} on was acknowledged at ${offset}`)
  t.comment(`${next} records in ${acknowledged.size} batches over ${cycles} kills`)
  await client.close()
})
