/**
 * The text of JSON strings as bytes that can be compared: UTF-8, and half a surrogate pair, which JSON can
 * escape but UTF-8 cannot write, as the three bytes that UTF-8's rule would give it. So bytes are equal
 * exactly where texts are, and a text begins with another exactly where its bytes do (whole characters).
 */

const encoder = new TextEncoder()
/** By the flag `u`, pairs are one character, which this is not. */
const halfOfPair = /\p{Surrogate}/u

/** The bytes of a text. */
export function textBytes(text: string): Uint8Array {
  if (!halfOfPair.test(text)) return encoder.encode(text)
  const bytes = new Uint8Array(text.length * 3)
  let at = 0
  // Iteration gives pairs together and halves alone.
  for (const character of text) at = writeCodePoint(bytes, at, character.codePointAt(0) ?? 0)
  return bytes.slice(0, at)
}

/**
 * Writes what a checked JSON string between its quotes, `bytes[start, end)`, stands for, at the start of `into`, which
 * has room for as many bytes as the string has. Returns how many there are.
 */
export function unescapeInto(bytes: Uint8Array, start: number, end: number, into: Uint8Array): number {
  let filled = 0
  let at = start
  while (at < end) {
    const byte = bytes[at]
    if (byte !== BACKSLASH) {
      into[filled++] = byte
      at++
      continue
    }
    const letter = bytes[at + 1]
    at += 2
    if (letter !== LETTER_U) {
      into[filled++] = shortEscapes[letter]
      continue
    }
    let point = hexOf(bytes, at)
    at += 4
    if (
      point >= 0xd800 &&
      point < 0xdc00 &&
      at + 6 <= end &&
      bytes[at] === BACKSLASH &&
      bytes[at + 1] === LETTER_U
    ) {
      const low = hexOf(bytes, at + 2)
      if (low >= 0xdc00 && low < 0xe000) {
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00)
        at += 6
      }
    }
    filled = writeCodePoint(into, filled, point)
  }
  return filled
}

const BACKSLASH = 0x5c
const LETTER_U = 0x75

const shortEscapes = new Uint8Array(256)
for (const [letter, text] of Object.entries({
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  '"': '"',
  '\\': '\\',
  '/': '/',
})) {
  shortEscapes[letter.charCodeAt(0)] = text.charCodeAt(0)
}

function hexOf(bytes: Uint8Array, at: number): number {
  return (
    (hexDigit(bytes[at]) << 12) |
    (hexDigit(bytes[at + 1]) << 8) |
    (hexDigit(bytes[at + 2]) << 4) |
    hexDigit(bytes[at + 3])
  )
}

function hexDigit(byte: number): number {
  return byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x57
}

function writeCodePoint(bytes: Uint8Array, at: number, point: number): number {
  if (point < 0x80) {
    bytes[at++] = point
    return at
  }
  if (point < 0x800) {
    bytes[at++] = 0xc0 | (point >> 6)
  } else {
    if (point < 0x10000) {
      bytes[at++] = 0xe0 | (point >> 12)
    } else {
      bytes[at++] = 0xf0 | (point >> 18)
      bytes[at++] = 0x80 | ((point >> 12) & 0x3f)
    }
    bytes[at++] = 0x80 | ((point >> 6) & 0x3f)
  }
  bytes[at++] = 0x80 | (point & 0x3f)
  return at
}
