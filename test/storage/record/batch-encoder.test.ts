/** Building batches: golden bytes, limits, buffers, and the way there and back. */
import { gzipSync } from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import t from 'tap'
import { decodeBatch } from '../../../storage/record/batch-decoder.ts'
import { BatchEncoder } from '../../../storage/record/batch-encoder.ts'
import * as header from '../../../storage/record/batch-header.ts'
import { compressionCodes } from '../../../storage/record/compression.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { checkProducedBatch } from '../../../storage/record/validate.ts'
import { roundsOf } from '../../support/rounds.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import type { PlainRecord } from './batches.ts'
import {
  codecs,
  encode,
  expected,
  fromHex,
  hex,
  newEncoder,
  plain,
  randomRecord,
  shown,
  source,
  threeRecords,
} from './batches.ts'

/** Many random cases with OCTOPUS_SOAK, enough to meet every border without. */
const cases = process.env.OCTOPUS_SOAK ? 20_000 : 400

/** The header (fields as in batch-header.ts), then a line for each record. */
const GOLDEN_THREE = [
  '0000000000000000 0000005c ffffffff 02 f8ed84db 0000 00000002 0000018bcfe56800 0000018bcfe56807',
  'ffffffffffffffff ffff ffffffff 00000003',
  '14 00 00 00 02 6b 06 010203 00',
  '2e 00 0e 02 01 0e 6772c3bcc39f65 04 0a7472616365 02ff 00 01',
  '0e 00 cf0f 04 00 01 00',
]
/** The same with a producer, in a transaction. */
const GOLDEN_PRODUCER = [
  '0000000000000000 0000005c ffffffff 02 3d677417 0010 00000002 0000018bcfe56800 0000018bcfe56807',
  '0000000000001267 0002 00000063 00000003',
  ...GOLDEN_THREE.slice(2),
]

t.test('the bytes of a batch', async (t) => {
  t.equal(hex(encode(threeRecords)), hex(fromHex(...GOLDEN_THREE)))
  t.equal(
    hex(encode(threeRecords, { producerId: 4711, producerEpoch: 2, baseSequence: 99, transactional: true })),
    hex(fromHex(...GOLDEN_PRODUCER)),
  )
})

t.test('the checksum may come from either implementation', async (t) => {
  const encoder = new BatchEncoder({ crc32c: crc32cTable, bytesMax: 1024 })
  for (const { timestampMs, key, value, headers } of threeRecords)
    encoder.append(timestampMs, key, value, headers)
  t.equal(hex(encoder.finish()), hex(fromHex(...GOLDEN_THREE)))
})

t.test('random records come back as they went in', async (t) => {
  const random = seededRandom(t)
  for (const round of roundsOf(t, cases)) {
    const bytesMax = random.pick([61, 200, 1000, 4096, 65_536])
    const compression = random.pick(['none', 'none', 'gzip'] as const)
    const encoder = newEncoder(bytesMax)
    const records: PlainRecord[] = []
    for (let count = 1 + random.below(random.pick([3, 30, 200])); count > 0; count--) {
      const record = randomRecord(random, 1_700_000_000_000)
      if (!encoder.append(record.timestampMs, record.key, record.value, record.headers)) break
      records.push(record)
      if (records.length !== encoder.recordCount)
        t.fail(`${encoder.recordCount} records of ${records.length}`)
    }
    const builtBytes = encoder.byteLength
    const batch = encoder.finish({ compression })

    if (builtBytes > bytesMax && records.length > 1) t.fail(`${builtBytes} bytes of ${bytesMax}`)
    if (compression === 'none' && batch.length !== builtBytes)
      t.fail(`${batch.length} bytes, said ${builtBytes}`)
    if (batch.length > builtBytes) t.fail(`compressed to ${batch.length} bytes from ${builtBytes}`)
    const problem = checkProducedBatch(batch, 0, batch.length, crc32c, { bytesMax: batch.length })
    if (problem !== undefined) t.fail(problem.sentence)
    header.stampBatch(batch, 0, 1000, 1)
    const decoded = decodeBatch(batch, 0, source, { crc32c, codecs })
    const [got, want] = [
      decoded.map(shown),
      records.map((record, index) => expected(record, 1000 + index)),
    ].map((all) => JSON.stringify(all))
    if (got !== want) t.equal(got, want, `round ${round}`)
  }
  t.pass(`${cases} batches`)
})

