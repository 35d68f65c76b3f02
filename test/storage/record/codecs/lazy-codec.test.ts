/** A library is loaded when it is needed, once; where it cannot be, its codec says so and nobody else suffers. */
import t from 'tap'
import { decodeBatch } from '../../../../storage/record/batch-decoder.ts'
import { type CompressionCodec, CompressionError } from '../../../../storage/record/compression.ts'
import { lazyCodec } from '../../../../storage/record/node/lazy-codec.ts'
import { nodeCodecs } from '../../../../storage/record/node/node-codecs.ts'
import { encode, plain, source } from '../batches.ts'

t.test('loaded once, at the first use', async (t) => {
  let loads = 0
  const lazy = lazyCodec('gzip', 'zlib', () => {
    loads++
    return nodeCodecs.gzip as CompressionCodec
  })
  t.equal(loads, 0)
  const packed = lazy.compress(new Uint8Array(10), 9)
  t.equal(lazy.decompress(packed, 10).length, 10)
  lazy.prepare?.()
  t.equal(loads, 1)
  t.throws(() => lazy.compress(packed, 10), { name: 'CompressionError', reason: 'level' })
})

t.test('where a library cannot be loaded', async (t) => {
  let tries = 0
  const lost = lazyCodec('snappy', 'snappy', () => {
    tries++
    throw new Error('Cannot find native binding')
  })
  const refusal = {
    name: 'CompressionError',
    reason: 'unavailable',
    message:
      'snappy: the library snappy cannot be loaded on this platform; use another compression (Cannot find native binding)',
  }
  t.throws(() => lost.prepare?.(), refusal)
  t.throws(() => lost.compress(new Uint8Array(1)), refusal)
  t.throws(() => lost.decompress(new Uint8Array(1), 1), refusal)
  t.equal(tries, 1, 'it is not looked for again')

  const codecs = { ...nodeCodecs, snappy: lost }
  const records = [plain(1, null, new Uint8Array(1_000))]
  const other = encode(records, { compression: 'lz4' })
  t.equal(decodeBatch(other, 0, source, { codecs })[0].valueLength, 1_000)
  const snappy = encode(records, { compression: 'snappy' })
  t.throws(() => decodeBatch(snappy, 0, source, { codecs }), {
    name: 'RecordError',
    reason: 'compression',
    message: /: its \d+ packed bytes cannot be unpacked: snappy: the library snappy cannot be loaded/,
    cause: CompressionError,
  })
})
