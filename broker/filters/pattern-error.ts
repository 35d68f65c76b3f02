/**
 * What is wrong with the text of a filter, and where: as a JSON pointer (RFC 6901) and as a place in the
 * text. The sentence names what was found and what would be right.
 */

export class PatternError extends Error {
  override readonly name = 'PatternError'
  /** Of the part that is wrong; '' is the whole text. */
  readonly pointer: string
  readonly sentence: string
  /** UTF-16 units before the place. */
  readonly offset: number
  /** Counts from 1. */
  readonly line: number
  /** Counts characters from 1. */
  readonly column: number

  constructor(text: string, offset: number, pointer: string, sentence: string) {
    const before = text.slice(0, offset)
    const lineStart = before.lastIndexOf('\n') + 1
    const line = before.split('\n').length
    const column = [...before.slice(lineStart)].length + 1
    super(`${sentence} (${pointer === '' ? '' : `at ${short(pointer)}, `}line ${line}, column ${column})`)
    this.pointer = pointer
    this.sentence = sentence
    this.offset = offset
    this.line = line
    this.column = column
  }
}

/** The end of a long one says more than its beginning. */
const short = (pointer: string) => (pointer.length <= 200 ? pointer : `…${pointer.slice(-199)}`)

/** `pointer` with one more step. */
export function pointerTo(pointer: string, step: string | number): string {
  return `${pointer}/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`
}
