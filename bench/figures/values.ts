/**
 * Event values no compressor shrinks, repeatable from a seed and cheap to hand out: a pool of random
 * bytes cut once into views, taken in turn. Making a fresh view costs 60 ns, as much as the rest of a
 * client's work for an event, and would be measured instead of the client.
 */
import { createCipheriv, createHash } from 'node:crypto'

/**
 * So many views stay in the processor's cache; more of them cost each event up to 30 ns of cache misses. For
 * 32-byte values the pool is 128 KiB: more than the windows of gzip, snappy and LZ4 look back over.
 */
const VIEWS = 4096

/** Random bytes that depend on the seed alone: the key stream of AES-256-CTR. */
export function randomBytes(seed: number, count: number): Uint8Array {
  const key = createHash('sha256').update(`octopus bench ${seed}`).digest()
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(count))
}

export class ValuePool {
  /** Event number `i` has value `views[i % views.length]`. */
  readonly views: readonly Uint8Array[]

  constructor(seed: number, valueBytes: number) {
    const bytes = randomBytes(seed, VIEWS * valueBytes)
    this.views = Array.from({ length: VIEWS }, (_, i) => bytes.subarray(i * valueBytes, (i + 1) * valueBytes))
  }

  /** Sum of every byte of the first `events` values: what a consumer that read them all must find. */
  sum(events: number): number {
    const sums = this.views.map(sumBytes)
    const whole = Math.floor(events / sums.length)
    const rest = events % sums.length
    const pool = sums.reduce((a, b) => a + b, 0)
    return whole * pool + sums.slice(0, rest).reduce((a, b) => a + b, 0)
  }
}

export function sumBytes(bytes: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < bytes.length; i++) sum += bytes[i]
  return sum
}

/** What came back is what went in, or the run has failed. */
export function requireSameSum(consumed: number, produced: number): void {
  if (consumed !== produced)
    throw new Error(`the values consumed add up to ${consumed}, those produced to ${produced}`)
}

/** One short word for what a run moved; equal for equal counts and bytes. */
export function resultHash(events: number, sum: number): string {
  return createHash('sha256').update(`${events} events, sum ${sum}`).digest('hex').slice(0, 16)
}
