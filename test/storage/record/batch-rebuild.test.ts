/** A batch in another compression is the same batch: every field and every record; what is wrong inside is named. */
import t from 'tap'
import { decodeBatch } from '../../../storage/record/batch-decoder.ts'
import * as header from '../../../storage/record/batch-header.ts'
import {
  checkPackedBatch,
  type RebuildOptions,
  rebuildBatch,
  stampAppendTime,
  unpackBatch,
} from '../../../storage/record/batch-rebuild.ts'
import { type CompressionName, compressionCodes } from '../../../storage/record/compression.ts'
import { nativeCrc32c } from '../../../storage/record/node/native-crc32c.ts'
import type { BatchProblem } from '../../../storage/record/record-error.ts'
import { checkProducedBatch, checkStoredBatch } from '../../../storage/record/validate.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import {
  codecs,
  encode,
  forge,
  type PlainRecord,
  plain,
  randomRecord,
  shown,
  sign,
  source,
  threeRecords,
} from './batches.ts'

const tools = { crc32c: nativeCrc32c, codecs }
const limits = { bytesMax: 1 << 20, decompressedBytesMax: 1 << 20 }
const names = Object.keys(compressionCodes) as CompressionName[]
const packing = names.filter((name) => name !== 'none')
const { BATCH_HEADER_BYTES } = header

/** Compresses well, whatever the codec. */
const alike: readonly PlainRecord[] = Array.from({ length: 40 }, (_, index) =>
  plain(1_700_000_000_000 + 7 * index, `key ${index % 3}`, `the value of every record ${index}`),
)
const producer = { producerId: 4_294_967_299, producerEpoch: 3, baseSequence: 2 ** 31 - 5 }

function bytesOf(result: Uint8Array | BatchProblem): Uint8Array {
  if (result instanceof Uint8Array) return result
  throw new Error(`${result.reason}: ${result.sentence}`)
}

function rebuilt(batch: Uint8Array, compression: CompressionName, more: Partial<RebuildOptions> = {}) {
  return rebuildBatch(batch.slice(), 0, tools, { ...limits, compression, ...more })
}

/** A batch whose records, before they were packed, were changed; header and checksum fit the change as far as they can. */
function packedLie(
  compression: CompressionName,
  lie: { section?: (section: Uint8Array) => Uint8Array; header?: (batch: Uint8Array) => void },
): Uint8Array {
  const batch = encode(alike)
  const section = batch.slice(BATCH_HEADER_BYTES)
  const packed = codecs[compression]?.compress(lie.section?.(section) ?? section) ?? section
  return withPacked(batch, packed, compression, lie.header)
}

function withPacked(
  batch: Uint8Array,
  packed: Uint8Array,
  compression: CompressionName,
  change: (batch: Uint8Array) => void = () => {},
): Uint8Array {
  return forge(batch, () => {
    const bytes = new Uint8Array(BATCH_HEADER_BYTES + packed.length)
    bytes.set(batch.subarray(0, BATCH_HEADER_BYTES))
    bytes.set(packed, BATCH_HEADER_BYTES)
    header.setAttributes(bytes, 0, compressionCodes[compression])
    change(bytes)
    return bytes
  })
}

t.test('random batches from every compression to every other and back', async (t) => {
  const random = seededRandom(t)
  for (let round = 0; round < 12; round++) {
    const records = Array.from({ length: 1 + random.below(60) }, () =>
      randomRecord(random, 1_700_000_000_000),
    )
    const original = encode(records, producer)
    const decoded = JSON.stringify(decodeBatch(original, 0, source).map(shown))
    for (const from of names) {
      const first = bytesOf(rebuilt(original.slice(), from))
      const to = random.pick(names)
      const second = bytesOf(rebuilt(first.slice(), to))
      for (const batch of [first, second]) {
        t.equal(checkProducedBatch(batch, 0, batch.length, nativeCrc32c, limits), undefined)
        t.equal(checkPackedBatch(batch, 0, codecs, limits), undefined)
        // The header but size, checksum and compression.
        t.same(batch.subarray(0, 8), original.subarray(0, 8))
        t.same(batch.subarray(23, 61), original.subarray(23, 61))
        t.equal(header.leaderEpochAt(batch, 0), header.leaderEpochAt(original, 0))
        t.equal(JSON.stringify(decodeBatch(batch, 0, source, tools).map(shown)), decoded)
      }
      const compression = header.compressionAt(second, 0)
      t.ok(compression === compressionCodes[to] || (compression === 0 && second.length === original.length))
      t.equal(Buffer.compare(bytesOf(rebuilt(second, 'none')), original), 0)
    }
  }
})

