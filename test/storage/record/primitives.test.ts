/** The parts below a batch: checksum, varints, UTF-8, header fields. */
import { crc32c as nativeCrc32c } from '@node-rs/crc32'
import t from 'tap'
import * as header from '../../../storage/record/batch-header.ts'
import { compressionCodes, compressionName } from '../../../storage/record/compression.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { encodeUtf8Into, readUtf8, utf8Bytes, writeUtf8 } from '../../../storage/record/utf8.ts'
import {
  VarintReader,
  varintAt,
  varintBytes,
  varintEndAt,
  varlongBytes,
  writeVarint,
  writeVarlong,
} from '../../../storage/record/varint.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { fromHex, hex } from './batches.ts'

t.test('CRC-32C gives the values of RFC 3720, B.4', async (t) => {
  const readCommand = fromHex(
    '01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000',
  )
  const vectors: [string, Uint8Array, number][] = [
    ['nothing', new Uint8Array(0), 0],
    ['"123456789"', new TextEncoder().encode('123456789'), 0xe3069283],
    ['32 bytes of zeroes', new Uint8Array(32), 0x8a9136aa],
    ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['32 bytes up', Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd794e],
    ['32 bytes down', Uint8Array.from({ length: 32 }, (_, index) => 31 - index), 0x113fdb5c],
    ['an iSCSI read command', readCommand, 0xd9963a56],
  ]
  for (const [name, bytes, crc] of vectors) t.equal(crc32cTable(bytes), crc, name)
})

t.test('the table and the native CRC agree for every length and position', async (t) => {
  const random = seededRandom(t)
  const bytes = random.bytes(400)
  const differing: string[] = []
  for (let start = 0; start < 16; start++) {
    for (let end = start; end <= bytes.length; end++) {
      const view = bytes.subarray(start, end)
      if (crc32cTable(view) !== nativeCrc32c(view)) differing.push(`${start} to ${end}`)
    }
  }
  t.same(differing, [])
})

/** Zig-zag and base 128 by the book, in BigInt. */
function referenceVarint(value: number): string {
  const wide = BigInt(value)
  let rest = wide >= 0n ? 2n * wide : -2n * wide - 1n
  const bytes: number[] = []
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return hex(Uint8Array.from([...bytes, Number(rest)]))
}

function writtenWith(write: (bytes: Uint8Array, at: number, value: number) => number, value: number): string {
  const bytes = new Uint8Array(16)
  return hex(bytes.subarray(3, write(bytes, 3, value)))
}

t.test('varints have the bytes the format asks for', async (t) => {
  const vectors: [number, string][] = [
    [0, '00'],
    [-1, '01'],
    [1, '02'],
    [63, '7e'],
    [-64, '7f'],
    [64, '8001'],
    [-65, '8101'],
    [8191, 'fe7f'],
    [8192, '808001'],
    [2 ** 31 - 1, 'feffffff0f'],
    [-(2 ** 31), 'ffffffff0f'],
  ]
  for (const [value, bytes] of vectors) {
    t.equal(writtenWith(writeVarint, value), bytes, `varint ${value}`)
    t.equal(writtenWith(writeVarlong, value), bytes, `varlong ${value}`)
  }
  t.equal(writtenWith(writeVarlong, Number.MAX_SAFE_INTEGER), 'feffffffffffff1f')
  t.equal(writtenWith(writeVarlong, -Number.MAX_SAFE_INTEGER), 'fdffffffffffff1f')
})

t.test('every power of two and its neighbours go through a varint and back', async (t) => {
  const values: number[] = []
  for (let power = 0; power <= 52; power++) {
    for (const near of [-1, 0, 1]) values.push(2 ** power + near, -(2 ** power) + near)
  }
  values.push(Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER)
  const reader = new VarintReader()
  const wrong: string[] = []
  for (const value of values) {
    const bytes = fromHex(referenceVarint(value))
    if (writtenWith(writeVarlong, value) !== hex(bytes)) wrong.push(`writeVarlong ${value}`)
    if (varlongBytes(value) !== bytes.length) wrong.push(`varlongBytes ${value}`)
    if (reader.readVarlong(bytes, 0, bytes.length) !== value) wrong.push(`readVarlong ${value}`)
    if (reader.next !== bytes.length) wrong.push(`readVarlong end ${value}`)
    if (value !== (value | 0)) {
      reader.readVarint(bytes, 0, bytes.length)
      if (reader.next !== -1) wrong.push(`readVarint takes ${value}`)
      continue
    }
    if (writtenWith(writeVarint, value) !== hex(bytes)) wrong.push(`writeVarint ${value}`)
    if (varintBytes(value) !== bytes.length) wrong.push(`varintBytes ${value}`)
    if (reader.readVarint(bytes, 0, bytes.length) !== value) wrong.push(`readVarint ${value}`)
    if (reader.next !== bytes.length) wrong.push(`readVarint end ${value}`)
    if (varintAt(bytes, 0) !== value || varintEndAt(bytes, 0) !== bytes.length)
      wrong.push(`varintAt ${value}`)
  }
  t.same(wrong, [])
})

