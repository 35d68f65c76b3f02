/** What the shaper does and does not do, case by case: what is lent, what is packed again, what is looked at once. */
import { crc32c } from '@node-rs/crc32'
import t, { type Test } from 'tap'
import { CodecPoolError } from '../../../broker/codec-pool/codec-pool.ts'
import type { ReaderWish, ShapedSlice } from '../../../broker/filters/fetch-shaper.ts'
import { parseRecordPattern } from '../../../broker/filters/parse-pattern.ts'
import type { RecordPattern } from '../../../broker/filters/pattern.ts'
import { SharingShaper } from '../../../broker/filters/sharing-shaper.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { BatchEncoder } from '../../../storage/record/batch-encoder.ts'
import { baseOffsetAt, compressionAt, setRecordCount } from '../../../storage/record/batch-header.ts'
import { type CompressionName, compressionCodes } from '../../../storage/record/compression.ts'
import { nodeCodecs } from '../../../storage/record/node/node-codecs.ts'
import { checkStoredBatch } from '../../../storage/record/validate.ts'
import { openLog } from '../../storage/log/log-fixture.ts'
import { encode, forge, plain } from '../../storage/record/batches.ts'
import { openPool } from '../codec-pool/pools.ts'
import { ManualTime, settled } from '../manual-time.ts'
import { batchStarts, ModelLog } from './support/model-log.ts'
import { RoughPool } from './support/rough-pool.ts'
import { codecNames, numbered, recordsOf } from './support/stored-batches.ts'

const tools = { crc32c, codecs: nodeCodecs }
const all: ReaderWish = { filter: undefined, compressions: undefined }
const isA = parseRecordPattern('{"value":{"kind":["a"]}}')
const isNone = parseRecordPattern('{"value":{"kind":["none"]}}')
const exists = parseRecordPattern('{"value":{"kind":[{"exists":true}]}}')

const by = (filter: RecordPattern, compressions?: ReadonlySet<CompressionName>): ReaderWish => ({
  filter,
  compressions,
})

function setUp(offloadBytesMin = Infinity, options: { cacheBytesMax?: number; bytesMax?: number } = {}) {
  const pool = new RoughPool(tools, offloadBytesMin)
  const time = new ManualTime()
  const shaper = new SharingShaper({
    pool,
    crc32c,
    clock: time,
    decompressedBytesMax: options.bytesMax ?? 2 ** 24,
    ...(options.cacheBytesMax && { cacheBytesMax: options.cacheBytesMax }),
  })
  return { pool, time, shaper, model: new ModelLog() }
}

/** Events of kinds in this order, with something that is worth compressing. */
function events(kinds: string, compression: CompressionName = 'none'): Uint8Array {
  const encoder = new BatchEncoder({ crc32c, bytesMax: 2 ** 24, codecs: nodeCodecs })
  for (const [n, kind] of [...kinds].entries())
    encoder.append(1000 + n, null, JSON.stringify({ kind, n, note: 'wind from the north '.repeat(5) }))
  return encoder.finish({ compression })
}

/** Offsets of the records in the bytes; each batch must be sound. */
function offsets(t: Test, { value, start, end }: ShapedSlice): number[] {
  return [...batchStarts(value, start, end)].flatMap((at) => {
    t.equal(checkStoredBatch(value, at, end, crc32c), undefined)
    return recordsOf(value, at).map(({ offset }) => offset)
  })
}

/** What comes of it when the pool has answered all it was asked. */
async function answered(
  pool: RoughPool,
  shape: () => ShapedSlice | Promise<ShapedSlice>,
): Promise<ShapedSlice> {
  const outcome = Promise.resolve().then(shape)
  const watched = outcome.then(
    () => undefined,
    () => undefined,
  )
  for (await settled(); pool.held.length > 0; await settled()) pool.answer(0)
  await watched
  return await outcome
}

/** All of the log in one slice. */
function whole(model: ModelLog, from = 0) {
  const slice = model.read(from, 1000)
  if (!slice) throw new Error('there is nothing')
  return slice
}

