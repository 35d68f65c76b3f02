/**
 * The codecs that Node has, for entry points and worker threads to hand to whoever packs and unpacks batches: all of
 * Kafka's. Libraries are loaded when they are first used.
 */
import { lz4Codec } from '../codecs/lz4-frame.ts'
import { snappyCodec } from '../codecs/snappy-framing.ts'
import { zstdCodec } from '../codecs/zstd-frame.ts'
import type { CompressionCodecs } from '../compression.ts'
import { gzip } from './gzip.ts'
import { lazyCodec } from './lazy-codec.ts'
import { loadLz4Blocks } from './lz4.ts'
import { loadSnappyBlocks } from './snappy.ts'
import { nodeZstdFrames } from './zstd-node.ts'
import { wasmZstdFrames } from './zstd-wasm.ts'

export const nodeCodecs: CompressionCodecs = {
  gzip,
  snappy: lazyCodec('snappy', 'snappy', () => snappyCodec(loadSnappyBlocks())),
  lz4: lazyCodec('lz4', 'lz4-napi', () => lz4Codec(loadLz4Blocks())),
  zstd: lazyCodec('zstd', '@bokuweb/zstd-wasm', () => zstdCodec(nodeZstdFrames() ?? wasmZstdFrames())),
}
