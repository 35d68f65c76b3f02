/** The blocks of snappy by the package of that name: a native binary from the registry for each platform. */
import { createRequire } from 'node:module'
import type * as Snappy from 'snappy'
import type { SnappyBlocks } from '../codecs/snappy-framing.ts'

/**
 * Results are copied into memory of Node's own. Otherwise the library hands out its own memory, and giving
 * that back costs the garbage collector several times as much as the copy.
 */
const COPIED = { asBuffer: true, copyOutputData: true }

export function loadSnappyBlocks(): SnappyBlocks {
  const { compressSync, uncompressSync } = createRequire(import.meta.url)('snappy') as typeof Snappy
  return {
    compress: (bytes) => plain(compressSync(bytes, COPIED)),
    decompress: (block) => plain(uncompressSync(block, COPIED) as Buffer),
  }
}

/** The copies share their memory with nobody. */
function plain(copy: Buffer): Uint8Array {
  return new Uint8Array(copy.buffer, copy.byteOffset, copy.length)
}
