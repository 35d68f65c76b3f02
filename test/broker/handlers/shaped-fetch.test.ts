/** Fetch of a part of the records: what comes, how progress is told, and what ends it. The filter here is a test's own function. */
import t from 'tap'
import { Policy } from '../../../auth/acl/policy.ts'
import type { FetchDataSource } from '../../../broker/handlers/context.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { decodeBatch } from '../../../storage/record/batch-decoder.ts'
import { BatchEncoder } from '../../../storage/record/batch-encoder.ts'
import {
  baseOffsetAt,
  batchBytesAt,
  lastOffsetAt,
  recordCountAt,
} from '../../../storage/record/batch-header.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { nodeCodecs } from '../../../storage/record/node/node-codecs.ts'
import { sessionOf, userIdentity } from '../sessions.ts'
import { Connection, context, request, setup, topicId, turns } from './fetch-harness.ts'

const FILTER = '{"value":{"kind":["alarm"]}}'
const source = { topic: 't', partition: 0 }
const matches = (_: unknown, record: { text(): string | null }) => record.text()?.startsWith('alarm') === true

function batchOf(values: readonly string[], compression: 'none' | 'gzip' = 'none'): Uint8Array {
  const encoder = new BatchEncoder({
    crc32c: crc32cTable,
    bytesMax: 1_000_000,
    ...(compression !== 'none' && { compression, codecs: nodeCodecs }),
  })
  for (const value of values) encoder.append(1_000, null, value)
  return encoder.finish()
}

/** What came, as `partition: offset=value …`, and of a batch without records `partition: first..last`. */
class Reading extends Connection {
  readonly heard: string[] = []
  /** Of all partitions. */
  examined = 0

  override data(head: FetchDataSource, value: Uint8Array, start: number, end: number): void {
    super.data(head, value, start, end)
    const { partition, examined } = head
    this.examined += examined
    for (let at = start; at < end; at += batchBytesAt(value, at)) {
      const records = decodeBatch(value, at, source, { crc32c: crc32cTable, codecs: nodeCodecs })
      this.heard.push(
        recordCountAt(value, at) === 0
          ? `${partition}: ${baseOffsetAt(value, at)}..${lastOffsetAt(value, at)}`
          : `${partition}: ${records.map((record) => `${record.offset}=${record.text()}`).join(' ')}`,
      )
    }
  }
}

/** A clock that a test moves. */
function clockAt(nowMs: { ms: number }) {
  return { ...context, clock: { nowMs: () => 5_000, monotonicMs: () => nowMs.ms } }
}

const rain = (count: number) => Array.from({ length: count }, (_, i) => `rain ${i}`)

t.test('what matches comes at its offset, and behind it how far was looked', async (t) => {
  const { shard, logs, fetch } = await setup({ matches })
  await shard.append({}, logs[0], batchOf(['rain', 'alarm a', 'rain']))
  await shard.append({}, logs[0], batchOf(rain(5)))
  await shard.append({}, logs[1], batchOf(['rain', 'rain', 'rain', 'alarm b']))
  const connection = new Reading(1_000_000)
  const asked = request([{}, { partition: 1, offset: 1 }], { filter: FILTER })
  const { partitions } = await fetch(asked, connection, context)
  t.strictSame(connection.heard, ['0: 1=alarm a', '1: 3=alarm b', '0: 2..7'])
  t.match(partitions, [
    { error: 0, highWatermark: 8 },
    { error: 0, highWatermark: 4 },
  ])
  t.equal(connection.examined, 11)
  const bytesOf = (partition: number) =>
    connection.sent.filter(([of]) => of === partition).reduce((sum, [, bytes]) => sum + bytes, 0)
  t.strictSame([partitions[0].bytes, partitions[1].bytes], [bytesOf(0), bytesOf(1)], 'progress included')
})

