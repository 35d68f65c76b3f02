/**
 * LZ4 frames: what the format allows is read, whatever wrote it; what it does not allow is refused by a sentence that
 * says where. Frames of the C library are golden, those with linked blocks of random bytes are put together here.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compressSync } from 'lz4-napi'
import t from 'tap'
import { setUint32Le, uint32LeAt, uint64LeAt } from '../../../../storage/record/codecs/little-endian.ts'
import { lz4Codec } from '../../../../storage/record/codecs/lz4-frame.ts'
import { xxh32 } from '../../../../storage/record/codecs/xxh32.ts'
import type { CompressionCodec } from '../../../../storage/record/compression.ts'
import { nodeCodecs } from '../../../../storage/record/node/node-codecs.ts'
import { roundsOf } from '../../../support/rounds.ts'
import { randomOf, type SeededRandom, seededRandom } from '../../../support/seeded-random.ts'
import { fromHex, hex } from '../batches.ts'
import { concatenated, sameBytes, someBytes, textBytes, unpacked } from './codecs-at-hand.ts'
import { goldenRecords } from './golden-records.ts'

const lz4 = nodeCodecs.lz4 as CompressionCodec
const ascii = (text: string) => new TextEncoder().encode(text)

t.test('xxHash32', async (t) => {
  const hash = (bytes: Uint8Array) => xxh32(bytes, 0, bytes.length)
  // Of the specification, and of xxhsum.
  t.equal(hash(ascii('')), 0x02cc5d05)
  t.equal(hash(ascii('a')), 0x550d7456)
  t.equal(hash(ascii('abc')), 0x32d153ff)
  t.equal(hash(ascii('Nobody inspects the spammish repetition')), 0xe2293b2f)
  const bytes = randomOf(4).bytes(1_000)
  t.equal(xxh32(bytes, 7, 900), hash(bytes.slice(7, 900)), 'of a part')
})

t.test('little-endian numbers', async (t) => {
  const bytes = fromHex('ff', 'f0debc9a', '00000080', '01000000', '00')
  t.equal(uint32LeAt(bytes, 1), 0x9abcdef0)
  t.equal(uint64LeAt(bytes, 5), 2 ** 32 + 2 ** 31)
  setUint32Le(bytes, 1, 0xfedcba98)
  t.equal(hex(bytes), 'ff98badcfe000000800100000000')
})

t.test('frames of the C library', async (t) => {
  const folder = fileURLToPath(
    new URL('../../../../../test/storage/record/codecs/golden/lz4', import.meta.url),
  )
  const content = concatenated(...goldenRecords.films.map(({ value }) => value as Uint8Array))
  const files = readdirSync(resolve(folder))
  t.same(files, ['independent-256k.lz4', 'linked-checksums.lz4', 'linked.lz4', 'one-block.lz4'])
  const frames = files.map((file) => new Uint8Array(readFileSync(join(folder, file))))
  for (const [i, frame] of frames.entries()) t.ok(sameBytes(unpacked(lz4, frame), content), files[i])
  const all = concatenated(...frames, lz4.compress(content))
  t.ok(sameBytes(unpacked(lz4, all), concatenated(...new Array(5).fill(content))), 'one after the other')
})

interface FrameOptions {
  readonly isLinked?: boolean
  readonly hasBlockChecksums?: boolean
  readonly hasContentChecksum?: boolean
  readonly contentBytes?: number
  /** 4 to 7. */
  readonly sizeCode?: number
  readonly blockBytes?: number
  /** Added to the flags. */
  readonly flags?: number
}

const int32 = (value: number) => {
  const bytes = new Uint8Array(4)
  setUint32Le(bytes, 0, value)
  return bytes
}
const sumOf = (bytes: Uint8Array) => int32(xxh32(bytes, 0, bytes.length))

