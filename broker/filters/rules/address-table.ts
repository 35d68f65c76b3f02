/**
 * Many blocks of IP addresses (CIDR, RFC 4632), each with a number: which of them hold the address that a text
 * writes. Two blocks never overlap by halves, one holds the other or they are apart; so sorted by their first
 * address, the blocks that hold an address are the last one which begins before it, or one around that, and all
 * that are around that one.
 */
import { parseIpAddress } from '../ip-address.ts'

export interface AddressBlock {
  /** 4 or 16; those behind the prefix are of no account. */
  readonly bytes: Uint8Array
  readonly prefixBits: number
  readonly id: number
}

export class AddressTable {
  readonly #families: { readonly 4: AddressFamily; readonly 16: AddressFamily }
  readonly #address = new Uint8Array(16)

  constructor(blocks: readonly AddressBlock[]) {
    this.#families = {
      4: new AddressFamily(
        4,
        blocks.filter(({ bytes }) => bytes.length === 4),
      ),
      16: new AddressFamily(
        16,
        blocks.filter(({ bytes }) => bytes.length === 16),
      ),
    }
  }

  /** As of a text table. Makes a short string of what may be an address, of nothing else. */
  find(bytes: Uint8Array, start: number, end: number, found: Int32Array, count: number): number {
    if (end - start > TEXT_BYTES_MAX) return count
    let text = ''
    for (let at = start; at < end; at++) {
      if (addressLetters[bytes[at]] === 0) return count
      text += String.fromCharCode(bytes[at])
    }
    const length = parseIpAddress(text, this.#address)
    return length === 0 ? count : this.#families[length].find(this.#address, found, count)
  }
}

/** No longer is any text of an address. */
const TEXT_BYTES_MAX = 45
const addressLetters = new Uint8Array(256)
for (const letter of '0123456789abcdefABCDEF.:') addressLetters[letter.charCodeAt(0)] = 1

/** The blocks of one length of address. */
class AddressFamily {
  readonly #length: number
  readonly #prefixBits: Int32Array
  /** The smallest other block around a block, which stands before it; -1: there is none. */
  readonly #around: Int32Array
  readonly #ids: Int32Array
  /** First addresses one behind the other, ascending; of equal ones the larger block first. */
  readonly #firsts: Uint8Array

  constructor(length: 4 | 16, blocks: readonly AddressBlock[]) {
    const sorted = blocks
      .map(({ bytes, prefixBits, id }) => ({ first: firstOf(bytes, prefixBits), prefixBits, id }))
      .sort((a, b) => compare(a.first, 0, b.first, 0, length) || a.prefixBits - b.prefixBits)
    this.#length = length
    this.#prefixBits = Int32Array.from(sorted, ({ prefixBits }) => prefixBits)
    this.#ids = Int32Array.from(sorted, ({ id }) => id)
    this.#around = new Int32Array(sorted.length)
    this.#firsts = new Uint8Array(sorted.length * length)
    for (const [index, { first }] of sorted.entries()) {
      this.#firsts.set(first, index * length)
      let around = index - 1
      while (around >= 0 && !this.#holds(around, first)) around = this.#around[around]
      this.#around[index] = around
    }
  }

  find(address: Uint8Array, found: Int32Array, count: number): number {
    let low = 0
    let high = this.#ids.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (compare(this.#firsts, middle * this.#length, address, 0, this.#length) <= 0) low = middle + 1
      else high = middle
    }
    let block = low - 1
    while (block >= 0 && !this.#holds(block, address)) block = this.#around[block]
    for (; block >= 0; block = this.#around[block]) found[count++] = this.#ids[block]
    return count
  }

  #holds(block: number, address: Uint8Array): boolean {
    const bits = this.#prefixBits[block]
    const at = block * this.#length
    const whole = bits >> 3
    for (let index = 0; index < whole; index++) if (this.#firsts[at + index] !== address[index]) return false
    const mask = (0xff00 >> (bits & 7)) & 0xff
    return mask === 0 || ((this.#firsts[at + whole] ^ address[whole]) & mask) === 0
  }
}

function firstOf(bytes: Uint8Array, prefixBits: number): Uint8Array {
  return bytes.map(
    (byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, prefixBits - index * 8))) & 0xff,
  )
}

function compare(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, length: number): number {
  for (let index = 0; index < length; index++) {
    const difference = a[aAt + index] - b[bAt + index]
    if (difference !== 0) return difference
  }
  return 0
}
