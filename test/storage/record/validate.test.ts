/** The checks on every batch that comes in or is read back: each rule, every bit, every length. */
import { crc32c } from '@node-rs/crc32'
import t from 'tap'
import { decodeBatch } from '../../../storage/record/batch-decoder.ts'
import * as header from '../../../storage/record/batch-header.ts'
import type { BatchProblem, RecordErrorReason } from '../../../storage/record/record-error.ts'
import { checkProducedBatch, checkStoredBatch } from '../../../storage/record/validate.ts'
import { varintAt, varintEndAt } from '../../../storage/record/varint.ts'
import { roundsOf } from '../../support/rounds.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { encode, forge, fromHex, hex, plain, shown, source, threeRecords } from './batches.ts'

const limits = { bytesMax: 1024 * 1024 }
const produced = (bytes: Uint8Array, more: object = {}) =>
  checkProducedBatch(bytes, 0, bytes.length, crc32c, { ...limits, ...more })
const stored = (bytes: Uint8Array) => checkStoredBatch(bytes, 0, bytes.length, crc32c)

const small = encode(threeRecords)
const zeros = encode([plain(100, null, new Uint8Array(500)), plain(200, null, null)], { compression: 'gzip' })

t.test('sound batches pass, wherever they lie', async (t) => {
  const large = encode(Array.from({ length: 9000 }, (_, index) => plain(index, null, 'x')))
  const wide = encode([
    plain(0, 'k'.repeat(70), new Uint8Array(9000), [{ key: 'h'.repeat(100), value: small }]),
  ])
  const sizes = encode(
    Array.from({ length: 300 }, (_, size) => plain(size, 'k'.repeat(size), new Uint8Array(300 - size))),
  )
  for (const batch of [small, zeros, large, wide, sizes]) {
    const around = new Uint8Array(batch.length + 100).fill(0xff)
    around.set(batch, 33)
    t.equal(checkProducedBatch(around, 33, around.length, crc32c, limits), undefined)
    t.equal(checkProducedBatch(around, 33, 33 + batch.length, crc32c, limits), undefined)
    t.equal(checkStoredBatch(around, 33, 33 + batch.length, crc32c), undefined)
  }
})

t.test('every truncation is refused', async (t) => {
  for (let end = 0; end < small.length; end++) {
    const missing = small.length - end
    const cut = checkProducedBatch(small, 0, end, crc32c, limits)
    if (cut?.reason !== 'truncated') t.fail(`with ${missing} bytes missing: ${cut?.reason}`)
    if (checkStoredBatch(small, 0, end, crc32c)?.reason !== 'truncated') t.fail(`stored, ${missing} missing`)
  }
  t.same(checkProducedBatch(small, 0, 60, crc32c, limits), {
    reason: 'truncated',
    sentence: '60 bytes are there, the header alone takes 61',
  })
  t.same(checkProducedBatch(small, 0, 61, crc32c, limits), {
    reason: 'truncated',
    sentence: `the batch takes ${small.length} bytes, 61 are there`,
  })
})

t.test('every flipped bit is found, except where the broker writes', async (t) => {
  const seen: Record<string, number> = {}
  for (let bit = 0; bit < small.length * 8; bit++) {
    const byte = bit >>> 3
    const flipped = small.slice()
    flipped[byte] ^= 1 << (bit & 7)
    const reason = produced(flipped)?.reason ?? 'none'
    const allowed: Partial<Record<RecordErrorReason | 'none', true>> =
      byte < 8 || (byte >= 12 && byte < 16)
        ? { none: true }
        : byte < 12
          ? { truncated: true, size: true, 'too-large': true, crc: true }
          : byte === 16
            ? { magic: true }
            : { crc: true }
    if (!allowed[reason]) t.fail(`bit ${bit & 7} of byte ${byte}: ${reason}`)
    seen[reason] = (seen[reason] ?? 0) + 1
    if (byte >= 8 && (byte < 12 || byte >= 16) && stored(flipped) === undefined) t.fail(`stored: bit ${bit}`)
  }
  t.equal(seen.none, 12 * 8)
  t.ok(seen.crc >= (small.length - 17) * 8)
})

