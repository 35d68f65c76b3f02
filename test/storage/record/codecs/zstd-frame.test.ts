/**
 * Zstd frames: what can come out is known from the headers before the library is asked, several frames are all
 * read, and what headers claim is held against what comes.
 */
import t from 'tap'
import { zstdCodec } from '../../../../storage/record/codecs/zstd-frame.ts'
import { CompressionError } from '../../../../storage/record/compression.ts'
import { seededRandom } from '../../../support/seeded-random.ts'
import { fromHex, hex } from '../batches.ts'
import { codecsAtHand, concatenated, sameBytes, someBytes, textBytes, unpacked } from './codecs-at-hand.ts'

const MAGIC = '28b52ffd'
/** Type 0: as they are; 1: one byte again and again; 2: compressed; 3 means nothing. */
function block(type: number, size: number, content: Uint8Array, isLast = true): Uint8Array {
  const header = (size << 3) | (type << 1) | (isLast ? 1 : 0)
  return concatenated(Uint8Array.of(header, header >>> 8, header >>> 16), content)
}
const stored = (content: Uint8Array, isLast = true) => block(0, content.length, content, isLast)
const repeated = (byte: number, count: number, isLast = true) => block(1, count, Uint8Array.of(byte), isLast)
/** No content size; a window of 128 KiB. */
const streamed = (...blocks: Uint8Array[]) => concatenated(fromHex(MAGIC, '0038'), ...blocks)
/** A content size of 8 bytes; one segment. */
const sized = (size: number, ...blocks: Uint8Array[]) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(size))
  return concatenated(fromHex(MAGIC, 'e0'), bytes, ...blocks)
}
const skippable = (bytes: Uint8Array) => {
  const header = Buffer.from('552a4d1800000000', 'hex')
  header.writeUInt32LE(bytes.length, 4)
  return concatenated(header, bytes)
}
const text = textBytes(5_000)

