/** Reading with a filter: what is asked of the broker, where a consumer stands meanwhile, and what it is told. */
import t from 'tap'
import type { ConsumerOptions } from '../../../client/consumer/options.ts'
import { filterText, readableCompressions } from '../../../client/consumer/record-filter.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import type { FetchRequest } from '../../../client/protocol/messages/fetch.ts'
import { nodeCodecs } from '../../../storage/record/node/node-codecs.ts'
import { batchOf, connected, failureOf, type Harness } from '../support/harness.ts'

const FILTER = { value: [{ prefix: 'alarm' }] }

/** A broker on which the filter means that, and what it is asked. */
async function start(partitions = 1) {
  const harness = await connected(partitions)
  const asked: FetchRequest[] = []
  harness.broker.matches = (_, record) => record.text()?.startsWith('alarm') === true
  harness.broker.misbehave = ({ api, message }) => {
    if (api.name === 'fetch') asked.push(message)
    return undefined
  }
  const consumer = (options: Partial<ConsumerOptions> = {}) =>
    harness.client.consumer({ topics: ['t'], from: 'earliest', filter: FILTER, ...options })
  return { ...harness, asked, consumer }
}

function append({ broker }: Pick<Harness, 'broker'>, ...values: readonly string[]): void {
  broker.append('t', 0, batchOf(values))
}

t.test('a filter goes to the broker as it is, or as JSON; what would not arrive is refused', async (t) => {
  t.equal(filterText('{"value": {"kind":["alarm"]}}'), '{"value": {"kind":["alarm"]}}')
  t.equal(filterText({ value: { kind: ['alarm', null] } }), '{"value":{"kind":["alarm",null]}}')
  const refused = (filter: unknown) => {
    try {
      return filterText(filter as string)
    } catch (error) {
      t.type(error, RangeError)
      return (error as Error).message
    }
  }
  t.match(refused('{"value":'), /^option filter: no JSON: /)
  t.match(refused('["value"]'), /^option filter: expected an object such as .*, got \["value"\]$/)
  t.match(refused(null), /^option filter: expected an object/)
  t.match(refused({ value: [undefined] }), 'option filter: no JSON: "0" is undefined')
  t.match(refused({ value: [{ numeric: ['>', Number.NaN] }] }), 'option filter: no JSON: "1" is NaN')
  t.match(refused({ value: [1n] }), /^option filter: no JSON: .*BigInt/)
  t.match(refused({ value: ['x'.repeat(70_000)] }), /at most 65536 characters of JSON, these are 70014$/)

  const { client } = await connected()
  t.throws(() => client.consumer({ topics: ['t'], filter: 'value' }), RangeError)
})

t.test('who cannot unpack everything says what he can', async (t) => {
  const { gzip } = nodeCodecs
  const all = { gzip, snappy: gzip, lz4: gzip, zstd: gzip } as typeof nodeCodecs
  t.equal(readableCompressions(undefined, all), null)
  t.same(readableCompressions(undefined, { gzip } as typeof nodeCodecs), ['gzip'])
  t.same(readableCompressions([], all), [])
  t.same(readableCompressions(['none', 'gzip'], all), ['gzip'])
  t.throws(() => readableCompressions(['zstd'], { gzip } as typeof nodeCodecs), {
    message: 'option compressions: this client unpacks gzip, not "zstd"',
  })
})

t.test('only what matches comes, with its place, and it is told how much was looked at', async (t) => {
  const harness = await start()
  append(harness, 'rain', 'alarm 1', 'rain')
  append(harness, 'rain')
  append(harness, 'alarm 4', 'alarm 5')
  const consumer = harness.consumer({ untilEnd: true })
  const seen: string[] = []
  const reading = (async () => {
    for await (const record of consumer) seen.push(`${record.offset} ${record.text()}`)
  })()
  await harness.world.until(reading)
  t.same(seen, ['1 alarm 1', '4 alarm 4', '5 alarm 5'])
  t.same(consumer.filtered, { examined: 6, notJson: 0 })
  t.match(harness.asked[0], { filter: JSON.stringify(FILTER), minBytes: 0 })
  t.equal(consumer.position('t', 0), 6)

  const plain = harness.client.consumer({ topics: ['t'] })
  await harness.world.until(plain.ready())
  await harness.world.pass(10)
  t.match(harness.asked.at(-1), { filter: null, minBytes: 1 })
  t.same(plain.filtered, { examined: 0, notJson: 0 })
})

