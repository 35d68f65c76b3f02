/** The directory in front of a stored value: its bytes, and its refusal of every damage. */
import t from 'tap'
import {
  ENTRY_BYTES,
  type Entry,
  EntryKind,
  identifyValue,
  readDirectory,
  VALUE_HEADER_BYTES,
  writeDirectory,
} from '../../../storage/log/value.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'

const topicId = Uint8Array.from({ length: 16 }, (_, i) => i + 1)

function entry(fields: Partial<Entry>): Entry {
  return {
    kind: EntryKind.run,
    topicId,
    partition: 3,
    offset: 1000,
    endOffset: 1010,
    maxTimestampMs: 1_700_000_000_123,
    leaderEpoch: 7,
    position: VALUE_HEADER_BYTES + ENTRY_BYTES,
    length: 4,
    batchCount: 2,
    ...fields,
  }
}

function valueWith(entries: Entry[], payload: Uint8Array): Uint8Array {
  const value = new Uint8Array(VALUE_HEADER_BYTES + entries.length * ENTRY_BYTES + payload.length)
  value.set(payload, VALUE_HEADER_BYTES + entries.length * ENTRY_BYTES)
  writeDirectory(value, { segment: 9, sequence: 4, committedAtMs: 1_700_000_000_000 }, entries, crc32cTable)
  return value
}

t.test('a value with one run has these bytes', async (t) => {
  const value = valueWith([entry({})], Uint8Array.of(0xde, 0xad, 0xbe, 0xef))
  t.equal(
    Buffer.from(value).toString('hex'),
    [
      '4f435631', // "OCV1"
      '00000009', // segment
      '00000004', // sequence
      '00000001', // entries
      '00000064', // 100 bytes
      '0000018bcfe56800', // commit time
      Buffer.from(value.subarray(28, 32)).toString('hex'),
      '01000000', // run
      '00000003', // partition
      '0102030405060708090a0b0c0d0e0f10',
      '00000000000003e8', // base offset
      '00000000000003f2', // end offset
      '0000018bcfe5687b', // max timestamp
      '00000007', // leader epoch
      '00000060', // position 96
      '00000004', // length
      '00000002', // batches
      'deadbeef',
    ].join(''),
  )
  const covered = value.slice(0, VALUE_HEADER_BYTES + ENTRY_BYTES)
  covered.fill(0, 28, 32)
  t.equal(
    new DataView(value.buffer).getUint32(28),
    crc32cTable(covered),
    'the CRC covers header and directory',
  )
})

t.test('what is written is read back, every kind', async (t) => {
  const entries = [
    entry({ position: VALUE_HEADER_BYTES + 5 * ENTRY_BYTES }),
    entry({
      kind: EntryKind.logStart,
      offset: 5,
      endOffset: 2 ** 40,
      maxTimestampMs: 77,
      position: 0,
      length: 0,
    }),
    entry({ kind: EntryKind.truncate, offset: 2 ** 52, position: 0, length: 0 }),
    entry({ kind: EntryKind.leaderEpoch, leaderEpoch: 2 ** 31 - 1, position: 0, length: 0 }),
    entry({ kind: EntryKind.topicDrop, partition: -1, maxTimestampMs: -1, position: 0, length: 0 }),
  ]
  const read = readDirectory(valueWith(entries, new Uint8Array(4)), 9, 4, crc32cTable)
  t.strictSame(read, { entries, committedAtMs: 1_700_000_000_000 })
})

t.test('every flipped bit and every truncation of a directory is refused', async (t) => {
  const value = valueWith([entry({})], Uint8Array.of(1, 2, 3, 4))
  for (let bit = 0; bit < (VALUE_HEADER_BYTES + ENTRY_BYTES) * 8; bit++) {
    const bad = value.slice()
    bad[bit >> 3] ^= 1 << (bit & 7)
    if (!('problem' in readDirectory(bad, 9, 4, crc32cTable))) t.fail(`bit ${bit} was not noticed`)
  }
  for (let length = 0; length < value.length; length++)
    if (!('problem' in readDirectory(value.slice(0, length), 9, 4, crc32cTable)))
      t.fail(`truncation to ${length} was not noticed`)
  t.match(identifyValue(value, 8, 4), /names itself segment 9, sequence 4: a stale page/)
  t.match(identifyValue(value, 9, 5), /stale page/)
  t.equal(identifyValue(value, 9, 4), undefined)
})