/** The sentence must say what was found and what would be right: the tests below ask for all of it. */
function refuses(
  t: { same: (found: unknown, wanted: unknown, name: string) => unknown },
  problem: BatchProblem | undefined,
  reason: RecordErrorReason,
  sentence: string,
): void {
  t.same(problem, { reason, sentence }, sentence)
}

t.test('size, magic and limit', async (t) => {
  const sized = (batchBytes: number) => {
    const copy = small.slice()
    header.setBatchBytes(copy, 0, batchBytes)
    return copy
  }
  for (const size of [60, 12, 0, -100]) {
    refuses(
      t,
      produced(sized(size)),
      'size',
      `the batch says it takes ${size} bytes, its header alone takes 61`,
    )
  }
  const more = small.length + 1
  refuses(t, produced(sized(more)), 'truncated', `the batch takes ${more} bytes, ${small.length} are there`)
  refuses(
    t,
    produced(small, { bytesMax: small.length - 1 }),
    'too-large',
    `the batch takes ${small.length} bytes, at most ${small.length - 1} are taken`,
  )
  t.equal(produced(small, { bytesMax: small.length }), undefined)
  for (const magic of [0, 1, 3, -1]) {
    const old = small.slice()
    old[16] = magic
    refuses(t, produced(old), 'magic', `magic is ${magic}, must be 2`)
  }
  const oldMessage = fromHex('0000000000000000 00000016 11111111 00 00 ffffffff 00000000')
  refuses(t, produced(oldMessage), 'magic', 'magic is 0, must be 2')
  refuses(t, produced(oldMessage.subarray(0, 17)), 'magic', 'magic is 0, must be 2')
  t.equal(produced(oldMessage.subarray(0, 16))?.reason, 'truncated')
})

t.test('checksum', async (t) => {
  const wrong = small.slice()
  header.setCrc(wrong, 0, 0xab)
  const right = header.crcAt(small, 0).toString(16).padStart(8, '0')
  refuses(
    t,
    produced(wrong),
    'crc',
    `the checksum in the header is 0x000000ab, that of the bytes is 0x${right}`,
  )
})

t.test('attributes', async (t) => {
  const withAttributes = (attributes: number) =>
    forge(small, (bytes) => void header.setAttributes(bytes, 0, attributes))
  refuses(
    t,
    produced(withAttributes(0x20)),
    'control',
    'control batches are written by the broker alone; producers send data',
  )
  refuses(
    t,
    produced(withAttributes(0x10)),
    'transactional',
    'transactional batches are not supported; produce without a transactional id',
  )
  refuses(
    t,
    produced(withAttributes(0x08)),
    'attributes',
    'the timestamp type is append time, which only the broker sets; must be create time',
  )
  for (let bit = 6; bit < 16; bit++) {
    const unknown = withAttributes(1 << bit)
    const sentence = `attribute bits 0x${(1 << bit).toString(16)} mean nothing, must be 0`
    refuses(t, produced(unknown), 'attributes', sentence)
    refuses(t, stored(unknown), 'attributes', sentence)
  }
  for (const [code, name] of [
    [2, 'snappy'],
    [3, 'lz4'],
    [4, 'zstd'],
  ] as const) {
    t.equal(produced(withAttributes(code)), undefined, `produced, ${name}`)
    t.equal(stored(withAttributes(code)), undefined, `stored, ${name}`)
  }
  for (const code of [5, 6, 7]) {
    const sentence = `compression number ${code} means nothing; 0 to 4 do`
    refuses(t, produced(withAttributes(code)), 'compression', sentence)
    refuses(t, stored(withAttributes(code)), 'compression', sentence)
  }
  for (const attributes of [0x10, 0x20, 0x30, 0x08]) t.equal(stored(withAttributes(attributes)), undefined)
})

