/**
 * The frames of zstd by Node itself, which has it from 22.15 on.
 *
 * Its decoder works through a window as large as the frame asks for. Of that memory no more is touched than
 * content is written to, so a frame that asks for much and holds little takes little.
 */
import * as zlib from 'node:zlib'
import type { ZstdFrames } from '../codecs/zstd-frame.ts'
import { ownBytes } from './own-bytes.ts'

interface Options {
  readonly chunkSize: number
  readonly maxOutputLength?: number
  readonly params?: Readonly<Record<number, number>>
}

/** What the types of the oldest Node we run on do not know. */
interface ZstdOfNode {
  readonly zstdCompressSync?: (bytes: Uint8Array, options: Options) => Buffer
  readonly zstdDecompressSync?: (bytes: Uint8Array, options: Options) => Buffer
}

const LEVEL_PARAMETER = 100
/** Node takes no smaller pieces. */
const PIECE_BYTES_MIN = 64

/** Undefined where Node has no zstd. */
export function nodeZstdFrames(): ZstdFrames | undefined {
  const { zstdCompressSync: pack, zstdDecompressSync: unpack } = zlib as ZstdOfNode
  if (!pack || !unpack) return undefined
  return {
    compress(bytes, level) {
      // Room for all of it and what is added to noise, so that it is one piece.
      const chunkSize = PIECE_BYTES_MIN + bytes.length + (bytes.length >>> 8)
      return ownBytes(pack(bytes, { chunkSize, params: { [LEVEL_PARAMETER]: level } }))
    },
    decompress(frames, bytesMax) {
      try {
        const chunkSize = Math.max(bytesMax + 1, PIECE_BYTES_MIN)
        const content = unpack(frames, { chunkSize, maxOutputLength: Math.max(bytesMax, 1) })
        return ownBytes(content, bytesMax)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return undefined
        throw error
      }
    },
  }
}
