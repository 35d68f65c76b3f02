/**
 * The format is Kafka's and not ours: what two Kafka clients encode is byte for byte what we encode, and
 * each side reads what the other wrote. The bytes stand here as literals too, so that a change of a client
 * shows as one.
 */
import { createRequire } from 'node:module'
import * as zlib from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import { createRecordsBatch, Reader, readRecordsBatch } from '@platformatic/kafka'
import { CompressionTypes } from 'kafkajs'
import t from 'tap'
import { decodeBatch } from '../../../storage/record/batch-decoder.ts'
import type { RecordField } from '../../../storage/record/batch-encoder.ts'
import { BATCH_HEADER_BYTES, compressionAt, stampBatch } from '../../../storage/record/batch-header.ts'
import { selectRecords } from '../../../storage/record/batch-selection.ts'
import { compressionCodes } from '../../../storage/record/compression.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { emptyBatch } from '../../../storage/record/empty-batch.ts'
import { checkProducedBatch, checkStoredBatch } from '../../../storage/record/validate.ts'
import { varintAt, varintEndAt } from '../../../storage/record/varint.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import type { PlainRecord } from './batches.ts'
import {
  codecs,
  encode,
  expected,
  fromHex,
  hex,
  plain,
  randomRecord,
  shown,
  source,
  threeRecords,
} from './batches.ts'

const require = createRequire(import.meta.url)
/** kafkajs exports its encoder to nobody; its files are what its producer and consumer run. */
const kafkajs = {
  Record: require('kafkajs/src/protocol/recordBatch/record/v0/index.js') as (record: object) => object,
  RecordBatch: (
    require('kafkajs/src/protocol/recordBatch/v0/index.js') as {
      RecordBatch: (batch: object) => Promise<{ buffer: Buffer }>
    }
  ).RecordBatch,
  Decoder: require('kafkajs/src/protocol/decoder.js') as new (bytes: Buffer) => object,
  decodeBatch: require('kafkajs/src/protocol/recordBatch/v0/decoder.js') as (decoder: object) => Promise<{
    readonly firstOffset: string
    readonly maxTimestamp: string
    readonly records: readonly {
      readonly offset: string
      readonly timestamp: string
      readonly key: Buffer | null
      readonly value: Buffer | null
      readonly headers: Readonly<Record<string, Buffer>>
    }[]
  }>,
}

function bufferOf(field: RecordField): Buffer | null {
  if (field === null) return null
  return typeof field === 'string' ? Buffer.from(field) : Buffer.from(field)
}

async function encodeByKafkajs(records: readonly PlainRecord[], gzip: boolean): Promise<Uint8Array> {
  const times = records.map(({ timestampMs }) => timestampMs)
  const batch = await kafkajs.RecordBatch({
    compression: gzip ? CompressionTypes.GZIP : CompressionTypes.None,
    firstTimestamp: times[0],
    maxTimestamp: Math.max(...times),
    lastOffsetDelta: records.length - 1,
    records: records.map(({ timestampMs, key, value, headers }, index) =>
      kafkajs.Record({
        offsetDelta: index,
        timestampDelta: timestampMs - times[0],
        key: bufferOf(key),
        value: bufferOf(value),
        headers: Object.fromEntries(headers.map(({ key, value }) => [key, bufferOf(value)])),
      }),
    ),
  })
  return batch.buffer
}

function encodeByPlatformatic(
  records: readonly PlainRecord[],
  compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd',
): Uint8Array {
  const messages = records.map(({ timestampMs, key, value, headers }) => ({
    topic: source.topic,
    timestamp: BigInt(timestampMs),
    // Its types have no null, its encoder does.
    key: bufferOf(key) as Buffer,
    value: bufferOf(value) as Buffer,
    headers: new Map(headers.map(({ key, value }) => [Buffer.from(key), bufferOf(value) as Buffer])),
  }))
  return createRecordsBatch(messages, { compression }).buffer
}

/** Both clients send 0 where Kafka's own sends -1: leader epoch, producer epoch and base sequence. */
function encodeByUs(records: readonly PlainRecord[], gzip: boolean): Uint8Array {
  const batch = encode(records, { compression: gzip ? 'gzip' : 'none', producerEpoch: 0, baseSequence: 0 })
  stampBatch(batch, 0, 0, 0)
  return batch
}

/** kafkajs cannot send a header without a value, and sends a key's values together. */
function forKafkajs(records: readonly PlainRecord[]): PlainRecord[] {
  return records.map(({ headers, ...record }) => ({
    ...record,
    headers: headers
      .filter(({ key }, index) => index === headers.findIndex((header) => header.key === key))
      .map(({ key, value }) => ({ key, value: value ?? new Uint8Array(0) })),
  }))
}

