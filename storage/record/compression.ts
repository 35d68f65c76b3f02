/**
 * The compression codecs of Kafka's record batch: their numbers, the port through which a codec comes in, and what
 * one may refuse with. This room never compresses anything itself: entry points hand in what they have.
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
  /** From the least effort to the most; undefined for a codec without levels. */
  readonly levels?: { readonly min: number; readonly max: number; readonly default: number }
  /** Loads what the codec needs, which its first use would do otherwise. Throws {@link CompressionError}. */
  prepare?(): void
  /** Throws {@link CompressionError} for a level there is not. The result has a buffer of its own or all of it. */
  compress(bytes: Uint8Array, level?: number): Uint8Array
  /**
   * All of the bytes, unpacked: no less, and nothing behind them. Never takes more than `bytesMax` and one block of the
   * format, whatever lengths the bytes claim. Throws {@link CompressionError}, and nothing else.
   */
  decompress(bytes: Uint8Array, bytesMax: number): Uint8Array
}

/** `none` has no codec. */
export type CompressionCodecs = Partial<Record<CompressionName, CompressionCodec>>
