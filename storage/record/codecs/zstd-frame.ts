/**
 * Zstd as Kafka has it: frames of RFC 8878, one or several, which a library packs and unpacks. The headers of all
 * frames and blocks are walked here before the library is asked, because what a frame claims to hold is believed by
 * libraries: they take the memory first. A block holds at most 128 KiB and says so in its header, or less;
 * so the walk knows the most that can come out, also of streams that do not tell (Kafka's Java client writes such).
 *
 * Written is one frame with its content size. Read are skippable frames and checksums too; no dictionaries.
 */
import { type CompressionCodec, CompressionError, compressionLevels } from '../compression.ts'
import { uint32LeAt, uint64LeAt } from './little-endian.ts'
import { checkLevel, corrupt, reasonOf, requireBytes, tooLarge } from './refusals.ts'
import { usedRoom } from './room.ts'

/** Single frames: of several at a time, or behind a skippable one, Node's decoder would read the first and say nothing. */
export interface ZstdFrames {
  /** The result is memory of its own. */
  compress(bytes: Uint8Array, level: number): Uint8Array
  /**
   * The content of one frame, in memory of its own: at most `bytesMax`, and as much again to work in. Undefined:
   * there is more. Throws when the frame is damaged.
   */
  decompress(frame: Uint8Array, bytesMax: number): Uint8Array | undefined
}

/** Writers need one. So many tiny ones that each has to be begun anew would take seconds for a megabyte. */
const FRAMES_MAX = 1_000

const MAGIC = 0xfd2fb528
/** The last four bits may be anything. */
const SKIPPABLE_MAGIC = 0x184d2a5
const SKIPPABLE_HEADER_BYTES = 8
const BLOCK_BYTES_MAX = 128 * 1024
const BLOCK_HEADER_BYTES = 3
const CHECKSUM_BYTES = 4
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const

const blockTypes = { raw: 0, repeated: 1, compressed: 2 } as const

export function zstdCodec(library: ZstdFrames): CompressionCodec {
  return {
    compress(bytes, level = compressionLevels.zstd.default) {
      checkLevel('zstd', level)
      return library.compress(bytes, level)
    },
    decompress(bytes, bytesMax) {
      const frames = walkFrames(bytes)
      const leastBytes = frames.reduce((sum, { contentMin }) => sum + contentMin, 0)
      if (leastBytes > bytesMax) throw tooLarge('zstd', bytes.length, leastBytes, bytesMax)
      if (frames.length === 1) return unpackFrame(library, bytes, frames[0], bytesMax)
      const room = new Uint8Array(
        Math.min(
          frames.reduce((sum, { contentMax }) => sum + contentMax, 0),
          bytesMax,
        ),
      )
      let length = 0
      for (const frame of frames) {
        const content = unpackFrame(library, bytes, frame, bytesMax - length)
        room.set(content, length)
        length += content.length
      }
      return usedRoom(room, length, bytesMax)
    },
  }
}

function unpackFrame(library: ZstdFrames, bytes: Uint8Array, frame: Frame, bytesMax: number): Uint8Array {
  const { start, end, contentMin, contentMax } = frame
  let content: Uint8Array | undefined
  try {
    content = library.decompress(bytes.subarray(start, end), Math.min(contentMax, bytesMax))
  } catch (cause) {
    if (cause instanceof CompressionError) throw cause
    throw corrupt(
      'zstd',
      `the frame of ${end - start} bytes at byte ${start} is damaged: ${reasonOf(cause)}`,
      cause,
    )
  }
  const isMore = content === undefined || content.length > contentMax
  if (isMore && contentMax > bytesMax) throw tooLarge('zstd', bytes.length, bytesMax + 1, bytesMax)
  if (content === undefined || isMore || content.length < contentMin)
    throw corrupt(
      'zstd',
      `the headers of the frame at byte ${start} claim ${contentMin} to ${contentMax} bytes, there are ${content?.length ?? 'more'}`,
    )
  return content
}

/** A frame, and the least and the most that its headers let come out. */
interface Frame {
  readonly start: number
  readonly end: number
  readonly contentMin: number
  readonly contentMax: number
}

