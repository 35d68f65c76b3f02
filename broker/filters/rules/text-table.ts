/**
 * Many texts by their bytes, each with a number: which of them a text is, begins with or ends with. One pass
 * over the text for all of them: its hash is taken byte by byte, and at each length that a text of the table
 * has it is looked up. What has the right hash is compared, so the hash is never trusted.
 */

/** Which part of a text is compared with those of the table. */
export type TextPart = 'whole' | 'start' | 'end'

export interface TextEntry {
  readonly bytes: Uint8Array
  readonly id: number
}

export class TextTable {
  readonly #part: TextPart
  /** Those of one length beyond another, ascending, each once. */
  readonly #lengths: Int32Array
  /** Bit n: some length is n modulo 32. */
  readonly #lengthBits: number
  /** Power of two; slot → entry + 1, 0: free. */
  readonly #slots: Int32Array
  /** Of each entry its hash, where its bytes begin, and its number; behind the last one where they end. */
  readonly #entries: Int32Array
  readonly #bytes: Uint8Array
  /** Of the table: the empty text is part of every text, but never the whole of another. */
  readonly #lengthMax: number

  /** No two entries have the same bytes. */
  constructor(part: TextPart, entries: readonly TextEntry[]) {
    this.#part = part
    let total = 0
    let lengthBits = 0
    let lengthMax = 0
    for (const { bytes } of entries) {
      total += bytes.length
      lengthBits |= 1 << (bytes.length & 31)
      lengthMax = Math.max(lengthMax, bytes.length)
    }
    this.#lengthBits = lengthBits
    this.#lengthMax = lengthMax
    this.#lengths =
      part === 'whole' ? noLengths : Int32Array.from(new Set(entries.map(({ bytes }) => bytes.length))).sort()
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(entries.length * 2 + 1)))
    this.#entries = new Int32Array(entries.length * ENTRY + 2)
    this.#bytes = new Uint8Array(total)
    let at = 0
    for (const [entry, { bytes, id }] of entries.entries()) {
      this.#bytes.set(bytes, at)
      const hash = this.#hashOf(bytes)
      this.#entries.set([hash, at, id], entry * ENTRY)
      at += bytes.length
      this.#entries[(entry + 1) * ENTRY + START] = at
      let slot = spread(hash) & (this.#slots.length - 1)
      while (this.#slots[slot] !== 0) slot = (slot + 1) & (this.#slots.length - 1)
      this.#slots[slot] = entry + 1
    }
  }

  /** Writes the numbers of all that fit `bytes[start, end)` into `found` from `count` on; returns the new count. */
  find(bytes: Uint8Array, start: number, end: number, found: Int32Array, count: number): number {
    if (this.#part === 'start') return this.#findStarts(bytes, start, end, found, count)
    if (this.#part === 'end') return this.#findEnds(bytes, start, end, found, count)
    const length = end - start
    if (length > this.#lengthMax || (this.#lengthBits & (1 << (length & 31))) === 0) return count
    let hash = HASH_SEED
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at], HASH_FACTOR)
    const id = this.#lookUp(bytes, start, length, hash)
    if (id >= 0) found[count++] = id
    return count
  }

  #findStarts(bytes: Uint8Array, start: number, end: number, found: Int32Array, count: number): number {
    const lengths = this.#lengths
    let hash = HASH_SEED
    let at = start
    for (let index = 0; index < lengths.length; index++) {
      const length = lengths[index]
      if (length > end - start) break
      for (const stop = start + length; at < stop; at++) hash = Math.imul(hash ^ bytes[at], HASH_FACTOR)
      const id = this.#lookUp(bytes, start, length, hash)
      if (id >= 0) found[count++] = id
    }
    return count
  }

  #findEnds(bytes: Uint8Array, start: number, end: number, found: Int32Array, count: number): number {
    const lengths = this.#lengths
    let hash = HASH_SEED
    let at = end
    for (let index = 0; index < lengths.length; index++) {
      const length = lengths[index]
      if (length > end - start) break
      for (const stop = end - length; at > stop; ) hash = Math.imul(hash ^ bytes[--at], HASH_FACTOR)
      const id = this.#lookUp(bytes, at, length, hash)
      if (id >= 0) found[count++] = id
    }
    return count
  }

  /** The number of the entry with these bytes; -1: there is none. */
  #lookUp(bytes: Uint8Array, at: number, length: number, hash: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = spread(hash) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const entry = (slots[slot] - 1) * ENTRY
      if (this.#entries[entry] === hash && this.#isEqual(entry, bytes, at, length))
        return this.#entries[entry + ID]
    }
    return -1
  }

  #isEqual(entry: number, bytes: Uint8Array, at: number, length: number): boolean {
    const start = this.#entries[entry + START]
    if (this.#entries[entry + ENTRY + START] - start !== length) return false
    for (let index = 0; index < length; index++)
      if (this.#bytes[start + index] !== bytes[at + index]) return false
    return true
  }

  #hashOf(bytes: Uint8Array): number {
    let hash = HASH_SEED
    if (this.#part === 'end') {
      for (let at = bytes.length; at > 0; ) hash = Math.imul(hash ^ bytes[--at], HASH_FACTOR)
    } else {
      for (let at = 0; at < bytes.length; at++) hash = Math.imul(hash ^ bytes[at], HASH_FACTOR)
    }
    return hash
  }
}

const ENTRY = 3
const START = 1
const ID = 2
const noLengths = new Int32Array(0)

// FNV-1a of 32 bits (draft-eastlake-fnv).
const HASH_SEED = 0x811c9dc5 | 0
const HASH_FACTOR = 0x01000193

/** The low bits, which choose the slot, take in the high ones. */
function spread(hash: number): number {
  return hash ^ (hash >>> 15)
}
