/** Reading batches: lazy records, damage, compressed batches, bombs. */
import { gzipSync } from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import t from 'tap'
import { decodeBatch } from '../../../storage/record/batch-decoder.ts'
import * as header from '../../../storage/record/batch-header.ts'
import type { CompressionCodecs } from '../../../storage/record/compression.ts'
import { RecordError } from '../../../storage/record/record-error.ts'
import { roundsOf } from '../../support/rounds.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { codecs, encode, expected, forge, hex, plain, shown, sign, source, threeRecords } from './batches.ts'

const small = encode(threeRecords)

t.test('records show what was written', async (t) => {
  const batch = small.slice()
  header.stampBatch(batch, 0, 2 ** 40, 7)
  const records = decodeBatch(batch, 0, source)
  t.same(
    records.map(shown),
    threeRecords.map((record, index) => expected(record, 2 ** 40 + index)),
  )
  const [first, second, third] = records
  t.equal(first.source, source)
  t.same([first.topic, first.partition], ['lab.detector', 3])
  t.same([first.keyText(), second.keyText(), third.keyText()], ['k', null, ''])
  t.same([second.text(), third.text()], ['grüße', null])
  t.same([first.valueLength, second.valueLength, third.valueLength], [3, 7, 0])
  t.same([third.valueStart, third.valueEnd], [-1, -1])
  t.equal(hex(first.bytes.subarray(first.valueStart, first.valueEnd)), '010203')
})

t.test('nothing is copied: views share the buffer of the batch, and are plain arrays', async (t) => {
  const buffer = Buffer.alloc(500, 0xee)
  buffer.set(small, 100)
  const [first, second] = decodeBatch(buffer.subarray(50), 50, source)
  t.equal(first.value?.buffer, buffer.buffer)
  t.equal(first.value?.constructor, Uint8Array)
  t.equal(first.key?.constructor, Uint8Array)
  t.not(first.value, first.value, 'a view is made on each access')
  buffer.set([9, 9, 9], buffer.indexOf(Uint8Array.of(1, 2, 3)))
  t.same([...(first.value ?? [])], [9, 9, 9])
  t.same(second.headers, [
    { key: 'trace', value: Uint8Array.of(0xff) },
    { key: '', value: null },
  ])
})

t.test('headers are found behind every kind of key and value', async (t) => {
  const headers = [{ key: 'id', value: Uint8Array.of(4, 2) }]
  const fields = [null, new Uint8Array(0), new Uint8Array(5), new Uint8Array(100)]
  const records = fields.flatMap((key) => fields.map((value) => plain(1, key, value, headers)))
  for (const record of decodeBatch(encode(records), 0, source)) t.same(record.headers, headers)
})

t.test('text and JSON', async (t) => {
  const bom = '\ufeffmarked'
  const batch = encode([
    plain(1, null, '{"magnitude":4.5}'),
    plain(1, null, 'null'),
    plain(1, null, null),
    plain(1, null, bom),
    plain(1, null, '{oops'),
  ])
  header.setBaseOffset(batch, 0, 100)
  const records = decodeBatch(batch, 0, source)
  t.same(records[0].json(), { magnitude: 4.5 })
  t.equal(records[1].json(), null)
  t.equal(records[2].json(), null)
  t.equal(records[3].text(), bom, 'a byte order mark stays')
  t.throws(() => records[4].json(), {
    name: 'SyntaxError',
    message: 'the value at offset 104 of lab.detector, partition 3, is not JSON',
    cause: { name: 'SyntaxError' },
  })
})

t.test('records below the offset asked for are left out', async (t) => {
  const batch = encode(Array.from({ length: 200 }, (_, index) => plain(index, null, String(index))))
  header.setBaseOffset(batch, 0, 1000)
  for (const [fromOffset, first, count] of [
    [0, '0', 200],
    [1000, '0', 200],
    [1001, '1', 199],
    [1199, '199', 1],
    [1200, undefined, 0],
    [5000, undefined, 0],
  ] as const) {
    const records = decodeBatch(batch, 0, source, { fromOffset })
    t.same([records[0]?.text(), records.length], [first, count], `from ${fromOffset}`)
  }
})

