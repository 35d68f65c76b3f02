/**
 * A filter on a command line: its text or, after an @, the file it stands in; and how a mistake in it is shown:
 *
 *     octopus: there is no operator "prefx"; did you mean "prefix"?
 *       filter.json, line 2, column 24, at /value/site/0/prefx
 *       {"value": {"site": [{"prefx": "lab-"}]}}
 *                            ^
 */
import { readFileSync } from 'node:fs'
import { showable } from '../../auth/showable-text.ts'
import { parseRecordPattern } from '../filters/parse-pattern.ts'
import type { RecordPattern } from '../filters/pattern.ts'
import { PatternError } from '../filters/pattern-error.ts'
import { ExitCode } from './exit-codes.ts'
import { Failure, usage } from './failure.ts'

/** @throws Failure that shows the place, if the filter cannot be read or is none; its cause is a PatternError then. */
export function readFilter(argument: string): RecordPattern {
  const text = argument.startsWith('@') ? readText(argument.slice(1)) : argument
  try {
    return parseRecordPattern(text)
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    const source = argument.startsWith('@') ? argument.slice(1) : 'the filter'
    throw new Failure(ExitCode.USAGE, error.sentence, { cause: error, below: placeText(source, text, error) })
  }
}

function readText(path: string): string {
  if (path === '') throw usage('@ is followed by the name of a file that holds a filter')
  let bytes: Uint8Array
  try {
    bytes = readFileSync(path)
  } catch (error) {
    throw usage(`the filter ${path} cannot be read: ${(error as Error).message}`)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw usage(`the filter ${path} is not UTF-8`)
  }
}

/** Characters of the line to either side of the place. */
const AROUND = 38

function placeText(source: string, text: string, { offset, line, column, pointer }: PatternError): string {
  const lineStart = text.lastIndexOf('\n', offset - 1) + 1
  const lineEnd = text.indexOf('\n', offset)
  const before = [...text.slice(lineStart, offset)]
  const after = [...text.slice(offset, lineEnd < 0 ? text.length : lineEnd).replace(/\r$/, '')]
  const left = before.length <= AROUND ? before : ['…', ...before.slice(1 - AROUND)]
  const right = after.length <= AROUND ? after : [...after.slice(0, AROUND - 1), '…']
  const shown = [...left, ...right].map(visible).join('')
  const gap = ' '.repeat(left.reduce((sum, character) => sum + columnsOf(visible(character)), 0))
  const where = `${source}, line ${line}, column ${column}${pointer === '' ? '' : `, at ${pointer}`}`
  return `  ${showable(where)}\n  ${shown}\n  ${gap}^\n`
}

/** A tab as a space, what does not show as a sign that does. */
const visible = (character: string) => (character === '\t' ? ' ' : showable(character))

/** What a terminal gives it: two for East Asian wide characters and pictures, none for marks on the one before. */
function columnsOf(text: string): number {
  return [...text].reduce(
    (sum, character) => sum + (WIDE.test(character) ? 2 : MARK.test(character) ? 0 : 1),
    0,
  )
}

/** Hangul, CJK and full-width forms, by their blocks. */
const WIDE =
  /^(?:\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}])$/u
const MARK = /^\p{Mark}$/u