t.test(
  'a fetch of which nothing matches waits, reads on by itself, and tells its progress at its end',
  async (t) => {
    const { shard, logs, fetch, purgatory, timers } = await setup({ matches })
    await shard.append({}, logs[0], batchOf(rain(3)))
    const connection = new Reading(1_000_000)
    let answered = false
    const fetching = fetch(request([{}], { filter: FILTER, maxWaitMs: 500 }), connection, context)
    void fetching.then(() => {
      answered = true
    })
    for (let i = 0; i < 3; i++) {
      await turns()
      t.strictSame([purgatory.size, answered, connection.heard], [1, false, []])
      await shard.append({}, logs[0], batchOf(rain(2)))
    }
    await turns()
    timers[0].run()
    t.match((await fetching).partitions, [{ error: 0, bytes: 61 }])
    t.equal(connection.examined, 9)
    t.strictSame(connection.heard, ['0: 0..8'])
    t.strictSame([purgatory.size, timers.length], [0, 0], 'nothing is left behind')
  },
)

t.test('a match that is written while it waits is sent at once, and ends it', async (t) => {
  const { shard, logs, fetch } = await setup({ matches })
  await shard.append({}, logs[0], batchOf(rain(3)))
  const connection = new Reading(1_000_000)
  const fetching = fetch(request([{}], { filter: FILTER, maxWaitMs: 500 }), connection, context)
  await turns()
  await shard.append({}, logs[0], batchOf(['rain', 'alarm', 'rain']))
  await fetching
  t.equal(connection.examined, 6)
  t.strictSame(connection.heard, ['0: 4=alarm', '0: 5..5'])
})

t.test('it waits for so many bytes of what matches, and counts no others', async (t) => {
  const { shard, logs, fetch, timers } = await setup({ matches })
  const connection = new Reading(1_000_000)
  const fetching = fetch(
    request([{}], { filter: FILTER, maxWaitMs: 500, minBytes: 200 }),
    connection,
    context,
  )
  await shard.append({}, logs[0], batchOf(rain(50)))
  await turns()
  await shard.append({}, logs[0], batchOf(['alarm a']))
  await turns()
  t.strictSame(connection.heard, ['0: 50=alarm a'], 'what is there is sent all the same')
  t.equal(timers.length, 1)
  await shard.append({}, logs[0], batchOf([`alarm ${'b'.repeat(200)}`]))
  await fetching
  t.equal(connection.examined, 52)
  t.equal(timers.length, 0)
})

t.test('no more than the bounds is sent, and what was not sent was not looked at', async (t) => {
  const { shard, logs, fetch } = await setup({ matches })
  for (let i = 0; i < 10; i++) await shard.append({}, logs[0], batchOf([`alarm ${i} ${'x'.repeat(1_000)}`]))
  const connection = new Reading(1_000_000)
  const { partitions } = await fetch(
    request([{}], { filter: FILTER, maxBytes: 3_500, maxWaitMs: 500 }),
    connection,
    context,
  )
  t.equal(connection.heard.length, 3)
  t.equal(connection.examined, 3)
  t.ok(partitions[0].bytes <= 3_500)

  await fetch(request([{ offset: 3 }], { filter: FILTER, maxBytes: 1 }), connection, context)
  t.equal(connection.examined, 4, 'one is sent even if it is larger')
})

t.test('without a wait it gets on by at least a piece, and says how far', async (t) => {
  const now = { ms: 0 }
  // Each piece takes long.
  const soon = (run: () => void) =>
    queueMicrotask(() => {
      now.ms += 50
      run()
    })
  const { shard, logs, fetch } = await setup({ matches, soon })
  for (let i = 0; i < 5; i++) await shard.append({}, logs[0], batchOf([`rain ${'x'.repeat(300_000)}`]))
  const heard: string[] = []
  let offset = 0
  for (let round = 0; round < 10 && offset < 5; round++) {
    const connection = new Reading(1_000_000)
    await fetch(request([{ offset }], { filter: FILTER }), connection, clockAt(now))
    heard.push(...connection.heard)
    offset += connection.examined
  }
  t.strictSame(heard, ['0: 0..0', '0: 1..1', '0: 2..2', '0: 3..3', '0: 4..4'])
})

