/** The index of a sealed segment: its bytes, its refusal of every damage, and the cache of its runs. */
import t from 'tap'
import { IndexCache } from '../../../storage/log/index-cache.ts'
import { IndexSummary } from '../../../storage/log/index-summary.ts'
import { RANGE_STRIDE, RangeList, RangeView } from '../../../storage/log/ranges.ts'
import { SealedIndexes } from '../../../storage/log/sealed-indexes.ts'
import {
  decodeIndexHead,
  encodeSegmentIndex,
  producersAt,
  ROW_BYTES,
  runsAt,
  type SegmentSummary,
} from '../../../storage/log/segment-index.ts'
import { MemoryDisk, MemorySegmentStore } from '../../../storage/memory/memory-segment-store.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { StorageError } from '../../../storage/segment-store.ts'
import { type SeededRandom, seededRandom } from '../../support/seeded-random.ts'

const topicId = Uint8Array.from({ length: 16 }, (_, i) => i + 1)
const NO_RUNS = new RangeView(new Float64Array(0), 0, 0)

function twoRuns(): RangeView {
  const runs = new RangeList()
  runs.push(0, 10, 1000, 0, 96, 500)
  runs.push(12, 20, 900, 3, 160, 700)
  return runs.view()
}

const summary: SegmentSummary = {
  partitions: [
    {
      topicId,
      partition: 0,
      runs: twoRuns(),
      truncatedTo: 12,
      logStart: { offset: 2, endOffset: 20, deadBytes: 100, leaderEpoch: 1 },
      epochs: [
        { epoch: 1, startOffset: 0 },
        { epoch: 4, startOffset: 12 },
      ],
    },
    { topicId, partition: 41, runs: NO_RUNS, truncatedTo: undefined, logStart: undefined, epochs: [] },
  ],
  droppedTopics: [new Uint8Array(16).fill(0xee)],
  producers: Uint8Array.of(7, 8, 9),
}

const decode = (bytes: Uint8Array, indexBytes = bytes.length) =>
  IndexSummary.decode(bytes, indexBytes, 6, crc32cTable)

/** What a summary says of each row, as it was given to the encoder. */
function plain(index: IndexSummary): unknown {
  return Array.from({ length: index.partitions }, (_, row) => ({
    topicId: index.topicId(row),
    partition: index.partition(row),
    runs: [index.firstRun(row), index.runCount(row)],
    offsets: [index.baseOffset(row), index.endOffset(row)],
    maxTimestampMs: index.maxTimestampMs(row),
    bytes: index.bytes(row),
    truncatedTo: index.truncatedTo(row),
    logStart: index.logStart(row),
    epochs: Array.from({ length: index.epochs }, (_, i) => i)
      .filter((i) => index.epochRow(i) === row)
      .map((i) => ({ epoch: index.epoch(i), startOffset: index.epochStartOffset(i) })),
  }))
}

function expected({ partitions }: SegmentSummary): unknown {
  let firstRun = 0
  return partitions.map(({ topicId, partition, runs, truncatedTo, logStart, epochs }) => {
    const { count } = runs
    firstRun += count
    return {
      topicId,
      partition,
      runs: [firstRun - count, count],
      offsets: count === 0 ? [-1, -1] : [runs.baseOffset(0), runs.endOffset(count - 1)],
      maxTimestampMs: runs.maxTimestampOfAllMs(),
      bytes: runs.bytesOfAll(),
      truncatedTo: truncatedTo ?? -1,
      logStart,
      epochs,
    }
  })
}

