/** Snappy in both of its forms, its chunks wherever they end, and what neither form allows. */
import { compressSync } from 'snappy'
import t from 'tap'
import { snappyCodec } from '../../../../storage/record/codecs/snappy-framing.ts'
import type { CompressionCodec } from '../../../../storage/record/compression.ts'
import { nodeCodecs } from '../../../../storage/record/node/node-codecs.ts'
import { roundsOf } from '../../../support/rounds.ts'
import { seededRandom } from '../../../support/seeded-random.ts'
import { fromHex, hex } from '../batches.ts'
import { concatenated, sameBytes, someBytes, textBytes, unpacked } from './codecs-at-hand.ts'

const snappy = nodeCodecs.snappy as CompressionCodec
const HEADER = fromHex('82534e4150505900', '00000001', '00000001')

function chunk(bytes: Uint8Array): Uint8Array {
  const block = compressSync(bytes)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(block.length)
  return concatenated(length, block)
}

t.test('what is written', async (t) => {
  t.equal(hex(snappy.compress(new Uint8Array(0))), hex(HEADER))
  // A literal of three bytes.
  t.equal(hex(snappy.compress(fromHex('010203'))), hex(HEADER) + '00000005'.concat('0308010203'))
  const text = textBytes(150_000)
  const packed = snappy.compress(text)
  const expected = [0, 65_536, 131_072].map((at) => chunk(text.subarray(at, at + 65_536)))
  t.equal(hex(packed), hex(concatenated(HEADER, ...expected)), 'chunks of 64 KiB')
})

t.test('both forms, with random bytes', async (t) => {
  const random = seededRandom(t)
  for (const round of roundsOf(t, process.env.OCTOPUS_SOAK ? 10_000 : 200)) {
    const content = someBytes(random, random.pick([100, 10_000, 300_000]))
    const raw = unpacked(snappy, new Uint8Array(compressSync(content)), content.length)
    if (!sameBytes(raw, content)) t.fail(`round ${round}, raw: ${raw}`)
    const parts = [HEADER]
    for (let at = 0; at < content.length; ) {
      const end = Math.min(content.length, at + 1 + random.below(random.pick([50, 32_768, 200_000])))
      parts.push(chunk(content.subarray(at, end)))
      // As when what two streams gave is put together.
      if (random.unit() < 0.1) parts.push(HEADER)
      at = end
    }
    const chunks = unpacked(snappy, concatenated(...parts), content.length)
    if (!sameBytes(chunks, content)) t.fail(`round ${round}, chunks: ${chunks}`)
  }
})

t.test('what neither form allows', async (t) => {
  const good = chunk(textBytes(100))
  const cases: readonly [string | Uint8Array, string | RegExp][] = [
    ['', 'the block at byte 0 does not begin with the length of its content'],
    ['ffff', 'the block at byte 0 does not begin with the length of its content'],
    ['ffffffffff01', 'the block at byte 0 does not begin with the length of its content'],
    // 10 GB.
    ['80c8afa02500', 'the block at byte 0 claims 10000000000 bytes, its 1 hold at most 21'],
    ['16fe', /^the block at byte 0 claims 22 bytes, its 1 hold at most 21$/],
    ['1500', /^the block at byte 0 is damaged: /],
    // The literal is one byte longer than its length says, then one shorter.
    ['0208010203', /^the block at byte 0 is damaged: /],
    ['0408010203', /^the block at byte 0 is damaged: /],
    // A copy from before the beginning.
    ['040101', /^the block at byte 0 is damaged: /],
    [HEADER.subarray(0, 12), 'the header at byte 0 takes 16 bytes, 12 are there'],
    ['82534e41505059000000000000000001', 'the header says version 0, to be read by 1 or later; known is 1'],
    ['82534e41505059000000000200000002', 'the header says version 2, to be read by 2 or later; known is 1'],
    [
      concatenated(HEADER, good, fromHex('000001')),
      `the size of the chunk at byte ${16 + good.length} takes 4 bytes, 3 are there`,
    ],
    [
      concatenated(HEADER, fromHex('7fffffff00')),
      'the chunk at byte 16 claims 2147483647 bytes, 1 are there',
    ],
    [
      concatenated(HEADER, fromHex('00000000')),
      'the block at byte 20 does not begin with the length of its content',
    ],
    [
      concatenated(HEADER, good, fromHex('82534e41505059')),
      /^the chunk at byte \d+ claims 2186497601 bytes, 3 are/,
    ],
  ]
  for (const [bytes, sentence] of cases) {
    const message =
      typeof sentence === 'string' ? `snappy: ${sentence}` : new RegExp(sentence.source.slice(1))
    const found = unpacked(snappy, typeof bytes === 'string' ? fromHex(bytes) : bytes)
    t.match(found, { name: 'CompressionError', reason: 'corrupt', message })
  }
  // A newer version that older ones can read.
  const newer = concatenated(fromHex('82534e41505059000000000200000001'), good)
  t.ok(sameBytes(unpacked(snappy, newer), textBytes(100)))
})

t.test('a library that gives another number of bytes than it claims is not believed', async (t) => {
  const careless = snappyCodec({ compress: (bytes) => bytes, decompress: () => new Uint8Array(3) })
  t.match(unpacked(careless, fromHex('0408010203')), {
    reason: 'corrupt',
    message: 'snappy: the block at byte 0 claims 4 bytes, it holds 3',
  })
})