t.test('damaged varints are refused, and nothing behind the end is read', async (t) => {
  const reader = new VarintReader()
  const varint = (bytes: string, end?: number) => {
    const all = fromHex(bytes)
    const value = reader.readVarint(all, 0, end ?? all.length)
    return [value, reader.next]
  }
  const varlong = (bytes: string, end?: number) => {
    const all = fromHex(bytes)
    const value = reader.readVarlong(all, 0, end ?? all.length)
    return [value, reader.next]
  }
  for (let end = 0; end < 5; end++) t.same(varint('feffffff0f', end), [0, -1], `varint cut at ${end}`)
  for (let end = 0; end < 8; end++) t.same(varlong('feffffffffffff1f', end), [0, -1], `varlong cut at ${end}`)
  t.same(varint('8080808000'), [0, 5], 'padded to five bytes')
  t.same(varint('808080808000'), [0, -1], 'six bytes')
  t.same(varint('ffffffff1f'), [0, -1], 'a 33rd bit')
  t.same(varlong('80808080808080808000'), [0, 10], 'padded to ten bytes')
  t.same(varlong('8080808080808080808000'), [0, -1], 'eleven bytes')
  t.same(varlong('8080808080808020'), [0, -1], '2^53')
  t.same(varlong('ffffffffffffff1f'), [0, -1], '-2^53')
  t.same(varlong('ffffffffffffffffff01'), [0, -1], 'the smallest int64')
})

t.test('text is counted and written as TextEncoder writes it', async (t) => {
  const texts = [
    '',
    'plain',
    'grüße',
    '日本語',
    '🔭',
    'a🔭b🧪',
    '\ufeffwith a mark',
    '\ud800',
    '\udc00',
    'a\ud800b',
    '\ud83d\ud83d\udd2d',
  ]
  for (const text of texts) {
    const encoded = new TextEncoder().encode(text)
    const name = JSON.stringify(text)
    t.equal(utf8Bytes(text), encoded.length, `${name}: bytes`)
    const room = new Uint8Array(40).fill(0xee)
    t.equal(writeUtf8(room, 2, text, encoded.length), 2 + encoded.length, `${name}: end`)
    t.equal(hex(room.subarray(2, 2 + encoded.length)), hex(encoded), `${name}: written`)
    t.equal(room[2 + encoded.length], 0xee, `${name}: nothing more is written`)
    const other = new Uint8Array(40).fill(0xee)
    t.equal(encodeUtf8Into(other, 2, text), encoded.length, `${name}: staged`)
    t.equal(hex(other), hex(room), `${name}: staged bytes`)
    if (!/\p{Surrogate}/u.test(text)) t.equal(readUtf8(encoded), text, `${name}: read back`)
  }
  t.equal(readUtf8(Uint8Array.of(0x61, 0xff)), 'a\ufffd', 'bytes that are no UTF-8')
})

t.test('text is counted right on every border', async (t) => {
  const units = [0x00, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xe000, 0xffff]
  const wrong: string[] = []
  for (const first of units) {
    for (const second of units) {
      for (const third of units) {
        const text = String.fromCharCode(first, second, third)
        if (utf8Bytes(text) !== Buffer.byteLength(text)) wrong.push(JSON.stringify(text))
      }
    }
  }
  t.same(wrong, [])
})

/** Every field different, at position 2 of the bytes. */
const fields = fromHex(
  'eeee 0000000200000003 00000040 00000005 02 deadbeef 0031 00000009 0000018bcfe56800 0000018bcfe56bff',
  '0000000100000000 0007 00000008 0000000a 000000',
)