function header({ sizeCode = 4, contentBytes, flags = 0, ...options }: FrameOptions): Uint8Array {
  const flagByte =
    0x40 |
    (options.isLinked ? 0 : 0x20) |
    (options.hasBlockChecksums ? 0x10 : 0) |
    (contentBytes === undefined ? 0 : 0x08) |
    (options.hasContentChecksum ? 0x04 : 0)
  const size =
    contentBytes === undefined
      ? new Uint8Array(0)
      : concatenated(int32(contentBytes % 2 ** 32), int32(Math.floor(contentBytes / 2 ** 32)))
  const descriptor = concatenated(Uint8Array.of(flagByte ^ flags, sizeCode << 4), size)
  const sum = (xxh32(descriptor, 0, descriptor.length) >>> 8) & 0xff
  return concatenated(fromHex('04224d18'), descriptor, Uint8Array.of(sum))
}

/** A block as it stands in a frame; stored where that is shorter. */
function block(content: Uint8Array, before: Uint8Array | undefined, hasChecksum: boolean): Uint8Array {
  const packed = compressSync(content as Buffer, before as Buffer | undefined).subarray(4)
  const isStored = packed.length >= content.length
  const bytes = isStored ? content : packed
  const size = int32(bytes.length | (isStored ? 0x8000_0000 : 0))
  return concatenated(size, bytes, hasChecksum ? sumOf(bytes) : new Uint8Array(0))
}

function frame(content: Uint8Array, options: FrameOptions): Uint8Array {
  const { sizeCode = 4, blockBytes = 1 << (2 * sizeCode + 8) } = options
  const blocks: Uint8Array[] = []
  for (let at = 0; at < content.length; at += blockBytes) {
    const before = options.isLinked && at > 0 ? content.subarray(Math.max(0, at - 65_536), at) : undefined
    blocks.push(block(content.subarray(at, at + blockBytes), before, options.hasBlockChecksums ?? false))
  }
  return concatenated(
    header(options),
    ...blocks,
    int32(0),
    options.hasContentChecksum ? sumOf(content) : new Uint8Array(0),
  )
}

const skippable = (bytes: Uint8Array, nibble = 0) =>
  concatenated(int32(0x184d2a50 + nibble), int32(bytes.length), bytes)

function randomFrame(random: SeededRandom, content: Uint8Array): Uint8Array {
  const sizeCode = random.pick([4, 5, 6, 7])
  const blockBytesMax = 1 << (2 * sizeCode + 8)
  return frame(content, {
    isLinked: random.unit() < 0.7,
    hasBlockChecksums: random.unit() < 0.3,
    hasContentChecksum: random.unit() < 0.3,
    sizeCode,
    blockBytes: random.pick([blockBytesMax, 1 + random.below(blockBytesMax), 100 + random.below(2_000)]),
    ...(random.unit() < 0.5 && { contentBytes: content.length }),
  })
}

t.test('every kind of frame, with random bytes', async (t) => {
  const random = seededRandom(t)
  for (const round of roundsOf(t, process.env.OCTOPUS_SOAK ? 5_000 : 150)) {
    const contents = Array.from({ length: random.pick([1, 1, 2, 3]) }, () => someBytes(random, 200_000))
    const frames = contents.flatMap((content) => [
      randomFrame(random, content),
      ...(random.unit() < 0.3 ? [skippable(random.bytes(random.below(40)), random.below(16))] : []),
    ])
    const content = concatenated(...contents)
    const found = unpacked(lz4, concatenated(...frames), content.length)
    if (!sameBytes(found, content)) t.fail(`round ${round}: ${found}`)
    if (content.length === 0) continue
    const tight = unpacked(lz4, concatenated(...frames), content.length - 1)
    if (tight instanceof Uint8Array || tight.reason !== 'too-large') t.fail(`round ${round}: ${tight}`)
  }
})

