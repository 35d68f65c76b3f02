/** What tasks do, whatever thread does them. */
import t from 'tap'
import { CodecPoolError } from '../../../broker/codec-pool/codec-pool.ts'
import { performCodecTask } from '../../../broker/codec-pool/codec-task.ts'
import { InlinePool } from '../../../broker/codec-pool/inline-pool.ts'
import { BatchEncoder } from '../../../storage/record/batch-encoder.ts'
import { batchBytesAt, compressionAt, timestampTypeAt } from '../../../storage/record/batch-header.ts'
import { nativeCrc32c } from '../../../storage/record/node/native-crc32c.ts'
import { nodeCodecs } from '../../../storage/record/node/node-codecs.ts'

const tools = { crc32c: nativeCrc32c, codecs: nodeCodecs }
const limits = { bytesMax: 1 << 20, decompressedBytesMax: 1 << 20 }

function batches(count: number): Uint8Array {
  const encoder = new BatchEncoder({ ...tools, bytesMax: 1 << 20 })
  const parts: Uint8Array[] = []
  for (let batch = 0; batch < count; batch++) {
    for (let index = 0; index < 20; index++)
      encoder.append(1_700_000_000_000, null, `value ${batch} of them all`)
    parts.push(encoder.finish())
  }
  return new Uint8Array(Buffer.concat(parts))
}

t.test('several batches are rebuilt one by one', async (t) => {
  const bytes = batches(3)
  const result = performCodecTask(
    { kind: 'rebuild', bytes: bytes.slice(), options: { ...limits, compression: 'gzip' }, appendTimeMs: 7 },
    tools,
  )
  if (result.problem) return void t.fail(result.problem.sentence)
  let count = 0
  for (let at = 0; at < result.bytes.length; at += batchBytesAt(result.bytes, at)) {
    t.equal(compressionAt(result.bytes, at), 1)
    t.equal(timestampTypeAt(result.bytes, at), 'append')
    count++
  }
  t.equal(count, 3)
})

t.test('an inline pool answers as a pool does', async (t) => {
  const pool = new InlinePool(tools, { offloadBytesMin: 100 })
  t.equal(pool.shouldOffload('check', 99), false)
  t.equal(pool.shouldOffload('check', 100), true)
  t.equal(pool.shouldOffload('rebuild', 99, { compression: 'lz4' }), false)
  t.equal(pool.shouldOffload('rebuild', 99, { compression: 'none' }), false)
  t.equal(pool.shouldOffload('rebuild', 99, { compression: 'zstd' }), false)
  t.equal(pool.shouldOffload('rebuild', 1, { compression: 'zstd', level: 19 }), true, 'much effort')
  t.equal(pool.shouldOffload('rebuild', 25, { compression: 'gzip' }), true, 'its default is level 6')
  t.equal(pool.shouldOffload('rebuild', 25, { compression: 'gzip', level: 1 }), false)
  const checked = await pool.run({ kind: 'check', bytes: batches(2), limits })
  t.equal(checked.problem, undefined)
  const bad = batches(1)
  bad[bad.length - 1] ^= 1
  t.equal((await pool.run({ kind: 'check', bytes: bad, limits })).problem?.reason, 'crc')
  await pool.close()
  await t.rejects(
    pool.run({ kind: 'check', bytes: batches(1), limits }),
    new CodecPoolError('closed', 'the codec pool is closed'),
  )
})
