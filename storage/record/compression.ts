/**
 * The compression codecs of Kafka's record batch: their numbers, and the port through which a codec
 * comes in. This room never compresses anything itself: Node entries hand in zlib, browsers what they have.
 */

/** Codec numbers as they stand in the lowest three bits of a batch's attributes. 5 to 7 mean nothing. */
export const compressionCodes = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const

export type CompressionName = keyof typeof compressionCodes

const names: readonly (CompressionName | undefined)[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** The name of a codec number; undefined for a number that no codec has. */
export function compressionName(code: number): CompressionName | undefined {
  return names[code]
}

/** What producers may send today. The other numbers are known, so that they are refused by name. */
export const producedCompressions: readonly CompressionName[] = ['none', 'gzip']

/** One codec. Synchronous and pure: where that costs too much, the caller is on a worker thread. */
export interface CompressionCodec {
  compress(bytes: Uint8Array): Uint8Array
  /** Throws when the bytes are corrupt, or as soon as the result would be larger than `bytesMax`. */
  decompress(bytes: Uint8Array, bytesMax: number): Uint8Array
}

export type CompressionCodecs = Partial<Record<CompressionName, CompressionCodec>>