t.test('batches are appended one after the other, and a damaged one leaves nothing', async (t) => {
  const all = Buffer.concat([small, small, small])
  header.stampBatch(all, small.length, 3, 0)
  header.stampBatch(all, 2 * small.length, 6, 0)
  const records: ReturnType<typeof decodeBatch> = []
  t.equal(decodeBatch(all, 0, source, {}, records), records)
  decodeBatch(all, small.length, source, { fromOffset: 5 }, records)
  t.same(
    records.map(({ offset }) => offset),
    [0, 1, 2, 5],
  )
  const lastRecord = 2 * small.length + small.length - 1
  all[lastRecord] = 2
  t.throws(() => decodeBatch(all, 2 * small.length, source, {}, records), {
    name: 'RecordError',
    reason: 'varint',
  })
  t.equal(records.length, 4)
})

t.test('control batches give no records', async (t) => {
  const control = forge(small, (bytes) => void header.setAttributes(bytes, 0, header.attributeBits.control))
  t.same(decodeBatch(control, 0, source, { crc32c }), [])
})

t.test('with append time every record has the time of the batch', async (t) => {
  const appended = forge(small, (bytes) => {
    header.setAttributes(bytes, 0, header.attributeBits.logAppendTime)
    header.setMaxTimestamp(bytes, 0, 1_800_000_000_000)
  })
  t.same(
    decodeBatch(appended, 0, source).map(({ timestampMs }) => timestampMs),
    [1_800_000_000_000, 1_800_000_000_000, 1_800_000_000_000],
  )
})

t.test('gaps between offsets stay', async (t) => {
  const gaps = encode([plain(1, null, 'a'), plain(1, null, 'b')])
  // Behind the header, 9 bytes a record: the offset delta of the second is its fourth byte.
  gaps[61 + 8 + 3] = 2 * 40
  header.setLastOffsetDelta(gaps, 0, 50)
  header.setBaseOffset(gaps, 0, 7)
  t.same(
    decodeBatch(sign(gaps), 0, source, { crc32c }).map(({ offset }) => offset),
    [7, 47],
  )
})

t.test('every truncation is refused', async (t) => {
  for (let end = 0; end < small.length; end++) {
    t.throws(
      () => decodeBatch(small.subarray(0, end), 0, source),
      { name: 'RecordError', reason: 'truncated' },
      `at ${end}`,
    )
  }
})

t.test('damage is named', async (t) => {
  const check = (bytes: Uint8Array, options: Parameters<typeof decodeBatch>[3], error: object) =>
    t.throws(() => decodeBatch(bytes, 0, source, options), { name: 'RecordError', ...error })
  const flipped = small.slice()
  flipped[100] ^= 1
  header.setBaseOffset(flipped, 0, 77)
  check(
    flipped,
    { crc32c },
    {
      reason: 'crc',
      message:
        /^lab\.detector, partition 3: cannot decode the batch at offset 77: the checksum in the header is 0x/,
    },
  )
  check(
    new Uint8Array(4),
    {},
    {
      reason: 'truncated',
      message:
        'lab.detector, partition 3: cannot decode the batch: 4 bytes are there, the header alone takes 61',
    },
  )
  check(
    forge(small, (bytes) => void header.setRecordCount(bytes, 0, 2 ** 31 - 1)),
    {},
    { reason: 'count' },
  )
  check(
    forge(small, (bytes) => void header.setRecordCount(bytes, 0, -1)),
    {},
    { reason: 'count' },
  )
  check(
    forge(small, (bytes) => void header.setLastOffsetDelta(bytes, 0, 1)),
    {},
    { reason: 'offset-delta' },
  )
})

const zeros = encode([plain(1, null, new Uint8Array(1000)), plain(2, 'k', null)], { compression: 'gzip' })