t.test(
  'a scan of much without a match ends with its deadline, and others have their turns meanwhile',
  async (t) => {
    const soon: (() => void)[] = []
    const { shard, logs, fetch } = await setup({ matches, soon: (run) => soon.push(run) })
    for (let i = 0; i < 30; i++) await shard.append({}, logs[0], batchOf([`rain ${'x'.repeat(300_000)}`]))
    const now = { ms: 0 }
    const connection = new Reading(1_000_000)
    const fetching = fetch(request([{}], { filter: FILTER, maxWaitMs: 10 }), connection, clockAt(now))
    let answer: Awaited<typeof fetching> | undefined
    void fetching.then((value) => {
      answer = value
    })
    let looks = 0
    for (; !answer; looks++) {
      await turns()
      if (answer) break
      t.equal(soon.length, 1, 'each piece waits for the next turn')
      now.ms += 3
      soon.pop()?.()
    }
    t.equal(looks, 4, 'as many as fit')
    t.equal(connection.examined, 4)
    t.strictSame(connection.heard, ['0: 0..3'])
  },
)

t.test('a long filter waits for its turn to be read, once', async (t) => {
  const soon: (() => void)[] = []
  const { shard, logs, fetch } = await setup({ matches, soon: (run) => soon.push(run) })
  await shard.append({}, logs[0], batchOf(['rain']))
  const long = JSON.stringify({ value: [...Array(300).keys()].map((n) => `alarm ${n}`) })
  const asked = (filter: string) => {
    const fetching = fetch(request([{ offset: 1 }], { filter }), new Reading(1_000_000), context)
    const outcome = fetching.then(
      () => 'answered',
      ({ code }) => code,
    )
    return outcome
  }
  const first = asked(long)
  t.equal(soon.length, 1, 'not before')
  soon.pop()?.()
  t.equal(await first, 'answered')
  t.equal(await asked(long), 'answered')
  t.equal(soon.length, 0, 'known by now')

  const wrong = asked(long.replace('alarm 7"', 'alarm 7'))
  t.equal(soon.length, 1)
  soon.pop()?.()
  t.equal(await wrong, ErrorCode.INVALID_FILTER)
  t.equal(await asked(long.replace('alarm 7"', 'alarm 7')), ErrorCode.INVALID_FILTER)
  t.equal(soon.length, 0)
})

t.test('a connection that is gone ends a scan, and nothing is left behind', async (t) => {
  const soon: (() => void)[] = []
  const { shard, logs, fetch, purgatory, timers } = await setup({ matches, soon: (run) => soon.push(run) })
  for (let i = 0; i < 10; i++) await shard.append({}, logs[0], batchOf([`rain ${'x'.repeat(300_000)}`]))
  const gone = new AbortController()
  const connection = new Reading(1_000_000)
  const fetching = fetch(request([{}], { filter: FILTER, maxWaitMs: 60_000 }), connection, {
    ...context,
    signal: gone.signal,
  })
  await turns()
  soon.pop()?.()
  await turns()
  gone.abort()
  soon.pop()?.()
  await fetching
  t.strictSame([connection.heard, soon.length, purgatory.size, timers.length], [[], 0, 0, 0])
})

t.test('a right that is taken away ends a scan, and nothing more is told', async (t) => {
  const soon: (() => void)[] = []
  const { shard, logs, fetch } = await setup({ matches, soon: (run) => soon.push(run) })
  for (let i = 0; i < 10; i++) await shard.append({}, logs[0], batchOf([`rain ${'x'.repeat(300_000)}`]))
  await shard.append({}, logs[0], batchOf(['alarm']))
  const policy = new Policy()
  policy.putNamespace('lab', ['user:ann'])
  const session = sessionOf(userIdentity('ann'), policy)
  const connection = new Reading(1_000_000)
  const fetching = fetch(request([{}], { filter: FILTER, maxWaitMs: 60_000 }), connection, {
    ...context,
    session,
  })
  await turns()
  soon.pop()?.()
  await turns()
  policy.removeNamespace('lab')
  soon.pop()?.()
  t.match((await fetching).partitions, [{ error: ErrorCode.UNKNOWN_TOPIC_ID, highWatermark: -1 }])
  t.strictSame(connection.heard, [])
})

