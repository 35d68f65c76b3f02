/**
 * Bytes that claim or hold far more than is taken: refused by name, soon, and without the memory they ask for. Memory is
 * judged by what the process ever had at a time, and by what JavaScript and its libraries took.
 */
import { gzipSync } from 'node:zlib'
import { compressSync as lz4CompressSync } from 'lz4-napi'
import t from 'tap'
import { decodeBatch } from '../../../../storage/record/batch-decoder.ts'
import { BATCH_HEADER_BYTES, setAttributes } from '../../../../storage/record/batch-header.ts'
import { xxh32 } from '../../../../storage/record/codecs/xxh32.ts'
import { compressionCodes } from '../../../../storage/record/compression.ts'
import { encode, forge, fromHex, plain, source } from '../batches.ts'
import { codecsAtHand, concatenated, textBytes, unpacked } from './codecs-at-hand.ts'

const MIB = 1024 * 1024
const BYTES_MAX = 8 * MIB

function times(count: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const part = concatenated(...parts)
  return new Uint8Array(Buffer.alloc(count * part.length, part))
}
const int32le = (value: number) => new Uint8Array(Uint32Array.of(value).buffer)
const int64le = (value: number) => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)
const int32be = (value: number) => int32le(value).reverse()

/** What it holds, where it is, and why it is refused. */
interface Bomb {
  readonly what: string
  readonly bytes: Uint8Array
  readonly reason: 'too-large' | 'corrupt' | 'taken'
}

function gzipBombs(): Bomb[] {
  const member = new Uint8Array(gzipSync(new Uint8Array(64 * MIB)))
  const forged = member.slice()
  forged.fill(0, forged.length - 4)
  return [
    { what: '64 MiB of zeroes', bytes: member, reason: 'too-large' },
    { what: '1 GiB in 16 members', bytes: times(16, member), reason: 'too-large' },
    { what: 'zeroes that claim to be none', bytes: forged, reason: 'too-large' },
    { what: '50,000 empty members', bytes: times(50_000, new Uint8Array(gzipSync(''))), reason: 'taken' },
  ]
}

function snappyBombs(): Bomb[] {
  const header = fromHex('82534e4150505900', '00000001', '00000001')
  // A literal of one byte, then copies of 64 bytes in three.
  const copies = concatenated(fromHex('0061'), times(350_000, fromHex('fe0100')))
  // 1 + 64 · 350,000.
  const length = fromHex('8198d70a')
  const long = concatenated(length, copies)
  const chunk = concatenated(int32be(5), fromHex('40', '0061', '0000'))
  return [
    { what: '22 MB in 1 MB', bytes: long, reason: 'too-large' },
    {
      what: 'the same in a chunk',
      bytes: concatenated(header, int32be(long.length), long),
      reason: 'too-large',
    },
    { what: '4 GB claimed by 10 bytes', bytes: fromHex('ffffffff0f', '0061fe0100'), reason: 'corrupt' },
    {
      what: '64 bytes claimed by 4, 100,000 times',
      bytes: concatenated(header, times(100_000, chunk)),
      reason: 'corrupt',
    },
    {
      what: '100,000 chunks of a byte',
      bytes: concatenated(header, times(100_000, int32be(3), fromHex('010061'))),
      reason: 'taken',
    },
  ]
}

function lz4Bombs(): Bomb[] {
  const header = fromHex('04224d18607073')
  const end = int32le(0)
  const zeroes = lz4CompressSync(Buffer.alloc(4 * MIB)).subarray(4)
  const block = concatenated(int32le(zeroes.length), zeroes)
  const descriptor = concatenated(fromHex('6870'), int64le(10e9))
  const sum = Uint8Array.of(xxh32(descriptor, 0, descriptor.length) >>> 8)
  const claiming = concatenated(fromHex('04224d18'), descriptor, sum)
  return [
    { what: '240 MiB in 60 blocks', bytes: concatenated(header, times(60, block), end), reason: 'too-large' },
    { what: '1 GB in frames of a block', bytes: times(250, header, block, end), reason: 'too-large' },
    { what: '10 GB claimed for a block', bytes: concatenated(claiming, block, end), reason: 'corrupt' },
    {
      what: '10 GB claimed for 2,400',
      bytes: concatenated(claiming, times(2_400, block), end),
      reason: 'too-large',
    },
    {
      what: 'a million empty blocks',
      bytes: concatenated(header, times(1_000_000 / 4, int32le(0x8000_0000)), end),
      reason: 'taken',
    },
    {
      what: '100,000 blocks of a byte',
      bytes: concatenated(header, times(100_000, int32le(2), fromHex('1061')), end),
      reason: 'taken',
    },
    {
      what: '60,000 blocks of four bytes that claim a MiB each',
      bytes: concatenated(header, times(60_000, int32le(4), fromHex('0fffffff')), end),
      reason: 'corrupt',
    },
  ]
}