t.test('the result lies where the batch was, if it has room there', async (t) => {
  const packed = encode(alike, { ...producer, compression: 'gzip' })
  const kept = bytesOf(rebuildBatch(packed, 0, tools, { ...limits, compression: 'gzip', level: 9 }))
  t.same([kept.buffer, kept.byteOffset, kept.length], [packed.buffer, packed.byteOffset, packed.length])

  const original = encode(alike, producer)
  const between = new Uint8Array(3 * original.length).fill(0xee)
  between.set(original, 100)
  const smaller = bytesOf(rebuildBatch(between, 100, tools, { ...limits, compression: 'lz4' }))
  t.same([smaller.buffer, smaller.byteOffset], [between.buffer, 100])
  t.ok(between.subarray(0, 100).every((byte) => byte === 0xee))
  t.ok(between.subarray(100 + original.length).every((byte) => byte === 0xee))
  const larger = bytesOf(rebuildBatch(between, 100, tools, { ...limits, compression: 'none' }))
  t.not(larger.buffer, between.buffer)
  t.same(larger, original)
})

t.test('a level is the one of the topic', async (t) => {
  const records = Array.from({ length: 3000 }, (_, index) =>
    plain(index, null, `${index ** 3} ${index % 77} event`),
  )
  const original = encode(records)
  for (const name of ['gzip', 'zstd'] as const) {
    const fast = bytesOf(rebuilt(original, name, { level: 1 }))
    const small = bytesOf(rebuilt(original, name, { level: 9 }))
    t.ok(small.length < fast.length, `${name}: ${small.length} < ${fast.length}`)
  }
  t.match(rebuilt(original, 'gzip', { level: 77 }), {
    reason: 'compression',
    sentence: /levels 1 to 9, got 77/,
  })
})

t.test('what would not get smaller stays uncompressed', async (t) => {
  const random = seededRandom(t)
  const noise = encode([plain(1, null, random.bytes(5000))])
  for (const name of packing) t.same(bytesOf(rebuilt(noise, name)), noise, name)
})

t.test('stored batches for readers who cannot unpack', async (t) => {
  for (const name of packing) {
    const stored = encode(alike, { ...producer, compression: name })
    header.stampBatch(stored, 0, 1234, 5)
    stampAppendTime(stored, 0, 1_800_000_000_000, nativeCrc32c)
    const unpacked = bytesOf(unpackBatch(stored, 0, tools, limits))
    t.equal(checkStoredBatch(unpacked, 0, unpacked.length, nativeCrc32c), undefined)
    t.equal(header.compressionAt(unpacked, 0), 0)
    t.equal(header.leaderEpochAt(unpacked, 0), 5)
    t.same(decodeBatch(unpacked, 0, source).map(shown), decodeBatch(stored, 0, source, tools).map(shown))
    t.equal(decodeBatch(unpacked, 0, source)[39].offset, 1273)
    t.equal(decodeBatch(unpacked, 0, source)[0].timestampMs, 1_800_000_000_000)
  }
  const plainBatch = encode(alike)
  t.equal(bytesOf(unpackBatch(plainBatch, 0, tools, limits)).buffer, plainBatch.buffer)
})

t.test('append time changes attribute, max timestamp and checksum', async (t) => {
  for (const compression of names) {
    const batch = encode(threeRecords, { ...producer, compression })
    const before = batch.slice()
    stampAppendTime(batch, 0, 1_800_000_000_000, nativeCrc32c)
    t.equal(header.timestampTypeAt(batch, 0), 'append')
    t.equal(checkStoredBatch(batch, 0, batch.length, nativeCrc32c), undefined)
    t.equal(decodeBatch(batch, 0, source, tools)[1].timestampMs, 1_800_000_000_000)
    header.setAttributes(batch, 0, header.attributesAt(before, 0))
    header.setMaxTimestamp(batch, 0, header.maxTimestampAt(before, 0))
    t.same(sign(batch), before, 'and nothing else')
  }
})

