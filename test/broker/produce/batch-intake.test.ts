/** From a request to the log: what is done to batches, in which order they are stored, and what may happen meanwhile. */
import t from 'tap'
import { Policy } from '../../../auth/acl/policy.ts'
import { planOf } from '../../../broker/produce/batch-plan.ts'
import { contextOf, sessionOf, userIdentity } from '../sessions.ts'
import { intakeWorld, NOW_MS, settled, valuesOf } from './intake-world.ts'
import { event, eventsBatch } from './produced-batches.ts'

const numbers = (from: number, count: number, bytes = 100) =>
  Array.from({ length: count }, (_, at) => event(from + at, bytes))

t.test('what is done with a batch follows from its codec and the topic', async (t) => {
  const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
  for (const codec of codecs)
    for (const wanted of [...codecs, 'producer'] as const) {
      const stays = wanted === 'producer' || wanted === codec
      t.equal(planOf(codec, wanted), !stays ? 'rebuild' : codec === 'none' ? 'keep' : 'check')
    }
})

t.test('an uncompressed batch of a topic as it comes is in the log when the call returns', async (t) => {
  const { intake, pool, logs, send, stored } = await intakeWorld()
  const answering = send([eventsBatch(0, 500)])
  t.equal(logs[0].waitingAppends, 1, 'at once')
  t.equal(intake.waiting, 0)
  t.match(await answering, [{ error: 'NONE', baseOffset: 0, logAppendTimeMs: -1 }])
  t.same([pool.held.length, pool.ranNow], [0, 0], 'the pool has had nothing to do')
  t.match(stored(), [{ compression: 'none', time: 'create' }])
})

t.test('small batches are worked on at once, large ones by a thread', async (t) => {
  const { pool, logs, send, stored } = await intakeWorld({ 'compression.type': 'gzip' })
  const small = send([eventsBatch(0, 2)])
  t.same([logs[0].waitingAppends, pool.ranNow, pool.held.length], [1, 1, 0])
  await small
  const large = send([eventsBatch(2, 50)])
  t.same([logs[0].waitingAppends, pool.ranNow, pool.held.length], [0, 1, 1])
  pool.take().finish()
  t.match(await large, [{ error: 'NONE', baseOffset: 2 }])
  t.same(
    stored().map(({ compression, records }) => [compression, records.length]),
    [
      ['gzip', 2],
      ['gzip', 50],
    ],
  )
})

t.test('what is small as it was sent and large inside is a thread’s', async (t) => {
  const { pool, send, stored } = await intakeWorld({}, { offloadBytesMin: 100_000 })
  const swollen = eventsBatch(0, 30, { valueBytes: 100_000, compression: 'gzip' })
  t.ok(swollen.length < 100_000)
  const answering = send([swollen])
  t.same([pool.ranNow, pool.held.length], [1, 1], 'begun at once, given up, begun anew')
  pool.take().finish()
  t.match(await answering, [{ error: 'NONE', baseOffset: 0 }])
  t.equal(valuesOf(stored()).length, 30)
})

t.test('the more packing costs, the less may be inside for the event loop', async (t) => {
  const swollen = eventsBatch(0, 6, { valueBytes: 10_000, compression: 'zstd' })
  for (const [compression, isForThread] of [
    ['lz4', false],
    ['gzip', true],
  ] as const) {
    const { pool, send } = await intakeWorld({ 'compression.type': compression }, { offloadBytesMin: 16_000 })
    const answering = send([swollen])
    t.equal(pool.held.length, isForThread ? 1 : 0, compression)
    if (isForThread) pool.take().finish()
    t.match(await answering, [{ error: 'NONE', baseOffset: 0 }])
  }
})

