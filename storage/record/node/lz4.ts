/**
 * The blocks of LZ4 by lz4-napi: a native binary from the registry for each platform. Its own frames are not used:
 * they cannot be bounded.
 */
import { createRequire } from 'node:module'
import type * as Lz4 from 'lz4-napi'
import { setUint32Le } from '../codecs/little-endian.ts'
import type { Lz4Blocks } from '../codecs/lz4-frame.ts'

/** The library puts the length of the content in front of a block and takes so much memory when it reads it. */
const PREFIX_BYTES = 4
/** What is kept to put prefix and block together: larger blocks get memory of their own. */
const SCRATCH_BYTES = PREFIX_BYTES + 64 * 1024

export function loadLz4Blocks(): Lz4Blocks {
  const { compressSync, uncompressSync } = createRequire(import.meta.url)('lz4-napi') as typeof Lz4
  const kept = new Uint8Array(SCRATCH_BYTES)
  return {
    // It takes any bytes, whatever its types say.
    compress: (bytes) => compressSync(bytes as Buffer).subarray(PREFIX_BYTES),
    decompress(block, bytesMax, before) {
      const length = PREFIX_BYTES + block.length
      const prefixed = length <= SCRATCH_BYTES ? kept.subarray(0, length) : new Uint8Array(length)
      setUint32Le(prefixed, 0, bytesMax)
      prefixed.set(block, PREFIX_BYTES)
      return uncompressSync(prefixed, before)
    },
  }
}