for (const name of packing)
  t.test(`what is wrong inside of ${name} is named`, async (t) => {
    const refused = (
      lie: Parameters<typeof packedLie>[1],
      reason: string,
      sentence: RegExp,
      more: Partial<RebuildOptions> = {},
    ) => {
      const batch = packedLie(name, lie)
      t.equal(
        checkProducedBatch(batch, 0, batch.length, nativeCrc32c, limits),
        undefined,
        'the outside is sound',
      )
      const expected = { reason, sentence }
      t.match(checkPackedBatch(batch, 0, codecs, { ...limits, ...more }), expected, reason)
      for (const to of names) t.match(rebuilt(batch, to, more), expected, `${reason}, rebuilt as ${to}`)
    }
    const counted = (count: number) => ({
      header: (batch: Uint8Array) => {
        header.setRecordCount(batch, 0, count)
        header.setLastOffsetDelta(batch, 0, count - 1)
      },
    })
    refused(counted(41), 'count', /counts 41 records, the bytes hold only 40/)
    refused(counted(39), 'count', /left behind the 39 records/)
    refused(counted(2 ** 31 - 1), 'count', /bytes hold 0 to/)
    refused({ section: (section) => section.subarray(0, section.length - 1) }, 'structure', /record 39/)
    refused(
      {
        section: (section) => {
          // The length of the first key, behind length, attributes, timestamp delta and offset delta.
          section[4] = 0x7e
          return section
        },
      },
      'structure',
      /record 0.*takes 63 bytes|record 0/,
    )
    refused(
      { header: (batch) => header.setMaxTimestamp(batch, 0, 1_700_000_009_999) },
      'timestamp',
      /the header says that the max is 1700000009999/,
    )
    refused({}, 'timestamp-range', /only 0 to 1700000000010 are taken/, {
      timestampMin: 0,
      timestampMax: 1_700_000_000_010,
    })
    refused({}, 'too-large', /cannot be unpacked.*1000/, { decompressedBytesMax: 1000 })
    refused({ section: () => new Uint8Array(0) }, 'count', /counts 40 records, 0 bytes hold 0 to 0/)

    const sound = packedLie(name, {})
    for (let length = BATCH_HEADER_BYTES; length < sound.length; length++) {
      const cut = withPacked(sound, sound.subarray(BATCH_HEADER_BYTES, length), name)
      t.type(checkPackedBatch(cut, 0, codecs, limits)?.sentence, 'string', `cut at ${length}`)
      t.type((rebuilt(cut, 'none') as BatchProblem).sentence, 'string')
    }
    const noise = withPacked(sound, seededRandom(t).bytes(300), name)
    t.equal(checkPackedBatch(noise, 0, codecs, limits)?.reason, 'compression')
  })

t.test('what would be too large as it is stored', async (t) => {
  const packed = encode(Array(2000).fill(plain(1, null, 'x'.repeat(200))), { compression: 'zstd' })
  const bytesMax = packed.length + 100
  t.match(rebuilt(packed, 'none', { bytesMax }), { reason: 'too-large' })
  const noisy = encode([plain(1, null, seededRandom(t).bytes(50_000))])
  const options = { bytesMax: noisy.length - 1 }
  t.match(rebuilt(noisy, 'gzip', options), {
    reason: 'too-large',
    sentence: /50\d+ bytes.*gzip.*at most 50\d+/,
  })
})

t.test('a codec that is not at hand', async (t) => {
  const packed = encode(alike, { compression: 'lz4' })
  const poor = { crc32c: nativeCrc32c, codecs: {} }
  const missing = { reason: 'compression', sentence: /lz4/ }
  t.match(rebuildBatch(packed, 0, poor, { ...limits, compression: 'none' }), missing)
  t.match(rebuildBatch(encode(alike), 0, poor, { ...limits, compression: 'lz4' }), missing)
  t.match(unpackBatch(packed, 0, poor, limits), missing)
})
