/**
 * Batches that lie, are damaged or are bombs: each is refused where it entered, by name, and the other partitions of its
 * request do not notice. Nothing of it is stored, on the event loop or on a thread.
 */
import t from 'tap'
import type { TopicConfigValues } from '../../../broker/topics/topic-config.ts'
import * as header from '../../../storage/record/batch-header.ts'
import { type CompressionName, compressionCodes } from '../../../storage/record/compression.ts'
import { tools } from './held-pool.ts'
import { intakeWorld, NOW_MS, valuesOf } from './intake-world.ts'
import { event, eventsBatch, packedBatch, signed } from './produced-batches.ts'

const codecs = (Object.keys(tools.codecs) as CompressionName[]).filter((name) => name !== 'none')
const topics: readonly TopicConfigValues[] = [
  {},
  { 'compression.type': 'uncompressed' },
  { 'compression.type': 'gzip' },
  { 'message.timestamp.type': 'LogAppendTime' },
]

/** How the batch is refused by a topic with these configs, by the event loop and by a thread; beside it one is taken. */
async function outcome(batch: Uint8Array, configs: TopicConfigValues): Promise<string> {
  const refusals = new Set<string>()
  for (const offloadBytesMin of [1_000_000_000, 1]) {
    const { pool, send, stored } = await intakeWorld(configs, {
      offloadBytesMin,
      decompressedBytesMax: 4 * 1024 * 1024,
    })
    const answering = send([batch, eventsBatch(0, 3)])
    while (pool.held.length > 0) pool.take().finish()
    const [bad, good] = await answering
    if (good.error !== 'NONE' || valuesOf(stored(1))[2] !== event(2))
      throw new Error(`the other: ${good.message}`)
    if (bad.error !== 'NONE' && stored().length > 0) throw new Error('something of it is stored')
    refusals.add(`${bad.error}: ${bad.message}`)
  }
  if (refusals.size !== 1) throw new Error(`loop and thread differ: ${[...refusals].join(' | ')}`)
  return [...refusals][0]
}

for (const codec of codecs) {
  const packed = (change: Parameters<typeof packedBatch>[1] = {}) => packedBatch(codec, change)
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    [
      'counts more records than it has',
      packed({ header: (bytes) => count(bytes, 11) }),
      /^INVALID_RECORD: the header counts 11 records, the bytes hold only 10$/,
    ],
    [
      'counts fewer',
      packed({ header: (bytes) => count(bytes, 9) }),
      /^INVALID_RECORD: \d+ bytes are left behind the 9 records that the header counts$/,
    ],
    [
      'counts as many as no bytes could hold',
      packed({ header: (bytes) => count(bytes, 2 ** 31 - 1) }),
      /^INVALID_RECORD: the header counts 2147483647 records, \d+ bytes hold 0 to \d+$/,
    ],
    [
      'has a gap in its offset deltas',
      packed({ section: withGap }),
      /^INVALID_RECORD: the last record has offset delta 10, the header says the last one is 9$/,
    ],
    [
      'has an older record than it says',
      packed({ header: (bytes) => header.setMaxTimestamp(bytes, 0, NOW_MS + 5) }),
      new RegExp(
        `^INVALID_RECORD: the times of the records go from ${NOW_MS} to ${NOW_MS + 9}, .* max is ${NOW_MS + 5}$`,
      ),
    ],
    ['is packed twice', packed({ section: (bytes) => codecOf(codec).compress(bytes) }), /^INVALID_RECORD: /],
    [
      'holds another batch instead of records',
      packed({ section: () => eventsBatch(0, 3) }),
      /^INVALID_RECORD: /,
    ],
    [
      'is a bomb',
      packed({ section: () => new Uint8Array(16 * 1024 * 1024) }),
      /^MESSAGE_TOO_LARGE: .*(4194304|1048527|1048576)/,
    ],
    [
      'is cut off',
      packed({ packed: (bytes) => bytes.subarray(0, bytes.length - 3) }),
      /^UNSUPPORTED_COMPRESSION_TYPE: /,
    ],
    [
      'has something behind its end',
      packed({ packed: (bytes) => new Uint8Array([...bytes, 1, 2, 3]) }),
      /^UNSUPPORTED_COMPRESSION_TYPE: /,
    ],
    [
      'is nothing that its codec could have written',
      packed({ packed: () => new Uint8Array(80).fill(7) }),
      /^UNSUPPORTED_COMPRESSION_TYPE: /,
    ],
    ['has a wrong checksum', packed({ header: damage, sign: false }), /^CORRUPT_MESSAGE: the checksum/],
    [
      'says that its time is the broker’s',
      packed({ header: (bytes) => header.setAttributes(bytes, 0, header.attributesAt(bytes, 0) | 8) }),
      /^INVALID_RECORD: the timestamp type is append time/,
    ],
  ]
  t.test(`${codec}: what lies is refused where it entered`, async (t) => {
    for (const [what, batch, expected] of cases)
      for (const configs of topics)
        t.match(await outcome(batch, configs), expected, `${what}: ${JSON.stringify(configs)}`)
    t.equal(await outcome(packed(), {}), 'NONE: null', 'and what does not lie is taken')
  })

  t.test(`${codec}: times inside that the topic does not take, whatever the header says`, async (t) => {
    const early = packed({ timestampMs: NOW_MS - 100_000 })
    const narrow = { 'message.timestamp.before.max.ms': '1000' }
    t.match(await outcome(early, narrow), /^INVALID_TIMESTAMP: the times of the records go from/)
    // The first record is fine, a later one is not.
    const hidden = packed({ deltas: (n) => (n === 5 ? -100_000 : n) })
    t.match(await outcome(hidden, narrow), /^INVALID_TIMESTAMP: the times of the records go from/)
    t.equal(await outcome(hidden, {}), 'NONE: null')
    t.equal(await outcome(hidden, { ...narrow, 'message.timestamp.type': 'LogAppendTime' }), 'NONE: null')
  })

  t.test(`${codec}: a flipped bit anywhere is damage and nothing else`, async (t) => {
    const batch = packed()
    for (let bit = 8 * header.CRC_FROM; bit < 8 * batch.length; bit += bit < 8 * 61 ? 1 : 37) {
      const flipped = batch.slice()
      flipped[bit >> 3] ^= 1 << (bit & 7)
      const told = await outcome(flipped, {})
      if (!/^CORRUPT_MESSAGE: the checksum/.test(told)) t.fail(`bit ${bit}: ${told}`)
    }
    t.pass()
  })
}

