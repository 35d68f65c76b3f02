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

/** In 128 words no lane of 16 bits overflows: each adds 2 × 255 at most. */
const WORDS_OF_A_STRETCH = 128

/**
 * Adds up every byte of many values, four at a time: one by one that costs more than all else that a client does for an
 * event of 200 bytes, and would be measured instead of it.
 */
export class ByteSum {
  total = 0
  #buffer: ArrayBufferLike = new ArrayBuffer(0)
  #bytes: Uint8Array = new Uint8Array(0)
  #words: Int32Array = new Int32Array(0)

  add(value: Uint8Array): void {
    // Values lie side by side in few buffers.
    if (value.buffer !== this.#buffer) this.#enter(value.buffer)
    const bytes = this.#bytes
    const words = this.#words
    let at = value.byteOffset
    const end = at + value.length
    let sum = 0
    while ((at & 3) !== 0 && at < end) sum += bytes[at++]
    let word = at >>> 2
    const lastWord = Math.max(word, end >>> 2)
    while (word < lastWord) {
      const stretchEnd = Math.min(lastWord, word + WORDS_OF_A_STRETCH)
      let lanes = 0
      for (; word < stretchEnd; word++) {
        const four = words[word]
        lanes = (lanes + (four & 0x00ff00ff) + ((four >>> 8) & 0x00ff00ff)) | 0
      }
      sum += (lanes & 0xffff) + (lanes >>> 16)
    }
    for (at = Math.max(at, lastWord << 2); at < end; at++) sum += bytes[at]
    this.total += sum
  }

  #enter(buffer: ArrayBufferLike): void {
    this.#buffer = buffer
    this.#bytes = new Uint8Array(buffer)
    this.#words = new Int32Array(buffer, 0, buffer.byteLength >>> 2)
  }
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
