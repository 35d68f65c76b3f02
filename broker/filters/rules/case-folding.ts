/**
 * A form of text that is the same for all that can match one another when case is ignored, so that it can be
 * looked up: each character in lower case of its upper case. That two texts have it in common does not mean yet
 * that they match ({@link caseForms} decides), save when both are plain ASCII.
 */
import { textBytes } from '../json/json-text.ts'
import { utf8SequenceBytes } from '../json/utf8-sequence.ts'

/** Writes folded text into bytes of its own, which it uses again. */
export class CaseFolder {
  bytes = new Uint8Array(256)
  length = 0
  /** Whether the text folded last was ASCII. */
  isAscii = true

  /** Bytes that are no UTF-8 stay as they are. */
  fold(bytes: Uint8Array, start: number, end: number): void {
    if (this.bytes.length < end - start) this.bytes = new Uint8Array((end - start) * 2)
    const into = this.bytes
    for (let at = start; at < end; at++) {
      const byte = bytes[at]
      if (byte >= 0x80) {
        this.#foldWide(bytes, start, end, at)
        return
      }
      into[at - start] = lowerCase[byte]
    }
    this.length = end - start
    this.isAscii = true
  }

  /** As `fold`, where the first `at - start` bytes are done and something beyond ASCII follows. */
  #foldWide(bytes: Uint8Array, start: number, end: number, at: number): void {
    let filled = at - start
    while (at < end) {
      const byte = bytes[at]
      const length = byte < 0x80 ? 1 : utf8SequenceBytes(bytes, at, end)
      const form = length < 2 ? undefined : foldedForm(codePointAt(bytes, at, length))
      this.#makeRoom(filled, Math.max(form?.length ?? 0, 4))
      if (form !== undefined) {
        this.bytes.set(form, filled)
        filled += form.length
        at += length
      } else if (byte < 0x80) {
        this.bytes[filled++] = lowerCase[byte]
        at++
      } else {
        for (const stop = at + Math.max(length, 1); at < stop; ) this.bytes[filled++] = bytes[at++]
      }
    }
    this.length = filled
    this.isAscii = false
  }

  #makeRoom(filled: number, more: number): void {
    if (filled + more <= this.bytes.length) return
    const larger = new Uint8Array((filled + more) * 2)
    larger.set(this.bytes)
    this.bytes = larger
  }
}

const lowerCase = Uint8Array.from({ length: 128 }, (_, byte) =>
  byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte,
)

/** Of the characters beyond ASCII that were met: those that fold to something else, and to what. */
const folded = new Map<number, Uint8Array>()
/** A bit for each character that was met and folds to itself. */
const unchanged = new Uint8Array(0x110000 >> 3)

/** Undefined: it folds to itself. */
function foldedForm(point: number): Uint8Array | undefined {
  if ((unchanged[point >> 3] & (1 << (point & 7))) !== 0) return undefined
  const known = folded.get(point)
  if (known !== undefined) return known
  const character = String.fromCodePoint(point)
  const form = foldText(character)
  if (form === character) {
    unchanged[point >> 3] |= 1 << (point & 7)
    return undefined
  }
  const bytes = textBytes(form)
  folded.set(point, bytes)
  return bytes
}

/**
 * The same of a text, character by character: in lower case, of that the upper case, of that the lower one again. The first
 * is for the capital ẞ, whose upper case it is itself while that of ß is SS.
 */
export function foldText(text: string): string {
  return lowerCaseOf(lowerCaseOf(text).toUpperCase())
}

/** Of a whole text at once it would depend on what stands around a sigma. */
function lowerCaseOf(text: string): string {
  return Array.from(text, (character) => character.toLowerCase()).join('')
}

function codePointAt(bytes: Uint8Array, at: number, length: number): number {
  let point = bytes[at] & (0x7f >> length)
  for (let index = 1; index < length; index++) point = (point << 6) | (bytes[at + index] & 0x3f)
  return point
}
