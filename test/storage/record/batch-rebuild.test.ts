/** A batch in another compression is the same batch: every field and every record; what is wrong inside is named. */
import t from 'tap'
import { decodeBatch } from '../../../storage/record/batch-decoder.ts'
import { BatchEncoder } from '../../../storage/record/batch-encoder.ts'
import * as header from '../../../storage/record/batch-header.ts'
import {
  checkPackedBatch,
  rebuildBatch,
  stampAppendTime,
  unpackBatch,
} from '../../../storage/record/batch-rebuild.ts'
import { nativeCrc32c } from '../../../storage/record/node/native-crc32c.ts'
import { nodeCodecs } from '../../../storage/record/node/node-codecs.ts'
import { checkProducedBatch, checkStoredBatch } from '../../../storage/record/validate.ts'

const tools = { crc32c: nativeCrc32c, codecs: nodeCodecs }
const limits = { bytesMax: 1 << 20, decompressedBytesMax: 1 << 20 }

function batchOf(compression: 'none' | 'gzip', records = 50): Uint8Array {
  const encoder = new BatchEncoder({ ...tools, bytesMax: 1 << 20 })
  for (let index = 0; index < records; index++)
    encoder.append(
      1_700_000_000_000 + index * 3,
      `key-${index % 7}`,
      `a value like all the others ${index}`,
      [{ key: 'h', value: new Uint8Array([index]) }],
    )
  return encoder.finish({ producerId: 4_294_967_299, producerEpoch: 3, baseSequence: 77, compression })
}

function fieldsOf(bytes: Uint8Array) {
  return {
    baseOffset: header.baseOffsetAt(bytes, 0),
    leaderEpoch: header.leaderEpochAt(bytes, 0),
    lastOffsetDelta: header.lastOffsetDeltaAt(bytes, 0),
    baseTimestamp: header.baseTimestampAt(bytes, 0),
    maxTimestamp: header.maxTimestampAt(bytes, 0),
    producer: [
      header.producerIdAt(bytes, 0),
      header.producerEpochAt(bytes, 0),
      header.baseSequenceAt(bytes, 0),
    ],
    count: header.recordCountAt(bytes, 0),
  }
}

t.test('plain to gzip and back gives the bytes it began with', async (t) => {
  const plain = batchOf('none')
  const packed = rebuildBatch(plain, 0, tools, { ...limits, compression: 'gzip', level: 1 })
  if (!(packed instanceof Uint8Array)) return void t.fail(packed.sentence)
  t.equal(header.compressionAt(packed, 0), 1)
  t.ok(packed.length < plain.length)
  t.equal(checkProducedBatch(packed, 0, packed.length, tools.crc32c, limits), undefined)
  t.equal(checkPackedBatch(packed, 0, tools.codecs, limits), undefined)
  t.same(fieldsOf(packed), fieldsOf(plain))
  t.same(rebuildBatch(packed, 0, tools, { ...limits, compression: 'none' }), plain)

  header.stampBatch(packed, 0, 1234, 5)
  const unpacked = unpackBatch(packed, 0, tools, limits)
  if (!(unpacked instanceof Uint8Array)) return void t.fail(unpacked.sentence)
  t.equal(checkStoredBatch(unpacked, 0, unpacked.length, tools.crc32c), undefined)
  t.equal(header.baseOffsetAt(unpacked, 0), 1234)
  t.equal(header.leaderEpochAt(unpacked, 0), 5)
  const records = decodeBatch(unpacked, 0, { topic: 'x', partition: 0 })
  t.equal(records.length, 50)
  t.equal(records[49].offset, 1283)
})

t.test('what has the compression already is the same bytes', async (t) => {
  const packed = batchOf('gzip')
  const kept = rebuildBatch(packed, 0, tools, { ...limits, compression: 'gzip', level: 9 })
  if (!(kept instanceof Uint8Array)) return void t.fail(kept.sentence)
  t.equal(kept.buffer, packed.buffer)
  t.equal(kept.byteOffset, packed.byteOffset)
})

t.test('append time changes attribute, max timestamp and checksum', async (t) => {
  const batch = batchOf('gzip')
  const before = batch.slice()
  stampAppendTime(batch, 0, 1_800_000_000_000, tools.crc32c)
  t.equal(header.timestampTypeAt(batch, 0), 'append')
  t.equal(header.maxTimestampAt(batch, 0), 1_800_000_000_000)
  t.equal(checkStoredBatch(batch, 0, batch.length, tools.crc32c), undefined)
  t.same(batch.subarray(header.BATCH_HEADER_BYTES), before.subarray(header.BATCH_HEADER_BYTES))
  const [first] = decodeBatch(batch, 0, { topic: 'x', partition: 0 }, tools)
  t.equal(first.timestampMs, 1_800_000_000_000)
})
