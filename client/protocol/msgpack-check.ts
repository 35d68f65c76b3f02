/**
 * The gate before msgpackr: walks bytes of a stranger once and lets through only the part of msgpack
 * that `octopus.v1` speaks. What passes makes msgpackr do nothing but build plain values, in time and
 * memory proportional to the bytes. The walk itself neither allocates nor recurses.
 *
 * Let through: nil, booleans, integers within ±(2^53 - 1), floats, str of valid UTF-8, bin, array.
 * Refused: maps (a struct is an array), ext of every kind (msgpackr gives them powers: records, dates,
 * sets, references), the unused byte 0xc1, more than 16 arrays inside each other, a length beyond the
 * bytes that are left, bytes after the value, and a byte order mark in front of text, which some
 * decoders of UTF-8 drop and some keep.
 */
import { ErrorCode, ProtocolError } from './errors.ts'

/** Deepest nesting of arrays; the messages need six. */
export const DEPTH_MAX = 16

const PLAIN = 0
const INT64 = 1
const STR = 2
const BIN = 3
const ARRAY = 4
const MAP = 5
const EXT = 6
const UNUSED = 7

/** By first byte: what kind of value begins there. */
const kinds = new Uint8Array(256)
/** By first byte: its own byte and the number or length that follows at once. */
const prefixes = new Uint8Array(256).fill(1)

function tokens(kind: number, first: number, last: number, prefixBytes: number): void {
  kinds.fill(kind, first, last + 1)
  prefixes.fill(prefixBytes, first, last + 1)
}

tokens(MAP, 0x80, 0x8f, 1)
tokens(ARRAY, 0x90, 0x9f, 1)
tokens(STR, 0xa0, 0xbf, 1)
tokens(UNUSED, 0xc1, 0xc1, 1)
tokens(EXT, 0xc7, 0xc9, 1)
tokens(EXT, 0xd4, 0xd8, 1)
tokens(PLAIN, 0xca, 0xca, 5) // float 32
tokens(PLAIN, 0xcb, 0xcb, 9) // float 64
for (const [power, bytes] of [1, 2, 4].entries()) {
  tokens(BIN, 0xc4 + power, 0xc4 + power, 1 + bytes)
  tokens(PLAIN, 0xcc + power, 0xcc + power, 1 + bytes) // uint
  tokens(PLAIN, 0xd0 + power, 0xd0 + power, 1 + bytes) // int
  tokens(STR, 0xd9 + power, 0xd9 + power, 1 + bytes)
}
tokens(INT64, 0xcf, 0xcf, 9)
tokens(INT64, 0xd3, 0xd3, 9)
tokens(ARRAY, 0xdc, 0xdc, 3)
tokens(ARRAY, 0xdd, 0xdd, 5)
tokens(MAP, 0xde, 0xdf, 1)

/** Elements still to come at each depth. Shared by all walks: none calls out or awaits. */
const left = new Uint32Array(DEPTH_MAX + 1)

function refuse(at: number, sentence: string): never {
  throw new ProtocolError(ErrorCode.INVALID_REQUEST, `broken header at byte ${at}: ${sentence}`)
}

/** Throws {@link ProtocolError} INVALID_REQUEST unless `bytes` are exactly one value of the subset. */
export function checkMsgpack(bytes: Uint8Array): void {
  const end = bytes.length
  let at = 0
  let depth = 0
  left[0] = 1
  while (left[depth] > 0) {
    left[depth]--
    if (at >= end) refuse(at, 'the bytes end where a value was expected')
    const token = bytes[at]
    const kind = kinds[token]
    const next = at + prefixes[token]
    if (next > end) refuse(at, 'the bytes end inside a number')
    if (kind === PLAIN) at = next
    else if (kind === ARRAY) {
      const count = lengthOf(bytes, at, next)
      // An element has at least one byte, so this bounds every allocation msgpackr will make.
      if (count > end - next) refuse(at, `an array of ${count} elements, only ${end - next} bytes are left`)
      if (depth === DEPTH_MAX) refuse(at, `more than ${DEPTH_MAX} arrays inside each other`)
      left[++depth] = count
      at = next
    } else at = checkOther(bytes, at, kind, next)
    while (depth > 0 && left[depth] === 0) depth--
  }
  if (at < end) refuse(at, `${end - at} bytes after the end of the value`)
}

/** Checks the value at `at` that is neither plain nor an array; returns where the next one begins. */
function checkOther(bytes: Uint8Array, at: number, kind: number, next: number): number {
  if (kind === INT64) {
    const high = uint32(bytes, at + 1)
    const value = (bytes[at] === 0xd3 ? high | 0 : high) * 2 ** 32 + uint32(bytes, at + 5)
    if (!Number.isSafeInteger(value)) refuse(at, 'an integer beyond ±(2^53 - 1)')
    return next
  }
  if (kind === BIN || kind === STR) {
    const length = lengthOf(bytes, at, next)
    const room = bytes.length - next
    const name = kind === BIN ? 'bin' : 'str'
    if (length > room) refuse(at, `a ${name} of ${length} bytes, only ${room} are left`)
    if (kind === STR) checkUtf8(bytes, next, next + length)
    return next + length
  }
  if (kind === MAP) refuse(at, 'a map; a struct is an array of its fields')
  if (kind === EXT) refuse(at, 'an extension type; there are none in this protocol')
  refuse(at, 'the unused byte 0xc1')
}

/** The length a str, bin or array declares: in its first byte, or big endian in the bytes up to `next`. */
function lengthOf(bytes: Uint8Array, at: number, next: number): number {
  const token = bytes[at]
  if (next - at === 1) return token & (kinds[token] === STR ? 0x1f : 0x0f)
  let length = 0
  for (let i = at + 1; i < next; i++) length = length * 256 + bytes[i]
  return length
}

function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
}

/**
 * UTF-8 as RFC 3629 has it: shortest forms only, no surrogates, nothing above U+10FFFF.
 *
 * ```
 *  lead        bytes  first continuation byte
 *  00..7f      1
 *  c2..df      2      80..bf
 *  e0          3      a0..bf                     shorter forms exist below
 *  e1..ef      3      80..bf, ed: 80..9f         ed a0.. would be surrogates
 *  f0          4      90..bf                     shorter forms exist below
 *  f1..f4      4      80..bf, f4: 80..8f         above is no Unicode
 * ```
 */
function checkUtf8(bytes: Uint8Array, start: number, end: number): void {
  if (end - start >= 3 && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf)
    refuse(start, 'text that begins with a byte order mark')
  let at = start
  while (at < end) {
    const lead = bytes[at]
    if (lead < 0x80) {
      at++
      continue
    }
    const size =
      lead >= 0xc2 && lead <= 0xdf ? 2 : (lead & 0xf0) === 0xe0 ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0
    if (size === 0 || at + size > end) refuse(at, 'text that is not UTF-8')
    const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
    const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
    if (bytes[at + 1] < lowest || bytes[at + 1] > highest) refuse(at, 'text that is not UTF-8')
    for (let i = at + 2; i < at + size; i++)
      if ((bytes[i] & 0xc0) !== 0x80) refuse(at, 'text that is not UTF-8')
    at += size
  }
}