t.test('an index with two partitions has these bytes', async (t) => {
  const bytes = encodeSegmentIndex(summary, crc32cTable)
  const f64 = (...numbers: number[]) => Buffer.from(new Float64Array(numbers).buffer).toString('hex')
  const u32 = (...numbers: number[]) => Buffer.from(new Uint32Array(numbers).buffer).toString('hex')
  const summaryBytes = 32 + 2 * 112 + 2 * 24 + 3 * 16 + 8
  const runs = f64(0, 10, 1000, 0, 96, 500, 12, 20, 900, 3, 160, 700)
  const runsCrc = crc32cTable(Buffer.from(runs, 'hex'))
  const before = [
    Buffer.from('OCI2').toString('hex'),
    u32(summaryBytes + 2 * 48 + 3, summaryBytes, 2, 2, 2, 1, 3),
    f64(0, 0, 2, 0, 20, 1000, 1200, 12, 2, 20, 100, 1, runsCrc, 0),
    f64(41, 2, 0, -1, -1, -1, 0, -1, -1, -1, 0, -1, 0, 0),
    f64(0, 1, 0, 0, 4, 12),
    '0102030405060708090a0b0c0d0e0f10',
    '0102030405060708090a0b0c0d0e0f10',
    'ee'.repeat(16),
  ].join('')
  const crc = crc32cTable(Buffer.from(before, 'hex'))
  t.equal(Buffer.from(bytes).toString('hex'), [before, u32(crc, 0), runs, '070809'].join(''))
  t.equal(summaryBytes % 8, 0)
})

t.test('what is written is read back, from any address and from the summary alone', async (t) => {
  const bytes = encodeSegmentIndex(summary, crc32cTable)
  const index = decode(bytes)
  t.strictSame(plain(index), expected(summary))
  t.strictSame(index.droppedTopics(), summary.droppedTopics)
  t.strictSame([index.sameTopicAsBefore(0), index.sameTopicAsBefore(1)], [false, true])
  t.ok(index.hidesOlder())
  const { head } = index
  t.strictSame(bytes.subarray(producersAt(head), producersAt(head) + head.producerBytes), summary.producers)

  const unaligned = new Uint8Array(head.summaryBytes + 3).subarray(3)
  unaligned.set(bytes.subarray(0, head.summaryBytes))
  t.strictSame(plain(decode(unaligned, bytes.length)), expected(summary))

  const nothing = decode(encodeSegmentIndex({ partitions: [], droppedTopics: [] }, crc32cTable))
  t.strictSame([nothing.partitions, nothing.epochs, nothing.hidesOlder()], [0, 0, false])
})

function randomSummary(random: SeededRandom): SegmentSummary {
  const topics = Array.from({ length: 1 + random.below(4) }, () => random.bytes(16))
  const partitions = topics.flatMap((topicId) =>
    Array.from({ length: random.below(6) }, (_, partition) => {
      const runs = new RangeList()
      let offset = random.below(2 ** 40)
      for (let i = random.below(5); i > 0; i--) {
        const end = offset + 1 + random.below(1000)
        runs.push(
          offset,
          end,
          random.below(2 ** 41),
          random.below(2 ** 31),
          random.below(65536),
          random.below(1e6),
        )
        offset = end + random.below(2)
      }
      return {
        topicId,
        partition,
        runs: runs.view(),
        truncatedTo: random.below(4) === 0 ? random.below(1000) : undefined,
        logStart:
          random.below(3) === 0
            ? { offset: random.below(100), endOffset: 2 ** 50, deadBytes: random.below(9), leaderEpoch: -1 }
            : undefined,
        epochs: Array.from({ length: random.below(3) }, (_, epoch) => ({ epoch, startOffset: epoch * 7 })),
      }
    }),
  )
  return { partitions, droppedTopics: [], producers: random.bytes(random.below(20)) }
}

t.test('random summaries are read back', async (t) => {
  const random = seededRandom(t)
  for (let round = 0; round < 200; round++) {
    const written = randomSummary(random)
    const bytes = encodeSegmentIndex(written, crc32cTable)
    const index = decode(bytes)
    if (JSON.stringify(plain(index)) !== JSON.stringify(expected(written)))
      t.strictSame(plain(index), expected(written))
  }
})

