/**
 * What readers get with filters and without, held against the records of the log, while others come and go, the log grows and
 * is cut, and answers of the pool come in any order or not at all.
 */
import { crc32c } from '@node-rs/crc32'
import t, { type Test } from 'tap'
import { CodecPoolError } from '../../../broker/codec-pool/codec-pool.ts'
import type { ReaderWish, ShapedSlice } from '../../../broker/filters/fetch-shaper.ts'
import type { RecordPattern } from '../../../broker/filters/pattern.ts'
import { SharingShaper } from '../../../broker/filters/sharing-shaper.ts'
import {
  baseOffsetAt,
  compressionAt,
  isControlAt,
  lastOffsetAt,
} from '../../../storage/record/batch-header.ts'
import { compressionCodes } from '../../../storage/record/compression.ts'
import { isLostRangeAt } from '../../../storage/record/lost-range.ts'
import { nodeCodecs } from '../../../storage/record/node/node-codecs.ts'
import { checkStoredBatch } from '../../../storage/record/validate.ts'
import { type SeededRandom, seededRandom } from '../../support/seeded-random.ts'
import { ManualTime, settled } from '../manual-time.ts'
import { batchStarts, ModelLog } from './support/model-log.ts'
import { RoughPool } from './support/rough-pool.ts'
import {
  batchWithoutRecords,
  codecNames,
  dataBatch,
  filters,
  isFor,
  isNotJson,
  numbered,
  randomShape,
  recordsOf,
  type Stored,
} from './support/stored-batches.ts'

const tools = { crc32c, codecs: nodeCodecs }
const decompressedBytesMax = 16 * 1024 * 1024

function newShaper(pool: RoughPool, cacheBytesMax?: number) {
  const time = new ManualTime()
  const shaper = new SharingShaper({
    pool,
    crc32c,
    clock: time,
    decompressedBytesMax,
    ...(cacheBytesMax !== undefined && { cacheBytesMax }),
  })
  return { time, shaper }
}

/** What is in the bytes of a shaped slice: every batch sound, the offsets ascending. */
function read({ value, start, end }: ShapedSlice, wish: ReaderWish) {
  const records: Stored[] = []
  const lost: number[] = []
  let endOffset = -1
  for (const at of batchStarts(value, start, end)) {
    const problem = checkStoredBatch(value, at, end, crc32c)
    if (problem) throw new Error(problem.sentence)
    if (baseOffsetAt(value, at) < endOffset) throw new Error('batches overlap')
    endOffset = lastOffsetAt(value, at) + 1
    if (isLostRangeAt(value, at)) lost.push(baseOffsetAt(value, at))
    const code = compressionAt(value, at)
    if (wish.compressions && code !== compressionCodes.none) {
      const name = codecNames.find((name) => compressionCodes[name] === code)
      if (!name || !wish.compressions.has(name)) throw new Error(`the reader cannot unpack ${name}`)
    }
    if (!isControlAt(value, at)) records.push(...recordsOf(value, at))
  }
  return { records, lost, endOffset }
}

/** Holds a shaped slice against the records of the log when it was read. */
function check(
  t: Test,
  model: ModelLog,
  batches: ModelLog['batches'],
  wish: ReaderWish,
  fromOffset: number,
  upTo: number,
  shaped: ShapedSlice,
): void {
  const { filter } = wish
  const { nextOffset } = shaped
  const then = Object.assign(Object.create(model) as ModelLog, { batches })
  if (nextOffset <= fromOffset || nextOffset > upTo) t.fail(`went on to ${nextOffset} from ${fromOffset}`)
  const looked = then.records(fromOffset, nextOffset)
  const wanted = filter ? looked.filter((record) => isFor(filter, record)) : looked
  const got = read(shaped, wish)
  const seen = got.records.filter(({ offset }) => offset >= fromOffset)
  t.same(seen, wanted)
  const markers = batches.filter(
    ({ bytes, baseOffset, endOffset }) =>
      isLostRangeAt(bytes, 0) && endOffset > fromOffset && baseOffset < nextOffset,
  )
  t.same(
    got.lost,
    markers.map(({ baseOffset }) => baseOffset),
  )
  if (shaped.end > shaped.start) t.equal(shaped.endOffset, got.endOffset)
  else t.equal(shaped.endOffset, fromOffset)
  t.ok(shaped.endOffset <= nextOffset)
  t.equal(shaped.examined, filter ? looked.length : 0)
  if (filter && shaped.notJson > 0) t.ok(shaped.notJson <= looked.filter(isNotJson).length)
}

function randomWish(random: SeededRandom): ReaderWish {
  const filter: RecordPattern | undefined =
    random.below(8) === 0
      ? undefined
      : random.below(3) === 0
        ? numbered(random.below(40))
        : random.pick(filters)
  const compressions = random.pick([
    undefined,
    undefined,
    new Set<never>(),
    new Set(codecNames.filter(() => random.below(2) === 0)),
  ])
  return { filter, compressions }
}

