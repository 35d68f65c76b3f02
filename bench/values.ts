/**
 * Event values no compressor shrinks, repeatable from a seed and cheap to hand out: one array, filled anew
 * for each event from a pool of random bytes. A view made for each event costs 60 ns, and views made
 * beforehand cost as much in cache misses: either would be measured instead of the client.
 */
import { createCipheriv, createHash } from 'node:crypto'

/** Larger than any window a compressor of the field looks back over. */
const POOL_BYTES = 16 * 1024 * 1024

/** Random bytes that depend on the seed alone: the key stream of AES-256-CTR. */
export function randomBytes(seed: number, count: number): Uint8Array {
  const key = createHash('sha256').update(`octopus bench ${seed}`).digest()
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(count))
}

export class ValueSource {
  readonly #pool: Uint8Array
  readonly #words: Uint32Array
  readonly #value: Uint8Array
  readonly #valueWords: Uint32Array
  readonly #slots: number
  #slot = 0

  constructor(seed: number, valueBytes: number) {
    this.#slots = Math.max(1, Math.floor(POOL_BYTES / wordsOf(valueBytes) / 4))
    this.#pool = new Uint8Array(randomBytes(seed, this.#slots * wordsOf(valueBytes) * 4))
    this.#words = new Uint32Array(this.#pool.buffer)
    this.#valueWords = new Uint32Array(wordsOf(valueBytes))
    this.#value = new Uint8Array(this.#valueWords.buffer, 0, valueBytes)
  }

  /** The value of the next event: always the same array, whose bytes the next call replaces. */
  next(): Uint8Array {
    const words = this.#valueWords
    const at = this.#slot * words.length
    for (let i = 0; i < words.length; i++) words[i] = this.#words[at + i]
    this.#slot = this.#slot + 1 === this.#slots ? 0 : this.#slot + 1
    return this.#value
  }

  /** Sum of every byte of the first `events` values: what a consumer that read them all must find. */
  sum(events: number): number {
    const slotBytes = this.#valueWords.length * 4
    const sumOf = (slots: number) => {
      let sum = 0
      for (let slot = 0; slot < slots; slot++)
        sum += sumBytes(this.#pool.subarray(slot * slotBytes, slot * slotBytes + this.#value.length))
      return sum
    }
    const rounds = Math.floor(events / this.#slots)
    return (rounds === 0 ? 0 : rounds * sumOf(this.#slots)) + sumOf(events % this.#slots)
  }
}

function wordsOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / 4))
}

export function sumBytes(bytes: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < bytes.length; i++) sum += bytes[i]
  return sum
}

/** One short word for what a run moved; equal for equal counts and bytes. */
export function resultHash(events: number, sum: number): string {
  return createHash('sha256').update(`${events} events, sum ${sum}`).digest('hex').slice(0, 16)
}