t.test('every flipped bit and every truncation of a summary is refused by name', async (t) => {
  const bytes = encodeSegmentIndex(summary, crc32cTable)
  const { summaryBytes } = decodeIndexHead(bytes, bytes.length, 6)
  const refused = (bad: Uint8Array, indexBytes: number, what: string) => {
    try {
      decode(bad, indexBytes)
      t.fail(`${what} was not noticed`)
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== 'DAMAGED' || !/segment 6/.test(error.message))
        throw error
    }
  }
  for (let bit = 0; bit < summaryBytes * 8; bit++) {
    const bad = bytes.slice(0, summaryBytes)
    bad[bit >> 3] ^= 1 << (bit & 7)
    refused(bad, bytes.length, `bit ${bit}`)
  }
  for (let length = 0; length < bytes.length; length++)
    refused(bytes.slice(0, length), length, `an index of ${length} bytes`)
  for (let length = 0; length < summaryBytes; length++)
    refused(bytes.slice(0, length), bytes.length, `a summary of ${length} bytes`)
  const old = bytes.slice()
  old[3] = '1'.charCodeAt(0)
  t.throws(() => decode(old), { message: 'the index of segment 6 is damaged: it does not begin with "OCI2"' })
})

/** Segment 1 of a store, sealed with the index of `summary`. */
async function sealedStore(disk = new MemoryDisk()) {
  const store = new MemorySegmentStore({ disk, segmentBytes: 64 * 1024 })
  await store.open()
  if (store.segments().length === 1) await store.roll(encodeSegmentIndex(summary, crc32cTable))
  return { disk, store }
}

/** The segment has no values to find runs in. */
const nowhere = { topicId, partition: 0, baseOffset: 0, endOffset: 20, bytes: 1200 }

const numbers = (runs: RangeView) => [...runs.columns]

t.test('runs are read one partition at a time, and kept', async (t) => {
  const { store } = await sealedStore()
  const indexes = new SealedIndexes(store, crc32cTable, 10_000)
  t.throws(() => indexes.runs(1, 0), { code: 'MISUSE', message: /segment 1 is not sealed/ })
  indexes.add(1, decode((await store.readIndex(1)) ?? new Uint8Array()).head)
  t.strictSame(numbers(indexes.runs(1, 0)), [...twoRuns().columns.subarray(0, 2 * RANGE_STRIDE)])
  t.throws(() => indexes.runs(1, 1), { code: 'DAMAGED' }, 'a partition without runs has nothing to look up')
  t.ok(indexes.isLoaded(1, 0))
  indexes.runs(1, 0)
  t.match(indexes.stats(), { hits: 1, loads: 1, rebuiltBytes: 0 })
  t.throws(() => indexes.runs(1, 2), { code: 'MISUSE', message: /row 2 of an index with 2/ })
  t.strictSame(plain(await indexes.summary(1)), expected(summary))

  const later = new SealedIndexes(store, crc32cTable, 10_000)
  later.add(1, decode((await store.readIndex(1)) ?? new Uint8Array()).head)
  await later.load(1, 0, nowhere)
  t.ok(later.isLoaded(1, 0))
  t.equal(later.runs(1, 0).endOffset(1), 20)
  t.match(later.stats(), { hits: 1, loads: 1 })
})

t.test('runs of which the page is here need no disk', async (t) => {
  const disk = new MemoryDisk()
  const [first] = summary.partitions
  const neighbours = { ...summary, partitions: [first, { ...first, partition: first.partition + 1 }] }
  const store = new MemorySegmentStore({ disk, segmentBytes: 64 * 1024 })
  await store.open()
  await store.roll(encodeSegmentIndex(neighbours, crc32cTable))
  const indexes = new SealedIndexes(store, crc32cTable, 10_000)
  indexes.add(1, decode((await store.readIndex(1)) ?? new Uint8Array()).head)
  t.strictSame(
    [indexes.isLoaded(1, 0), indexes.isLoaded(1, 1), indexes.isLoaded(2, 0)],
    [false, false, false],
  )
  indexes.runs(1, 0)
  t.ok(indexes.isLoaded(1, 1), 'its neighbour')
  disk.segments[0].index?.fill(0)
  t.equal(indexes.runs(1, 1).endOffset(1), 20)
  const stored = encodeSegmentIndex(neighbours, crc32cTable)
  const { head } = decode(stored.slice())
  disk.segments[0].index = stored
  stored[runsAt(head, head.runs) - 1] ^= 1
  const damaged = new SealedIndexes(store, crc32cTable, 10_000)
  damaged.add(1, head)
  damaged.runs(1, 0)
  t.equal(damaged.isLoaded(1, 1), false, 'nor is it said of runs that are damaged: they are to be looked for')
  await t.rejects(damaged.load(1, 1, nowhere), { code: 'DAMAGED' })
})