t.test('a record that does not fit changes nothing', async (t) => {
  const value = new Uint8Array(100)
  const filled = newEncoder(1000)
  const untouched = newEncoder(1000)
  while (filled.append(5, 'key', value)) untouched.append(5, 'key', value)
  const { recordCount, byteLength } = filled
  t.ok(
    byteLength <= 1000 && byteLength + 108 > 1000,
    `${byteLength} bytes are as near to 1000 as records of 108 come`,
  )
  t.equal(filled.append(9, 'x'.repeat(500), null), false)
  t.equal(filled.append(9, null, null, [{ key: 'h', value }]), false)
  t.same([filled.recordCount, filled.byteLength], [recordCount, byteLength])
  t.equal(filled.append(5, null, null), true, 'a smaller one still fits')
  untouched.append(5, null, null)
  t.equal(hex(filled.finish()), hex(untouched.finish()))
})

t.test('a batch may be exactly as large as the limit, to the byte', async (t) => {
  // Within the first buffer, and where it has to grow.
  for (const sizes of [
    [200, 30],
    [3000, 2000],
  ]) {
    const records = sizes.map((size) => plain(1, null, new Uint8Array(size)))
    const whole = encode(records).length
    for (const [bytesMax, fits] of [
      [whole, true],
      [whole - 1, false],
    ] as const) {
      const encoder = newEncoder(bytesMax)
      const appended = records.map(({ timestampMs, key, value }) => encoder.append(timestampMs, key, value))
      t.same(appended, [true, fits], `of ${bytesMax} bytes`)
    }
  }
})

t.test('the first record always fits, whatever its size', async (t) => {
  const value = new Uint8Array(100_000).fill(7)
  const encoder = newEncoder(61)
  for (const field of [value, 'ä'.repeat(50_000)]) {
    t.equal(encoder.append(1, null, field), true)
    t.equal(encoder.append(1, null, null), false, 'and then nothing else')
    const batch = encoder.finish()
    t.equal(decodeBatch(batch, 0, source, { crc32c })[0].valueLength, 100_000)
  }
})

t.test('headroom lies before the batch in its own buffer', async (t) => {
  const encoder = new BatchEncoder({ crc32c, bytesMax: 500, headroomBytes: 40 })
  const batches = [1, 2].map((fill) => {
    while (encoder.append(1, null, new Uint8Array(60).fill(fill))) {}
    t.ok(encoder.byteLength <= 500)
    return encoder.finish()
  })
  for (const [index, batch] of batches.entries()) {
    t.ok(batch.byteOffset >= 40, `${batch.byteOffset} bytes before the batch`)
    new Uint8Array(batch.buffer, batch.byteOffset - 40, 40).fill(0xaa)
    const problem = checkProducedBatch(batch, 0, batch.length, crc32c, { bytesMax: 500 })
    t.equal(problem, undefined, 'a frame header does not touch the batch')
    t.equal(decodeBatch(batch, 0, source)[0].value?.[0], index + 1)
  }
  t.not(batches[0].buffer, batches[1].buffer, 'each batch has a buffer of its own')
})

t.test('buffers come from the allocator, dirty ones too, and are as large as batches are', async (t) => {
  const asked: number[] = []
  const allocate = (bytes: number) => {
    asked.push(bytes)
    return Buffer.alloc(bytes + 100, 0xee)
  }
  const encoder = new BatchEncoder({ crc32c, bytesMax: 20_000, headroomBytes: 10, allocate })
  t.same(asked, [], 'none before the first record')
  const fill = () => {
    while (encoder.append(1_700_000_000_000, null, new Uint8Array(1000))) {}
    return encoder.finish()
  }
  const first = fill()
  t.same(asked, [4106, 8202, 16_394, 20_010], 'doubled up to the limit')
  asked.length = 0
  t.equal(hex(fill()), hex(first))
  t.same(asked, [20_010], 'the next batch starts where the first ended')
  asked.length = 0
  encoder.append(1, null, null)
  encoder.finish()
  encoder.append(1, null, null)
  t.same(asked, [20_010, 4106], 'and small ones soon have small buffers')
})

