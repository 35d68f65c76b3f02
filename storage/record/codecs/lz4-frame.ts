/**
 * LZ4 as Kafka has it: frames of the LZ4 frame format, one or several, whose blocks a library packs and unpacks.
 * https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
 *
 * Written as Kafka's Java client does: version 01, independent blocks of 64 KiB, no sizes, no checksum but that of
 * the header. Read whatever is legal: linked blocks, blocks up to 4 MiB, content size, checksums of blocks and content,
 * skippable frames; but no dictionaries, which nobody in Kafka could agree on.
 *
 * Headers of all blocks are walked before any is unpacked, and give a bound on what can come out.
 */
import type { CompressionCodec } from '../compression.ts'
import { setUint32Le, uint32LeAt, uint64LeAt } from './little-endian.ts'
import { checkLevel, corrupt, reasonOf, requireBytes, tooLarge } from './refusals.ts'
import { usedRoom } from './room.ts'
import { xxh32 } from './xxh32.ts'

/** Blocks without anything around them. */
export interface Lz4Blocks {
  /** The result is memory that is not used again. */
  compress(bytes: Uint8Array): Uint8Array
  /**
   * Throws when the block is damaged or its content has more than `bytesMax` bytes, and takes no more than these.
   * `before` is what a linked block may refer to. The result is copied before the next call.
   */
  decompress(block: Uint8Array, bytesMax: number, before: Uint8Array | undefined): Uint8Array
}

const MAGIC = 0x184d2204
const LEGACY_MAGIC = 0x184c2102
/** The last four bits may be anything. */
const SKIPPABLE_MAGIC = 0x184d2a5
const SKIPPABLE_HEADER_BYTES = 8
/** Magic, two bytes of descriptor, header checksum. */
const HEADER_BYTES_MIN = 7
/** Four zeroes. */
const END_MARK_BYTES = 4
const WRITTEN_BLOCK_BYTES = 64 * 1024
/** Version 01 and independent blocks; blocks of 64 KiB; the checksum of these two bytes. */
const WRITTEN_DESCRIPTOR = [0x60, 0x40, 0x82] as const
const STORED = 0x8000_0000
/** How far back a match reaches. */
const WINDOW_BYTES = 64 * 1024
/** A byte of a block adds at most so many of content: a length goes on in bytes of up to 255. */
const EXPANSION_MAX = 255

interface Frame {
  readonly blocksAt: number
  readonly end: number
  readonly isLinked: boolean
  readonly hasBlockChecksums: boolean
  readonly hasContentChecksum: boolean
  readonly contentBytes: number | undefined
  readonly blockBytesMax: number
  readonly blockCount: number
  /** The most its blocks can hold. */
  readonly bytesMax: number
}

export function lz4Codec(blocks: Lz4Blocks): CompressionCodec {
  return {
    compress(bytes, level) {
      checkLevel('lz4', level)
      return writeFrame(bytes, blocks)
    },
    decompress: (bytes, bytesMax) => new Unpacking(bytes, bytesMax, blocks).run(),
  }
}

function writeFrame(bytes: Uint8Array, blocks: Lz4Blocks): Uint8Array {
  const contents: Uint8Array[] = []
  let length = HEADER_BYTES_MIN + END_MARK_BYTES
  for (let from = 0; from < bytes.length; from += WRITTEN_BLOCK_BYTES) {
    const content = packed(bytes.subarray(from, from + WRITTEN_BLOCK_BYTES), blocks)
    contents.push(content)
    length += 4 + content.length
  }
  const frame = new Uint8Array(length)
  setUint32Le(frame, 0, MAGIC)
  frame.set(WRITTEN_DESCRIPTOR, 4)
  let at = HEADER_BYTES_MIN
  let left = bytes.length
  for (const content of contents) {
    const blockBytes = Math.min(left, WRITTEN_BLOCK_BYTES)
    setUint32Le(frame, at, content.length === blockBytes ? STORED | content.length : content.length)
    frame.set(content, at + 4)
    at += 4 + content.length
    left -= blockBytes
  }
  return frame
}

/** What does not get smaller is stored as it is. */
function packed(block: Uint8Array, blocks: Lz4Blocks): Uint8Array {
  const content = blocks.compress(block)
  return content.length < block.length ? content : block
}