t.test('producer', async (t) => {
  const by = (id: number, epoch: number, sequence: number) =>
    forge(small, (bytes) => void header.setProducer(bytes, 0, id, epoch, sequence))
  for (const fine of [by(-1, -1, -1), by(-1, 0, 0), by(0, 0, 0), by(2 ** 53 - 1, 32_767, 2 ** 31 - 1)]) {
    t.equal(produced(fine), undefined)
    t.equal(stored(fine), undefined)
  }
  for (const [batch, sentence] of [
    [by(-2, 0, 0), 'producer id is -2, must be -1 (none) or 0 to 2^53 - 1'],
    [by(2 ** 53, 0, 0), 'producer id is 9007199254740992, must be -1 (none) or 0 to 2^53 - 1'],
    [by(5, -1, 0), 'producer 5 has epoch -1 and base sequence 0, both must be 0 or more'],
    [by(5, 0, -1), 'producer 5 has epoch 0 and base sequence -1, both must be 0 or more'],
  ] as const) {
    refuses(t, produced(batch), 'producer', sentence)
    refuses(t, stored(batch), 'producer', sentence)
  }
})

t.test('counts and the last offset delta', async (t) => {
  const counted = (count: number, lastOffsetDelta = count - 1) =>
    forge(small, (bytes) => {
      header.setRecordCount(bytes, 0, count)
      header.setLastOffsetDelta(bytes, 0, lastOffsetDelta)
      return undefined
    })
  const recordsBytes = small.length - 61
  refuses(t, produced(counted(0)), 'count', 'the header counts 0 records, must be at least 1')
  refuses(t, produced(counted(-1)), 'count', 'the header counts -1 records, must be at least 1')
  refuses(t, produced(counted(3, 3)), 'offset-delta', 'the last offset delta is 3, must be 2 with 3 records')
  refuses(t, produced(counted(4)), 'count', 'the header counts 4 records, the bytes hold only 3')
  const left = recordsBytes - (varintEndAt(small, 61) - 61 + varintAt(small, 61))
  refuses(
    t,
    produced(counted(1)),
    'count',
    `${left} bytes are left behind the 1 records that the header counts`,
  )
  refuses(
    t,
    produced(counted(2 ** 31 - 1)),
    'count',
    `the header counts 2147483647 records, ${recordsBytes} bytes hold 0 to ${Math.floor(recordsBytes / 7)}`,
  )
  const empty = forge(small, (bytes) => bytes.slice(0, 61))
  refuses(t, produced(empty), 'count', 'the header counts 3 records, 0 bytes hold 0 to 0')
})

/** A batch whose only record has these bytes behind its length; `length` is what it claims. */
function record(body: string, length = fromHex(body).length, count = 1): Uint8Array {
  return forge(encode([plain(1000, null, null)]), (bytes) => {
    header.setRecordCount(bytes, 0, count)
    header.setLastOffsetDelta(bytes, 0, count - 1)
    return Uint8Array.from([
      ...bytes.subarray(0, 61),
      length < 0 ? -2 * length - 1 : 2 * length,
      ...fromHex(body),
    ])
  })
}