t.test('many small batches of one request do not hold up the event loop', async (t) => {
  const { pool, clock, send, stored } = await intakeWorld({ 'compression.type': 'gzip' }, { partitions: 5 })
  pool.onNow = () => {
    clock.ms += 1.5
  }
  const small = () => send([0, 1, 2, 3, 4].map((n) => eventsBatch(n, 2)))
  const first = small()
  t.same(
    [pool.ranNow, pool.held.length],
    [3, 2],
    'until the turn has had its share, then they are for threads',
  )
  const second = small()
  t.same([pool.ranNow, pool.held.length], [3, 7])
  await settled()
  while (pool.held.length > 0) pool.take().finish()
  const third = small()
  t.same([pool.ranNow, pool.held.length], [6, 2], 'the next turn has its own')
  while (pool.held.length > 0) pool.take().finish()
  for (const answers of await Promise.all([first, second, third]))
    t.same(
      answers.map(({ error }) => error),
      Array(5).fill('NONE'),
    )
  t.same(valuesOf(stored(4)), [...numbers(4, 2), ...numbers(4, 2), ...numbers(4, 2)])
})

t.test('the order of a partition is that of arrival, whatever becomes ready first', async (t) => {
  const { pool, intake, send, stored } = await intakeWorld()
  const gzip = { compression: 'gzip', valueBytes: 1_000 } as const
  const answers = [
    send([eventsBatch(0, 300, gzip)]),
    send([eventsBatch(300, 10, { valueBytes: 1_000 })]),
    send([eventsBatch(310, 300, gzip), eventsBatch(0, 1)]),
    send([eventsBatch(610, 2, { valueBytes: 1_000 })]),
  ]
  t.same([pool.held.length, intake.waiting], [2, 4])
  pool.take(1).finish()
  await settled()
  t.same(valuesOf(stored()), [], 'the first has not been done')
  t.same(valuesOf(stored(1)), [event(0)], 'another partition does not wait')
  pool.take().finish()
  t.same(
    (await Promise.all(answers)).map(([{ error, baseOffset }]) => [error, baseOffset]),
    [
      ['NONE', 0],
      ['NONE', 300],
      ['NONE', 310],
      ['NONE', 610],
    ],
  )
  t.same(valuesOf(stored()), numbers(0, 612, 1_000))
  t.equal(intake.waiting, 0)
  const last = send([eventsBatch(612, 1)])
  t.equal(intake.waiting, 0, 'the short way again')
  await last
})

t.test('what the pool cannot do is answered once, and may be sent again', async (t) => {
  const codes = [
    ['worker-died', 'WORKER_FAILED'],
    ['failed', 'WORKER_FAILED'],
    ['overloaded', 'BACKPRESSURE'],
    ['closed', 'SHUTTING_DOWN'],
  ] as const
  for (const [reason, code] of codes) {
    const { pool, send, stored } = await intakeWorld({ 'compression.type': 'gzip' })
    const first = send([eventsBatch(0, 50)])
    const second = send([eventsBatch(50, 50)])
    pool.take(1).finish()
    pool.take().fail(reason)
    t.match(await first, [{ error: code, message: `the pool says ${reason}`, baseOffset: -1 }])
    t.match(await second, [{ error: 'NONE', baseOffset: 0 }], 'who came behind is not harmed')
    t.same(valuesOf(stored()), numbers(50, 50))
  }
})

