/** What the tests of the codecs share: every codec there is here, bytes to pack, and what came of unpacking. */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { zstdCodec } from '../../../../storage/record/codecs/zstd-frame.ts'
import {
  type CompressionCodec,
  CompressionError,
  type CompressionName,
  compressionLevels,
} from '../../../../storage/record/compression.ts'
import { gzip } from '../../../../storage/record/node/gzip.ts'
import { nodeCodecs } from '../../../../storage/record/node/node-codecs.ts'
import { nodeZstdFrames } from '../../../../storage/record/node/zstd-node.ts'
import { wasmZstdFrames } from '../../../../storage/record/node/zstd-wasm.ts'
import type { SeededRandom } from '../../../support/seeded-random.ts'

const root = resolve(fileURLToPath(new URL('../../../../..', import.meta.url)))
const { snappy, lz4 } = nodeCodecs as Record<'snappy' | 'lz4', CompressionCodec>
export const wasmZstd = zstdCodec(wasmZstdFrames())
const framesOfNode = nodeZstdFrames()

export interface CodecAtHand {
  readonly name: Exclude<CompressionName, 'none'>
  readonly title: string
  readonly codec: CompressionCodec
  readonly levels: readonly (number | undefined)[]
}

const zstdLevels = [undefined, compressionLevels.zstd.min, -5, -1, 1, 2, 3, 6, 9, 12]

/** Zstd twice where Node has its own. */
export const codecsAtHand: readonly CodecAtHand[] = [
  { name: 'gzip', title: 'gzip', codec: gzip, levels: [undefined, 1, 2, 3, 4, 5, 6, 7, 8, 9] },
  { name: 'snappy', title: 'snappy', codec: snappy, levels: [undefined] },
  { name: 'lz4', title: 'lz4', codec: lz4, levels: [undefined] },
  { name: 'zstd', title: 'zstd by WebAssembly', codec: wasmZstd, levels: zstdLevels },
  ...(framesOfNode
    ? [
        {
          name: 'zstd' as const,
          title: 'zstd by Node',
          codec: zstdCodec(framesOfNode),
          levels: zstdLevels,
        },
      ]
    : []),
]

/** Films as JSON, one after the other: what people send. */
export const films: readonly string[] = (
  JSON.parse(readFileSync(join(root, 'node_modules/vega-datasets/data/movies.json'), 'utf8')) as unknown[]
).map((film) => JSON.stringify(film))

const filmBytes = new TextEncoder().encode(films.slice(0, 800).join('\n'))

/** Text, noise, repetition, or all of them one after the other. */
export function someBytes(random: SeededRandom, bytesMax: number): Uint8Array {
  const bytes = new Uint8Array(random.below(bytesMax + 1))
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(bytes.length - at, 1 + random.below(random.pick([10, 1_000, bytesMax])))
    const kind = random.below(4)
    if (kind === 0) bytes.set(random.bytes(length), at)
    else if (kind === 1) bytes.fill(random.below(256), at, at + length)
    else if (kind === 2 && at > 0) bytes.copyWithin(at, random.below(at), at + length)
    else {
      const from = random.below(filmBytes.length)
      bytes.set(filmBytes.subarray(from, from + length), at)
    }
    at += length
  }
  return bytes
}

export function textBytes(length: number): Uint8Array {
  if (length > filmBytes.length) throw new RangeError(`${length} of ${filmBytes.length} bytes of text`)
  return filmBytes.slice(0, length)
}

/** The bytes, or the error with which they were refused; any other error is thrown. */
export function unpacked(
  codec: CompressionCodec,
  bytes: Uint8Array,
  bytesMax = 64 * 1024 * 1024,
): Uint8Array | CompressionError {
  try {
    const content = codec.decompress(bytes, bytesMax)
    if (content.length > bytesMax)
      throw new Error(`${content.length} bytes, at most ${bytesMax} were asked for`)
    return content
  } catch (error) {
    if (error instanceof CompressionError) return error
    throw error
  }
}

export const sameBytes = (a: unknown, b: Uint8Array): boolean =>
  a instanceof Uint8Array && Buffer.compare(a, b) === 0

export const concatenated = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(Buffer.concat(parts))