t.test('structure of a record', async (t) => {
  t.equal(produced(record('00 00 00 01 01 00')), undefined, 'the smallest record')
  t.equal(
    produced(record('00 00 00 02 6b 04 7661 02 02 68 01')),
    undefined,
    'key k, value va, header h = null',
  )
  t.equal(produced(record('00 8000 8000 8100 8000 808000')), undefined, 'padded varints')

  const first = 'record 0 of the batch (the first is 0): '
  const cases: [string, number | undefined, RecordErrorReason, string][] = [
    ['00 00 00 01 01 00', 7, 'structure', 'its length is 7, must be 6 to 6, the bytes left in the batch'],
    ['00 00 00 01 01 00', 5, 'structure', 'its length is 5, must be 6 to 6, the bytes left in the batch'],
    ['00 00 00 01 01 00', -1, 'structure', 'its length is -1, must be 6 to 6, the bytes left in the batch'],
    ['01 00 00 01 01 00', undefined, 'attributes', 'its attributes are 1, must be 0'],
    [
      '00 ff ff ff ff ff',
      undefined,
      'varint',
      'its timestamp delta is a varint that is cut off, too long or too large',
    ],
    [
      '00 ffffffffffffffff7f 00 01 01 00',
      undefined,
      'varint',
      'its timestamp delta is a varint that is cut off, too long or too large',
    ],
    ['00 8080808000 01', undefined, 'structure', 'it ends before its offset delta'],
    [
      '00 00 ffffffffff00 01 01 00',
      undefined,
      'varint',
      'its offset delta is a varint that is cut off, too long or too large',
    ],
    ['00 00 80808000 01', undefined, 'structure', 'it ends before its value length'],
    ['00 00 8080808000', undefined, 'structure', 'it ends before its key length'],
    ['00 00 00 03 01 00', undefined, 'structure', 'its key takes -2 bytes, 2 are left in the record'],
    ['00 00 00 0e 01 00', undefined, 'structure', 'its key takes 7 bytes, 2 are left in the record'],
    ['00 00 00 04 01 00', undefined, 'structure', 'it ends before its value length'],
    [
      '00 00 00 ff ff ff',
      undefined,
      'varint',
      'its key length is a varint that is cut off, too long or too large',
    ],
    [
      '00 00 00 feffffff0f 01 00',
      undefined,
      'structure',
      'its key takes 2147483647 bytes, 2 are left in the record',
    ],
    ['00 00 00 01 03 00', undefined, 'structure', 'its value takes -2 bytes, 1 are left in the record'],
    ['00 00 00 01 02 00', undefined, 'structure', 'it ends before its header count'],
    [
      '00 00 00 01 feffffff0f 00',
      undefined,
      'structure',
      'its value takes 2147483647 bytes, 1 are left in the record',
    ],
    [
      '00 00 00 01 ff ff',
      undefined,
      'varint',
      'its value length is a varint that is cut off, too long or too large',
    ],
    [
      '00 00 00 01 01 ff',
      undefined,
      'varint',
      'its header count is a varint that is cut off, too long or too large',
    ],
    ['00 00 00 01 01 01', undefined, 'structure', 'its header count is -1, must not be negative'],
    ['00 00 00 01 01 00 00', undefined, 'structure', '1 bytes follow its last header'],
    ['00 00 00 01 01 02 02 68 01 00', undefined, 'structure', '1 bytes follow its last header'],
    [
      '00 00 00 01 01 04 02 68 01',
      undefined,
      'varint',
      'its key length of header 1 is a varint that is cut off, too long or too large',
    ],
    [
      '00 00 00 01 01 02 01 01',
      undefined,
      'structure',
      'its key of header 0 takes -1 bytes, 1 are left in the record',
    ],
    [
      '00 00 00 01 01 02 06 68 01',
      undefined,
      'structure',
      'its key of header 0 takes 3 bytes, 2 are left in the record',
    ],
    [
      '00 00 00 01 01 02 02 68',
      undefined,
      'varint',
      'its value length of header 0 is a varint that is cut off, too long or too large',
    ],
    [
      '00 00 00 01 01 02 02 68 03',
      undefined,
      'structure',
      'its value of header 0 takes -2 bytes, 0 are left in the record',
    ],
    [
      '00 00 00 01 01 02 02 68 04 00',
      undefined,
      'structure',
      'its value of header 0 takes 2 bytes, 1 are left in the record',
    ],
    [
      '00 00 00 01 01 feffffff0f',
      undefined,
      'varint',
      'its key length of header 0 is a varint that is cut off, too long or too large',
    ],
  ]
  for (const [body, length, reason, sentence] of cases) {
    const forged = record(body, length)
    refuses(t, produced(forged), reason, first + sentence)
    refuses(t, stored(forged), reason, first + sentence)
    t.throws(() => decodeBatch(forged, 0, source), { name: 'RecordError', reason }, 'and not decoded')
  }
  const badLength = forge(encode([plain(1, null, null)]), (bytes) =>
    Uint8Array.from([...bytes.subarray(0, 61), ...fromHex('ffffffffff00 00')]),
  )
  refuses(
    t,
    produced(badLength),
    'varint',
    `${first}its length is a varint that is cut off, too long or too large`,
  )
})