t.test('compressed batches', async (t) => {
  const [first, second] = decodeBatch(zeros, 0, source, { codecs, crc32c })
  t.equal(first.valueLength, 1000)
  t.same([second.keyText(), second.text()], ['k', null])

  const refused = (bytes: Uint8Array, given: CompressionCodecs, error: object) =>
    t.throws(() => decodeBatch(bytes, 0, source, { codecs: given }), { name: 'RecordError', ...error })
  refused(
    zeros,
    {},
    {
      reason: 'compression',
      message: /at offset 0: its compression is gzip, for which no codec is at hand$/,
    },
  )
  for (const [code, named] of [
    [2, 'snappy'],
    [3, 'lz4'],
    [4, 'zstd'],
    [5, 'number 5, which means nothing'],
  ] as const) {
    const other = forge(zeros, (bytes) => void header.setAttributes(bytes, 0, code))
    const given = { gzip: codecs.gzip } as CompressionCodecs
    refused(other, given, { reason: 'compression', message: new RegExp(`its compression is ${named}, for`) })
    // What stands there is gzip whatever the header says.
    if (code < 5)
      refused(other, codecs, { reason: 'compression', message: new RegExp(`unpacked: ${named}: `) })
  }
  const corrupt = forge(zeros, (bytes) => {
    // In the compressed data, behind the 10 bytes of gzip's header.
    bytes[61 + 12] ^= 0xff
  })
  refused(corrupt, codecs, {
    reason: 'compression',
    message: /packed bytes cannot be unpacked: gzip: .* are no whole and sound members/,
    cause: Error,
  })
  const noRecords = forge(zeros, (bytes) =>
    Buffer.concat([bytes.subarray(0, 61), gzipSync(new Uint8Array(40))]),
  )
  refused(noRecords, codecs, { reason: 'structure' })
  const forgedCount = forge(zeros, (bytes) => void header.setRecordCount(bytes, 0, 2 ** 31 - 1))
  refused(forgedCount, codecs, { reason: 'count' })
})

t.test('a bomb is not unpacked beyond the limit', async (t) => {
  const bomb = encode([plain(1, null, new Uint8Array(4 * 1024 * 1024))], { compression: 'gzip' })
  t.ok(bomb.length < 10_000, `${bomb.length} bytes`)
  const asked: number[] = []
  const watched: CompressionCodecs = {
    gzip: {
      compress: (bytes) => bytes,
      decompress: (bytes, bytesMax) => {
        asked.push(bytesMax)
        return codecs.gzip?.decompress(bytes, bytesMax) ?? bytes
      },
    },
  }
  t.throws(() => decodeBatch(bomb, 0, source, { codecs: watched, decompressedBytesMax: 100_000 }), {
    reason: 'too-large',
    message: /cannot be unpacked: gzip: \d+ bytes hold 100001 or more unpacked, at most 100000 are taken$/,
  })
  t.equal(decodeBatch(bomb, 0, source, { codecs: watched })[0].valueLength, 4 * 1024 * 1024)
  t.same(asked, [100_000, 64 * 1024 * 1024], 'the codec is told the limit, by default 64 MiB')
})

t.test('any bytes give records or a RecordError, and nothing outside the batch matters', async (t) => {
  const random = seededRandom(t)
  let decoded = 0
  const cases = process.env.OCTOPUS_SOAK ? 500_000 : 20_000
  for (const round of roundsOf(t, cases)) {
    const bytes = small.slice()
    const from = random.pick([0, 57, 61, 61])
    for (let changes = 1 + random.below(3); changes > 0; changes--) {
      bytes[from + random.below(bytes.length - from)] = random.pick([
        0,
        1,
        2,
        0x7f,
        0x80,
        0xff,
        random.below(256),
      ])
    }
    const outcomes = [0x00, 0xff].map((around) => {
      const surrounded = new Uint8Array(bytes.length + 40).fill(around)
      surrounded.set(bytes, 20)
      try {
        const records = decodeBatch(surrounded.subarray(0, bytes.length + 20), 20, source)
        decoded++
        return JSON.stringify(records.map(shown))
      } catch (error) {
        if (!(error instanceof RecordError)) throw error
        return error.message
      }
    })
    if (outcomes[0] !== outcomes[1]) t.equal(outcomes[0], outcomes[1], `round ${round}: ${hex(bytes)}`)
  }
  t.ok(decoded > 0 && decoded < 2 * cases, `${decoded} of ${2 * cases} decoded`)
})