/** All frames that are not skippable. Throws where headers contradict each other or the bytes; nothing may be left over. */
function walkFrames(bytes: Uint8Array): Frame[] {
  if (bytes.length === 0) throw corrupt('zstd', '0 bytes are there, an empty frame has 9')
  const frames: Frame[] = []
  let at = 0
  while (at < bytes.length) {
    requireBytes('zstd', bytes, at, 4, 'the magic number')
    const magic = uint32LeAt(bytes, at)
    if (magic === MAGIC) {
      if (frames.length === FRAMES_MAX)
        throw corrupt(
          'zstd',
          `${bytes.length} bytes have more than ${FRAMES_MAX} frames, and no client writes so many`,
        )
      const frame = walkFrame(bytes, at)
      frames.push(frame)
      at = frame.end
    } else if (magic >>> 4 === SKIPPABLE_MAGIC) {
      requireBytes('zstd', bytes, at, SKIPPABLE_HEADER_BYTES, 'the header of a skippable frame')
      const skipped = uint32LeAt(bytes, at + 4)
      requireBytes('zstd', bytes, at + SKIPPABLE_HEADER_BYTES, skipped, 'a skippable frame')
      at += SKIPPABLE_HEADER_BYTES + skipped
    } else {
      throw corrupt(
        'zstd',
        `the magic number at byte ${at} is 0x${magic.toString(16)}, must be 0x${MAGIC.toString(16)}`,
      )
    }
  }
  return frames
}

function walkFrame(bytes: Uint8Array, start: number): Frame {
  requireBytes('zstd', bytes, start, 5, 'the header of a frame')
  const descriptor = bytes[start + 4]
  if (descriptor & 0x08) throw corrupt('zstd', `the frame at byte ${start} sets a reserved bit`)
  const isSingleSegment = (descriptor & 0x20) !== 0
  const dictionaryIdBytes = DICTIONARY_ID_BYTES[descriptor & 0x03]
  const sizeBytes = contentSizeBytes(descriptor)
  const dictionaryIdAt = start + 5 + (isSingleSegment ? 0 : 1)
  const sizeAt = dictionaryIdAt + dictionaryIdBytes
  requireBytes('zstd', bytes, dictionaryIdAt, dictionaryIdBytes + sizeBytes, 'the header of a frame')
  for (let i = dictionaryIdAt; i < sizeAt; i++) {
    if (bytes[i] !== 0)
      throw corrupt('zstd', `the frame at byte ${start} needs a dictionary, and Kafka has none`)
  }
  const contentBytes = sizeBytes === 0 ? undefined : contentSizeAt(bytes, sizeAt, sizeBytes)
  const windowBytes = isSingleSegment ? (contentBytes ?? 0) : windowBytesOf(bytes[start + 5])
  const blocks = walkBlocks(bytes, sizeAt + sizeBytes, Math.min(windowBytes, BLOCK_BYTES_MAX))
  const checksumBytes = descriptor & 0x04 ? CHECKSUM_BYTES : 0
  requireBytes('zstd', bytes, blocks.end, checksumBytes, 'the checksum of the content')
  if (contentBytes !== undefined && (contentBytes < blocks.contentMin || contentBytes > blocks.contentMax))
    throw corrupt(
      'zstd',
      `the frame at byte ${start} claims ${contentBytes} bytes of content, its blocks hold ${blocks.contentMin} to ${blocks.contentMax}`,
    )
  return {
    start,
    end: blocks.end + checksumBytes,
    contentMin: contentBytes ?? blocks.contentMin,
    contentMax: contentBytes ?? blocks.contentMax,
  }
}

function contentSizeBytes(descriptor: number): number {
  const flag = descriptor >>> 6
  return flag === 0 && (descriptor & 0x20) !== 0 ? 1 : CONTENT_SIZE_BYTES[flag]
}

function contentSizeAt(bytes: Uint8Array, at: number, sizeBytes: number): number {
  if (sizeBytes === 1) return bytes[at]
  // So that no size can be written in two ways.
  if (sizeBytes === 2) return (bytes[at] | (bytes[at + 1] << 8)) + 256
  return sizeBytes === 4 ? uint32LeAt(bytes, at) : uint64LeAt(bytes, at)
}

function windowBytesOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3))
  return base + (base / 8) * (descriptor & 0x07)
}

function walkBlocks(bytes: Uint8Array, start: number, blockBytesMax: number) {
  let contentMin = 0
  let contentMax = 0
  let at = start
  for (;;) {
    requireBytes('zstd', bytes, at, BLOCK_HEADER_BYTES, 'the header of a block')
    const header = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16)
    const type = (header >>> 1) & 0x03
    const size = header >>> 3
    if (size > blockBytesMax)
      throw corrupt(
        'zstd',
        `the block at byte ${at} claims ${size} bytes, at most ${blockBytesMax} fit its frame`,
      )
    if (type > blockTypes.compressed)
      throw corrupt('zstd', `the block at byte ${at} has a type that means nothing`)
    const storedBytes = type === blockTypes.repeated ? 1 : size
    requireBytes('zstd', bytes, at + BLOCK_HEADER_BYTES, storedBytes, 'a block')
    contentMin += type === blockTypes.compressed ? 0 : size
    contentMax += type === blockTypes.compressed ? blockBytesMax : size
    at += BLOCK_HEADER_BYTES + storedBytes
    if (header & 1) return { contentMin, contentMax, end: at }
  }
}
