/**
 * Snappy as Kafka has it, in either of two forms: one raw block, as librdkafka and kafkajs write it, or chunks of raw
 * blocks behind the header of snappy-java ("xerial"), as the Java client does and others after it. We write the second.
 *
 *     header: 82 'S' 'N' 'A' 'P' 'P' 'Y' 00, version and oldest version that reads it (int32, both 1), big-endian
 *     chunk:  bytes of the block (int32, big-endian), the block; a header between two chunks is passed over
 *
 * A raw block begins with the length of its content, which is judged before anything is unpacked.
 * https://github.com/google/snappy/blob/main/format_description.txt
 */
import type { CompressionCodec } from '../compression.ts'
import { checkLevel, corrupt, reasonOf, tooLarge } from './refusals.ts'

/** Raw blocks. A result is memory of its own. */
export interface SnappyBlocks {
  compress(bytes: Uint8Array): Uint8Array
  /** The length in front was checked to be plausible. Throws when the block is damaged. */
  decompress(block: Uint8Array): Uint8Array
}

const HEADER = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00, 0, 0, 0, 1, 0, 0, 0, 1] as const
const MAGIC_BYTES = 8
const VERSION = 1
/** Snappy looks for matches within so many bytes, so larger chunks would win nothing. */
const CHUNK_BYTES = 64 * 1024
/** The element that holds most makes 64 bytes of 3. */
const EXPANSION_MAX = 64 / 3

export function snappyCodec(blocks: SnappyBlocks): CompressionCodec {
  return {
    compress(bytes, level) {
      checkLevel('snappy', level)
      return writeChunks(bytes, blocks)
    },
    decompress(bytes, bytesMax) {
      return hasHeader(bytes, 0) ? readChunks(bytes, bytesMax, blocks) : readRaw(bytes, bytesMax, blocks)
    },
  }
}

function writeChunks(bytes: Uint8Array, blocks: SnappyBlocks): Uint8Array {
  const packed: Uint8Array[] = []
  let length: number = HEADER.length
  for (let from = 0; from < bytes.length; from += CHUNK_BYTES) {
    const block = blocks.compress(bytes.subarray(from, from + CHUNK_BYTES))
    packed.push(block)
    length += 4 + block.length
  }
  const stream = new Uint8Array(length)
  stream.set(HEADER)
  let at: number = HEADER.length
  for (const block of packed) {
    stream[at] = block.length >>> 24
    stream[at + 1] = block.length >>> 16
    stream[at + 2] = block.length >>> 8
    stream[at + 3] = block.length
    stream.set(block, at + 4)
    at += 4 + block.length
  }
  return stream
}

function readRaw(bytes: Uint8Array, bytesMax: number, blocks: SnappyBlocks): Uint8Array {
  const length = contentBytes(bytes, 0, bytes.length)
  if (length > bytesMax) throw tooLarge('snappy', bytes.length, length, bytesMax)
  return unpack(bytes, 0, bytes.length, length, blocks)
}

function readChunks(bytes: Uint8Array, bytesMax: number, blocks: SnappyBlocks): Uint8Array {
  let length = 0
  forEachChunk(bytes, (start, end) => {
    length += contentBytes(bytes, start, end)
  })
  if (length > bytesMax) throw tooLarge('snappy', bytes.length, length, bytesMax)
  const out = new Uint8Array(length)
  let at = 0
  forEachChunk(bytes, (start, end) => {
    const claimed = contentBytes(bytes, start, end)
    out.set(unpack(bytes, start, end, claimed, blocks), at)
    at += claimed
  })
  return out
}

/** Calls `take` with the place of each block. The bytes begin with a header, and nothing is left behind. */
function forEachChunk(bytes: Uint8Array, take: (start: number, end: number) => void): void {
  let at = 0
  while (at < bytes.length) {
    if (hasHeader(bytes, at)) {
      checkVersion(bytes, at)
      at += HEADER.length
      continue
    }
    const start = at + 4
    if (start > bytes.length)
      throw corrupt(
        'snappy',
        `the size of the chunk at byte ${at} takes 4 bytes, ${bytes.length - at} are there`,
      )
    const chunkBytes = uint32At(bytes, at)
    if (chunkBytes > bytes.length - start)
      throw corrupt(
        'snappy',
        `the chunk at byte ${at} claims ${chunkBytes} bytes, ${bytes.length - start} are there`,
      )
    take(start, start + chunkBytes)
    at = start + chunkBytes
  }
}

function hasHeader(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < MAGIC_BYTES; i++) if (bytes[at + i] !== HEADER[i]) return false
  return true
}

function checkVersion(bytes: Uint8Array, at: number): void {
  if (at + HEADER.length > bytes.length)
    throw corrupt(
      'snappy',
      `the header at byte ${at} takes ${HEADER.length} bytes, ${bytes.length - at} are there`,
    )
  const version = uint32At(bytes, at + MAGIC_BYTES)
  const readableBy = uint32At(bytes, at + MAGIC_BYTES + 4)
  if (version < VERSION || readableBy > VERSION)
    throw corrupt(
      'snappy',
      `the header says version ${version}, to be read by ${readableBy} or later; known is ${VERSION}`,
    )
}

/** The length in front of a raw block: a varint of 32 bits. Refused when so much cannot come out of the rest. */
function contentBytes(bytes: Uint8Array, start: number, end: number): number {
  let length = 0
  let at = start
  for (let factor = 1; ; factor *= 128) {
    if (at === end || at === start + 5)
      throw corrupt('snappy', `the block at byte ${start} does not begin with the length of its content`)
    const byte = bytes[at++]
    length += (byte & 0x7f) * factor
    if (byte < 0x80) break
  }
  const most = Math.floor((end - at) * EXPANSION_MAX)
  if (length > most)
    throw corrupt(
      'snappy',
      `the block at byte ${start} claims ${length} bytes, its ${end - at} hold at most ${most}`,
    )
  return length
}

function unpack(
  bytes: Uint8Array,
  start: number,
  end: number,
  claimed: number,
  blocks: SnappyBlocks,
): Uint8Array {
  let content: Uint8Array
  try {
    content = blocks.decompress(bytes.subarray(start, end))
  } catch (cause) {
    throw corrupt('snappy', `the block at byte ${start} is damaged: ${reasonOf(cause)}`, cause)
  }
  if (content.length !== claimed)
    throw corrupt('snappy', `the block at byte ${start} claims ${claimed} bytes, it holds ${content.length}`)
  return content
}

function uint32At(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
}