for (const { title, codec } of codecsAtHand.filter(({ name }) => name === 'zstd')) {
  t.test(`${title}: several frames, skippable ones between them`, async (t) => {
    const random = seededRandom(t)
    for (let round = 0; round < 100; round++) {
      const contents = Array.from({ length: 1 + random.below(4) }, () => someBytes(random, 50_000))
      const frames = contents.flatMap((content) => [
        random.unit() < 0.5 ? codec.compress(content) : streamed(...slices(content)),
        ...(random.unit() < 0.4 ? [skippable(random.bytes(random.below(30)))] : []),
      ])
      if (random.unit() < 0.4) frames.unshift(skippable(random.bytes(3)))
      const content = concatenated(...contents)
      const found = unpacked(codec, concatenated(...frames), content.length)
      if (!sameBytes(found, content)) t.fail(`round ${round}: ${found}`)
      if (content.length === 0) continue
      const tight = unpacked(codec, concatenated(...frames), content.length - 1)
      if (tight instanceof Uint8Array || tight.reason !== 'too-large') t.fail(`round ${round}: ${tight}`)
    }
    t.ok(sameBytes(unpacked(codec, skippable(text), 0), new Uint8Array(0)))
    t.equal(hex(codec.compress(new Uint8Array(0))).slice(0, 8), MAGIC)
  })

  t.test(`${title}: blocks of each kind`, async (t) => {
    const content = concatenated(text, new Uint8Array(300).fill(7), text)
    const blocks = [stored(text, false), repeated(7, 300, false), stored(text)]
    t.ok(sameBytes(unpacked(codec, streamed(...blocks)), content))
    t.ok(sameBytes(unpacked(codec, sized(content.length, ...blocks)), content))
    t.ok(sameBytes(unpacked(codec, sized(0, stored(new Uint8Array(0))), 0), new Uint8Array(0)))
    t.equal((unpacked(codec, streamed(repeated(1, 131_072))) as Uint8Array).length, 131_072)
  })

  t.test(`${title}: what the format does not allow`, async (t) => {
    const good = codec.compress(text)
    const cases: readonly [string | Uint8Array, string | RegExp][] = [
      ['', '0 bytes are there, an empty frame has 9'],
      ['28b52f', 'the magic number at byte 0 takes 4 bytes, 3 are there'],
      ['28b52ffc00', 'the magic number at byte 0 is 0xfc2fb528, must be 0xfd2fb528'],
      [`${MAGIC}08`, 'the frame at byte 0 sets a reserved bit'],
      [`${MAGIC}013807`, 'the frame at byte 0 needs a dictionary, and Kafka has none'],
      [`${MAGIC}e000`, 'the header of a frame at byte 5 takes 8 bytes, 1 are there'],
      [streamed(block(3, 1, text)), 'the block at byte 6 has a type that means nothing'],
      [
        streamed(repeated(1, 131_073)),
        'the block at byte 6 claims 131073 bytes, at most 131072 fit its frame',
      ],
      [sized(10, repeated(1, 11)), 'the block at byte 13 claims 11 bytes, at most 10 fit its frame'],
      [streamed(block(0, 100, text.subarray(0, 99))), 'a block at byte 9 takes 100 bytes, 99 are there'],
      [streamed(stored(text, false)), 'the header of a block at byte 5009 takes 3 bytes, 0 are there'],
      [
        sized(20_000, stored(text)),
        'the frame at byte 0 claims 20000 bytes of content, its blocks hold 5000 to 5000',
      ],
      [
        sized(10e9, block(2, 3, text.subarray(0, 3))),
        'the frame at byte 0 claims 10000000000 bytes of content, its blocks hold 0 to 131072',
      ],
      [
        concatenated(good, fromHex('00')),
        `the magic number at byte ${good.length} takes 4 bytes, 1 are there`,
      ],
      [concatenated(good, new Uint8Array(9)), /^the magic number at byte \d+ is 0x0, must be 0xfd2fb528$/],
      [skippable(text).subarray(0, 50), 'a skippable frame at byte 8 takes 5000 bytes, 42 are there'],
      [streamed(block(2, 5, fromHex('ffffffffff'))), /^the frame of 14 bytes at byte 0 is damaged: /],
    ]
    for (const [bytes, sentence] of cases) {
      const message =
        typeof sentence === 'string' ? `zstd: ${sentence}` : new RegExp(sentence.source.slice(1))
      const found = unpacked(codec, typeof bytes === 'string' ? fromHex(bytes) : bytes)
      t.match(found, { name: 'CompressionError', reason: 'corrupt', message })
    }
    // One segment of 5,000 bytes; a size of two bytes begins at 256.
    const wrongSum = concatenated(fromHex(MAGIC, '64', '8812'), stored(text), fromHex('00000000'))
    t.match(unpacked(codec, wrongSum), { reason: 'corrupt', message: /is damaged: / }, 'another checksum')
  })
}

/** Blocks of 128 KiB at most, the last of them marked. */
function slices(content: Uint8Array): Uint8Array[] {
  const blocks: Uint8Array[] = []
  for (let at = 0; at < content.length; at += 30_000)
    blocks.push(stored(content.subarray(at, at + 30_000), at + 30_000 >= content.length))
  return blocks.length > 0 ? blocks : [stored(content)]
}

t.test('a library is asked for no more than the headers allow, and not believed', async (t) => {
  const asked: number[] = []
  const giving = (content: Uint8Array | undefined | Error) =>
    zstdCodec({
      compress: (bytes) => bytes,
      decompress: (_frame, bytesMax) => {
        asked.push(bytesMax)
        if (content instanceof Error) throw content
        return content
      },
    })
  const frame = streamed(stored(text, false), block(2, 3, text.subarray(0, 3)))
  const most = 5_000 + 131_072
  t.match(unpacked(giving(new Uint8Array(4_999)), frame), {
    reason: 'corrupt',
    message: 'zstd: the headers of the frame at byte 0 claim 5000 to 136072 bytes, there are 4999',
  })
  t.match(unpacked(giving(undefined), frame), { reason: 'corrupt', message: /there are more$/ })
  t.match(unpacked(giving(undefined), frame, 6_000), { reason: 'too-large' })
  t.match(unpacked(giving(new Uint8Array(most + 1)), frame), { reason: 'corrupt' })
  t.match(unpacked(giving(new Error('no')), frame), { reason: 'corrupt', message: /is damaged: no$/ })
  const refusal = new CompressionError('unavailable', 'gone')
  t.equal(unpacked(giving(refusal), frame), refusal)
  t.same(asked, [most, most, 6_000, most, most, most])
  t.match(unpacked(giving(text), frame, 4_999), { reason: 'too-large' }, 'known without the library')
  t.equal(asked.length, 6)
})
