/**
 * Reads one JSON text (RFC 8259, UTF-8) in a single pass over its bytes and tells a sink of the fields it has
 * asked for. It says yes to exactly the bytes that are valid UTF-8 and that JSON.parse takes, however deeply
 * they are nested: depth costs one number a level of a list that grows, not stack. Nothing is allocated for a
 * text that is no deeper than one before, and no string is made.
 *
 * What the sink hears of a text that turns out not to be JSON is to be forgotten.
 */
import { utf8SequenceBytes } from './utf8-sequence.ts'

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
  /** Of the string read last. */
  #escaped = false

  /** Whether `bytes[at, end)` is a JSON text; `root` is the node of it. */
  scan(bytes: Uint8Array, at: number, end: number, root: number, sink: JsonSink): boolean {
    const wants = sink.wants
    let stack: Int32Array = this.#stack
    let depth = 0
    let node = root
    let inObject = false

    for (;;) {
      if (inObject) {
        while (at < end && isSpace(bytes[at])) at++
        if (at >= end || bytes[at] !== QUOTE) return false
        const start = at + 1
        at = this.#string(bytes, start, end)
        if (at < 0) return false
        node = stack[depth - 1] >> 1
        if (node !== 0) node = sink.field(node, bytes, start, at, this.#escaped)
        at++
        while (at < end && isSpace(bytes[at])) at++
        if (at >= end || bytes[at] !== COLON) return false
        at++
      }

      while (at < end && isSpace(bytes[at])) at++
      if (at >= end) return false
      const byte = bytes[at]
      if (byte === QUOTE) {
        const start = at + 1
        at = this.#string(bytes, start, end)
        if (at < 0) return false
        if ((wants[node] & WANTS_SCALARS) !== 0) sink.string(node, bytes, start, at, this.#escaped)
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
        while (at < end && isSpace(bytes[at])) at++
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
        at = numberEnd(bytes, at, end)
        if (at < 0) return false
        if ((wants[node] & WANTS_SCALARS) !== 0) sink.number(node, bytes, start, at)
      }

      // Behind a value, or in an empty container: close what ends here.
      for (;;) {
        while (at < end && isSpace(bytes[at])) at++
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

  /** The position of the quote that ends the string which begins at `at`; -1: it is none. */
  #string(bytes: Uint8Array, at: number, end: number): number {
    this.#escaped = false
    for (;;) {
      while (at < end && stringClasses[bytes[at]] === PLAIN) at++
      if (at >= end) return -1
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
      at += length
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

const PLAIN = 0
/** Of bytes in strings: 0 for those that stand for themselves and need no look. */
const stringClasses = new Uint8Array(256)
stringClasses.fill(1, 0, 0x20)
stringClasses.fill(1, 0x80)
stringClasses[QUOTE] = 1
stringClasses[BACKSLASH] = 1

function isSpace(byte: number): boolean {
  return byte <= 0x20 && (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09)
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 0x39
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
function numberEnd(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at] === MINUS) at++
  if (at >= end) return -1
  if (bytes[at] === ZERO) at++
  else {
    const start = at
    while (at < end && isDigit(bytes[at])) at++
    if (at === start) return -1
  }
  if (at < end && bytes[at] === POINT) {
    const start = ++at
    while (at < end && isDigit(bytes[at])) at++
    if (at === start) return -1
  }
  if (at < end && (bytes[at] | 0x20) === 0x65) {
    at++
    if (at < end && (bytes[at] === PLUS || bytes[at] === MINUS)) at++
    const start = at
    while (at < end && isDigit(bytes[at])) at++
    if (at === start) return -1
  }
  return at
}