t.test('compression is used where it helps', async (t) => {
  const same = plain(5, null, new Uint8Array(500))
  const packed = encode([same, same], { compression: 'gzip' })
  t.equal(header.compressionAt(packed, 0), compressionCodes.gzip)
  t.equal(header.recordCountAt(packed, 0), 2)
  const unpacked = encode([same, same])
  t.equal(hex(packed.subarray(61)), hex(gzipSync(unpacked.subarray(61))))
  const best = encode([same, same], { compression: 'gzip', compressionLevel: 9 })
  t.equal(hex(best.subarray(61)), hex(gzipSync(unpacked.subarray(61), { level: 9 })))

  const random = seededRandom(t)
  const noise = plain(5, null, random.bytes(500))
  t.equal(hex(encode([noise], { compression: 'gzip' })), hex(encode([noise])), 'noise is left as it is')

  const encoder = new BatchEncoder({ crc32c, bytesMax: 10_000, codecs: {} })
  encoder.append(5, null, new Uint8Array(500))
  t.throws(() => encoder.finish({ compression: 'zstd' }), {
    name: 'RecordError',
    reason: 'compression',
    message: 'the encoder was given no codec for zstd',
  })
  t.equal(encoder.recordCount, 1, 'the record is still there')
  t.equal(hex(encoder.finish()), hex(encode([same])))
})

t.test('times: the first is the base, the latest the max, and they may lie far apart', async (t) => {
  const far = 8.64e15
  const times = [0, -1, far, 2 ** 31, 2 ** 31 - 1, -(2 ** 31) - 1, -1_000]
  const batch = encode(times.map((time) => plain(time, null, null)))
  t.equal(header.baseTimestampAt(batch, 0), 0)
  t.equal(header.maxTimestampAt(batch, 0), far)
  t.same(
    decodeBatch(batch, 0, source).map((record) => record.timestampMs),
    times,
  )
  t.equal(checkProducedBatch(batch, 0, batch.length, crc32c, { bytesMax: 1000 }), undefined)
})

t.test('what cannot be encoded is refused, and nothing changes', async (t) => {
  const encoder = newEncoder()
  for (const time of [Number.NaN, 0.5, Number.POSITIVE_INFINITY, 8.64e15 + 1]) {
    t.throws(() => encoder.append(time, null, null), {
      name: 'RangeError',
      message: new RegExp(`^timestampMs is ${time},`),
    })
  }
  encoder.append(1_000, null, 'a')
  for (const time of [Number.NaN, 1_000.5, Number.NEGATIVE_INFINITY, 8.64e15 + 1]) {
    t.throws(() => encoder.append(time, null, null), {
      name: 'RangeError',
      message: new RegExp(`^timestampMs is ${time},`),
    })
  }
  t.equal(hex(encoder.finish()), hex(encode([plain(1_000, null, 'a')])))

  encoder.append(-8.64e15, null, null)
  t.throws(() => encoder.append(8.64e15, null, null), {
    name: 'RangeError',
    message: /too far from the first/,
  })
  encoder.finish()
  t.throws(() => encoder.finish(), { message: 'finish() of an empty batch: append a record first' })
  t.throws(() => newEncoder(60), {
    name: 'RangeError',
    message: 'bytesMax is 60, must be an integer from 61 to 2147483647',
  })
  t.throws(() => newEncoder(2 ** 31), { name: 'RangeError' })
  t.throws(() => new BatchEncoder({ crc32c, bytesMax: 100, headroomBytes: -1 }), {
    name: 'RangeError',
    message: 'headroomBytes is -1, must be an integer of 0 or more',
  })
})

t.test('a batch beyond the length field is refused before it is allocated', async (t) => {
  const value = new Uint8Array(0)
  // Claims a length that no test can afford; the encoder must not ask for the bytes.
  Object.defineProperty(value, 'length', { value: 2 ** 31 - 70 })
  const encoder = new BatchEncoder({
    crc32c,
    bytesMax: 1000,
    allocate: () => t.fail('nothing is allocated') as never,
  })
  t.throws(() => encoder.append(1, null, value), { name: 'RecordError', reason: 'too-large' })
  t.equal(encoder.recordCount, 0)
})

t.test('an empty encoder counts its header', async (t) => {
  const encoder = newEncoder()
  t.same([encoder.recordCount, encoder.byteLength], [0, 61])
  encoder.append(1, null, null)
  t.same([encoder.recordCount, encoder.byteLength], [1, 68])
  encoder.finish()
  t.same([encoder.recordCount, encoder.byteLength], [0, 61])
})