t.test('header fields lie where Kafka has them', async (t) => {
  const at = 2
  t.equal(header.baseOffsetAt(fields, at), 2 * 2 ** 32 + 3)
  t.equal(header.batchBytesAt(fields, at), 12 + 64)
  t.equal(header.leaderEpochAt(fields, at), 5)
  t.equal(header.magicAt(fields, at), 2)
  t.equal(header.crcAt(fields, at), 0xdeadbeef)
  t.equal(header.attributesAt(fields, at), 0x31)
  t.equal(header.compressionAt(fields, at), compressionCodes.gzip)
  t.equal(header.isTransactionalAt(fields, at), true)
  t.equal(header.isControlAt(fields, at), true)
  t.equal(header.timestampTypeAt(fields, at), 'create')
  t.equal(header.lastOffsetDeltaAt(fields, at), 9)
  t.equal(header.lastOffsetAt(fields, at), 2 * 2 ** 32 + 12)
  t.equal(header.baseTimestampAt(fields, at), 1_700_000_000_000)
  t.equal(header.maxTimestampAt(fields, at), 1_700_000_001_023)
  t.equal(header.producerIdAt(fields, at), 2 ** 32)
  t.equal(header.producerEpochAt(fields, at), 7)
  t.equal(header.baseSequenceAt(fields, at), 8)
  t.equal(header.recordCountAt(fields, at), 10)
})

t.test('header fields are written where they are read', async (t) => {
  const bytes = new Uint8Array(fields.length)
  bytes.set(fields.subarray(0, 2))
  header.stampBatch(bytes, 2, 2 * 2 ** 32 + 3, 5)
  header.setBatchBytes(bytes, 2, 76)
  header.setMagic(bytes, 2)
  header.setCrc(bytes, 2, 0xdeadbeef)
  header.setAttributes(bytes, 2, 0x31)
  header.setLastOffsetDelta(bytes, 2, 9)
  header.setBaseTimestamp(bytes, 2, 1_700_000_000_000)
  header.setMaxTimestamp(bytes, 2, 1_700_000_001_023)
  header.setProducer(bytes, 2, 2 ** 32, 7, 8)
  header.setRecordCount(bytes, 2, 10)
  t.equal(hex(bytes), hex(fields))
})

t.test('64-bit fields are exact within 2^53, and not mistaken for exact beyond', async (t) => {
  const bytes = new Uint8Array(61)
  for (const value of [
    0,
    1,
    -1,
    2 ** 32 - 1,
    2 ** 32,
    -(2 ** 32),
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
  ]) {
    header.setBaseOffset(bytes, 0, value)
    t.equal(header.baseOffsetAt(bytes, 0), value)
    t.equal(Buffer.from(bytes).readBigInt64BE(0), BigInt(value))
  }
  for (const value of [
    2n ** 53n,
    2n ** 53n + 1n,
    2n ** 63n - 1n,
    -(2n ** 53n),
    -(2n ** 53n) - 1n,
    -(2n ** 63n),
  ]) {
    Buffer.from(bytes.buffer).writeBigInt64BE(value, 0)
    t.equal(Number.isSafeInteger(header.baseOffsetAt(bytes, 0)), false, `${value}`)
  }
})

t.test('the end of a batch is known only when all of it is there', async (t) => {
  const bytes = new Uint8Array(200)
  header.setBatchBytes(bytes, 10, 100)
  t.equal(header.nextBatchEnd(bytes, 10, 200), 110)
  t.equal(header.nextBatchEnd(bytes, 10, 110), 110)
  t.equal(header.nextBatchEnd(bytes, 10, 109), -1, 'a byte is missing')
  t.equal(header.nextBatchEnd(bytes, 10, 70), -1, 'part of the header is missing')
  header.setBatchBytes(bytes, 10, 61)
  t.equal(header.nextBatchEnd(bytes, 10, 71), 71, 'a batch without records')
  for (const size of [60, 12, 0, -1, -(2 ** 31) + 12]) {
    header.setBatchBytes(bytes, 10, size)
    t.equal(header.nextBatchEnd(bytes, 10, 200), -1, `a size of ${size} is none`)
  }
})

t.test('codec numbers and names', async (t) => {
  t.same([0, 1, 2, 3, 4, 5, 7].map(compressionName), [
    'none',
    'gzip',
    'snappy',
    'lz4',
    'zstd',
    undefined,
    undefined,
  ])
  for (const [name, code] of Object.entries(compressionCodes)) t.equal(compressionName(code), name)
})