t.test('offset deltas', async (t) => {
  const two = encode([plain(5, null, null), plain(5, null, null)])
  const [firstDelta, secondDelta] = [61 + 3, 61 + 7 + 3]
  const deltas = (first: number, second: number, lastOffsetDelta: number, baseOffset = 0) =>
    forge(two, (bytes) => {
      bytes[firstDelta] = first >= 0 ? 2 * first : -2 * first - 1
      bytes[secondDelta] = second >= 0 ? 2 * second : -2 * second - 1
      header.setLastOffsetDelta(bytes, 0, lastOffsetDelta)
      header.setBaseOffset(bytes, 0, baseOffset)
      return undefined
    })
  t.equal(hex(deltas(0, 1, 1)), hex(two))
  const record1 = 'record 1 of the batch (the first is 0): '
  for (const check of [produced, stored]) {
    refuses(t, check(deltas(0, 0, 1)), 'offset-delta', `${record1}its offset delta is 0, must be above 0`)
    refuses(t, check(deltas(1, 0, 1)), 'offset-delta', `${record1}its offset delta is 0, must be above 1`)
    refuses(
      t,
      check(deltas(-1, 0, 1)),
      'offset-delta',
      'record 0 of the batch (the first is 0): its offset delta is -1, must be above -1',
    )
    refuses(
      t,
      check(deltas(0, 2, 1)),
      'offset-delta',
      'the last record has offset delta 2, the header says the last one is 1',
    )
  }
  refuses(
    t,
    produced(deltas(0, 2, 2)),
    'offset-delta',
    'the last offset delta is 2, must be 1 with 2 records',
  )
  t.equal(stored(deltas(0, 2, 2)), undefined, 'a gap inside')
  t.equal(stored(deltas(3, 9, 20, 2 ** 40)), undefined, 'gaps everywhere')
  t.equal(stored(deltas(0, 1, 1, 2 ** 53 - 2)), undefined, 'the largest offset')

  const sum = 'both must be 0 or more and their sum at most 2^53 - 1'
  refuses(t, stored(deltas(0, 1, 1, -1)), 'offset-delta', `base offset is -1 and last offset delta 1, ${sum}`)
  refuses(t, stored(deltas(0, 1, -1)), 'offset-delta', `base offset is 0 and last offset delta -1, ${sum}`)
  refuses(
    t,
    stored(deltas(0, 1, 1, 2 ** 53 - 1)),
    'offset-delta',
    `base offset is 9007199254740991 and last offset delta 1, ${sum}`,
  )
  refuses(
    t,
    stored(deltas(0, 1, 0)),
    'count',
    'the header counts 2 records, offset deltas 0 to 0 allow 0 to 1',
  )
  const emptied = forge(two, (bytes) => {
    header.setRecordCount(bytes, 0, 0)
    return bytes.slice(0, 61)
  })
  t.equal(stored(emptied), undefined, 'a batch whose records were all removed')
})

t.test('timestamps', async (t) => {
  const max = header.maxTimestampAt(small, 0)
  const [earliest, latest] = [1_699_999_999_000, 1_700_000_000_007]
  t.equal(max, latest)
  const times = `the times of the records go from ${earliest} to ${latest}`
  for (const wrong of [latest - 1, latest + 1, 0]) {
    const forged = forge(small, (bytes) => void header.setMaxTimestamp(bytes, 0, wrong))
    const sentence = `${times}, the header says that the max is ${wrong}`
    refuses(t, produced(forged), 'timestamp', sentence)
    refuses(t, stored(forged), 'timestamp', sentence)
  }
  t.equal(produced(small, { timestampMin: earliest, timestampMax: latest }), undefined)
  refuses(
    t,
    produced(small, { timestampMin: earliest + 1 }),
    'timestamp-range',
    `${times}, only ${earliest + 1} to Infinity are taken`,
  )
  refuses(
    t,
    produced(small, { timestampMax: latest - 1 }),
    'timestamp-range',
    `${times}, only -Infinity to ${latest - 1} are taken`,
  )

  const unsafe = forge(small, (bytes) => void header.setBaseTimestamp(bytes, 0, 2 ** 53))
  refuses(
    t,
    produced(unsafe),
    'timestamp',
    `base timestamp is 9007199254740992 and max timestamp ${latest}, both must be within ±(2^53 - 1)`,
  )
  const below = forge(encode([plain(0, null, null), plain(-2, null, null)]), (bytes) => {
    header.setBaseTimestamp(bytes, 0, Number.MIN_SAFE_INTEGER)
    header.setMaxTimestamp(bytes, 0, Number.MIN_SAFE_INTEGER)
    return undefined
  })
  t.equal(produced(below)?.reason, 'timestamp', 'a sum beyond 2^53')
})