t.test('every flipped bit in runs, and in the row that says where they are, is noticed', async (t) => {
  const { disk, store } = await sealedStore()
  const stored = disk.segments[0].index ?? new Uint8Array()
  const { head } = decode(stored.slice())
  const places = [
    // Not the sign of zero.
    { what: 'the number of the first run', from: 32 + 8, to: 32 + 15 },
    { what: 'the count of runs', from: 32 + 16, to: 32 + 24 },
    { what: 'the checksum of runs', from: 32 + ROW_BYTES - 16, to: 32 + ROW_BYTES - 8 },
    { what: 'runs', from: runsAt(head, 0), to: runsAt(head, 2) },
  ]
  for (const { what, from, to } of places)
    for (let bit = from * 8; bit < to * 8; bit++) {
      stored[bit >> 3] ^= 1 << (bit & 7)
      const indexes = new SealedIndexes(store, crc32cTable, 10_000)
      indexes.add(1, head)
      try {
        indexes.runs(1, 0)
        t.fail(`bit ${bit} of ${what} was not noticed`)
      } catch (error) {
        if (!(error instanceof StorageError) || error.code !== 'DAMAGED') throw error
      }
      await t.rejects(indexes.load(1, 0, nowhere), { code: 'DAMAGED' })
      stored[bit >> 3] ^= 1 << (bit & 7)
    }
})

t.test('an index that was rebuilt is used instead of the stored one', async (t) => {
  const { disk, store } = await sealedStore()
  disk.segments[0].index?.fill(0)
  const indexes = new SealedIndexes(store, crc32cTable, 10_000)
  const rebuilt = encodeSegmentIndex(summary, crc32cTable)
  indexes.addRebuilt(1, rebuilt)
  await indexes.load(1, 0, nowhere)
  t.equal(indexes.runs(1, 0).endOffset(1), 20)
  t.strictSame(plain(await indexes.summary(1)), expected(summary))
  t.equal(indexes.stats().rebuiltBytes, rebuilt.length)
  indexes.remove(1)
  t.equal(indexes.stats().rebuiltBytes, 0)
})

t.test('the cache keeps what was needed last, within its bytes', async (t) => {
  const random = seededRandom(t)
  const cache = new IndexCache(20_000)
  let fullest = 0
  /** Blocks in the order of their use, the latest last. */
  let model: { segment: number; row: number; block: RangeView; bytes: number }[] = []
  for (let step = 0; step < 5_000; step++) {
    const segment = 1 + random.below(5)
    const row = random.below(20)
    const found = model.find((entry) => entry.segment === segment && entry.row === row)
    if (random.below(2) === 0) {
      if (cache.get(segment, row) !== found?.block) t.fail(`step ${step}: not the block of the model`)
      if (found) model = [...model.filter((entry) => entry !== found), found]
      continue
    }
    const runs = random.below(random.below(10) === 0 ? 600 : 20)
    const block = new RangeView(new Float64Array(runs * RANGE_STRIDE), 0, runs)
    const bytes = runs * RANGE_STRIDE * 8 + 256
    cache.put(segment, row, block)
    model = model.filter((entry) => entry !== found)
    if (bytes > 20_000) continue
    model.push({ segment, row, block, bytes })
    const total = () => model.reduce((sum, entry) => sum + entry.bytes, 0)
    while (total() > 20_000) model.shift()
    fullest = Math.max(fullest, cache.bytes)
    if (cache.bytes !== total()) t.fail(`step ${step}: ${cache.bytes} bytes, model ${total()}`)
  }
  t.ok(fullest > 10_000)
  t.ok(cache.hits > 100)
})
