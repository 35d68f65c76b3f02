/**
 * Zig-zag varints, the integers inside a record: how many bytes they take, writing them, reading them.
 *
 *     zig-zag:  0 → 0, -1 → 1, 1 → 2, -2 → 3, …   (2n for n ≥ 0, -2n - 1 for n < 0)
 *     varint:   seven bits a byte, lowest first, the high bit set on every byte but the last
 *
 * A "varint" holds 32 bits in 1 to 5 bytes, a "varlong" 64 bits in 1 to 10. Varlongs are JavaScript
 * numbers here, so only those within ±(2^53 - 1) are written or accepted. No `BigInt`: it would cost an
 * allocation per record.
 */

/**
 * Bytes the varint of a 32-bit integer takes: 1 to 5. With b significant bits that is b / 7 rounded up,
 * at least 1, which for b ≤ 32 equals (9b + 64) >> 6: no division and no branch.
 */
export function varintBytes(value: number): number {
  return (352 - 9 * Math.clz32((value << 1) ^ (value >> 31))) >> 6
}

/** Writes the varint of a 32-bit integer; returns the position after it. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = (value << 1) ^ (value >> 31)
  // The array keeps the lowest eight bits of what is stored.
  for (; rest >>> 0 > 0x7f; rest >>>= 7) bytes[at++] = rest | 0x80
  bytes[at++] = rest
  return at
}

/** Bytes the varlong of a safe integer takes: 1 to 8. */
export function varlongBytes(value: number): number {
  return value === (value | 0) ? varintBytes(value) : wideVarlongBytes(value)
}

/** Writes the varlong of a safe integer; returns the position after it. */
export function writeVarlong(bytes: Uint8Array, at: number, value: number): number {
  return value === (value | 0) ? writeVarint(bytes, at, value) : writeWideVarlong(bytes, at, value)
}

// The wide ones are functions of their own so that the common ones stay small enough to be inlined.

function wideVarlongBytes(value: number): number {
  let bytes = 1
  for (let rest = Math.floor(magnitude(value) / 64); rest > 0; rest = Math.floor(rest / 128)) bytes++
  return bytes
}

function writeWideVarlong(bytes: Uint8Array, at: number, value: number): number {
  // Doubling could pass 2^53 and lose the sign bit, so the sign goes into the first byte on its own.
  let low = ((magnitude(value) % 64) << 1) | (value < 0 ? 1 : 0)
  let rest = Math.floor(magnitude(value) / 64)
  while (rest > 0) {
    bytes[at++] = low | 0x80
    low = rest % 128
    rest = Math.floor(rest / 128)
  }
  bytes[at++] = low
  return at
}

/** What zig-zag doubles: n for n ≥ 0, -n - 1 for n < 0. */
function magnitude(value: number): number {
  return value < 0 ? -value - 1 : value
}

/**
 * Reads varints of any length from a range of bytes and says where each ended. Hot loops read one-byte
 * varints themselves and come here for the others. It never reads at or behind the `end` it is given.
 */
export class VarintReader {
  /** Position after the varint read last; -1 when that was damaged: cut off, too long or too large. */
  next = 0

  /** A 32-bit integer, or 0 with `next` = -1. */
  readVarint(bytes: Uint8Array, at: number, end: number): number {
    let zigzag = 0
    for (let shift = 0; shift < 35 && at < end; shift += 7) {
      const byte = bytes[at++]
      zigzag |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        // The fifth byte has room for four bits only: 28 + 4 = 32.
        if (shift === 28 && byte > 0x0f) break
        this.next = at
        return (zigzag >>> 1) ^ -(zigzag & 1)
      }
    }
    this.next = -1
    return 0
  }

  /** A safe integer out of up to 64 bits, or 0 with `next` = -1. */
  readVarlong(bytes: Uint8Array, at: number, end: number): number {
    let value = 0
    let sign = 0
    let scale = 64
    for (let index = 0; index < 10 && at < end; index++) {
      const byte = bytes[at++]
      if (index === 0) {
        sign = byte & 1
        value = (byte & 0x7f) >>> 1
      } else {
        value += (byte & 0x7f) * scale
        scale *= 128
      }
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER - sign) break
        this.next = at
        return sign === 0 ? value : -value - 1
      }
    }
    this.next = -1
    return 0
  }
}

/** The varint at a position where one was checked before. */
export function varintAt(bytes: Uint8Array, at: number): number {
  let zigzag = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]
    zigzag |= (byte & 0x7f) << shift
    if (byte < 0x80) return (zigzag >>> 1) ^ -(zigzag & 1)
  }
}

/** The position after such a varint. */
export function varintEndAt(bytes: Uint8Array, at: number): number {
  while (bytes[at] >= 0x80) at++
  return at + 1
}
