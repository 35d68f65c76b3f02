/** Reading helpers: the newest so many, a window of time, the order of time, replay at a speed. */
import t from 'tap'
import type { ConsumerOptions } from '../../../client/consumer/options.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import type { FetchRequest } from '../../../client/protocol/messages/fetch.ts'
import type { ConsumedRecord } from '../../../storage/record/record.ts'
import { batchOf, connected, failureOf, type Harness, timedBatch } from '../support/harness.ts'
import { EPOCH_MS, World } from '../support/world.ts'

/** Everything until the consumer ends by itself, and when each came. */
async function readAll({ world, client }: Harness, options: Partial<ConsumerOptions>) {
  const consumer = client.consumer({ topics: ['t'], from: 'earliest', untilEnd: true, ...options })
  const texts: (string | null)[] = []
  const times: number[] = []
  const atMs: number[] = []
  const reading = (async () => {
    for await (const record of consumer) {
      texts.push(record.text())
      times.push(record.timestampMs)
      atMs.push(world.nowMs)
    }
  })()
  await world.until(reading)
  return { texts, times, atMs }
}

/** One batch of each list; `a5` is the text and the time of a record. */
function stored(harness: Harness, partition: number, ...batches: readonly (readonly number[])[]): void {
  const name = 'abcdef'[partition]
  for (const times of batches) {
    const records = times.map((time) => ({ text: `${name}${time}`, timestampMs: EPOCH_MS + time }))
    harness.broker.append('t', partition, timedBatch(records))
  }
}

t.test('the newest so many of all partitions, oldest first', async (t) => {
  const harness = await connected(3)
  stored(harness, 0, [1, 4, 7], [10, 13])
  stored(harness, 1, [2, 5], [8, 11, 14])
  stored(harness, 2, [3])
  const last = async (count: number, more: Partial<ConsumerOptions> = {}) =>
    (await readAll(harness, { from: { last: count }, ...more })).texts.join(' ')
  t.equal(await last(1), 'b14')
  t.equal(await last(3), 'b11 a13 b14')
  t.equal(await last(10), 'b2 c3 a4 b5 a7 b8 a10 b11 a13 b14')
  t.equal(await last(11), 'a1 b2 c3 a4 b5 a7 b8 a10 b11 a13 b14')
  t.equal(await last(1_000_000), await last(11), 'fewer than that')
  t.same((await last(4, { order: 'arrival' })).split(' ').sort(), ['a10', 'a13', 'b11', 'b14'])
  const assignments = [0, 2].map((partition) => ({ topic: 't', partition }))
  t.equal(await last(4, { topics: [], assignments }), 'a4 a7 a10 a13', 'of those that are read')
  const own = [
    { topic: 't', partition: 0, from: { last: 1 } },
    { topic: 't', partition: 1, from: { last: 2 } },
  ]
  t.equal(
    (await readAll(harness, { topics: [], assignments: own })).texts.join(' '),
    'b11 a13 b14',
    'each its own',
  )
  const empty = await connected(2)
  t.same((await readAll(empty, { from: { last: 5 } })).texts, [])
})

t.test('the newest so many, then what comes; not what came while they were looked for', async (t) => {
  const harness = await connected(2)
  const { world, broker, client } = harness
  stored(harness, 0, [1, 2, 3, 4, 5, 6, 7, 8, 9])
  stored(harness, 1, [20, 21, 22, 23, 24, 25, 26, 27, 28])
  let fetches = 0
  broker.misbehave = ({ api }) => {
    if (api.name === 'fetch' && ++fetches === 1) stored(harness, 0, [30])
    return undefined
  }
  t.same((await readAll(harness, { from: { last: 2 } })).texts, ['b27', 'b28'])
  const consumer = client.consumer({ topics: ['t'], from: { last: 2 } })
  await world.until(consumer.ready())
  t.same(
    consumer.positions().map(({ position }) => position),
    [9, 8],
  )
  stored(harness, 1, [25])
  const texts: (string | null)[] = []
  const reading = (async () => {
    for await (const record of consumer) if (texts.push(record.text()) === 3) return
  })()
  await world.until(reading)
  t.same(texts, ['b28', 'b25', 'a30'])
  consumer.close()
})

