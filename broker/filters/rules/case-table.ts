/**
 * Many texts whose case is ignored, each with a number: which of them a text is, begins with or ends with. Folded
 * texts are looked up; what has more than ASCII in it is then read character by character, in the forms it may have.
 */
import { caseForms } from '../case-forms.ts'
import { textBytes } from '../json/json-text.ts'
import { type CaseFolder, foldText } from './case-folding.ts'
import { type TextPart, TextTable } from './text-table.ts'

export interface CaseEntry {
  readonly text: string
  readonly id: number
}

export class CaseTable {
  readonly #part: TextPart
  readonly #table: TextTable
  /** What folds to the same text stands together. */
  readonly #groups: readonly (readonly FormedText[])[]
  readonly #found: Int32Array

  constructor(part: TextPart, entries: readonly CaseEntry[]) {
    const groups = new Map<string, FormedText[]>()
    for (const entry of entries) {
      const name = foldText(entry.text)
      const group = groups.get(name)
      if (group === undefined) groups.set(name, [formedText(entry)])
      else group.push(formedText(entry))
    }
    this.#part = part
    this.#groups = [...groups.values()]
    this.#table = new TextTable(
      part,
      [...groups.keys()].map((name, id) => ({ bytes: textBytes(name), id })),
    )
    this.#found = new Int32Array(groups.size)
  }

  /** As of a text table; `folder` has the text folded. */
  find(
    bytes: Uint8Array,
    start: number,
    end: number,
    folder: CaseFolder,
    found: Int32Array,
    count: number,
  ): number {
    const groups = this.#table.find(folder.bytes, 0, folder.length, this.#found, 0)
    for (let index = 0; index < groups; index++) {
      const group = this.#groups[this.#found[index]]
      for (let entry = 0; entry < group.length; entry++) {
        const text = group[entry]
        if ((folder.isAscii && text.isAscii) || isPart(this.#part, text.forms, bytes, start, end)) {
          found[count++] = text.id
        }
      }
    }
    return count
  }
}

interface FormedText {
  readonly id: number
  readonly isAscii: boolean
  /** For each character. */
  readonly forms: readonly (readonly Uint8Array[])[]
}

function formedText({ text, id }: CaseEntry): FormedText {
  const forms = Array.from(text, formsOf)
  return { id, isAscii: textBytes(text).every((byte) => byte < 0x80), forms }
}

/** Of the characters of ASCII and those with several forms, of which there are a few thousand: patterns share them. */
const known = new Map<string, readonly Uint8Array[]>()

function formsOf(character: string): readonly Uint8Array[] {
  let forms = known.get(character)
  if (forms === undefined) {
    forms = caseForms(character).map(textBytes)
    if (forms.length > 1 || character < '\u0080') known.set(character, forms)
  }
  return forms
}

function isPart(
  part: TextPart,
  forms: FormedText['forms'],
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  if (part === 'end') {
    let at = end
    for (let index = forms.length - 1; index >= 0; index--) {
      const form = forms[index].find(({ length }, which) =>
        isAt(bytes, start, at - length, end, forms[index][which]),
      )
      if (form === undefined) return false
      at -= form.length
    }
    return true
  }
  let at = start
  for (let index = 0; index < forms.length; index++) {
    const form = forms[index].find((one) => isAt(bytes, start, at, end, one))
    if (form === undefined) return false
    at += form.length
  }
  return part === 'start' || at === end
}

function isAt(bytes: Uint8Array, start: number, at: number, end: number, form: Uint8Array): boolean {
  if (at < start || at + form.length > end) return false
  for (let index = 0; index < form.length; index++) if (bytes[at + index] !== form[index]) return false
  return true
}