t.test('of compressed batches the header is checked', async (t) => {
  t.equal(produced(zeros, { timestampMin: 100, timestampMax: 200 }), undefined)
  const times = 'the times of the records go from 100 to 200'
  refuses(
    t,
    produced(zeros, { timestampMin: 101 }),
    'timestamp-range',
    `${times}, only 101 to Infinity are taken`,
  )
  refuses(
    t,
    produced(zeros, { timestampMax: 199 }),
    'timestamp-range',
    `${times}, only -Infinity to 199 are taken`,
  )
  const same = forge(zeros, (bytes) => void header.setMaxTimestamp(bytes, 0, 100))
  t.equal(produced(same), undefined)
  const swapped = forge(zeros, (bytes) => void header.setMaxTimestamp(bytes, 0, 99))
  refuses(t, produced(swapped), 'timestamp', 'the max timestamp 99 is below the base timestamp 100')
  const miscounted = forge(zeros, (bytes) => void header.setRecordCount(bytes, 0, 3))
  t.equal(produced(miscounted)?.reason, 'offset-delta')
  const flipped = zeros.slice()
  flipped[80] ^= 4
  t.equal(produced(flipped)?.reason, 'crc')
})

t.test('what passes can be decoded, all of it, and nothing outside the batch matters', async (t) => {
  const random = seededRandom(t)
  const cases = process.env.OCTOPUS_SOAK ? 500_000 : 20_000
  const tally = { passed: 0, refused: 0 }
  for (const _round of roundsOf(t, cases)) {
    const forged = forge(small, (bytes) => {
      for (let changes = 1 + random.below(3); changes > 0; changes--) {
        const at = random.pick([21, 61, 61, 61]) + random.below(40)
        bytes[at % bytes.length] = random.pick([0, 1, 2, 3, 0x7f, 0x80, 0xff, random.below(256)])
      }
      return undefined
    })
    const verdicts = [0x00, 0xff].map((around) => {
      const surrounded = new Uint8Array(forged.length + 40).fill(around)
      surrounded.set(forged, 20)
      return checkProducedBatch(surrounded, 20, 20 + forged.length, crc32c, limits)
    })
    if (verdicts[0]?.sentence !== verdicts[1]?.sentence) t.same(verdicts[0], verdicts[1], hex(forged))
    tally[verdicts[0] === undefined ? 'passed' : 'refused']++
    // What a producer may send, a log may hold; what it may hold decodes (compressed bytes aside).
    if (verdicts[0] === undefined && stored(forged) !== undefined)
      t.fail(`refused when stored: ${hex(forged)}`)
    if (stored(forged) !== undefined || header.compressionAt(forged, 0) !== 0) continue
    const records = decodeBatch(forged, 0, source, { crc32c })
    const control = header.isControlAt(forged, 0)
    if (records.length !== (control ? 0 : header.recordCountAt(forged, 0)))
      t.fail(`${records.length}: ${hex(forged)}`)
    const offsets = records.map((record) => shown(record).offset).join()
    if (verdicts[0] === undefined && offsets !== '0,1,2') t.fail(`offsets ${offsets}: ${hex(forged)}`)
  }
  t.ok(tally.passed > 0 && tally.refused > 0, JSON.stringify(tally))
})