t.test('the newest so many: offsets without a record are not counted, little else is read', async (t) => {
  const harness = await connected(2)
  const { broker } = harness
  const value = 'x'.repeat(1_000)
  for (let i = 0; i < 2_000; i++) broker.append('t', 0, batchOf([value], EPOCH_MS + i))
  broker.topic('t').partitions[0].logEnd = 2_100
  broker.append('t', 0, batchOf(['newest'], EPOCH_MS + 3_000))
  const control = batchOf(['marker'], EPOCH_MS + 4_000)
  control[22] |= 0x20
  for (let i = 0; i < 30; i++) broker.append('t', 0, control)
  const before = harness.client.consumer({ topics: ['t'], from: { last: 3 }, checkCrc: false })
  await harness.world.until(before.ready())
  t.equal(before.position('t', 0), 1_998)
  let bytes = 0
  broker.misbehave = ({ api, message }) => {
    if (api.name === 'fetch') bytes += Math.min((message as FetchRequest).maxBytes, 100_000)
    return undefined
  }
  const { texts } = await readAll(harness, { from: { last: 3 }, checkCrc: false, fetchBytesMax: 20_000 })
  t.same(texts, [value, value, 'newest'])
  t.ok(bytes < 600_000, `${bytes} bytes asked for at most`)
})

t.test('the newest so many of a topic that cannot be read is an error, and a deleted one too', async (t) => {
  const harness = await connected(1)
  const { world, broker, client } = harness
  for (let i = 0; i < 9; i++) stored(harness, 0, [i])
  broker.topic('t').partitions[0].batches[8][68] ^= 1
  const damaged = client.consumer({ topics: ['t'], from: { last: 2 } })
  t.match(await failureOf(world.until(damaged.ready())), {
    code: ErrorCode.CORRUPT_MESSAGE,
    message: /^damaged record batch at offset 8/,
  })
  damaged.seek('t', 0, 0)
  t.equal((await world.until(damaged[Symbol.asyncIterator]().next())).value?.text(), 'a0', 'seek heals it')

  broker.misbehave = ({ api }) => (api.name === 'fetch' ? { kind: 'ignore' } : undefined)
  const waiting = client.consumer({ topics: ['t'], from: { last: 2 } })
  await world.pass(100)
  broker.topics.delete('t')
  const gone = failureOf(waiting.ready())
  await world.pass(100_000)
  t.match(await gone, { message: 'topic "t" was deleted' })
  await world.until(client.close())
  await world.pass(600)
  t.equal(world.pendingCount, 0)
})

t.test('seek to the newest so many of one partition', async (t) => {
  const harness = await connected(2)
  const { world, client } = harness
  stored(harness, 0, [1, 2, 3], [4, 5])
  stored(harness, 1, [9])
  const consumer = client.consumer({ topics: ['t'], from: 'latest', order: 'time' })
  await world.until(consumer.ready())
  const iterator = consumer[Symbol.asyncIterator]()
  consumer.seek('t', 0, { last: 2 })
  const next = async () => (await world.until(iterator.next())).value?.text()
  t.equal(await next(), 'a4')
  consumer.seek('t', 0, { last: 4 })
  t.same([await next(), await next()], ['a2', 'a3'])
  consumer.seek('t', 0, { last: 100 })
  consumer.pause()
  consumer.resume()
  t.equal(await next(), 'a1')
  t.throws(() => consumer.seek('t', 0, { last: 0 }), {
    message: 'option to.last: expected a whole number from 1 to 1000000, got 0',
  })
})

t.test('a window of time holds exactly what has a time in it, whatever the order', async (t) => {
  const harness = await connected(2)
  const { broker } = harness
  stored(harness, 0, [5, 9, 12], [20, 11, 8], [30], [10, 19, 7])
  stored(harness, 1, [40], [15])
  const texts = async (options: Partial<ConsumerOptions>) =>
    (await readAll(harness, options)).texts.sort().join(' ')
  const at = (time: number) => ({ timeMs: EPOCH_MS + time })
  t.equal(await texts({ from: at(10), to: at(20) }), 'a10 a11 a12 a19 b15')
  t.equal(await texts({ to: at(9) }), 'a5 a7 a8')
  t.equal(
    await texts({ from: { offset: 4 }, to: at(20), topics: [], assignments: [{ topic: 't', partition: 0 }] }),
    'a10 a11 a19 a7 a8',
  )
  t.equal(await texts({ from: at(100), to: at(200) }), '')
  t.equal(await texts({ to: { offset: 2 } }), 'a5 a9 b15 b40')
  t.equal(await texts({ from: { offset: 1 }, to: { offset: 5 } }), 'a11 a12 a20 a9 b15', 'within batches')
  t.equal(
    await texts({ from: { offset: 1 }, to: { offset: 1_000 }, order: 'time' }),
    'a10 a11 a12 a19 a20 a30 a7 a8 a9 b15',
  )
  t.equal(await texts({ from: at(10), to: at(20), lateMs: 21 }), 'a10 a11 a12 a19 b15')
  t.equal(await texts({ from: at(10), to: at(20), lateMs: 20 }), 'a10 a11 a12 a19', 'b15 came after b40')
  t.equal(await texts({ from: at(4), to: at(12), lateMs: 8 }), 'a11 a5 a8 a9', 'up to the batch with a20')
  t.equal(await texts({ from: at(10), to: at(13), lateMs: 0 }), 'a11 a12', 'a10 came later than that')
  t.equal(await texts({ from: at(10), to: at(20), lateMs: 0, order: 'time' }), 'a11 a12')
  const windowed = harness.client.consumer({ topics: ['t'], from: at(10), to: at(20) })
  await harness.world.until(windowed.ready())
  stored(harness, 1, [16])
  const counts: number[] = []
  const reading = (async () => {
    for await (const batch of windowed.batches()) counts.push(batch.count)
  })()
  await harness.world.until(reading)
  t.same(counts.sort(), [1, 1, 1, 2], 'no batch without a record, nothing that came later')
  const cut = harness.client.consumer({ topics: ['t'], from: 'earliest', to: { offset: 2 } })
  const rest = (async () => {
    for await (const batch of cut.batches()) t.equal(batch.records.length, batch.count)
  })()
  await harness.world.until(rest)
  t.equal(cut.position('t', 0), 2)
  t.ok(broker.requests.length > 0)
})

