/**
 * The texts of a set of patterns, encoded once into memory that all threads share: a task takes them along for nothing, however
 * many there are, and the same set is known again on the other side.
 */

export interface SharedPatterns {
  /** Another one for each set that is alive. */
  readonly id: number
  readonly size: number
  /** The texts as a JSON array, UTF-8, in shared memory. Never changed. */
  readonly texts: Uint8Array
}

/** Of sets that are remembered, so that another partition with the same patterns has the same set. */
const REMEMBERED_BYTES_MAX = 4 * 1024 * 1024

/** Hands out sets; the same one for the same patterns, as long as it remembers. */
export class SharedPatternsMaker {
  /** By their text; who was asked for last stands last. */
  readonly #sets = new Map<string, SharedPatterns>()
  readonly #bytesMax: number
  #bytes = 0
  #nextId = 1

  constructor(bytesMax = REMEMBERED_BYTES_MAX) {
    this.#bytesMax = bytesMax
  }

  /** Patterns have the numbers 0 … n-1 in the order of `texts`, which is to be sorted. */
  of(texts: readonly string[]): SharedPatterns {
    const text = JSON.stringify(texts)
    const known = this.#sets.get(text)
    if (known) {
      this.#sets.delete(text)
      this.#sets.set(text, known)
      return known
    }
    const encoded = new TextEncoder().encode(text)
    const shared = new Uint8Array(new SharedArrayBuffer(encoded.length))
    shared.set(encoded)
    const made: SharedPatterns = { id: this.#nextId++, size: texts.length, texts: shared }
    this.#sets.set(text, made)
    this.#bytes += shared.length
    for (const [oldest, { texts }] of this.#sets) {
      if (this.#bytes <= this.#bytesMax || oldest === text) break
      this.#sets.delete(oldest)
      this.#bytes -= texts.length
    }
    return made
  }
}

/** Back to the texts. */
export function textsOf({ texts }: SharedPatterns): string[] {
  // A copy, since decoders refuse shared memory.
  return JSON.parse(new TextDecoder().decode(new Uint8Array(texts))) as string[]
}
