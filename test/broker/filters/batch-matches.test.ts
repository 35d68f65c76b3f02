/** Batches held against a set, and where that ends: at damage, and at what is enough. */
import { crc32c } from '@node-rs/crc32'
import t from 'tap'
import { matchBatches } from '../../../broker/filters/batch-matches.ts'
import { MatchTable, NOT_JSON } from '../../../broker/filters/match-table.ts'
import { parseRecordPattern } from '../../../broker/filters/parse-pattern.ts'
import { PatternSet } from '../../../broker/filters/pattern-set.ts'
import { BatchEncoder } from '../../../storage/record/batch-encoder.ts'
import {
  BATCH_HEADER_BYTES,
  setLastOffsetDelta,
  setRecordCount,
  stampBatch,
} from '../../../storage/record/batch-header.ts'
import { nodeCodecs } from '../../../storage/record/node/node-codecs.ts'
import { encode, forge, plain } from '../../storage/record/batches.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import {
  batchWithoutRecords,
  codecNames,
  dataBatch,
  filters,
  isFor,
  isNotJson,
  randomShape,
  recordsOf,
} from './support/stored-batches.ts'

const tools = { codecs: nodeCodecs }
const limits = { decompressedBytesMax: 2 ** 24, recordBytesEnough: 2 ** 30 }

function joined(batches: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(batches))
}

function changed(batch: Uint8Array, change: (bytes: Uint8Array) => void): Uint8Array {
  return forge(batch, (bytes) => {
    change(bytes)
    return undefined
  })
}

t.test('random batches: what matches is what the slow matcher takes', async (t) => {
  const random = seededRandom(t)
  const set = new PatternSet(filters)
  for (let round = 0; round < 60; round++) {
    let offset = random.below(1000)
    const batches = Array.from({ length: 1 + random.below(8) }, () => {
      const batch =
        random.below(4) === 0
          ? batchWithoutRecords(random, offset, 0)
          : dataBatch(random, randomShape(random))
      stampBatch(batch, 0, offset, 0)
      offset += 1000
      return batch
    })
    const { table, sections, stop } = matchBatches(joined(batches), set, tools, limits)
    t.equal(stop, undefined)
    const matches = new MatchTable(table, sections)
    t.equal(matches.batches, batches.length)
    for (const [number, batch] of batches.entries()) {
      const records = recordsOf(batch)
      t.equal(matches.recordCount(number), records.length)
      for (const [pattern, filter] of filters.entries()) {
        const wanted = records.flatMap((record, index) => (isFor(filter, record) ? index : []))
        t.same([...matches.records(number, pattern)], wanted, filter.text)
      }
      const notJson = records.flatMap((record, index) => (isNotJson(record) ? index : []))
      t.same([...matches.records(number, NOT_JSON)], notJson)
    }
  }
})

t.test('what is damaged inside ends it, and what lies before is known', async (t) => {
  const set = new PatternSet([filters[0]])
  const good = encode([plain(0, null, '{"kind":"a"}')])
  const broken: [string, Uint8Array, string][] = [
    ['a length', changed(good, (bytes) => bytes.set([0x7e], BATCH_HEADER_BYTES)), 'structure'],
    ['a count', changed(good, (bytes) => setRecordCount(bytes, 0, 3)), 'count'],
    [
      'an offset delta',
      changed(encode([plain(0, null, 'a'), plain(0, null, 'b')]), (bytes) => setLastOffsetDelta(bytes, 0, 0)),
      'offset-delta',
    ],
  ]
  const random = seededRandom(t)
  for (const compression of codecNames) {
    const packed = encode(
      Array.from({ length: 50 }, () => plain(0, null, '{"kind":"a"}')),
      { compression },
    )
    broken.push([
      `${compression} that is none`,
      changed(packed, (bytes) => bytes.set(random.bytes(bytes.length - 61), 61)),
      'compression',
    ])
    broken.push([
      `${compression} that is cut off`,
      forge(packed, (bytes) => bytes.subarray(0, 64)),
      'compression',
    ])
    broken.push([
      `a count in ${compression}`,
      changed(packed, (bytes) => setRecordCount(bytes, 0, 49)),
      'count',
    ])
  }
  for (const [name, bad, reason] of broken) {
    const { table, sections, stop } = matchBatches(joined([good, bad, good]), set, tools, limits)
    t.equal(typeof stop === 'object' && stop.reason, reason, name)
    const matches = new MatchTable(table, sections)
    t.equal(matches.batches, 1, name)
    t.equal(matches.count(0, 0), 1, name)
  }
})

t.test('a batch that would be too large unpacked is refused before it is', async (t) => {
  const set = new PatternSet([filters[0]])
  for (const compression of codecNames) {
    const encoder = new BatchEncoder({ crc32c, bytesMax: 2 ** 27, codecs: nodeCodecs })
    encoder.append(0, null, new Uint8Array(20_000_000))
    const bomb = encoder.finish({ compression })
    const { table, stop } = matchBatches(bomb, set, tools, limits)
    t.match(stop, { reason: 'too-large' }, compression)
    t.equal(table[0], 0)
  }
})

t.test('it ends behind the batch with which it is enough', async (t) => {
  const set = new PatternSet([filters[0]])
  const compression = codecNames[0]
  const packed = encode(
    Array.from({ length: 100 }, () => plain(0, null, '{"kind":"a"}')),
    { compression },
  )
  const bytes = joined([packed, packed, packed, packed])
  for (const [recordBytesEnough, batches] of [
    [1, 1],
    [2500, 2],
    [2 ** 30, 4],
  ]) {
    const { table, sections, stop } = matchBatches(bytes, set, tools, { ...limits, recordBytesEnough })
    t.equal(stop, undefined)
    t.equal(table[0], batches)
    const matches = new MatchTable(table, sections)
    for (let batch = 0; batch < batches; batch++) {
      t.equal(matches.count(batch, 0), 100)
      t.equal(matches.section(batch)?.length, matches.positions(batch)[100])
    }
  }
})

t.test('too many matches for many patterns are no more than enough for each of them', async (t) => {
  const records = Array.from({ length: 2000 }, () => plain(0, null, '{"kind":"a","n":1}'))
  const batch = encode(records)
  const all = Array.from({ length: 600 }, (_, n) =>
    parseRecordPattern(JSON.stringify({ value: { kind: ['a', `${n}`] } })),
  )
  t.equal(matchBatches(batch, new PatternSet(all), tools, limits).stop, 'too-many-matches')
  const alone = matchBatches(batch, new PatternSet([all[0]]), tools, limits)
  t.equal(alone.stop, undefined)
  t.equal(new MatchTable(alone.table, alone.sections).count(0, 0), 2000)
})

t.test('only whole batches are looked at', async (t) => {
  const batch = encode([plain(0, null, 'a')])
  t.throws(
    () => matchBatches(batch.subarray(0, batch.length - 1), new PatternSet([filters[0]]), tools, limits),
    {
      message: 'what is to be looked at is not whole batches',
    },
  )
})