t.test('who wants everything, and can unpack it, is lent the slice itself', async (t) => {
  const { shaper, model } = setUp(0)
  for (const compression of ['none', ...codecNames] as const) model.append(events('abc', compression))
  const slice = whole(model)
  for (const compressions of [undefined, new Set(codecNames)]) {
    const shaped = shaper.shape(model.log, slice, { ...all, compressions }, 0) as ShapedSlice
    t.equal(shaped.value, slice.value)
    const { start, end, nextOffset } = slice
    t.match(shaped, { start, end, nextOffset, endOffset: nextOffset, examined: 0, notJson: 0 })
  }
})

t.test('where all records match, the stored batches are lent', async (t) => {
  const { shaper, model } = setUp()
  for (const compression of ['none', ...codecNames] as const) model.append(events('abc', compression))
  const slice = whole(model)
  const shaped = shaper.shape(model.log, slice, by(exists), 0) as ShapedSlice
  t.equal(shaped.value, slice.value)
  t.same([shaped.start, shaped.end], [slice.start, slice.end])
  t.equal(shaped.examined, 15)
  t.match(shaper.stats(), { examined: 15, matched: 15, notJson: 0, scans: 1 })
})

t.test('where none matches, there are no bytes', async (t) => {
  const { shaper, model } = setUp()
  model.append(events('abc'))
  model.append(events('abc', codecNames[0]))
  t.match(shaper.shape(model.log, whole(model), by(isNone), 0), {
    start: 0,
    end: 0,
    endOffset: 0,
    nextOffset: 6,
    examined: 6,
  })
  t.same(shaper.skip(model.log, isNone, 0, 6), { nextOffset: 6, examined: 6, notJson: 0 })
  t.same(shaper.skip(model.log, isNone, 3, 6), { nextOffset: 6, examined: 3, notJson: 0 })
  t.same(shaper.skip(model.log, isNone, 0, 3), { nextOffset: 3, examined: 3, notJson: 0 }, 'no further')
  t.equal(shaper.skip(model.log, isNone, 1, 6), undefined, 'in the middle of a batch nothing is known')
  t.equal(shaper.skip(model.log, isA, 0, 6), undefined)
})

t.test('a part of a compressed batch is compressed again, where it gets smaller and is taken', async (t) => {
  for (const offloadBytesMin of [Infinity, 0])
    for (const compression of codecNames) {
      const { shaper, model, pool } = setUp(offloadBytesMin)
      model.append(events('ab'.repeat(40), compression))
      const shape = (wish: ReaderWish) => answered(pool, () => shaper.shape(model.log, whole(model), wish, 0))
      const shaped = await shape(by(isA))
      t.same(offsets(t, shaped).length, 40)
      t.equal(compressionAt(shaped.value, shaped.start), compressionCodes[compression])
      const plainly = await shape(by(isA, new Set()))
      t.same(offsets(t, plainly), offsets(t, shaped))
      t.equal(compressionAt(plainly.value, plainly.start), compressionCodes.none)
      t.ok(plainly.end - plainly.start > shaped.end - shaped.start)
      if (offloadBytesMin === 0) t.same(pool.ran, ['match', 'pack'], 'what is known is not looked at again')
    }
  const { shaper, model } = setUp()
  const noise = (n: number) => plain(0, null, `{"kind":"${n}"}${' '.repeat(100)}`)
  model.append(encode([noise(1), noise(2)], { compression: codecNames[0] }))
  const one = parseRecordPattern('{"value":{"kind":["2"]},"timestamp":[0]}')
  const shaped = shaper.shape(model.log, whole(model), by(one), 0) as ShapedSlice
  t.same(offsets(t, shaped), [1])
})

t.test('of a batch of which a part is wanted only that part comes, if anything', async (t) => {
  for (const compression of ['none', codecNames[0]] as const) {
    const { shaper, model } = setUp()
    model.append(events('abcabc', compression))
    const shaped = shaper.shape(model.log, whole(model), by(isA), 2) as ShapedSlice
    t.same(offsets(t, shaped), [3])
    t.equal(shaped.examined, 4)
    const nothing = shaper.shape(model.log, whole(model), by(isA), 4) as ShapedSlice
    t.match(nothing, { start: 0, end: 0, endOffset: 4, nextOffset: 6, examined: 2 })
  }
})

