/**
 * Reads one JSON text (RFC 8259, UTF-8) in a single pass over its bytes and tells a sink of the fields it has
 * asked for. It says yes to exactly the bytes that are valid UTF-8 and that JSON.parse takes, however deeply
 * they are nested: depth costs one number a level of a list that grows, not stack. Nothing is allocated for a
 * text that is no deeper than one before, and no string is made.
 *
 * What the sink hears of a text that turns out not to be JSON is to be forgotten.
 */
import { utf8SequenceBytes } from './utf8-sequence.ts'
import { wordViewOf } from './word-view.ts'

/** What is wanted below a node: the fields of objects, scalars. */
export const WANTS_FIELDS = 1
export const WANTS_SCALARS = 2

/**
 * Who hears of a text. A node is a number of the sink's for a place among the fields: the value of a field, and each
 * element of an array that is the value. 0 is the place where nothing is wanted.
 */
export interface JsonSink {
  /** By node: WANTS_FIELDS | WANTS_SCALARS. */
  readonly wants: Uint8Array
  /** An object begins that wants fields. */
  enter(node: number): void
  /** The node of one of its fields. The name is what stands between the quotes. */
  field(node: number, bytes: Uint8Array, start: number, end: number, escaped: boolean): number
  /** It has ended. */
  leave(node: number): void
  /** What stands between the quotes. */
  string(node: number, bytes: Uint8Array, start: number, end: number, escaped: boolean): void
  number(node: number, bytes: Uint8Array, start: number, end: number): void
  /** Its first letter: t, f or n. */
  literal(node: number, letter: number): void
}

export class JsonScanner {
  /** Of each open container: its node · 2, + 1 for an array. */
  #stack: Int32Array = new Int32Array(64)
  /** Whether the string that was read to its end last has escapes. */
  #escaped = false

  /** Whether `bytes[at, end)` is a JSON text; `root` is the node of it. */
  scan(bytes: Uint8Array, at: number, end: number, root: number, sink: JsonSink): boolean {
    const view = wordViewOf(bytes)
    const wants = sink.wants
    let stack: Int32Array = this.#stack
    let depth = 0
    let node = root
    let inObject = false

    for (;;) {
      if (inObject) {
        if (at < end && bytes[at] <= SPACE) at = behindSpace(bytes, at, end)
        if (at >= end || bytes[at] !== QUOTE) return false
        const start = at + 1
        at = plainEnd(bytes, view, start, end)
        if (at >= end) return false
        let escaped = false
        if (bytes[at] !== QUOTE) {
          at = this.#stringEnd(bytes, view, at, end)
          if (at < 0) return false
          escaped = this.#escaped
        }
        node = stack[depth - 1] >> 1
        if (node !== 0) node = sink.field(node, bytes, start, at, escaped)
        at++
        if (at < end && bytes[at] <= SPACE) at = behindSpace(bytes, at, end)
        if (at >= end || bytes[at] !== COLON) return false
        at++
      }

      if (at < end && bytes[at] <= SPACE) at = behindSpace(bytes, at, end)
      if (at >= end) return false
      const byte = bytes[at]
      if (byte === QUOTE) {
        const start = at + 1
        at = plainEnd(bytes, view, start, end)
        if (at >= end) return false
        let escaped = false
        if (bytes[at] !== QUOTE) {
          at = this.#stringEnd(bytes, view, at, end)
          if (at < 0) return false
          escaped = this.#escaped
        }
        if ((wants[node] & WANTS_SCALARS) !== 0) sink.string(node, bytes, start, at, escaped)
        at++
      } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        if (depth === stack.length) stack = this.#deeper()
        inObject = byte === OPEN_OBJECT
        if (inObject) {
          if ((wants[node] & WANTS_FIELDS) === 0) node = 0
          else sink.enter(node)
        }
        stack[depth++] = (node << 1) | (inObject ? 0 : 1)
        at++
        if (at < end && bytes[at] <= SPACE) at = behindSpace(bytes, at, end)
        if (at >= end) return false
        // An empty one is closed below.
        if (bytes[at] !== (inObject ? CLOSE_OBJECT : CLOSE_ARRAY)) continue
      } else if (byte === LETTER_T || byte === LETTER_F || byte === LETTER_N) {
        const length = literalBytes(bytes, at, end)
        if (length === 0) return false
        if ((wants[node] & WANTS_SCALARS) !== 0) sink.literal(node, byte)
        at += length
      } else {
        const start = at
        at = numberEnd(bytes, view, at, end)
        if (at < 0) return false
        if ((wants[node] & WANTS_SCALARS) !== 0) sink.number(node, bytes, start, at)
      }

      // Behind a value, or in an empty container: close what ends here.
      for (;;) {
        if (at < end && bytes[at] <= SPACE) at = behindSpace(bytes, at, end)
        if (depth === 0) return at === end
        if (at >= end) return false
        const container = stack[depth - 1]
        const next = bytes[at++]
        inObject = (container & 1) === 0
        if (next === COMMA) {
          node = container >> 1
          break
        }
        if (next !== (inObject ? CLOSE_OBJECT : CLOSE_ARRAY)) return false
        depth--
        if (inObject && container !== 0) sink.leave(container >> 1)
      }
    }
  }

  /** The position of the quote that ends a string, from something else in it that is not plain; -1: it is no string. */
  #stringEnd(bytes: Uint8Array, view: DataView, at: number, end: number): number {
    this.#escaped = false
    for (;;) {
      const byte = bytes[at]
      if (byte === QUOTE) return at
      let length = 0
      if (byte === BACKSLASH) {
        this.#escaped = true
        length = escapeBytes(bytes, at, end)
      } else if (byte >= 0x80) {
        length = utf8SequenceBytes(bytes, at, end)
      }
      if (length === 0) return -1
      at = plainEnd(bytes, view, at + length, end)
      if (at >= end) return -1
    }
  }

  #deeper(): Int32Array {
    const stack = new Int32Array(this.#stack.length * 2)
    stack.set(this.#stack)
    this.#stack = stack
    return stack
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const LETTER_T = 0x74
const LETTER_F = 0x66
const LETTER_N = 0x6e
const MINUS = 0x2d
const PLUS = 0x2b
const POINT = 0x2e
const ZERO = 0x30

const SPACE = 0x20

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function behindSpace(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && isSpace(bytes[at])) at++
  return at
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 0x39
}

/** Whether a byte stands for itself in a string and needs no look. */
function isPlain(byte: number): boolean {
  return byte > 0x1f && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH
}

/**
 * The first position from `at` on whose byte is not plain; `end` if there is none. Four bytes are looked at together: in each
 * of them a subtraction brings out the high bit, if it is one of those looked for. It may do so in a byte behind
 * such a one as well, from which it borrows, but the first is right.
 */
function plainEnd(bytes: Uint8Array, view: DataView, at: number, end: number): number {
  for (; at <= end - 4; at += 4) {
    const four = view.getInt32(at, true)
    const quotes = (four ^ (QUOTE * EACH)) - EACH
    const backslashes = (four ^ (BACKSLASH * EACH)) - EACH
    const others = (quotes | backslashes | (four - SPACE * EACH) | four) & HIGH_BITS
    if (others !== 0) return at + firstOf(others)
  }
  while (at < end && isPlain(bytes[at])) at++
  return at
}

/** The first position from `at` on whose byte is no digit; `end` if there is none. */
function digitsEnd(bytes: Uint8Array, view: DataView, at: number, end: number): number {
  for (; at <= end - 4; at += 4) {
    // Digits become 0 to 9; with 0x76 more, what is above 9 has the high bit.
    const four = view.getInt32(at, true) ^ (ZERO * EACH)
    const others = ((four + 0x76 * EACH) | four) & HIGH_BITS
    if (others !== 0) return at + firstOf(others)
  }
  while (at < end && isDigit(bytes[at])) at++
  return at
}

/** One in each of four bytes. */
const EACH = 0x01010101
const HIGH_BITS = 0x80808080 | 0

/** Which of four bytes, the lowest first, is the first with its high bit set. */
function firstOf(highBits: number): number {
  return (31 - Math.clz32(highBits & -highBits)) >> 3
}

function isHexDigit(byte: number): boolean {
  return isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66)
}

