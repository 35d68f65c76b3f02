/** A batch with some of the records of another one, and batches with none. */

import { Buffer } from 'node:buffer'
import { crc32c } from '@node-rs/crc32'
import t from 'tap'
import { decodeBatch } from '../../../storage/record/batch-decoder.ts'
import {
  attributeBits,
  attributesAt,
  BATCH_HEADER_BYTES,
  baseOffsetAt,
  baseSequenceAt,
  baseTimestampAt,
  batchBytesAt,
  compressionAt,
  isControlAt,
  lastOffsetAt,
  lastOffsetDeltaAt,
  leaderEpochAt,
  maxTimestampAt,
  nextBatchEnd,
  producerEpochAt,
  producerIdAt,
  recordCountAt,
  setAttributes,
  setMaxTimestamp,
  stampBatch,
} from '../../../storage/record/batch-header.ts'
import { unpackRecords } from '../../../storage/record/batch-rebuild.ts'
import { selectionBytes, selectRecords, writeSelection } from '../../../storage/record/batch-selection.ts'
import { compressionCodes } from '../../../storage/record/compression.ts'
import { emptyBatch, emptyBatchesBytes, writeEmptyBatches } from '../../../storage/record/empty-batch.ts'
import { isLostRangeAt } from '../../../storage/record/lost-range.ts'
import { checkStoredBatch } from '../../../storage/record/validate.ts'
import { varintAt, varintEndAt } from '../../../storage/record/varint.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { codecs, encode, hex, type PlainRecord, plain, randomRecord, shown, sign, source } from './batches.ts'

/** Where each of the records starts, and the end of the last. */
function positionsOf(section: Uint8Array, at: number, end: number): Uint32Array {
  const positions: number[] = []
  let next = at
  while (next < end) {
    positions.push(next - at)
    next = varintEndAt(section, next) + varintAt(section, next)
  }
  return Uint32Array.from([...positions, end - at])
}

function sourceOf(bytes: Uint8Array, at: number) {
  const end = at + batchBytesAt(bytes, at)
  if (compressionAt(bytes, at) === compressionCodes.none) {
    const sectionAt = at + BATCH_HEADER_BYTES
    return { bytes, at, section: bytes, sectionAt, positions: positionsOf(bytes, sectionAt, end) }
  }
  const section = unpackRecords(bytes, at, codecs, 2 ** 26)
  if (!(section instanceof Uint8Array)) throw new Error(section.sentence)
  return { bytes, at, section, sectionAt: 0, positions: positionsOf(section, 0, section.length) }
}

t.test('one record of three, byte for byte', async (t) => {
  const batch = encode([plain(1000, 'a', 'x'), plain(1005, 'b', 'yy'), plain(1003, null, 'z')], {
    producerId: 7,
    producerEpoch: 1,
    baseSequence: 42,
  })
  stampBatch(batch, 0, 500, 9)
  const selected = selectRecords(sourceOf(batch, 0), Uint32Array.of(2), crc32c)
  t.equal(checkStoredBatch(selected, 0, selected.length, crc32c), undefined)
  t.equal(
    hex(selected),
    [
      '00000000000001f4', // base offset 500
      '00000039', // length: 49 bytes of header and 8 of the record
      '00000009', // leader epoch
      '02',
      hex(selected.subarray(17, 21)), // checksum, checked above
      '0000',
      '00000002', // last offset delta: as before
      '00000000000003e8', // base timestamp 1000: as before
      '00000000000003eb', // max timestamp 1003: that of the record that is left
      '0000000000000007',
      '0001',
      '0000002a',
      '00000001', // one record
      '0e00060401027a00', // of 7 bytes: delta 3 ms, delta 2, no key, z
    ].join(''),
  )
})

