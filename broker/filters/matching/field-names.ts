/**
 * The names of the fields that patterns ask for, as a tree: from a node (a place among the fields) and a name to
 * the node of that field. Names are compared as bytes, nothing is made of them. A node with few names compares
 * them one by one, one with many looks the name up.
 */
import { textBytes } from '../json/json-text.ts'

/** Up to that many names are compared one by one. */
const FEW_NAMES = 4

export class FieldNames {
  /** By node, and one more: its first name. */
  readonly #starts: Int32Array
  /** By node: bit n if a name has n bytes modulo 32. */
  readonly #lengthBits: Int32Array
  /** By node: where its slots begin, and one less than there are, a power of two; -1: it has few names. */
  readonly #slotStarts: Int32Array
  readonly #slotMasks: Int32Array
  /** Name + 1; 0: free. */
  readonly #slots: Int32Array
  /** By name. */
  readonly #children: Int32Array
  readonly #byteStarts: Int32Array
  readonly #bytes: Uint8Array

  /** `names[node]`: from a name to its node, if the node has fields. */
  constructor(names: readonly (ReadonlyMap<string, number> | undefined)[]) {
    this.#starts = new Int32Array(names.length + 1)
    this.#lengthBits = new Int32Array(names.length)
    this.#slotStarts = new Int32Array(names.length).fill(-1)
    this.#slotMasks = new Int32Array(names.length)
    const children: number[] = []
    const texts: Uint8Array[] = []
    const slots: number[] = []
    for (const [node, fields] of names.entries()) {
      const first = texts.length
      for (const [name, child] of fields ?? []) {
        const bytes = textBytes(name)
        this.#lengthBits[node] |= 1 << (bytes.length & 31)
        children.push(child)
        texts.push(bytes)
      }
      this.#starts[node + 1] = texts.length
      if (texts.length - first > FEW_NAMES) this.#makeSlots(node, first, texts, slots)
    }
    this.#slots = Int32Array.from(slots)
    this.#children = Int32Array.from(children)
    this.#byteStarts = new Int32Array(texts.length + 1)
    for (const [name, { length }] of texts.entries())
      this.#byteStarts[name + 1] = this.#byteStarts[name] + length
    this.#bytes = new Uint8Array(this.#byteStarts[texts.length])
    for (const [name, bytes] of texts.entries()) this.#bytes.set(bytes, this.#byteStarts[name])
  }

  #makeSlots(node: number, first: number, texts: readonly Uint8Array[], slots: number[]): void {
    const size = 2 ** Math.ceil(Math.log2((texts.length - first) * 2 + 1))
    const start = slots.length
    for (let slot = 0; slot < size; slot++) slots.push(0)
    for (let name = first; name < texts.length; name++) {
      let slot = hashOf(texts[name], 0, texts[name].length) & (size - 1)
      while (slots[start + slot] !== 0) slot = (slot + 1) & (size - 1)
      slots[start + slot] = name + 1
    }
    this.#slotStarts[node] = start
    this.#slotMasks[node] = size - 1
  }

  /** The node of the field; 0: nobody asks for it. */
  find(node: number, bytes: Uint8Array, start: number, end: number): number {
    const length = end - start
    if ((this.#lengthBits[node] & (1 << (length & 31))) === 0) return 0
    const slotStart = this.#slotStarts[node]
    if (slotStart < 0) {
      for (let name = this.#starts[node]; name < this.#starts[node + 1]; name++) {
        if (this.#isName(name, bytes, start, length)) return this.#children[name]
      }
      return 0
    }
    const mask = this.#slotMasks[node]
    let slot = hashOf(bytes, start, end) & mask
    for (;;) {
      const name = this.#slots[slotStart + slot] - 1
      if (name < 0) return 0
      if (this.#isName(name, bytes, start, length)) return this.#children[name]
      slot = (slot + 1) & mask
    }
  }

  #isName(name: number, bytes: Uint8Array, at: number, length: number): boolean {
    const start = this.#byteStarts[name]
    if (this.#byteStarts[name + 1] - start !== length) return false
    for (let index = 0; index < length; index++) {
      if (this.#bytes[start + index] !== bytes[at + index]) return false
    }
    return true
  }
}

/** FNV-1a of 32 bits, its high bits taken into the low ones. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at], 0x01000193)
  return hash ^ (hash >>> 15)
}
