/**
 * The compiled sets of one thread: compiling a thousand patterns takes longer than holding them against a batch. Bounded by
 * the bytes of the texts; which set it is their texts say, so that a set is never mistaken for another one.
 */
import { parseRecordPattern } from './parse-pattern.ts'
import { PatternSet } from './pattern-set.ts'
import { type SharedPatterns, textsOf } from './shared-patterns.ts'

/** The worst of patterns take 200 bytes of memory for each of their text, most take a few. */
const TEXT_BYTES_MAX = 512 * 1024
const SETS_MAX = 1024

interface Compiled {
  /** A copy. */
  readonly texts: Uint8Array
  readonly set: PatternSet
}

export class CompiledSets {
  /** By the id of the patterns; the one used last stands last. */
  readonly #sets = new Map<number, Compiled>()
  readonly #textBytesMax: number
  #textBytes = 0

  constructor(textBytesMax = TEXT_BYTES_MAX) {
    this.#textBytesMax = textBytesMax
  }

  get size(): number {
    return this.#sets.size
  }

  has(patterns: SharedPatterns): boolean {
    const known = this.#sets.get(patterns.id)
    return known !== undefined && isSame(known.texts, patterns.texts)
  }

  /** The texts were parsed before; throws PatternError for others. */
  of(patterns: SharedPatterns): PatternSet {
    const { id, texts } = patterns
    const known = this.#sets.get(id)
    if (known) {
      this.#forget(id, known)
      if (isSame(known.texts, texts)) {
        this.#keep(id, known)
        return known.set
      }
    }
    const set = new PatternSet(textsOf(patterns).map(parseRecordPattern))
    this.#keep(id, { texts: new Uint8Array(texts), set })
    for (const [oldest, compiled] of this.#sets) {
      if ((this.#textBytes <= this.#textBytesMax && this.#sets.size <= SETS_MAX) || oldest === id) break
      this.#forget(oldest, compiled)
    }
    return set
  }

  #keep(id: number, compiled: Compiled): void {
    this.#sets.set(id, compiled)
    this.#textBytes += compiled.texts.length
  }

  #forget(id: number, compiled: Compiled): void {
    this.#sets.delete(id)
    this.#textBytes -= compiled.texts.length
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