function grow(random: SeededRandom, model: ModelLog): void {
  if (random.below(6) === 0) model.append(batchWithoutRecords(random, 0, 0))
  else model.append(dataBatch(random, randomShape(random)))
}

for (const [name, offloadBytesMin] of [
  ['on the event loop', Infinity],
  ['in the pool', 0],
  ['here and there', 1500],
] as const)
  t.test(`random readers of a log, ${name}`, async (t) => {
    const random = seededRandom(t)
    const pool = new RoughPool(tools, offloadBytesMin)
    const { shaper, time } = newShaper(pool, random.pick([undefined, 20_000]))
    const models = [new ModelLog(), new ModelLog()]
    const readers: { wish: ReaderWish; model: ModelLog; offset: number; leave: (() => void) | undefined }[] =
      []
    const late: Promise<void>[] = []
    let skips = 0
    let refused = 0

    const step = (reader: (typeof readers)[number]) => {
      const { wish, model } = reader
      if (reader.offset > model.endOffset) reader.offset = model.endOffset
      const from = reader.offset
      if (wish.filter && random.below(3) > 0) {
        const skipped = shaper.skip(model.log, wish.filter, from, model.endOffset)
        if (skipped && !(skipped instanceof Promise)) {
          const { filter } = wish
          skips++
          t.ok(skipped.nextOffset > from && skipped.nextOffset <= model.endOffset)
          const looked = model.records(from, skipped.nextOffset)
          t.same(
            looked.filter((record) => isFor(filter, record)),
            [],
          )
          t.equal(skipped.examined, looked.length)
          reader.offset = skipped.nextOffset
          return
        }
      }
      const slice = model.read(from, 1 + random.below(random.pick([1, 4, 40])))
      if (!slice) return
      const batches = [...model.batches]
      const shaped = shaper.shape(model.log, slice, wish, from)
      const settle = (result: ShapedSlice) => {
        check(t, model, batches, wish, from, slice.nextOffset, result)
        if (reader.offset === from && model.endOffset >= result.nextOffset) reader.offset = result.nextOffset
      }
      if (!(shaped instanceof Promise)) {
        settle(shaped)
        return
      }
      slice.value.fill(0xee)
      const refusal = (error: unknown) => {
        if (!(error instanceof CodecPoolError)) throw error
        refused++
      }
      late.push(shaped.then(settle, refusal))
    }

    for (let round = 0; round < (process.env.OCTOPUS_SOAK ? 20_000 : 1_000); round++) {
      const model = random.pick(models)
      const kind = random.below(100)
      if (kind < 12) grow(random, model)
      else if (kind < 14 && model.batches.length > 0) model.truncate(random.below(model.batches.length))
      else if (kind < 22 && readers.length < 30) {
        const wish = randomWish(random)
        const offset = random.pick([0, model.endOffset, random.below(model.endOffset + 1)])
        const leave =
          wish.filter && random.below(5) > 0 ? shaper.subscribe(model.log, wish.filter, offset) : undefined
        readers.push({ wish, model, offset, leave })
      } else if (kind < 28 && readers.length > 0) {
        const [reader] = readers.splice(random.below(readers.length), 1)
        reader.leave?.()
        reader.leave?.()
      } else if (kind < 30) await time.advance(random.pick([10, 3000, 11_000]))
      else if (kind < 60 && readers.length > 0) step(random.pick(readers))
      else if (kind < 70) for (const reader of readers) step(reader)
      else if (pool.held.length > 0) {
        const index = random.below(pool.held.length)
        if (random.below(20) === 0) pool.refuse(index)
        else pool.answer(index)
        if (random.below(2) === 0) await settled()
      }
      if (random.below(3) === 0) await settled()
      const { cacheBytes, cacheBytesMax } = shaper.stats()
      if (cacheBytes > cacheBytesMax) t.fail(`${cacheBytes} bytes in the cache`)
    }
    while (pool.held.length > 0) {
      pool.answer(0)
      await settled()
    }
    await Promise.all(late)
    for (const { leave } of readers) leave?.()
    await time.advance(20_000)
    shaper.subscribe(new ModelLog().log, filters[0], 0)
    t.match(shaper.stats(), { cacheBytes: 0, liveFilters: 1 }, 'nothing is left of readers who are gone')
    const { scans, sharedBatches } = shaper.stats()
    t.comment(`${scans} scans, ${sharedBatches} batches shared, ${skips} skips, ${refused} refused`)
    t.ok(scans > 20 && sharedBatches > 0)
    if (offloadBytesMin === Infinity) t.ok(skips > 0, 'something was skipped')
    else t.ok(refused > 0)
  })