t.test(
  'where nothing matches the position moves, though nobody asks, and the broker is asked seldom',
  async (t) => {
    const harness = await start()
    const { world, asked } = harness
    const consumer = harness.consumer({ maxWaitMs: 500 })
    await world.until(consumer.ready())
    for (let i = 0; i < 100; i++) {
      append(harness, 'rain', 'rain')
      await world.pass(100)
    }
    t.ok(asked.length >= 15 && asked.length <= 25, `${asked.length} fetches in ten seconds`)
    const position = consumer.position('t', 0) as number
    t.ok(position >= 180, `at ${position} of 200`)
    t.ok(
      asked
        .slice(1)
        .every(({ partitions: [{ fetchOffset }] }, i) => fetchOffset >= asked[i].partitions[0].fetchOffset),
      'nothing is looked at twice',
    )
    await world.pass(1_000)
    t.equal(consumer.position('t', 0), 200)
    consumer.pause()
    consumer.resume()
    await world.pass(10)
    t.equal(asked.at(-1)?.partitions[0].fetchOffset, 200, 'who goes on does so behind it')
  },
)

t.test('what was handed out stays the position as long as something waits behind it', async (t) => {
  const harness = await start()
  const { world } = harness
  append(harness, 'alarm 0')
  append(harness, 'rain')
  append(harness, 'alarm 2', 'rain', 'alarm 4')
  append(harness, 'rain')
  const consumer = harness.consumer()
  const events = consumer[Symbol.asyncIterator]()
  const positions: unknown[] = []
  for (let i = 0; i < 3; i++) {
    const { value } = await world.until(events.next())
    await world.pass(1_000)
    positions.push([value?.text(), consumer.position('t', 0)])
  }
  t.same(positions, [
    ['alarm 0', 1],
    ['alarm 2', 4],
    ['alarm 4', 6],
  ])
})

t.test('an end is reached also where nothing before it matches', async (t) => {
  const harness = await start(2)
  append(harness, 'rain', 'rain')
  for (const options of [
    { untilEnd: true },
    { to: { offset: 1 } },
    { order: 'time', untilEnd: true },
  ] as const) {
    const beganMs = harness.world.nowMs
    const consumer = harness.consumer(options)
    t.same(await harness.world.until(consumer[Symbol.asyncIterator]().next()), {
      value: undefined,
      done: true,
    })
    t.same(await harness.world.until(consumer.batches().next()), { value: undefined, done: true })
    t.ok(harness.world.nowMs - beganMs < 100, 'at once')
  }
})

t.test('a batch in which only records before the position match is not handed out', async (t) => {
  const harness = await start()
  append(harness, 'alarm 0', 'rain', 'rain')
  append(harness, 'alarm 3')
  const consumer = harness.consumer({ from: { offset: 1 } })
  const { value } = await harness.world.until(consumer.batches().next())
  t.same(
    value?.records.map(({ offset }) => offset),
    [3],
  )
  t.same(consumer.filtered, { examined: 3, notJson: 0 })
})

t.test('the newest so many are the newest that match', async (t) => {
  const harness = await start()
  for (let i = 0; i < 50; i++) append(harness, i % 10 === 3 ? `alarm ${i}` : 'rain')
  const consumer = harness.consumer({ from: { last: 2 }, untilEnd: true })
  const seen: (string | null)[] = []
  const reading = (async () => {
    for await (const record of consumer) seen.push(record.text())
  })()
  await harness.world.until(reading)
  t.same(seen, ['alarm 33', 'alarm 43'])
})

t.test('a filter that the broker refuses ends reading with what is wrong', async (t) => {
  const harness = await start()
  harness.broker.matches = undefined
  const consumer = harness.consumer()
  const failure = await failureOf(harness.world.until(consumer[Symbol.asyncIterator]().next()))
  t.match(failure, { code: ErrorCode.INVALID_FILTER, message: /at \/value: no/ })
  t.equal(harness.asked.length, 1, 'it is not asked again')
})