/** Positions of all frames that are not skippable. Nothing is unpacked, and nothing may be left over. */
function walkFrames(bytes: Uint8Array): Frame[] {
  if (bytes.length === 0) throw corrupt('lz4', '0 bytes are there, an empty frame has 11')
  const frames: Frame[] = []
  let at = 0
  while (at < bytes.length) {
    requireBytes('lz4', bytes, at, 4, 'the magic number')
    const magic = uint32LeAt(bytes, at)
    if (magic >>> 4 === SKIPPABLE_MAGIC) {
      requireBytes('lz4', bytes, at, SKIPPABLE_HEADER_BYTES, 'the header of a skippable frame')
      const skipped = uint32LeAt(bytes, at + 4)
      requireBytes('lz4', bytes, at + SKIPPABLE_HEADER_BYTES, skipped, 'a skippable frame')
      at += SKIPPABLE_HEADER_BYTES + skipped
    } else if (magic === MAGIC) {
      const frame = readFrame(bytes, at)
      frames.push(frame)
      at = frame.end
    } else {
      const legacy = magic === LEGACY_MAGIC ? ', that of legacy frames, which Kafka does not have' : ''
      throw corrupt('lz4', `the magic number at byte ${at} is ${hex(magic)}${legacy}; must be ${hex(MAGIC)}`)
    }
  }
  return frames
}

function readFrame(bytes: Uint8Array, start: number): Frame {
  requireBytes('lz4', bytes, start, HEADER_BYTES_MIN, 'the header of a frame')
  const flags = bytes[start + 4]
  const sizes = bytes[start + 5]
  if (flags >>> 6 !== 1)
    throw corrupt('lz4', `the frame at byte ${start} has version ${flags >>> 6}, must be 1`)
  if (flags & 0x02 || sizes & 0x8f)
    throw corrupt('lz4', `the frame at byte ${start} sets reserved bits (${hex(flags)}, ${hex(sizes)})`)
  if (flags & 0x01) throw corrupt('lz4', `the frame at byte ${start} needs a dictionary, and Kafka has none`)
  const sizeCode = sizes >>> 4
  if (sizeCode < 4)
    throw corrupt('lz4', `the frame at byte ${start} has block size ${sizeCode}, must be 4 to 7`)
  const hasContentSize = (flags & 0x08) !== 0
  const checksumAt = start + HEADER_BYTES_MIN - 1 + (hasContentSize ? 8 : 0)
  requireBytes('lz4', bytes, checksumAt, 1, 'the header of a frame')
  const checksum = (xxh32(bytes, start + 4, checksumAt) >>> 8) & 0xff
  if (bytes[checksumAt] !== checksum)
    throw corrupt(
      'lz4',
      `the header checksum of the frame at byte ${start} is ${hex(bytes[checksumAt])}, that of its bytes ${hex(checksum)}`,
    )
  const hasBlockChecksums = (flags & 0x10) !== 0
  const hasContentChecksum = (flags & 0x04) !== 0
  // 64 KiB, 256 KiB, 1 MiB, 4 MiB.
  const blockBytesMax = 1 << (2 * sizeCode + 8)
  const blocksAt = checksumAt + 1
  const { blockCount, bytesMax, endMarkAt } = walkBlocks(bytes, blocksAt, blockBytesMax, hasBlockChecksums)
  const contentBytes = hasContentSize ? uint64LeAt(bytes, start + 6) : undefined
  if (contentBytes !== undefined && contentBytes > bytesMax)
    throw corrupt(
      'lz4',
      `the frame at byte ${start} claims ${contentBytes} bytes of content, its blocks hold at most ${bytesMax}`,
    )
  const end = endMarkAt + 4 + (hasContentChecksum ? 4 : 0)
  requireBytes('lz4', bytes, endMarkAt, end - endMarkAt, 'the checksum of the content')
  return {
    blocksAt,
    end,
    isLinked: (flags & 0x20) === 0,
    hasBlockChecksums,
    hasContentChecksum,
    contentBytes,
    blockBytesMax,
    blockCount,
    bytesMax: contentBytes ?? bytesMax,
  }
}

function walkBlocks(bytes: Uint8Array, start: number, blockBytesMax: number, hasChecksums: boolean) {
  let blockCount = 0
  let bytesMax = 0
  let at = start
  for (;;) {
    requireBytes('lz4', bytes, at, 4, 'the size of a block')
    const field = uint32LeAt(bytes, at)
    if (field === 0) return { blockCount, bytesMax, endMarkAt: at }
    const blockBytes = field & ~STORED
    if (blockBytes > blockBytesMax)
      throw corrupt(
        'lz4',
        `the block at byte ${at} has ${blockBytes} bytes, more than the ${blockBytesMax} of its frame`,
      )
    requireBytes('lz4', bytes, at + 4, blockBytes + (hasChecksums ? 4 : 0), 'a block')
    blockCount++
    bytesMax += contentBytesMax(field, blockBytesMax)
    at += 4 + blockBytes + (hasChecksums ? 4 : 0)
  }
}