t.test('a thousand filters at the end of the log are one scan', async (t) => {
  const { shaper, model, pool } = setUp(0)
  const wanted = Array.from({ length: 1000 }, (_, n) => numbered(n))
  for (const filter of wanted) shaper.subscribe(model.log, filter, 0)
  for (let batch = 0; batch < 3; batch++) {
    model.append(events('x'.repeat(50)))
    const from = batch * 50
    const slice = whole(model, from)
    const first = shaper.shape(model.log, slice, by(wanted[0]), from) as Promise<ShapedSlice>
    const others = wanted.slice(1).map((filter) => shaper.skip(model.log, filter, from, model.endOffset))
    t.ok(
      others.every((other) => other instanceof Promise),
      'all of them wait',
    )
    t.equal(pool.held.length, 1)
    pool.answer(0)
    t.same(offsets(t, await first), [from])
    await Promise.all(others)
    for (const [n, filter] of wanted.entries()) {
      const skipped = shaper.skip(model.log, filter, from, model.endOffset)
      if (n < 50) {
        const shaped = shaper.shape(model.log, whole(model, from), by(filter), from) as ShapedSlice
        if (offsets(t, shaped)[0] !== from + n || skipped) t.fail(`record ${n} is for filter ${n}`)
        shaper.skip(model.log, filter, from + 50, model.endOffset)
      } else if (!skipped || 'then' in skipped || skipped.nextOffset !== from + 50)
        t.fail(`nothing is for filter ${n}`)
    }
  }
  t.same(
    pool.sets.map(({ size }) => size),
    [1000, 1000, 1000],
  )
  t.equal(new Set(pool.sets.map(({ id }) => id)).size, 1, 'one set, compiled once')
})

t.test('a reader far behind does not look for those at the end', async (t) => {
  const { shaper, model, pool } = setUp(0)
  for (let batch = 0; batch < 3; batch++) model.append(events('abc'))
  for (let n = 0; n < 1000; n++) shaper.subscribe(model.log, numbered(n), 9)
  const replay = shaper.shape(model.log, whole(model), by(isA), 0) as Promise<ShapedSlice>
  pool.answer(0)
  t.same(offsets(t, await replay), [0, 3, 6])
  t.equal(pool.sets[0].size, 1)
})

t.test('a filter that comes again a moment later finds all that was made for it', async (t) => {
  const { shaper, model, pool, time } = setUp(0)
  const look = async () => {
    model.append(events('abc'))
    const from = model.endOffset - 3
    const leave = shaper.subscribe(model.log, isA, from)
    const shaped = shaper.shape(model.log, whole(model, from), by(isA), from)
    pool.answer(0)
    await shaped
    leave()
    return pool.sets[pool.sets.length - 1]
  }
  const first = await look()
  for (let again = 0; again < 5; again++) {
    await time.advance(9_000)
    t.equal(await look(), first)
  }
  t.equal(shaper.stats().liveFilters, 1)
  await time.advance(11_000)
  shaper.subscribe(new ModelLog().log, isNone, 0)
  t.match(shaper.stats(), { liveFilters: 1, cacheBytes: 0 }, 'later nothing is left of it')
})

t.test('what was known before a truncation is not used behind it', async (t) => {
  const { shaper, model, pool } = setUp(0)
  model.append(events('bbb'))
  const before = shaper.shape(model.log, whole(model), by(isA), 0) as Promise<ShapedSlice>
  // Cut while somebody looks, and written anew at the same offset.
  model.truncate(0)
  model.append(events('aba'))
  const after = shaper.shape(model.log, whole(model), by(isA), 0) as Promise<ShapedSlice>
  t.equal(pool.held.length, 2, 'it is looked at again')
  pool.answer(0)
  t.same(offsets(t, await before), [])
  t.ok(shaper.skip(model.log, isA, 0, 3) instanceof Promise, 'what is known is of before')
  pool.answer(0)
  t.same(offsets(t, await after), [0, 2])
  t.equal(shaper.skip(model.log, isA, 0, 3), undefined)
  const again = shaper.shape(model.log, whole(model), by(isA), 0) as ShapedSlice
  t.same(offsets(t, again), [0, 2])
  model.truncate(0)
  model.append(events('bbb'))
  t.equal(shaper.skip(model.log, isA, 0, 3), undefined)
})