t.test('the largest batch is the largest as it was sent and as it is stored', async (t) => {
  const plain = eventsBatch(0, 100)
  const packed = eventsBatch(0, 100, { compression: 'gzip' })
  const takes = (bytes: number, type: string) => ({
    'max.message.bytes': `${bytes}`,
    'compression.type': type,
  })
  t.equal(await outcome(plain, takes(plain.length, 'gzip')), 'NONE: null')
  t.match(
    await outcome(plain, takes(plain.length - 1, 'gzip')),
    /^MESSAGE_TOO_LARGE: the batch takes/,
    'as it was sent',
  )
  t.equal(await outcome(packed, takes(plain.length, 'uncompressed')), 'NONE: null')
  t.match(
    await outcome(packed, takes(plain.length - 1, 'uncompressed')),
    /^MESSAGE_TOO_LARGE: /,
    'as it is stored',
  )
  t.equal(await outcome(packed, takes(plain.length - 1, 'producer')), 'NONE: null')
})

function codecOf(name: CompressionName) {
  const codec = tools.codecs[name]
  if (!codec) throw new Error(`no codec for ${name}`)
  return codec
}

function count(bytes: Uint8Array, records: number): void {
  header.setRecordCount(bytes, 0, records)
  header.setLastOffsetDelta(bytes, 0, records - 1)
}

function withGap(section: Uint8Array): Uint8Array {
  // Ten records of one length; length (two bytes), attributes, timestamp delta, offset delta, a zig-zag varint.
  section[section.length - section.length / 10 + 4] += 2
  return section
}

function damage(bytes: Uint8Array): void {
  bytes[70] ^= 1
}

t.test('no number of a codec but those there are', async (t) => {
  for (const code of [5, 6, 7]) {
    const batch = eventsBatch(0, 3)
    header.setAttributes(batch, 0, code)
    t.match(await outcome(signed(batch), {}), /^UNSUPPORTED_COMPRESSION_TYPE: compression number/)
  }
  t.equal(Object.keys(compressionCodes).length, 5)
})
