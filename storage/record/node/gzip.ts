/**
 * Gzip by Node's zlib: RFC 1952, one member or several, zeroes behind the last. zlib cannot say how much will come
 * out, but hands it out in pieces of the size it is told, and stops at a bound.
 *
 * A member ends with the length of its content, which is nearly always that of all: so the first try has one piece
 * just large enough, and nothing has to be put together. Where that was not the truth, the second try has room for what
 * deflate can make of the bytes at all.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import { uint32LeAt } from '../codecs/little-endian.ts'
import { checkLevel, corrupt, reasonOf, tooLarge } from '../codecs/refusals.ts'
import { type CompressionCodec, CompressionError, compressionLevels } from '../compression.ts'
import { ownBytes } from './own-bytes.ts'

/** 258 bytes from two bits. */
const EXPANSION_MAX = 1032
/** zlib takes no smaller pieces. */
const PIECE_BYTES_MIN = 64

export const gzip: CompressionCodec = {
  compress(bytes, level = compressionLevels.gzip.default) {
    checkLevel('gzip', level)
    // Room for all of it and what deflate adds to noise, so that it is one piece.
    const chunkSize = PIECE_BYTES_MIN + bytes.length + (bytes.length >>> 10)
    return ownBytes(gzipSync(bytes, { level, chunkSize }))
  },
  decompress(bytes, bytesMax) {
    const roomBytes = Math.min(bytesMax, bytes.length * EXPANSION_MAX)
    const claimed = bytes.length < 4 ? 0 : uint32LeAt(bytes, bytes.length - 4)
    const content = (claimed < roomBytes ? inflate(bytes, claimed) : undefined) ?? inflate(bytes, roomBytes)
    if (content === undefined || content.length > bytesMax)
      throw tooLarge('gzip', bytes.length, bytesMax + 1, bytesMax)
    return content
  },
}

/** What the option `info` makes of the result. */
interface Inflated {
  readonly buffer: Buffer
  /** Into the engine, that is. */
  readonly engine: { readonly bytesWritten: number }
}

/** Undefined: there is more than `bytesMax`. */
function inflate(bytes: Uint8Array, bytesMax: number): Uint8Array | undefined {
  try {
    // One byte more, since zlib takes a new piece when one is full.
    const chunkSize = Math.max(bytesMax + 1, PIECE_BYTES_MIN)
    const options = { maxOutputLength: Math.max(bytesMax, 1), chunkSize, info: true }
    const { buffer, engine } = gunzipSync(bytes, options) as unknown as Inflated
    checkPadding(bytes, engine.bytesWritten)
    return ownBytes(buffer, bytesMax)
  } catch (cause) {
    if (cause instanceof CompressionError) throw cause
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return undefined
    throw corrupt('gzip', `${bytes.length} bytes are no whole and sound members: ${reasonOf(cause)}`, cause)
  }
}

/** zlib stops at a zero behind a member and looks at nothing after it. */
function checkPadding(bytes: Uint8Array, from: number): void {
  for (let at = from; at < bytes.length; at++)
    if (bytes[at] !== 0) throw corrupt('gzip', `byte ${at} stands behind the last member and is not zero`)
}