t.test('a window whose events are never late is not read to the end of the topic', async (t) => {
  const harness = await connected(1)
  const { broker } = harness
  for (let i = 0; i < 500; i++) broker.append('t', 0, batchOf(['x'.repeat(1_000)], EPOCH_MS + i))
  const window = { from: { timeMs: EPOCH_MS + 100 }, to: { timeMs: EPOCH_MS + 120 } }
  const fetches = async (options: Partial<ConsumerOptions>) => {
    broker.requests.length = 0
    const { texts } = await readAll(harness, { ...window, partitionFetchBytesMax: 10_000, ...options })
    t.equal(texts.length, 20)
    return broker.requests.filter((name) => name === 'fetch').length
  }
  t.ok((await fetches({})) > 40)
  t.ok((await fetches({ lateMs: 0 })) <= 3)
})

t.test('the order of time: all that was stored at the start, each partition in its own order', async (t) => {
  for (let seed = 1; seed <= 40; seed++) {
    const world = new World(seed)
    const count = 1 + world.below(5)
    const harness = await connected(count, {}, seed)
    const lists = Array.from({ length: count }, () => [] as number[])
    for (let i = 0, time = 0; i < 200; i++) {
      const partition = world.below(count)
      time += world.below(5)
      const times = Array.from({ length: 1 + world.below(6) }, () => (time += world.below(4)))
      lists[partition].push(...times)
      stored(harness, partition, times)
    }
    const { times, texts } = await readAll(harness, {
      order: 'time',
      fetchBytesMax: 300 + world.below(5_000),
      prefetchBytesMax: 300 + world.below(5_000),
    })
    t.equal(times.length, lists.flat().length, `seed ${seed}`)
    t.same(
      times,
      [...times].sort((a, b) => a - b),
    )
    for (let partition = 0; partition < count; partition++)
      t.same(
        texts.filter((text) => text?.startsWith('abcdef'[partition])),
        lists[partition].map((time) => `${'abcdef'[partition]}${time}`),
      )
  }
})

t.test('the order of time: what is late waits for what is before it in its partition', async (t) => {
  const harness = await connected(2)
  stored(harness, 0, [1, 50, 3, 60])
  stored(harness, 1, [10, 20], [55])
  t.equal((await readAll(harness, { order: 'time' })).texts.join(' '), 'a1 b10 b20 a50 a3 b55 a60')
})

t.test('a replay keeps the distances in time, divided by its speed', async (t) => {
  for (const speed of [1, 10, 0.5]) {
    const harness = await connected(2)
    stored(harness, 0, [0, 500, 1_000], [400, 9_000])
    stored(harness, 1, [250], [700, 3_600_000])
    const { texts, atMs } = await readAll(harness, { speed })
    t.equal(texts.join(' '), 'a0 b250 a500 b700 a1000 a400 a9000 b3600000')
    const due = [0, 250, 500, 700, 1_000, 1_000, 9_000, 3_600_000].map((time) => Math.round(time / speed))
    t.same(
      atMs.map((ms) => Math.round(ms - atMs[0])),
      due,
      `speed ${speed}: the late one comes at once`,
    )
    t.equal(harness.broker.requests.filter((name) => name === 'hello').length, 1, 'the connection held')
  }
})

