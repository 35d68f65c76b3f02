/** Fetch against a log in memory: what it sends, when it waits, and how much it may put into one connection. */
import t from 'tap'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { batch, Connection, context, request, setup, turns } from './fetch-harness.ts'

t.test('many fetches that wait for one connection put no more into it than one would', async (t) => {
  const { shard, logs, fetch } = await setup()
  const bytes = batch(50_000)
  for (let i = 0; i < 4; i++) await shard.append({}, logs[0], bytes)
  const connection = new Connection(60_000)
  let answered = 0
  for (let i = 0; i < 30; i++) fetch(request([{}]), connection, context).then(() => answered++)
  for (let i = 0; i < 200 && answered < 30; i++) {
    await turns()
    connection.drain()
  }
  t.equal(answered, 30)
  t.equal(connection.sent.length, 30 * 4, 'everybody got everything')
  t.ok(
    connection.bufferedMax <= 60_000 + bytes.length,
    `at most ${connection.bufferedMax} bytes were buffered`,
  )
})

t.test('a fetch waits for bytes, and for no longer than it said', async (t) => {
  const { shard, logs, fetch, purgatory, timers } = await setup()
  const connection = new Connection(1_000_000)
  const waiting = fetch(request([{}, { partition: 1 }], { maxWaitMs: 500 }), connection, context)
  await turns()
  t.equal(purgatory.size, 1)
  t.strictSame(connection.sent, [])
  const bytes = batch(10)
  await shard.append({}, logs[1], bytes)
  const { partitions } = await waiting
  t.strictSame(connection.sent, [[1, bytes.length]])
  t.strictSame(
    partitions.map(({ partition, error, highWatermark, bytes }) => [partition, error, highWatermark, bytes]),
    [
      [0, 0, 0, 0],
      [1, 0, 1, bytes.length],
    ],
  )
  t.strictSame([purgatory.size, timers.length], [0, 0], 'nothing is left behind')

  const late = fetch(request([{ partition: 1, offset: 1 }], { maxWaitMs: 500 }), connection, context)
  await turns()
  t.equal(timers[0].delayMs, 500)
  timers[0].run()
  t.equal((await late).partitions[0].bytes, 0)
})

t.test('a partition named twice is refused', async (t) => {
  const { fetch } = await setup()
  await t.rejects(fetch(request([{}, { partition: 1 }, {}]), new Connection(1_000), context), {
    code: ErrorCode.INVALID_REQUEST,
    message: 'partition 0 of a topic appears twice in one request',
  })
})

t.test('an error of one partition is told at once and does not disturb the others', async (t) => {
  const { shard, logs, fetch } = await setup()
  await shard.append({}, logs[0], batch(10))
  const connection = new Connection(1_000_000)
  const asked = [{}, { partition: 7 }, { partition: 1, offset: 9 }, { topicId: new Uint8Array(16).fill(8) }]
  const { partitions } = await fetch(request(asked, { maxWaitMs: 10_000 }), connection, context)
  t.strictSame(
    partitions.map(({ error }) => error),
    [
      ErrorCode.NONE,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      ErrorCode.OFFSET_OUT_OF_RANGE,
      ErrorCode.UNKNOWN_TOPIC_ID,
    ],
  )
  t.match(partitions[2].message, /offset 9 is outside 0 to 0/)
  t.equal(connection.sent.length, 1)
})

t.test('a damaged batch is told with its range, every time, and the other partitions go on', async (t) => {
  const { disk, shard, logs, fetch } = await setup()
  for (let i = 0; i < 3; i++) await shard.append({}, logs[0], batch(10))
  const whole = batch(20)
  await shard.append({}, logs[1], whole)
  const [, damaged] = disk.segments[0].values
  damaged[damaged.length - 1] ^= 1
  for (let round = 0; round < 2; round++) {
    const connection = new Connection(1_000_000)
    const { partitions } = await fetch(request([{}, { partition: 1 }]), connection, context)
    t.strictSame(
      partitions.map(({ error }) => error),
      [ErrorCode.CORRUPT_MESSAGE, ErrorCode.NONE],
    )
    t.match(partitions[0].message, /offsets 1 to 1 are damaged: segment 1, value 1: /)
    t.equal(connection.sent.length, 2, 'what lies before it, and the other partition')
  }
  const behind = new Connection(1_000_000)
  t.equal((await fetch(request([{ offset: 2 }]), behind, context)).partitions[0].error, ErrorCode.NONE)
  t.equal(behind.sent.length, 1)
})