function zstdBombs(): Bomb[] {
  const wasm = codecsAtHand.find(({ name }) => name === 'zstd') as (typeof codecsAtHand)[number]
  // Not one byte again and again, which would be told by the headers.
  const frame = wasm.codec.compress(new Uint8Array(Buffer.alloc(64 * MIB, textBytes(1_000))))
  // With a window and a size of four bytes, of which the blocks know nothing.
  const streamed = concatenated(fromHex('28b52ffd', '00'), frame.subarray(5, 6), frame.subarray(10))
  const repeated = times(250_000, fromHex('02001061'))
  const last = fromHex('03001061')
  const window = fromHex('28b52ffd', '0088')
  return [
    { what: '64 MiB of one text that say so', bytes: frame, reason: 'too-large' },
    { what: '64 MiB of one text without a size', bytes: streamed, reason: 'too-large' },
    { what: '2 GiB in 32 frames', bytes: times(32, streamed), reason: 'too-large' },
    {
      what: '32 GB in 1 MB of repeated bytes',
      bytes: concatenated(window, repeated, last),
      reason: 'too-large',
    },
    {
      what: 'the same, with its size',
      bytes: concatenated(fromHex('28b52ffde0'), int64le(250_001 * 131_072), repeated, last),
      reason: 'too-large',
    },
    {
      what: '10 GB claimed for a block',
      bytes: concatenated(fromHex('28b52ffde0'), int64le(10e9), frame.subarray(10)),
      reason: 'corrupt',
    },
    {
      what: '2^64 - 1 bytes claimed for nothing',
      bytes: concatenated(fromHex('28b52ffde0', 'ffffffffffffffff', '010000')),
      reason: 'corrupt',
    },
    {
      what: 'a window of 3.75 TB for a byte',
      bytes: fromHex('28b52ffd', '00ff', '090000', '61'),
      reason: 'corrupt',
    },
    {
      what: '100,000 frames of a byte',
      bytes: times(100_000, fromHex('28b52ffd2001', '090000', '61')),
      reason: 'corrupt',
    },
    {
      what: '1,000 frames of a byte',
      bytes: times(1_000, fromHex('28b52ffd2001', '090000', '61')),
      reason: 'taken',
    },
    {
      what: 'a million empty blocks',
      bytes: concatenated(window, times(333_333, fromHex('000000')), fromHex('010000')),
      reason: 'taken',
    },
  ]
}

const bombs = { gzip: gzipBombs, snappy: snappyBombs, lz4: lz4Bombs, zstd: zstdBombs }
/** The most that the process ever had. */
const peakBytes = () => process.resourceUsage().maxRSS * 1024

for (const { name, title, codec } of codecsAtHand) {
  t.test(title, async (t) => {
    const list = bombs[name]()
    codec.decompress(codec.compress(textBytes(100_000)), 1e6)
    const before = peakBytes()
    for (const { what, bytes, reason } of list) {
      const taken = process.memoryUsage().external
      const startMs = performance.now()
      const found = unpacked(codec, bytes, BYTES_MAX)
      const elapsedMs = performance.now() - startMs
      const moreBytes = process.memoryUsage().external - taken
      const outcome = found instanceof Uint8Array ? 'taken' : found.reason
      if (outcome !== reason) t.fail(`${what}: ${outcome}, not ${reason}: ${found}`)
      // Room for the result and, in WebAssembly, as much to work in; for LZ4 blocks of 4 MiB that were copied.
      t.ok(
        moreBytes < 2 * BYTES_MAX + 5 * MIB,
        `${what}: ${bytes.length} bytes, ${Math.round(elapsedMs)} ms, ${(moreBytes / MIB).toFixed(1)} MiB`,
      )
    }
    t.ok(
      peakBytes() - before < 64 * MIB,
      `${Math.round((peakBytes() - before) / MIB)} MiB more than ever before`,
    )
  })
}

t.test('packed twice is unpacked once', async (t) => {
  const plainBatch = encode([plain(1, null, new Uint8Array(1_000))])
  for (const { name, codec } of codecsAtHand) {
    const twice = forge(plainBatch, (batch) => {
      setAttributes(batch, 0, compressionCodes[name])
      const section = batch.subarray(BATCH_HEADER_BYTES)
      return concatenated(batch.subarray(0, BATCH_HEADER_BYTES), codec.compress(codec.compress(section)))
    })
    t.throws(
      () => decodeBatch(twice, 0, source, { codecs: { [name]: codec } }),
      { name: 'RecordError' },
      name,
    )
  }
})