t.test('behind a lost batch of an idempotent producer nothing of it is taken', async (t) => {
  const { pool, send, stored } = await intakeWorld({ 'compression.type': 'gzip' })
  const batch = (from: number) =>
    eventsBatch(from, 50, { producerId: 8, producerEpoch: 0, baseSequence: from })
  const answers = [send([batch(0)]), send([batch(50)]), send([batch(100)])]
  pool.take(2).finish()
  pool.take(1).fail('worker-died')
  pool.take().finish()
  t.same(
    (await Promise.all(answers)).map(([{ error }]) => error),
    ['NONE', 'WORKER_FAILED', 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
  )
  const again = [send([batch(0)]), send([batch(50)]), send([batch(100)])]
  for (let left = 3; left > 0; left--) pool.take(left - 1).finish()
  t.same(
    (await Promise.all(again)).map(([{ error, baseOffset }]) => [error, baseOffset]),
    [
      ['NONE', 0],
      ['NONE', 50],
      ['NONE', 100],
    ],
  )
  t.same(valuesOf(stored()), numbers(0, 150))
})

t.test('without acknowledgement a request keeps its room until the log has its batches', async (t) => {
  const { pool, send, stored } = await intakeWorld({ 'compression.type': 'gzip' })
  let isAnswered = false
  const answering = send([eventsBatch(0, 50)], { acks: 0 }).then((answers) => {
    isAnswered = true
    return answers
  })
  await settled()
  t.equal(isAnswered, false)
  pool.take().finish()
  t.match(await answering, [{ error: 'NONE', baseOffset: -1, logAppendTimeMs: -1 }])
  const lost = send([eventsBatch(50, 50)], { acks: 0 })
  pool.take().fail('overloaded')
  t.match(await lost, [{ error: 'BACKPRESSURE' }], 'it is told that this one is lost')
  await settled()
  t.same(valuesOf(stored()), numbers(0, 50))
})

t.test('what happens while a batch is away', async (t) => {
  const away = async (meanwhile: (world: Awaited<ReturnType<typeof intakeWorld>>) => unknown) => {
    const world = await intakeWorld({ 'compression.type': 'gzip' })
    await world.send([eventsBatch(0, 1)])
    const answering = world.send([eventsBatch(0, 50)])
    await meanwhile(world)
    world.pool.take().finish()
    const [{ error }] = await answering
    return [error, world.logs[0].durableOffset]
  }
  t.same(await away(() => {}), ['NONE', 51])
  t.same(await away(({ deleteTopic }) => deleteTopic()), ['UNKNOWN_TOPIC_ID', 1])
  t.same(await away(({ shard, logs }) => shard.truncateTo(logs[0], 0)), ['NONE', 50], 'behind what is left')
  t.same(await away(({ shard }) => shard.close()), ['SHUTTING_DOWN', 1])
  t.same(await away(({ shard, logs }) => shard.beginLeaderEpoch(logs[0], 5)), ['NONE', 51])
  t.same(
    await away(async ({ syncs, send }) => {
      syncs.failure = new Error('the disk is gone')
      t.match(await send([new Uint8Array(0), eventsBatch(0, 1)]), [{}, { error: 'KAFKA_STORAGE_ERROR' }])
    }),
    ['KAFKA_STORAGE_ERROR', 1],
  )
  t.same(
    await away(({ alter }) => alter({ 'max.message.bytes': '68' })),
    ['NONE', 51],
    'the configs are those of its arrival',
  )
})

t.test('who may not write any more has written nothing', async (t) => {
  const world = await intakeWorld({ 'compression.type': 'gzip' })
  const { pool, send, logs } = world
  const policy = new Policy()
  const session = sessionOf(undefined, policy)
  const context = contextOf(session, NOW_MS)
  const answering = send([eventsBatch(0, 50)], { context })
  session.revoked()
  pool.take().finish()
  t.match(await answering, [{ error: 'CREDENTIAL_EXPIRED', baseOffset: -1 }])
  t.equal(logs[0].durableOffset, 0)
})

t.test('a right that is taken away, and one that ends', async (t) => {
  const writer = {
    id: 'write',
    principal: 'user:ada',
    resource: { type: 'topic', name: 'lab.events', match: 'literal' },
    operations: ['write', 'describe'],
    effect: 'allow',
    expiresAtMs: null,
    grantedBy: 'user:admin',
    createdAtMs: 0,
    note: null,
  } as const
  const clock = { ms: NOW_MS, nowMs: () => clock.ms }
  const outcome = async (expiresAtMs: number | null, meanwhile: (policy: Policy) => void) => {
    const { pool, send, logs } = await intakeWorld({ 'compression.type': 'gzip' })
    const policy = new Policy()
    policy.putEntry({ ...writer, expiresAtMs })
    const context = contextOf(sessionOf(userIdentity('ada'), policy, clock), NOW_MS)
    const answering = send([eventsBatch(0, 50)], { context })
    meanwhile(policy)
    pool.take().finish()
    const [{ error }] = await answering
    t.equal(logs[0].durableOffset, error === 'NONE' ? 50 : 0)
    return error
  }
  t.equal(await outcome(null, () => {}), 'NONE')
  t.equal(
    await outcome(null, (policy) => policy.removeEntry('write')),
    'UNKNOWN_TOPIC_ID',
    'it is not there for him',
  )
  const readable = { ...writer, operations: ['describe'] } as const
  t.equal(await outcome(null, (policy) => policy.putEntry(readable)), 'TOPIC_AUTHORIZATION_FAILED')
  const later = () => {
    clock.ms += 20
  }
  t.equal(await outcome(NOW_MS + 10, later), 'UNKNOWN_TOPIC_ID')
})

t.test('several batches in one entry: all or nothing, and none of them compressed', async (t) => {
  const { pool, send, stored } = await intakeWorld({ 'compression.type': 'gzip' })
  const both = new Uint8Array(Buffer.concat([eventsBatch(0, 30), eventsBatch(30, 30)]))
  const answering = send([both])
  pool.take().finish()
  t.match(await answering, [{ error: 'NONE', baseOffset: 0 }])
  t.same(
    stored().map(({ compression, records }) => [compression, records.length]),
    [
      ['gzip', 30],
      ['gzip', 30],
    ],
  )
  const packed = eventsBatch(60, 30, { compression: 'gzip' })
  for (const pair of [
    [eventsBatch(0, 30), packed],
    [packed, packed],
  ])
    t.match(await send([new Uint8Array(Buffer.concat(pair))]), [
      {
        error: 'INVALID_REQUEST',
        message: 'a compressed record batch is not alone in the entry of its partition',
      },
    ])
  const broken = eventsBatch(30, 30)
  broken[broken.length - 1] ^= 1
  const half = send([new Uint8Array(Buffer.concat([eventsBatch(0, 30), broken]))])
  pool.take().finish()
  t.match(await half, [{ error: 'CORRUPT_MESSAGE' }])
  t.equal(stored().length, 2)
})

t.test('the time of appending', async (t) => {
  const { pool, send, stored, clock } = await intakeWorld(
    { 'message.timestamp.type': 'LogAppendTime' },
    { offloadBytesMin: 1 },
  )
  const old = { timestampMs: 5 }
  const producer = { producerId: 8, producerEpoch: 0 }
  const plain = await send([eventsBatch(0, 3, { ...old, ...producer, baseSequence: 0 })])
  t.match(plain, [{ error: 'NONE', baseOffset: 0, logAppendTimeMs: NOW_MS }])
  const packed = eventsBatch(3, 3, {
    ...old,
    ...producer,
    baseSequence: 3,
    compression: 'gzip',
    valueBytes: 9_000,
  })
  clock.ms += 10
  const away = send([packed])
  const behind = send([eventsBatch(6, 1, { ...old, ...producer, baseSequence: 6 })])
  clock.ms += 1_000
  pool.take().finish()
  t.match(
    await away,
    [{ baseOffset: 3, logAppendTimeMs: NOW_MS + 1_010 }],
    'when it is stored, not when it came',
  )
  t.match(await behind, [{ baseOffset: 6, logAppendTimeMs: NOW_MS + 1_010 }])
  t.same(
    stored().map(({ time, compression, records }) => [
      time,
      compression,
      records.map((each) => each.timestampMs),
    ]),
    [
      ['append', 'none', [NOW_MS, NOW_MS, NOW_MS]],
      ['append', 'gzip', [NOW_MS + 1_010, NOW_MS + 1_010, NOW_MS + 1_010]],
      ['append', 'none', [NOW_MS + 1_010]],
    ],
  )
  clock.ms += 50_000
  const repeated = send([packed])
  pool.take().finish()
  t.match(
    await repeated,
    [{ error: 'NONE', baseOffset: 3, logAppendTimeMs: NOW_MS + 1_010 }],
    'the time it has',
  )
  t.equal(stored().length, 3)
})
