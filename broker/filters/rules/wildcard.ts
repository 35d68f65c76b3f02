/**
 * One wildcard: literal texts with any text between them. Matching never goes back: the first literal lies at the
 * start, the last at the end, and each between them where it is found first, since a later place could only
 * leave less room for the others. Finding is Knuth, Morris and Pratt's, so the time is that of the text and
 * the pattern together, whatever the two are.
 */
import { textBytes } from '../json/json-text.ts'

export class Wildcard {
  /** Between the asterisks: one more than there are of them. The first and the last may be empty. */
  readonly literals: readonly Uint8Array[]
  /** Of the literals between the first and the last: the longest start that is also an end, for each length. */
  readonly #borders: readonly Int32Array[]
  readonly #bytesMin: number
  /** The text it is, if it has no asterisk. */
  readonly onlyText: string | undefined

  /** As written in a pattern: `\*` and `\\` are an asterisk and a backslash. */
  constructor(text: string) {
    const literals = literalsOf(text)
    this.onlyText = literals.length === 1 ? literals[0] : undefined
    this.literals = literals.map(textBytes)
    this.#borders = this.literals.slice(1, -1).map(bordersOf)
    this.#bytesMin = this.literals.reduce((sum, literal) => sum + literal.length, 0)
  }

  matches(bytes: Uint8Array, start: number, end: number): boolean {
    const literals = this.literals
    const first = literals[0]
    if (end - start < this.#bytesMin) return false
    if (literals.length === 1) return end - start === first.length && isAt(bytes, start, first)
    const last = literals[literals.length - 1]
    const stop = end - last.length
    if (!isAt(bytes, start, first) || !isAt(bytes, stop, last)) return false
    let at = start + first.length
    for (let index = 1; index < literals.length - 1; index++) {
      at = behindFirst(bytes, at, stop, literals[index], this.#borders[index - 1])
      if (at < 0) return false
    }
    return true
  }
}

function literalsOf(text: string): string[] {
  const literals = ['']
  for (let index = 0; index < text.length; index++) {
    if (text[index] === '*') literals.push('')
    else literals[literals.length - 1] += text[text[index] === '\\' ? ++index : index]
  }
  return literals
}

function isAt(bytes: Uint8Array, at: number, literal: Uint8Array): boolean {
  for (let index = 0; index < literal.length; index++) if (bytes[at + index] !== literal[index]) return false
  return true
}

function bordersOf(literal: Uint8Array): Int32Array {
  const borders = new Int32Array(literal.length)
  for (let index = 1, border = 0; index < literal.length; index++) {
    while (border > 0 && literal[index] !== literal[border]) border = borders[border - 1]
    if (literal[index] === literal[border]) border++
    borders[index] = border
  }
  return borders
}

/** The position behind the first place of the literal in `[at, end)`; -1: it is not there. */
function behindFirst(
  bytes: Uint8Array,
  at: number,
  end: number,
  literal: Uint8Array,
  borders: Int32Array,
): number {
  if (literal.length === 0) return at
  let matched = 0
  for (; at < end; at++) {
    const byte = bytes[at]
    while (matched > 0 && byte !== literal[matched]) matched = borders[matched - 1]
    if (byte === literal[matched] && ++matched === literal.length) return at + 1
  }
  return -1
}