/** Small enough to be read here, with enough of the same to be worth compressing. */
const repetitive = [0, 1, 2, 3].map((step) =>
  plain(1_700_000_000_000 + step, `sensor-${step % 2}`, '{"magnitude":4.5,"place":"12 km S of Adak"}', [
    { key: 'trace', value: Uint8Array.of(step) },
  ]),
)

const PLATFORMATIC_THREE = [
  '00000000000000000000005c0000000002851128c90000000000020000018bcfe568000000018bcfe56807ffffffffffffff',
  'ff0000000000000000000314000000026b06010203002e000e02010e6772c3bcc39f65040a747261636502ff00010e00cf0f',
  '04000100',
].join('')
/** The same but for the header without a value, which kafkajs cannot send: it is empty here. */
const KAFKAJS_THREE = [
  '00000000000000000000005c0000000002712ffe810000000000020000018bcfe568000000018bcfe56807ffffffffffffff',
  'ff0000000000000000000314000000026b06010203002e000e02010e6772c3bcc39f65040a747261636502ff00000e00cf0f',
  '04000100',
].join('')
/** Both clients, with the same zlib, give these bytes. */
const CLIENTS_GZIP = [
  '0000000000000000000000a50000000002bbb7d9f10001000000030000018bcfe568000000018bcfe56803ffffffffffffff',
  'ff000000000000000000041f8b08000000000000036b6264606010284ecd2bce2fd23508ab56ca4d4ccfcb2c294d4955b232',
  'd133d5512ac8494c4e55b252323452c8ce550856c84f53704c49cc56aa65e22a294a4c4e65626862646062821961488e118c',
  '4d8c0c2c2c14b982a98991818d8d22573003009dbdb6290c010000',
].join('')

t.test('batches that the clients encoded, as literals', async (t) => {
  const literals: [string, string, readonly PlainRecord[]][] = [
    ['@platformatic/kafka 1.35', PLATFORMATIC_THREE, threeRecords],
    ['kafkajs 2.2', KAFKAJS_THREE, forKafkajs(threeRecords)],
    ['both, gzip', CLIENTS_GZIP, repetitive],
  ]
  for (const [name, literal, records] of literals) {
    const batch = fromHex(literal)
    t.equal(checkProducedBatch(batch, 0, batch.length, crc32cTable, { bytesMax: 1000 }), undefined, name)
    t.same(
      decodeBatch(batch, 0, source, { codecs, crc32c: crc32cTable }).map(shown),
      records.map(expected),
      `${name}: its records`,
    )
  }
})

t.test('the clients encode the same bytes today', async (t) => {
  t.equal(hex(encodeByPlatformatic(threeRecords, 'none')), PLATFORMATIC_THREE)
  t.equal(hex(await encodeByKafkajs(forKafkajs(threeRecords), false)), KAFKAJS_THREE)
})

t.test('random batches: the same bytes from the clients and from us', async (t) => {
  const random = seededRandom(t)
  // @platformatic/kafka 1.35 writes wrong timestamp deltas from 2^31 on; kafkajs does not.
  const clients = [
    { name: 'kafkajs', encode: encodeByKafkajs, kept: forKafkajs, spreadMs: 2 ** 45 },
    {
      name: '@platformatic/kafka',
      encode: (records: PlainRecord[], gzip: boolean) =>
        encodeByPlatformatic(records, gzip ? 'gzip' : 'none'),
      kept: (all: PlainRecord[]) => all,
      spreadMs: 2 ** 29,
    },
  ]
  for (const { name, encode, kept, spreadMs } of clients) {
    for (let round = 0; round < 40; round++) {
      const count = 1 + random.below(80)
      const records = Array.from({ length: count }, () => randomRecord(random, 1_700_000_000_000, spreadMs))
      // Where gzip does not help we leave it away and the clients do not, so zeroes are added for it to help.
      const gzip = round % 2 === 0
      if (gzip) records.push(plain(1_700_000_000_000, null, new Uint8Array(20_000)))
      const sent = kept(records)
      if (hex(await encode(sent, gzip)) !== hex(encodeByUs(sent, gzip))) t.fail(`${name}, round ${round}`)
    }
    t.pass(`40 batches of ${name}`)
  }
})

t.test('kafkajs reads what we write', async (t) => {
  for (const compression of ['none', 'gzip'] as const) {
    const records = forKafkajs([...threeRecords, ...repetitive])
    const batch = encode(records, { compression })
    stampBatch(batch, 0, 2 ** 40, 12)
    const decoded = await kafkajs.decodeBatch(new kafkajs.Decoder(Buffer.from(batch)))
    t.equal(decoded.firstOffset, String(2 ** 40))
    t.equal(decoded.maxTimestamp, '1700000000007')
    t.same(
      decoded.records.map(({ offset, timestamp, key, value, headers }) => ({
        offset: Number(offset),
        timestampMs: Number(timestamp),
        key: key && hex(key),
        value: value && hex(value),
        headers: Object.entries(headers).map(([key, value]) => ({ key, value: hex(value) })),
      })),
      records.map((record, index) => expected(record, 2 ** 40 + index)),
      compression,
    )
  }
})

