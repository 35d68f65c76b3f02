/**
 * What a damaged directory said. One flipped bit is found by the checksum itself, and then all is known;
 * of more damage the payload still tells which offsets its batches have.
 *
 * Used at start, to know what a value held and which offsets were given out; bytes are served only as
 * they were written.
 */
import { baseOffsetAt, lastOffsetDeltaAt, MAGIC, magicAt, nextBatchEnd } from '../record/batch-header.ts'
import type { Crc32c } from '../record/crc32c.ts'
import { hasGoodCrc } from './batch-walk.ts'
import { directoryCrc, ENTRY_BYTES, EntryKind, VALUE_HEADER_BYTES } from './value.ts'

/** As in `crc32c.ts`: what one more bit of message does to a checksum whose lowest bit is set. */
const POLYNOMIAL = 0x82f63b78
const COUNT_AT = 12
const CRC_AT = 28

/**
 * Flips the one bit back with which header and directory have the checksum they say; false, with nothing
 * changed, if there is none. Whether they make sense then is for `readDirectory` to say.
 */
export function correctBit(value: Uint8Array, crc32c: Crc32c): boolean {
  if (value.length < VALUE_HEADER_BYTES) return false
  const data = new DataView(value.buffer, value.byteOffset, value.byteLength)
  const count = data.getUint32(COUNT_AT)
  const countFits = VALUE_HEADER_BYTES + count * ENTRY_BYTES <= value.length
  if (countFits) {
    const syndrome = (data.getUint32(CRC_AT) ^ directoryCrc(value, count, crc32c)) >>> 0
    // The checksum itself: one bit of it is not what all the rest says.
    if (syndrome !== 0 && (syndrome & (syndrome - 1)) === 0) {
      data.setUint32(CRC_AT, (data.getUint32(CRC_AT) ^ syndrome) >>> 0)
      return true
    }
    const bit = bitOf(syndrome, VALUE_HEADER_BYTES + count * ENTRY_BYTES)
    const byte = bit >> 3
    if (bit >= 0 && (byte < CRC_AT || byte >= CRC_AT + 4)) {
      value[byte] ^= 1 << (bit & 7)
      return true
    }
  }
  // The count says how far the checksum reaches: with a wrong one the calculation above means nothing.
  for (let shift = 0; shift < 32; shift++) {
    const other = (count ^ (1 << shift)) >>> 0
    if (VALUE_HEADER_BYTES + other * ENTRY_BYTES > value.length) continue
    data.setUint32(COUNT_AT, other)
    if (data.getUint32(CRC_AT) === directoryCrc(value, other, crc32c)) return true
    data.setUint32(COUNT_AT, count)
  }
  return false
}

/** The bit (8 × byte + bit) of a message of so many bytes whose flip changes its CRC-32C by `syndrome`; -1: none. */
export function bitOf(syndrome: number, bytes: number): number {
  let change = 1
  for (let byte = bytes - 1; byte >= 0; byte--)
    for (let bit = 7; bit >= 0; bit--) {
      change = (change >>> 1) ^ (change & 1 ? POLYNOMIAL : 0)
      if (change >>> 0 === syndrome) return byte * 8 + bit
    }
  return -1
}

/** The end is exclusive. */
export interface OffsetRange {
  readonly baseOffset: number
  readonly endOffset: number
}

/** What is known of a value whose directory cannot be read. */
export type Payload =
  /** Its batches, all of them intact, by ascending base offset; whose they are is not known. */
  | { readonly kind: 'batches'; readonly batches: readonly OffsetRange[] }
  /** It had entries without a payload. */
  | { readonly kind: 'controls' }
  | { readonly kind: 'unknown' }

/**
 * Finds the batches of a value without its entries: they fill it from the end of the directory on. Where that is, the
 * count says, or, where the count is wrong, what still looks like entries: the tail of a payload would do for neither.
 */
export function payloadOf(value: Uint8Array, crc32c: Crc32c): Payload {
  if (value.length >= VALUE_HEADER_BYTES) {
    const count = new DataView(value.buffer, value.byteOffset, value.byteLength).getUint32(COUNT_AT)
    const batches = batchesFrom(value, VALUE_HEADER_BYTES + count * ENTRY_BYTES, crc32c)
    if (batches) return { kind: 'batches', batches }
  }
  let at = VALUE_HEADER_BYTES
  for (; at + ENTRY_BYTES <= value.length && looksLikeEntry(value, at, true); at += ENTRY_BYTES) {
    const batches = batchesFrom(value, at + ENTRY_BYTES, crc32c)
    if (batches) return { kind: 'batches', batches }
  }
  return { kind: looksLikeControls(value) ? 'controls' : 'unknown' }
}

function batchesFrom(value: Uint8Array, start: number, crc32c: Crc32c): OffsetRange[] | undefined {
  if (start <= VALUE_HEADER_BYTES || start >= value.length) return undefined
  const batches: OffsetRange[] = []
  for (let at = start; at < value.length; ) {
    const end = nextBatchEnd(value, at, value.length)
    if (end < 0 || magicAt(value, at) !== MAGIC || lastOffsetDeltaAt(value, at) < 0) return undefined
    if (!hasGoodCrc(value, at, end, crc32c)) return undefined
    const baseOffset = baseOffsetAt(value, at)
    batches.push({ baseOffset, endOffset: baseOffset + lastOffsetDeltaAt(value, at) + 1 })
    at = end
  }
  return batches.sort((a, b) => a.baseOffset - b.baseOffset)
}

function looksLikeControls(value: Uint8Array): boolean {
  if (value.length % ENTRY_BYTES !== VALUE_HEADER_BYTES || value.length === VALUE_HEADER_BYTES) return false
  for (let at = VALUE_HEADER_BYTES; at < value.length; at += ENTRY_BYTES)
    if (!looksLikeEntry(value, at, false)) return false
  return true
}

function looksLikeEntry(value: Uint8Array, at: number, isRun: boolean): boolean {
  const kind = value[at]
  const fits = isRun ? kind === EntryKind.run : kind > EntryKind.run && kind <= EntryKind.topicDrop
  return fits && value[at + 1] === 0 && value[at + 2] === 0 && value[at + 3] === 0
}
