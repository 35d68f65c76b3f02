/** Bytes that are text, one character at a time: what RFC 3629 allows and nothing else. */

/** Bytes of the well-formed UTF-8 sequence at a position whose byte is 0x80 or more; 0: there is none. Reads below `end` only. */
export function utf8SequenceBytes(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at]
  if (lead < 0xc2 || lead > 0xf4) return 0
  if (lead < 0xe0) return at + 1 < end && isContinuation(bytes[at + 1]) ? 2 : 0
  if (at + 2 >= end || !isContinuation(bytes[at + 2])) return 0
  const second = bytes[at + 1]
  if (lead < 0xf0) {
    // No longer form than needed (E0), no halves of surrogate pairs (ED).
    const low = lead === 0xe0 ? 0xa0 : 0x80
    const high = lead === 0xed ? 0x9f : 0xbf
    return second >= low && second <= high ? 3 : 0
  }
  if (at + 3 >= end || !isContinuation(bytes[at + 3])) return 0
  // No longer form than needed (F0), nothing behind U+10FFFF (F4).
  const low = lead === 0xf0 ? 0x90 : 0x80
  const high = lead === 0xf4 ? 0x8f : 0xbf
  return second >= low && second <= high ? 4 : 0
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80
}