t.test('a log that is cut, and a topic that is deleted, are told at once', async (t) => {
  const soon: (() => void)[] = []
  const { shard, logs, fetch } = await setup({ matches, soon: (run) => soon.push(run) })
  for (let i = 0; i < 10; i++) await shard.append({}, logs[0], batchOf([`rain ${'x'.repeat(300_000)}`]))
  const asked = () => request([{}, { partition: 1 }], { filter: FILTER, maxWaitMs: 60_000 })
  const cut = new Reading(1_000_000)
  const first = fetch(asked(), cut, context)
  await turns()
  soon.pop()?.()
  await turns()
  await shard.moveLogStart(logs[0], 5)
  soon.pop()?.()
  t.match((await first).partitions, [
    { error: ErrorCode.OFFSET_OUT_OF_RANGE, logStartOffset: 5 },
    { error: 0 },
  ])
  t.strictSame(cut.heard, ['0: 0..0'], 'what was looked at is told')

  const deleted = new Reading(1_000_000)
  const second = fetch(request([{ offset: 5 }], { filter: FILTER, maxWaitMs: 60_000 }), deleted, context)
  await turns()
  soon.pop()?.()
  await turns()
  await shard.dropTopic(topicId)
  soon.pop()?.()
  t.match((await second).partitions, [{ error: ErrorCode.UNKNOWN_TOPIC_ID }])
  t.strictSame(deleted.heard, [])
})

t.test('a reader that does not read holds its own scan up, and no piece is made for it', async (t) => {
  const { shard, logs, fetch } = await setup({ matches })
  for (let i = 0; i < 4; i++) await shard.append({}, logs[0], batchOf([`alarm ${'x'.repeat(50_000)}`]))
  const connection = new Reading(60_000)
  let answered = 0
  for (let i = 0; i < 30; i++)
    fetch(request([{}], { filter: FILTER }), connection, context).then(() => answered++)
  for (let i = 0; i < 300 && answered < 30; i++) {
    await turns()
    connection.drain()
  }
  t.equal(answered, 30)
  t.equal(connection.heard.length, 30 * 4, 'everybody got everything')
  t.ok(connection.bufferedMax <= 260_000, `at most ${connection.bufferedMax} bytes were buffered`)
})

t.test('who unpacks nothing gets batches unpacked, one at a time', async (t) => {
  const { shard, logs, fetch } = await setup()
  await shard.append({}, logs[0], batchOf(['a', 'b'], 'gzip'))
  await shard.append({}, logs[0], batchOf(['c'], 'gzip'))
  const connection = new Reading(1_000_000)
  await fetch(request([{}], { compressions: [] }), connection, context)
  t.strictSame(connection.heard, ['0: 0=a', '0: 1=b', '0: 2=c'])
  t.equal(connection.examined, 0)
})

t.test('a wish that cannot be understood refuses the request', async (t) => {
  const { fetch } = await setup({ matches })
  const ask = (fields: object) => fetch(request([{}], fields), new Reading(1), context)
  await t.rejects(ask({ filter: '{"value":{"celsius":[{"numeric":["?",3]}]}}' }), {
    code: ErrorCode.INVALID_FILTER,
    message: /\/value\/celsius\/0\/numeric/,
  })
  await t.rejects(ask({ filter: '{"value":' }), { code: ErrorCode.INVALID_FILTER, message: /line 1, column/ })
  await t.rejects(ask({ compressions: ['gzip', 'lzo'] }), {
    code: ErrorCode.INVALID_REQUEST,
    message: 'compressions: there is no codec "lzo"; there are none, gzip, snappy, lz4, zstd',
  })
})