/** Bytes of the escape at a backslash; 0: it is none. */
function escapeBytes(bytes: Uint8Array, at: number, end: number): number {
  if (at + 1 >= end) return 0
  switch (bytes[at + 1]) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // slash
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return 2
    case 0x75: // u
      if (at + 5 >= end) return 0
      for (let digit = at + 2; digit < at + 6; digit++) if (!isHexDigit(bytes[digit])) return 0
      return 6
    default:
      return 0
  }
}

/** Bytes of `true`, `false` or `null`; 0: it is none of them. */
function literalBytes(bytes: Uint8Array, at: number, end: number): number {
  const literal =
    bytes[at] === LETTER_T ? literals.true : bytes[at] === LETTER_F ? literals.false : literals.null
  if (at + literal.length > end) return 0
  for (let index = 1; index < literal.length; index++) if (bytes[at + index] !== literal[index]) return 0
  return literal.length
}

const literals = {
  true: Uint8Array.from('true', (letter) => letter.charCodeAt(0)),
  false: Uint8Array.from('false', (letter) => letter.charCodeAt(0)),
  null: Uint8Array.from('null', (letter) => letter.charCodeAt(0)),
}

/** The position behind the number at `at`; -1: it is none. What follows it is not looked at. */
function numberEnd(bytes: Uint8Array, view: DataView, at: number, end: number): number {
  if (bytes[at] === MINUS) at++
  if (at >= end) return -1
  if (bytes[at] === ZERO) at++
  else {
    const start = at
    at = digitsEnd(bytes, view, at, end)
    if (at === start) return -1
  }
  if (at < end && bytes[at] === POINT) {
    const start = ++at
    at = digitsEnd(bytes, view, at, end)
    if (at === start) return -1
  }
  if (at < end && (bytes[at] | 0x20) === 0x65) {
    at++
    if (at < end && (bytes[at] === PLUS || bytes[at] === MINUS)) at++
    const start = at
    at = digitsEnd(bytes, view, at, end)
    if (at === start) return -1
  }
  return at
}