t.test('what the format does not allow', async (t) => {
  const text = textBytes(1_000)
  const good = frame(text, { hasBlockChecksums: true, hasContentChecksum: true, contentBytes: 1_000 })
  const changed = (at: number, value: number) => {
    const bytes = good.slice()
    bytes[at < 0 ? bytes.length + at : at] ^= value
    return bytes
  }
  const end = int32(0)
  const cases: readonly [Uint8Array, string | RegExp][] = [
    [new Uint8Array(0), '0 bytes are there, an empty frame has 11'],
    [fromHex('04224d'), 'the magic number at byte 0 takes 4 bytes, 3 are there'],
    [fromHex('04224d1900000000'), 'the magic number at byte 0 is 0x194d2204; must be 0x184d2204'],
    [
      fromHex('02214c1800000000'),
      'the magic number at byte 0 is 0x184c2102, that of legacy frames, which Kafka does not have; must be 0x184d2204',
    ],
    [concatenated(header({ flags: 0xc0 }), end), 'the frame at byte 0 has version 2, must be 1'],
    [concatenated(header({ flags: 0x02 }), end), 'the frame at byte 0 sets reserved bits (0x62, 0x40)'],
    [concatenated(header({ sizeCode: 12 }), end), 'the frame at byte 0 sets reserved bits (0x60, 0xc0)'],
    [
      concatenated(header({ flags: 0x01 }), end),
      'the frame at byte 0 needs a dictionary, and Kafka has none',
    ],
    [concatenated(header({ sizeCode: 3 }), end), 'the frame at byte 0 has block size 3, must be 4 to 7'],
    [changed(14, 1), /^the header checksum of the frame at byte 0 is 0x\w+, that of its bytes 0x\w+$/],
    [changed(25, 1), /^the checksum of the block at byte 15 is 0x\w+, that of its bytes 0x\w+$/],
    [changed(-1, 1), /^the checksum of the content is 0x\w+, that of its bytes 0x\w+$/],
    [frame(text, { contentBytes: 999 }), 'the header claims 999 bytes of content, there are 1000'],
    [frame(text, { contentBytes: 1_001 }), 'the header claims 1001 bytes of content, there are 1000'],
    [
      frame(text, { contentBytes: 10e9 }),
      'the frame at byte 0 claims 10000000000 bytes of content, its blocks hold at most 65536',
    ],
    [
      concatenated(header({}), int32(65_537), new Uint8Array(65_537), end),
      'the block at byte 7 has 65537 bytes, more than the 65536 of its frame',
    ],
    [concatenated(good, fromHex('00')), `the magic number at byte ${good.length} takes 4 bytes, 1 are there`],
    [concatenated(good, end), `the magic number at byte ${good.length} is 0x0; must be 0x184d2204`],
    [skippable(text).subarray(0, 100), 'a skippable frame at byte 8 takes 1000 bytes, 92 are there'],
    // A match that begins before the frame, and one of a block that is not linked.
    [
      concatenated(header({}), int32(4), fromHex('00010000'), end),
      /^the block of 4 bytes at byte 7 is damaged: /,
    ],
  ]
  for (const [bytes, sentence] of cases) {
    const message =
      typeof sentence === 'string' ? `lz4: ${sentence}` : new RegExp(`^lz4: ${sentence.source.slice(1)}`)
    t.match(unpacked(lz4, bytes), { name: 'CompressionError', reason: 'corrupt', message })
  }
  const content = textBytes(150_000)
  const linked = frame(content, { isLinked: true })
  const asIndependent = concatenated(header({}), linked.subarray(7))
  t.match(
    unpacked(lz4, asIndependent),
    { reason: 'corrupt' },
    'a block may refer to others only if the frame says so',
  )
  const two = concatenated(
    frame(content.subarray(0, 65_536), {}),
    header({ isLinked: true }),
    linked.subarray(7),
  )
  t.ok(sameBytes(unpacked(lz4, two), concatenated(content.subarray(0, 65_536), content)))
})

t.test('frames without content', async (t) => {
  t.equal(hex(lz4.compress(new Uint8Array(0))), '04224d1860408200000000')
  for (const bytes of [
    lz4.compress(new Uint8Array(0)),
    skippable(textBytes(100)),
    frame(new Uint8Array(0), { contentBytes: 0, hasContentChecksum: true }),
    concatenated(header({}), int32(0x8000_0000), int32(0)),
  ])
    t.ok(sameBytes(unpacked(lz4, bytes, 0), new Uint8Array(0)))
})

t.test('a library that gives more than it was allowed is not believed', async (t) => {
  const careless = lz4Codec({ compress: (bytes) => bytes, decompress: () => new Uint8Array(100_000) })
  const bytes = concatenated(header({}), int32(4), new Uint8Array(4), int32(4), new Uint8Array(4), int32(0))
  t.match(unpacked(careless, bytes), {
    reason: 'corrupt',
    message: 'lz4: a block holds more than its bytes can',
  })
})