t.test('the real log says that it was cut', async (t) => {
  const { shaper } = setUp()
  const { shard, log } = await openLog()
  const look = () => {
    const slice = shard.read(log, 3, log.highWatermark, 1_000_000)
    if (!slice) throw new Error('there is nothing')
    return offsets(t, shaper.shape(log, slice, by(isA), 3) as ShapedSlice)
  }
  await shard.append({}, log, events('bbb'))
  await shard.append({}, log, events('bbb'))
  t.same(look(), [])
  t.match(shaper.skip(log, isA, 3, 6), { nextOffset: 6 })
  await shard.truncateTo(log, 3)
  await shard.append({}, log, events('bab'))
  t.equal(shaper.skip(log, isA, 3, 6), undefined)
  t.same(look(), [4])
})

t.test('another topic is another log', async (t) => {
  const { shaper, model } = setUp()
  const other = new ModelLog()
  model.append(events('aaa'))
  other.append(events('bab'))
  t.same(offsets(t, shaper.shape(model.log, whole(model), by(isA), 0) as ShapedSlice), [0, 1, 2])
  t.same(offsets(t, shaper.shape(other.log, whole(other), by(isA), 0) as ShapedSlice), [1])
})

t.test('what cannot be read is an error by offset, and what lies before it is served', async (t) => {
  const codec = codecNames[0]
  const bad = forge(events('aaa', codec), (bytes) => {
    setRecordCount(bytes, 0, 2)
    return undefined
  })
  const torn = forge(events('aaa', codec), (bytes) => bytes.subarray(0, bytes.length - 9))
  for (const offloadBytesMin of [Infinity, 0])
    for (const [broken, filter] of [
      [bad, isA],
      [torn, isA],
      [torn, undefined],
    ] as const) {
      const { shaper, model, pool } = setUp(offloadBytesMin)
      const wish: ReaderWish = { filter, compressions: filter ? undefined : new Set() }
      const shape = (from: number) =>
        answered(pool, () => shaper.shape(model.log, whole(model, from), wish, from))
      model.append(events('aba'))
      model.append(broken, false)
      model.append(events('aba'))
      const before = await shape(0)
      t.match(before, { nextOffset: 3 })
      t.same(offsets(t, before), filter ? [0, 2] : [0, 1, 2])
      for (let again = 0; again < 2; again++)
        await t.rejects(shape(3), {
          code: ErrorCode.CORRUPT_MESSAGE,
          message: /^partition 0 of topic [0-9a-f]{32}, offsets 3 to 5 cannot be read: /,
        })
      t.same(offsets(t, await shape(6)), filter ? [6, 8] : [6, 7, 8])
    }
})

t.test('a worker that dies is told to all who waited for it, and the next one looks again', async (t) => {
  const { shaper, model, pool } = setUp(0)
  model.append(events('aba'))
  const shape = () => shaper.shape(model.log, whole(model), by(isA), 0) as Promise<ShapedSlice>
  const [one, two] = [shape(), shape()]
  const third = shaper.skip(model.log, isA, 0, 3)
  pool.refuse(0)
  await t.rejects(one, CodecPoolError)
  await t.rejects(two, CodecPoolError)
  await t.resolves(third as Promise<void>)
  const again = shape()
  pool.answer(0)
  t.same(offsets(t, await again), [0, 2])
})

t.test('few bytes that are many unpacked go to the pool', async (t) => {
  for (const compression of codecNames)
    for (const filter of [isA, undefined]) {
      const { shaper, model, pool } = setUp(100_000, { bytesMax: 2 ** 21 })
      const value = `{"kind":"a","pad":"${' '.repeat(2_000_000)}"}`
      model.append(encode([plain(0, null, value)], { compression }))
      t.ok(model.batches[0].bytes.length < 100_000)
      const wish = { filter, compressions: filter ? undefined : new Set<CompressionName>() }
      const shaped = shaper.shape(model.log, whole(model), wish, 0)
      t.same(pool.ran, [filter ? 'match' : 'unpack'], compression)
      pool.answer(0)
      t.same(offsets(t, await shaped), [0])

      const small = setUp(100_000, { bytesMax: 100_000 })
      small.model.append(model.batches[0].bytes)
      const refused = answered(small.pool, () =>
        small.shaper.shape(small.model.log, whole(small.model), wish, 0),
      )
      await t.rejects(refused, { code: ErrorCode.CORRUPT_MESSAGE, message: /100000/ })
    }
})

