/** Unsigned little-endian integers, as LZ4, zstd and gzip write them. Positions must lie in the bytes. */

export function uint32LeAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0
}

/** Exact up to 2^53; beyond it is only known to be huge, which is all that anybody asks. */
export function uint64LeAt(bytes: Uint8Array, at: number): number {
  return uint32LeAt(bytes, at + 4) * 2 ** 32 + uint32LeAt(bytes, at)
}

export function setUint32Le(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}