t.test(
  'random batches of all shapes: the records that stay are the same, and the rest of the header',
  async (t) => {
    const random = seededRandom(t)
    for (let round = 0; round < 100; round++) {
      const records: PlainRecord[] = Array.from({ length: 1 + random.below(random.pick([1, 5, 200])) }, () =>
        randomRecord(random, 1_700_000_000_000),
      )
      const batch = encode(records, {
        compression: random.pick(['none', 'gzip']),
        ...random.pick([{}, { producerId: 5, producerEpoch: 3, baseSequence: 100 }]),
        transactional: random.below(4) === 0,
      })
      stampBatch(batch, 0, random.below(2 ** 40), random.below(100))
      const isAppendTime = random.below(4) === 0
      if (isAppendTime) {
        setAttributes(batch, 0, attributesAt(batch, 0) | attributeBits.logAppendTime)
        setMaxTimestamp(batch, 0, 1_700_000_123_456)
        sign(batch)
      }
      const share = random.pick([0.01, 0.5, 0.99, 1])
      const indexes = records.map((_, index) => index).filter(() => random.unit() < share)
      if (indexes.length === 0) indexes.push(random.below(records.length))

      // Somewhere in a buffer, from somewhere in a buffer.
      const room = new Uint8Array(20 + batch.length).fill(0xee)
      room.set(batch, 13)
      const from = sourceOf(room, 13)
      const selected = Uint32Array.from(indexes)
      const into = new Uint8Array(7 + selectionBytes(from, selected) + 5).fill(0xdd)
      const end = writeSelection(into, 7, from, selected, crc32c)
      t.equal(end, into.length - 5)
      t.ok(
        into.subarray(0, 7).every((byte) => byte === 0xdd) &&
          into.subarray(end).every((byte) => byte === 0xdd),
      )
      const problem = checkStoredBatch(into, 7, end, crc32c)
      t.equal(problem, undefined)

      const all = decodeBatch(batch, 0, source, { codecs })
      const left = decodeBatch(into, 7, source)
      t.same(
        left.map(shown),
        indexes.map((index) => shown(all[index])),
      )
      for (const field of [baseOffsetAt, lastOffsetAt, leaderEpochAt, baseTimestampAt, producerIdAt])
        t.equal(field(into, 7), field(batch, 0), field.name)
      t.equal(producerEpochAt(into, 7), producerEpochAt(batch, 0))
      t.equal(baseSequenceAt(into, 7), baseSequenceAt(batch, 0))
      t.equal(attributesAt(into, 7), attributesAt(batch, 0) & ~attributeBits.compression)
      t.equal(
        maxTimestampAt(into, 7),
        isAppendTime ? 1_700_000_123_456 : Math.max(...indexes.map((index) => records[index].timestampMs)),
      )
      if (indexes.length === records.length && compressionAt(batch, 0) === compressionCodes.none)
        t.equal(hex(into.subarray(7, end)), hex(batch), 'all of them: the batch itself')
    }
  },
)

t.test('a selection without records is a mistake of the caller', async (t) => {
  t.throws(() => selectRecords(sourceOf(encode([plain(0, null, 'a')]), 0), new Uint32Array(0), crc32c), {
    message: 'a selection has at least one record',
  })
})

t.test('an empty batch covers its offsets', async (t) => {
  for (const [offset, endOffset, batches] of [
    [0, 1, 1],
    [41, 1042, 1],
    [2 ** 40, 2 ** 40 + 2 ** 31 - 1, 1],
    [5, 5 + 2 ** 31, 2],
    [5, 5 + 2 ** 33, 5],
  ]) {
    const stretch = { offset, endOffset, leaderEpoch: 7 }
    const bytes = emptyBatch(stretch, crc32c, 32)
    t.equal(bytes.byteOffset, 32)
    t.equal(bytes.length, 61 * batches)
    t.equal(emptyBatchesBytes(stretch), 61 * batches)
    let next = offset
    for (let at = 0; at < bytes.length; at = nextBatchEnd(bytes, at, bytes.length)) {
      t.equal(checkStoredBatch(bytes, at, bytes.length, crc32c), undefined)
      t.equal(baseOffsetAt(bytes, at), next)
      t.equal(leaderEpochAt(bytes, at), 7)
      t.equal(recordCountAt(bytes, at), 0)
      t.notOk(isControlAt(bytes, at))
      t.notOk(isLostRangeAt(bytes, at))
      t.ok(lastOffsetDeltaAt(bytes, at) >= 0)
      t.same(decodeBatch(bytes, at, source, { crc32c }), [])
      next = lastOffsetAt(bytes, at) + 1
    }
    t.equal(next, endOffset)
  }
  for (const [offset, endOffset] of [
    [5, 5],
    [5, 4],
    [-1, 4],
  ])
    t.throws(() => emptyBatch({ offset, endOffset, leaderEpoch: 0 }, crc32c), RangeError)
})

t.test('empty batches are written where they should be', async (t) => {
  const bytes = new Uint8Array(64).fill(1)
  t.equal(writeEmptyBatches(bytes, 2, { offset: 1, endOffset: 3, leaderEpoch: 0 }, 0, crc32c), 63)
  t.same([bytes[1], bytes[63]], [1, 1])
  t.equal(Buffer.from(bytes).toString('hex', 2, 14), '000000000000000100000031')
})