/** What this client has: zstd only where Node has it. */
const byPlatformatic = [
  'none',
  'gzip',
  'snappy',
  'lz4',
  ...('zstdCompressSync' in zlib ? ['zstd' as const] : []),
] as const

t.test('what @platformatic/kafka writes with other codecs is read', async (t) => {
  for (const compression of byPlatformatic) {
    const records = [...threeRecords, ...repetitive, ...repetitive]
    const batch = new Uint8Array(encodeByPlatformatic(records, compression))
    t.equal(compressionAt(batch, 0), compressionCodes[compression])
    t.equal(checkProducedBatch(batch, 0, batch.length, crc32c, { bytesMax: 10_000 }), undefined)
    t.same(decodeBatch(batch, 0, source, { codecs }).map(shown), records.map(expected), compression)
  }
})

t.test('@platformatic/kafka reads what we write', async (t) => {
  // Of snappy it reads raw blocks only, and not what the Java client and we write.
  for (const compression of byPlatformatic.filter((name) => name !== 'snappy')) {
    const records = [...threeRecords, ...repetitive]
    const batch = encode(records, { compression, producerId: 77, producerEpoch: 3, baseSequence: 1000 })
    stampBatch(batch, 0, 500, 12)
    const decoded = readRecordsBatch(Reader.from(Buffer.from(batch)))
    t.match(decoded, {
      firstOffset: 500n,
      partitionLeaderEpoch: 12,
      magic: 2,
      lastOffsetDelta: records.length - 1,
      producerId: 77n,
      producerEpoch: 3,
      firstSequence: 1000,
    })
    t.same(
      decoded.records.map(({ offsetDelta, timestampDelta, key, value, headers }) => ({
        offset: Number(decoded.firstOffset) + offsetDelta,
        timestampMs: Number(decoded.firstTimestamp + timestampDelta),
        key: key && hex(key),
        value: value && hex(value),
        headers: headers.map(([key, value]) => ({ key: String(key), value: value && hex(value) })),
      })),
      records.map((record, index) => expected(record, 500 + index)),
      compression,
    )
  }
})

t.test('both clients read a batch with some of the records, and one with none', async (t) => {
  const records = [...threeRecords, ...repetitive]
  const batch = encode(records, { producerId: 77, producerEpoch: 3, baseSequence: 1000 })
  stampBatch(batch, 0, 500, 12)
  const positions = [0]
  for (let at = BATCH_HEADER_BYTES; at < batch.length; positions.push(at - BATCH_HEADER_BYTES))
    at = varintEndAt(batch, at) + varintAt(batch, at)
  const from = {
    bytes: batch,
    at: 0,
    section: batch,
    sectionAt: BATCH_HEADER_BYTES,
    positions: Uint32Array.from(positions),
  }
  const left = [1, 2, 5]
  const some = selectRecords(from, Uint32Array.from(left), crc32c)
  const none = emptyBatch({ offset: 500, endOffset: 507, leaderEpoch: 12 }, crc32c)

  const byPlatformatic = (bytes: Uint8Array) => readRecordsBatch(Reader.from(Buffer.from(bytes)))
  const byKafkajs = (bytes: Uint8Array) => kafkajs.decodeBatch(new kafkajs.Decoder(Buffer.from(bytes)))
  for (const [bytes, indexes] of [
    [some, left],
    [none, []],
  ] as const) {
    t.equal(checkStoredBatch(bytes, 0, bytes.length, crc32c), undefined)
    const read = byPlatformatic(bytes)
    t.match(read, { firstOffset: 500n, lastOffsetDelta: 6 })
    t.same(
      read.records.map(({ offsetDelta, timestampDelta, key, value }) => ({
        offset: Number(read.firstOffset) + offsetDelta,
        timestampMs: Number(read.firstTimestamp + timestampDelta),
        key: key && hex(key),
        value: value && hex(value),
      })),
      indexes.map((index) => {
        const { headers: _, ...record } = expected(records[index], 500 + index)
        return record
      }),
    )
    const also = await byKafkajs(bytes)
    t.equal(also.firstOffset, '500')
    t.same(
      also.records.map(({ offset, timestamp, value }) => [
        Number(offset),
        Number(timestamp),
        value && hex(value),
      ]),
      indexes.map((index) => {
        const { offset, timestampMs, value } = expected(records[index], 500 + index)
        return [offset, timestampMs, value]
      }),
    )
  }
})

t.test('a stamped batch of a client is a sound stored batch', async (t) => {
  const batch = fromHex(CLIENTS_GZIP)
  stampBatch(batch, 0, 2 ** 50, 2 ** 31 - 1)
  t.equal(checkStoredBatch(batch, 0, batch.length, crc32c), undefined)
  t.equal(decodeBatch(batch, 0, source, { codecs })[3].offset, 2 ** 50 + 3)
})