t.test(
  'a replay that waits fetches no more than it has room for, and ends at once when it is closed',
  async (t) => {
    const harness = await connected(3)
    const { world, broker, client } = harness
    const value = 'x'.repeat(1_000)
    for (let i = 0; i < 300; i++) broker.append('t', i % 3, batchOf([value], EPOCH_MS + i * 60_000))
    let asked = 0
    broker.misbehave = ({ api, message }) => {
      if (api.name === 'fetch') asked += (message as FetchRequest).maxBytes
      return undefined
    }
    const consumer = client.consumer({ topics: ['t'], from: 'earliest', speed: 1, prefetchBytesMax: 30_000 })
    let count = 0
    const reading = (async () => {
      for await (const record of consumer) count += record.valueLength > 0 ? 1 : 0
    })()
    await world.pass(10 * 60_000 - 1)
    t.equal(count, 10)
    t.ok(asked <= 40_000, `${asked} bytes asked for`)
    const fetches = broker.requests.filter((name) => name === 'fetch').length
    consumer.pause([{ topic: 't', partition: 2 }])
    await world.pass(4 * 60_000)
    t.equal(count, 13, 'the others go on')
    const nowMs = world.nowMs
    consumer.close()
    await world.until(reading)
    t.equal(world.nowMs, nowMs)
    t.ok(broker.requests.filter((name) => name === 'fetch').length <= fetches + 3)
    await world.until(client.close())
    await world.pass(600)
    t.equal(world.pendingCount, 0)
  },
)

t.test(
  'a replay counts anew after a seek or a resume, and does not hurry what its reader missed',
  async (t) => {
    const harness = await connected(1)
    const { world, client } = harness
    stored(harness, 0, [0, 1_000, 2_000, 3_000, 60_000])
    const consumer = client.consumer({ topics: ['t'], from: 'earliest', speed: 1, untilEnd: true })
    const iterator = consumer[Symbol.asyncIterator]()
    const next = async () => {
      const beganMs = world.nowMs
      const { value } = await world.until(iterator.next())
      return [value?.text(), Math.round((world.nowMs - beganMs) / 100) * 100]
    }
    t.same(
      [await next(), await next()],
      [
        ['a0', 0],
        ['a1000', 1_000],
      ],
    )
    consumer.seek('t', 0, { timeMs: EPOCH_MS + 2_000 })
    t.same(
      [await next(), await next()],
      [
        ['a2000', 0],
        ['a3000', 1_000],
      ],
    )
    const waiting = iterator.next()
    await world.pass(10_000)
    consumer.seek('t', 0, 1)
    const value: ConsumedRecord | undefined = (await world.until(waiting)).value
    t.equal(value?.text(), 'a1000', 'a wait ends with a seek')
    consumer.pause()
    await world.pass(30_000)
    consumer.resume()
    t.same(
      [await next(), await next()],
      [
        ['a2000', 0],
        ['a3000', 1_000],
      ],
    )
    await world.pass(20_000)
    t.same(await next(), ['a60000', 37_000])
    t.same(await next(), [undefined, 0])
  },
)

t.test('options that contradict each other are refused by name', async (t) => {
  const { client } = await connected(1)
  const refused = (options: object) => {
    try {
      client.consumer({ topics: ['t'], from: 'earliest', ...options })
    } catch (error) {
      return (error as Error).message
    }
    return 'taken'
  }
  for (const last of [0, -1, 1.5, 1_000_001])
    t.equal(
      refused({ from: { last } }),
      `option from.last: expected a whole number from 1 to 1000000, got ${last}`,
    )
  t.equal(refused({ to: 'latest' }), 'option to: expected { offset } or { timeMs }, got "latest"')
  t.equal(refused({ to: null }), 'option to: expected { offset } or { timeMs }, got null')
  t.match(refused({ to: { timeMs: -1 } }), /^option to.timeMs: expected a whole number from 0/)
  t.equal(
    refused({ from: 'latest', to: { offset: 3 } }),
    'option to: what comes from now on has no end; give from as well',
  )
  t.equal(
    refused({ from: { last: 3 }, to: { offset: 3 } }),
    'option to: from { last } counts from the end, so give only one of them',
  )
  t.equal(
    refused({ from: { timeMs: 5 }, to: { timeMs: 5 } }),
    'option to: nothing lies from {"timeMs":5} to {"timeMs":5}; the end must be behind the beginning',
  )
  t.match(refused({ from: { offset: 6 }, to: { offset: 5 } }), /^option to: nothing lies from/)
  t.match(refused({ lateMs: 5 }), /^option lateMs: it says when reading ends/)
  t.match(refused({ to: { offset: 5 }, lateMs: 5 }), /^option lateMs: it says when reading ends/)
  t.match(refused({ to: { timeMs: 5 }, lateMs: -1 }), /^option lateMs: expected a whole number from 0/)
  for (const speed of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '2'])
    t.equal(refused({ speed }), `option speed: expected a number from 0.001 to 1000000, got ${speed}`)
  t.equal(
    refused({ speed: 1, order: 'arrival' }),
    'option speed: a replay has the order of time; leave order out',
  )
  t.equal(
    refused({ speed: 1, from: 'latest' }),
    'option speed: it replays what is stored; give from as well, such as earliest',
  )
  t.equal(refused({ order: 'newest' }), 'option order: expected arrival or time, got "newest"')
})
