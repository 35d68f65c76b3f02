/** How the codecs refuse: sentences that begin with the codec and hold the figures. */
import { CompressionError, type CompressionName, levelProblem } from '../compression.ts'

export function corrupt(codec: CompressionName, sentence: string, cause?: unknown): CompressionError {
  return new CompressionError('corrupt', `${codec}: ${sentence}`, cause === undefined ? undefined : { cause })
}

/** There are `least` bytes unpacked, or they are claimed, and that is more than the caller takes. */
export function tooLarge(
  codec: CompressionName,
  packedBytes: number,
  least: number,
  bytesMax: number,
): CompressionError {
  return new CompressionError(
    'too-large',
    `${codec}: ${packedBytes} bytes hold ${least} or more unpacked, at most ${bytesMax} are taken`,
  )
}

/** What a block function of a library threw. */
export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

export function checkLevel(codec: CompressionName, level: number | undefined): void {
  const problem = level === undefined ? undefined : levelProblem(codec, level)
  if (problem !== undefined) throw new CompressionError('level', problem)
}

/** Throws unless `count` bytes are there at a position. */
export function requireBytes(
  codec: CompressionName,
  bytes: Uint8Array,
  at: number,
  count: number,
  what: string,
): void {
  if (at + count <= bytes.length) return
  const left = Math.max(0, bytes.length - at)
  throw corrupt(codec, `${what} at byte ${at} takes ${count} bytes, ${left} are there`)
}
