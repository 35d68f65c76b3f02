/**
 * Reads JSON (RFC 8259) and keeps where everything stood, so that a mistake in a filter can be shown at its
 * place. Strict: what JSON.parse refuses is refused, and besides a key that is written twice in one object,
 * a character that is half of one, and nesting deeper than {@link patternLimits}.depthMax. Throws
 * {@link PatternError}; never overflows the stack.
 */
import { PatternError, pointerTo } from './pattern-error.ts'
import { patternLimits } from './pattern-limits.ts'
import { quoted, shortened } from './shortened.ts'

/** `start` is the offset of its first character, in UTF-16 units. */
export type PositionedValue =
  | { readonly kind: 'object'; readonly start: number; readonly members: readonly PositionedMember[] }
  | { readonly kind: 'list'; readonly start: number; readonly items: readonly PositionedValue[] }
  | { readonly kind: 'string'; readonly start: number; readonly value: string }
  | { readonly kind: 'number'; readonly start: number; readonly value: number; readonly text: string }
  | { readonly kind: 'boolean'; readonly start: number; readonly value: boolean }
  | { readonly kind: 'null'; readonly start: number; readonly value: null }

export interface PositionedMember {
  readonly name: string
  readonly nameStart: number
  readonly value: PositionedValue
}

export function readPositionedJson(text: string): PositionedValue {
  return new Reader(text).document()
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
/** What somebody meant as one word, to show it whole. */
const WORD = /[\p{L}\p{N}_$.+-]+/uy
const WORDS = { true: true, false: false, null: null } as const
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  document(): PositionedValue {
    if (this.#text.charCodeAt(0) === 0xfeff)
      this.#fail(0, '', 'the text begins with a byte order mark: save it as UTF-8 without one')
    this.#space()
    if (this.#at === this.#text.length)
      this.#fail(this.#at, '', 'there is nothing: a pattern is a JSON object')
    const value = this.#value('', 0)
    this.#space()
    if (this.#at < this.#text.length)
      this.#fail(
        this.#at,
        '',
        `the pattern ends before ${this.#found()}: it is one JSON object and nothing else`,
      )
    return value
  }

  #value(pointer: string, depth: number): PositionedValue {
    const start = this.#at
    const character = this.#text[start]
    if (character === '{' || character === '[') {
      if (depth === patternLimits.depthMax)
        this.#fail(
          start,
          pointer,
          `objects and lists are nested deeper than ${patternLimits.depthMax}, the limit`,
        )
      return character === '{' ? this.#object(pointer, depth + 1) : this.#list(pointer, depth + 1)
    }
    if (character === '"') return { kind: 'string', start, value: this.#string(pointer) }
    NUMBER.lastIndex = start
    const number = NUMBER.exec(this.#text)?.[0]
    WORD.lastIndex = start
    const word = WORD.exec(this.#text)?.[0]
    // As a word, so that 01 or 1.x is not read as a number with something behind it.
    if (number !== undefined && number.length >= (word?.length ?? 0)) {
      this.#at += number.length
      return { kind: 'number', start, value: Number(number), text: number }
    }
    if (word !== undefined && Object.hasOwn(WORDS, word)) {
      this.#at += word.length
      const value = WORDS[word as keyof typeof WORDS]
      return value === null ? { kind: 'null', start, value } : { kind: 'boolean', start, value }
    }
    return this.#fail(start, pointer, wrongValue(this.#found(), word, number))
  }

  #object(pointer: string, depth: number): PositionedValue {
    const start = this.#at++
    const members: PositionedMember[] = []
    const names = new Set<string>()
    this.#space()
    if (this.#take('}')) return { kind: 'object', start, members }
    for (;;) {
      const nameStart = this.#at
      if (this.#text[nameStart] !== '"')
        this.#fail(nameStart, pointer, `a name in double quotes must stand here, not ${this.#found()}`)
      const name = this.#string(pointer)
      const inner = pointerTo(pointer, name)
      if (names.has(name))
        this.#fail(nameStart, inner, `${quoted(name)} is written twice in one object: give it once`)
      names.add(name)
      this.#space()
      if (!this.#take(':'))
        this.#fail(this.#at, inner, `a colon must follow the name ${quoted(name)}, not ${this.#found()}`)
      this.#space()
      members.push({ name, nameStart, value: this.#value(inner, depth) })
      this.#space()
      if (this.#take('}')) return { kind: 'object', start, members }
      const comma = this.#at
      if (!this.#take(','))
        this.#fail(comma, pointer, `a comma or } must stand here, not ${this.#found()}${this.#opened(start)}`)
      this.#space()
      if (this.#text[this.#at] === '}')
        this.#fail(comma, pointer, 'this comma is followed by nothing: take it away')
    }
  }

  #list(pointer: string, depth: number): PositionedValue {
    const start = this.#at++
    const items: PositionedValue[] = []
    this.#space()
    if (this.#take(']')) return { kind: 'list', start, items }
    for (;;) {
      items.push(this.#value(pointerTo(pointer, items.length), depth))
      this.#space()
      if (this.#take(']')) return { kind: 'list', start, items }
      const comma = this.#at
      if (!this.#take(','))
        this.#fail(comma, pointer, `a comma or ] must stand here, not ${this.#found()}${this.#opened(start)}`)
      this.#space()
      if (this.#text[this.#at] === ']')
        this.#fail(comma, pointer, 'this comma is followed by nothing: take it away')
    }
  }

  #string(pointer: string): string {
    const start = this.#at++
    let value = ''
    let from = this.#at
    for (;;) {
      const character = this.#text[this.#at]
      if (character === undefined) this.#fail(start, pointer, 'this text has no closing double quote')
      if (character < ' ')
        this.#fail(
          this.#at,
          pointer,
          `a ${controlName(character)} inside text is written ${escaped(character)}`,
        )
      if (character === '"') break
      if (character !== '\\') {
        this.#at++
        continue
      }
      value += this.#text.slice(from, this.#at) + this.#escape(pointer)
      from = this.#at
    }
    value += this.#text.slice(from, this.#at++)
    if (/\p{Surrogate}/u.test(value))
      this.#fail(start, pointer, 'this text has a half of a surrogate pair, which is no character')
    return value
  }

  #escape(pointer: string): string {
    const start = this.#at
    const letter = this.#text[start + 1]
    if (letter === 'u') {
      const digits = this.#text.slice(start + 2, start + 6)
      if (!/^[0-9a-fA-F]{4}$/.test(digits))
        this.#fail(start, pointer, '\\u is followed by four hexadecimal digits')
      this.#at += 6
      return String.fromCharCode(Number.parseInt(digits, 16))
    }
    if (letter === undefined || !Object.hasOwn(ESCAPES, letter)) {
      const wildcard = letter === '*' ? ': in a wildcard an asterisk is \\\\* in JSON' : ''
      this.#fail(
        start,
        pointer,
        `JSON has no escape \\${letter ?? ''}; a backslash is written \\\\${wildcard}`,
      )
    }
    this.#at += 2
    return ESCAPES[letter]
  }

  #space(): void {
    while (' \t\n\r'.includes(this.#text[this.#at] ?? 'x')) this.#at++
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #found(): string {
    const code = this.#text.codePointAt(this.#at)
    return code === undefined ? 'the end of the text' : JSON.stringify(String.fromCodePoint(code))
  }

  /** Who misses a bracket looks for the one that opened. */
  #opened(start: number): string {
    if (this.#at < this.#text.length) return ''
    const line = this.#text.slice(0, start).split('\n').length
    return ` (${this.#text[start]} was opened in line ${line})`
  }

  #fail(offset: number, pointer: string, sentence: string): never {
    throw new PatternError(this.#text, offset, pointer, sentence)
  }
}

function wrongValue(found: string, word: string | undefined, number: string | undefined): string {
  const shown = word === undefined ? '' : shortened(word)
  if (found === '"\'"') return 'text stands in double quotes, not single ones'
  if (number !== undefined || (word !== undefined && /^[+.-]*\d/.test(word)))
    return `${shown} is not a number as JSON writes it`
  if (word !== undefined) return `${shown} is no JSON value: text stands in double quotes`
  return `a JSON value must stand here, not ${found}`
}

function controlName(character: string): string {
  if (character === '\n') return 'newline'
  return character === '\t' ? 'tab' : 'control character'
}

const escaped = (character: string) => JSON.stringify(character).slice(1, -1)
