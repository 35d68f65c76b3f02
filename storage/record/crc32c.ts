/**
 * CRC-32C (Castagnoli), the checksum of a record batch, in plain JavaScript.
 *
 * Whoever checks or builds batches is handed a {@link Crc32c}: Node entry points hand in a native one
 * (5 GB/s), browsers {@link crc32cTable} (about 1 GB/s). Both give the same number for the same bytes.
 */

/** The unsigned 32-bit CRC-32C of all the bytes. Pure; must not keep the array. */
export type Crc32c = (bytes: Uint8Array) => number

/** The polynomial 0x1EDC6F41, bits reversed, as every byte-wise implementation needs it. */
const POLYNOMIAL = 0x82f63b78

/**
 * Eight tables of 256 entries: table k holds what a byte contributes when k further bytes follow it.
 * With them eight bytes are taken per step ("slicing by 8") instead of one, which is three times as fast.
 */
const tables = buildTables()

function buildTables(): Int32Array {
  const built = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0)
    built[byte] = crc
  }
  for (let index = 256; index < built.length; index++) {
    const shorter = built[index - 256]
    built[index] = (shorter >>> 8) ^ built[shorter & 0xff]
  }
  return built
}

/** CRC-32C by table, unsigned 32 bit. For browsers, and for Node where the native module is missing. */
export function crc32cTable(bytes: Uint8Array): number {
  const length = bytes.length
  const sliced = length - (length % 8)
  let crc = -1
  let at = 0
  for (; at < sliced; at += 8) {
    crc ^= bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
    crc =
      tables[0x700 | (crc & 0xff)] ^
      tables[0x600 | ((crc >>> 8) & 0xff)] ^
      tables[0x500 | ((crc >>> 16) & 0xff)] ^
      tables[0x400 | (crc >>> 24)] ^
      tables[0x300 | bytes[at + 4]] ^
      tables[0x200 | bytes[at + 5]] ^
      tables[0x100 | bytes[at + 6]] ^
      tables[bytes[at + 7]]
  }
  for (; at < length; at++) crc = tables[(crc ^ bytes[at]) & 0xff] ^ (crc >>> 8)
  return ~crc >>> 0
}