/** What a block with this size field can hold. */
function contentBytesMax(field: number, blockBytesMax: number): number {
  const blockBytes = field & ~STORED
  return (field & STORED) !== 0 ? blockBytes : Math.min(blockBytesMax, blockBytes * EXPANSION_MAX)
}

/** One call of `decompress`. */
class Unpacking {
  readonly #bytes: Uint8Array
  readonly #bytesMax: number
  readonly #blocks: Lz4Blocks
  #out: Uint8Array = new Uint8Array(0)
  #length = 0
  #isOneBlock = false

  constructor(bytes: Uint8Array, bytesMax: number, blocks: Lz4Blocks) {
    this.#bytes = bytes
    this.#bytesMax = bytesMax
    this.#blocks = blocks
  }

  run(): Uint8Array {
    const frames = walkFrames(this.#bytes)
    let roomBytes = 0
    let claimedBytes = 0
    let blockCount = 0
    for (const frame of frames) {
      roomBytes += frame.bytesMax
      claimedBytes += frame.contentBytes ?? 0
      blockCount += frame.blockCount
    }
    if (claimedBytes > this.#bytesMax) throw tooLarge('lz4', this.#bytes.length, claimedBytes, this.#bytesMax)
    this.#isOneBlock = blockCount === 1
    if (!this.#isOneBlock) this.#out = new Uint8Array(Math.min(roomBytes, this.#bytesMax))
    for (const frame of frames) this.#unpackFrame(frame)
    return usedRoom(this.#out, this.#length, this.#bytesMax)
  }

  #unpackFrame(frame: Frame): void {
    const bytes = this.#bytes
    const start = this.#length
    let at = frame.blocksAt
    for (let i = 0; i < frame.blockCount; i++) {
      const field = uint32LeAt(bytes, at)
      const end = at + 4 + (field & ~STORED)
      if (frame.hasBlockChecksums) checkSum(bytes, end, bytes, at + 4, end, `the block at byte ${at}`)
      this.#place(this.#unpackBlock(frame, field, at, end, start))
      at = end + (frame.hasBlockChecksums ? 4 : 0)
    }
    const contentBytes = this.#length - start
    if (frame.contentBytes !== undefined && frame.contentBytes !== contentBytes)
      throw corrupt(
        'lz4',
        `the header claims ${frame.contentBytes} bytes of content, there are ${contentBytes}`,
      )
    if (frame.hasContentChecksum) checkSum(bytes, at + 4, this.#out, start, this.#length, 'the content')
  }

  #unpackBlock(frame: Frame, field: number, at: number, end: number, frameStart: number): Uint8Array {
    const block = this.#bytes.subarray(at + 4, end)
    if ((field & STORED) !== 0) return block
    const length = this.#length
    const before =
      frame.isLinked && length > frameStart
        ? this.#out.subarray(Math.max(frameStart, length - WINDOW_BYTES), length)
        : undefined
    try {
      return this.#blocks.decompress(block, contentBytesMax(field, frame.blockBytesMax), before)
    } catch (cause) {
      throw corrupt(
        'lz4',
        `the block of ${block.length} bytes at byte ${at} is damaged: ${reasonOf(cause)}`,
        cause,
      )
    }
  }

  #place(content: Uint8Array): void {
    const length = this.#length + content.length
    if (length > this.#bytesMax) throw tooLarge('lz4', this.#bytes.length, length, this.#bytesMax)
    // Its size is known only now, and need not be guessed.
    if (this.#isOneBlock) this.#out = new Uint8Array(content)
    // Cannot happen while the bound of each block is kept; then the room would have been too small.
    else if (length > this.#out.length) throw corrupt('lz4', 'a block holds more than its bytes can')
    else this.#out.set(content, this.#length)
    this.#length = length
  }
}

/** Compares the xxHash32 at `at` with that of a part of `of`. */
function checkSum(
  bytes: Uint8Array,
  at: number,
  of: Uint8Array,
  start: number,
  end: number,
  what: string,
): void {
  const stored = uint32LeAt(bytes, at)
  const computed = xxh32(of, start, end)
  if (stored !== computed)
    throw corrupt('lz4', `the checksum of ${what} is ${hex(stored)}, that of its bytes ${hex(computed)}`)
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}
