/**
 * Finds the one flipped bit that explains a wrong CRC-32C, if one does.
 *
 * A checksum is linear: what a flipped bit changes in it depends only on how many bytes follow. So one pass over
 * the bytes from the end tells whether, and which, single bit would make it right. Pure.
 */
import { crc32cTable } from '../record/crc32c.ts'

/** What bit `bit` of the last byte changes in the checksum. */
const lastByte = Array.from(
  { length: 8 },
  (_, bit) => (crc32cTable(new Uint8Array([0])) ^ crc32cTable(new Uint8Array([1 << bit]))) >>> 0,
)
/** What a checksum becomes, in its differences, when one more byte follows. */
const shifted = Uint32Array.from(
  { length: 256 },
  (_, byte) => (crc32cTable(new Uint8Array([0])) ^ crc32cTable(new Uint8Array([byte]))) >>> 0,
)

/**
 * Number of the bit (8 × byte + bit) that has to be turned in `length` bytes for their checksum to become `stored`;
 * -1: the stored checksum itself has the flipped bit; undefined: no single bit explains it.
 */
export function singleBit(length: number, computed: number, stored: number): number | undefined {
  const difference = (computed ^ stored) >>> 0
  if (difference === 0) return undefined
  if ((difference & (difference - 1)) === 0) return -1
  const effects = [...lastByte]
  for (let byte = length - 1; byte >= 0; byte--) {
    for (let bit = 0; bit < 8; bit++) {
      if (effects[bit] === difference) return byte * 8 + bit
      effects[bit] = (shifted[effects[bit] & 0xff] ^ (effects[bit] >>> 8)) >>> 0
    }
  }
  return undefined
}