t.test('filters that match too much to be told of together are looked at one by one', async (t) => {
  const { shaper, model, pool } = setUp(0)
  model.append(encode(Array.from({ length: 2000 }, (_, n) => plain(n, null, '{"kind":"a"}'))))
  model.append(events('aba'))
  const greedy = Array.from({ length: 700 }, (_, n) =>
    parseRecordPattern(JSON.stringify({ value: { kind: ['a', `${n}`] } })),
  )
  for (const filter of greedy) shaper.subscribe(model.log, filter, 0)
  const readers = greedy.slice(0, 5).map((filter) => shaper.shape(model.log, whole(model), by(filter), 0))
  for (; pool.held.length > 0; await settled()) pool.answer(0)
  for (const reader of readers) {
    const shaped = await reader
    t.equal(offsets(t, shaped).length, 2000)
    t.equal(shaped.nextOffset, 2000)
  }
  t.same(
    pool.sets.map(({ size }) => size),
    [700, 1, 1, 1, 1, 1],
  )
  const behind = shaper.shape(model.log, whole(model, 2000), by(greedy[0]), 2000)
  pool.answer(0)
  t.same(offsets(t, await behind), [2000, 2002])
  t.equal(pool.sets[6].size, 700, 'behind it all of them together again')
})

t.test('what is kept is bounded, and what is forgotten is looked at again', async (t) => {
  const cacheBytesMax = 20_000
  const { shaper, model } = setUp(Infinity, { cacheBytesMax })
  for (let batch = 0; batch < 100; batch++) model.append(events('abc', codecNames[0]))
  for (let round = 0; round < 2; round++)
    for (let offset = 0; offset < 300; offset += 3) {
      const slice = model.read(offset, 1)
      if (!slice) throw new Error('there is nothing')
      t.same(offsets(t, shaper.shape(model.log, slice, by(isA), offset) as ShapedSlice), [offset])
      const { cacheBytes } = shaper.stats()
      if (cacheBytes > cacheBytesMax) t.fail(`${cacheBytes} bytes are kept`)
    }
  t.equal(shaper.stats().scans, 200)
})

t.test(
  'unpacked records that would fill the cache are not kept, and unpacked again for who wants them',
  async (t) => {
    const { shaper, model } = setUp(Infinity, { cacheBytesMax: 20_000 })
    model.append(events('ab'.repeat(100), codecNames[0]))
    for (let again = 0; again < 3; again++) {
      const shaped = shaper.shape(model.log, whole(model), by(isA), 0) as ShapedSlice
      t.equal(offsets(t, shaped).length, 100)
      t.equal(baseOffsetAt(shaped.value, shaped.start), 0)
    }
    t.equal(shaper.stats().scans, 1)
    t.ok(shaper.stats().cacheBytes < 10_000)
  },
)

t.test('on threads it is the same', async (t) => {
  const pool = openPool(t, { offloadBytesMin: 0 })
  const shaper = new SharingShaper({ pool, crc32c, clock: new ManualTime(), decompressedBytesMax: 2 ** 24 })
  const here = setUp()
  for (const compression of ['none', ...codecNames] as const) {
    here.model.append(events('abcab'.repeat(10), compression))
    here.model.append(events('aaa', compression))
  }
  const { model } = here
  for (const wish of [
    by(isA),
    by(isNone),
    by(exists),
    by(isA, new Set()),
    { ...all, compressions: new Set<never>() },
  ])
    for (let offset = 0; offset < model.endOffset; ) {
      const on = await shaper.shape(model.log, whole(model, offset), wish, offset)
      const found = offsets(t, on)
      const wanted: number[] = []
      let reached = offset
      for (let next = offset; next < on.nextOffset; ) {
        const off = (await here.shaper.shape(model.log, whole(model, next), wish, next)) as ShapedSlice
        wanted.push(...offsets(t, off).filter((each) => each < on.nextOffset))
        next = reached = off.nextOffset
      }
      t.ok(reached >= on.nextOffset)
      t.same(found, wanted)
      offset = on.nextOffset
    }
})
