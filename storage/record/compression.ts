/**
 * The compression codecs of Kafka's record batch: their numbers, the port through which a codec comes in, and what
 * one may refuse with. This room never compresses anything itself: entry points hand in what they have.
 */

/** Codec numbers as they stand in the lowest three bits of a batch's attributes. 5 to 7 mean nothing. */
export const compressionCodes = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const

export type CompressionName = keyof typeof compressionCodes

/** All there are, in the order of their numbers. */
export const compressionNames = Object.keys(compressionCodes) as readonly CompressionName[]

/** The name of a codec number; undefined for a number that no codec has. */
export function compressionName(code: number): CompressionName | undefined {
  return compressionNames[code]
}

interface Levels {
  readonly min: number
  readonly max: number
  readonly default: number
}

/** How much effort goes into packing, from the least to the most, as in Kafka. The others know one way only. */
export const compressionLevels = {
  gzip: { min: 1, max: 9, default: 6 },
  // Below 0 it is faster and packs less, in the end not at all.
  zstd: { min: -131_072, max: 22, default: 3 },
} as const

/** What is wrong with a level, as a sentence without its beginning; undefined: nothing. */
export function levelProblem(name: CompressionName, level: number): string | undefined {
  const levels = (compressionLevels as Partial<Record<CompressionName, Levels>>)[name]
  if (!levels) return `${name} has no levels, got ${level}`
  if (Number.isInteger(level) && level >= levels.min && level <= levels.max) return undefined
  return `${name} has levels ${levels.min} to ${levels.max}, got ${level}`
}

export type CompressionErrorReason =
  /** The bytes are not what the codec writes: damaged, cut off, forged, or followed by others. */
  | 'corrupt'
  /** They would take more bytes unpacked than the caller allows. */
  | 'too-large'
  /** What the codec needs cannot be loaded on this platform. */
  | 'unavailable'
  /** No such level. */
  | 'level'

/** The sentence names the codec, the figures and what would be right. */
export class CompressionError extends Error {
  readonly reason: CompressionErrorReason

  constructor(reason: CompressionErrorReason, message: string, options?: { cause: unknown }) {
    super(message, options)
    this.name = 'CompressionError'
    this.reason = reason
  }
}

/** One codec. Synchronous and pure: where that costs too much, the caller is on a worker thread. */
export interface CompressionCodec {
  /** Loads what the codec needs, which its first use would do otherwise. Throws {@link CompressionError}. */
  prepare?(): void
  /**
   * Throws {@link CompressionError} for a level there is not. The result lies in a buffer that nobody else uses, so
   * that it can be transferred, and so does what is unpacked.
   */
  compress(bytes: Uint8Array, level?: number): Uint8Array
  /**
   * All of the bytes, unpacked: no less, and nothing behind them. The result takes no more than `bytesMax` and one
   * block of the format, whatever lengths the bytes claim. Throws {@link CompressionError}, and nothing else.
   */
  decompress(bytes: Uint8Array, bytesMax: number): Uint8Array
}

/** `none` has no codec. */
export type CompressionCodecs = Partial<Record<CompressionName, CompressionCodec>>
