/**
 * All rules that patterns have for one field, each with a number: which of them take a scalar. It is asked once for
 * each scalar, however many rules there are.
 */

import { textBytes } from '../json/json-text.ts'
import type { Rule } from '../pattern.ts'
import { AddressTable } from './address-table.ts'
import { CaseFolder } from './case-folding.ts'
import { CaseTable } from './case-table.ts'
import { RangeTable } from './range-table.ts'
import { TextTable } from './text-table.ts'
import { WildcardTable } from './wildcard-table.ts'

/** Rules that are about one scalar and need no others. */
export type PlainRule = Exclude<Rule, { readonly kind: 'anything-but' | 'exists' }>

export interface NumberedRule {
  readonly rule: PlainRule
  readonly id: number
}

/** One for the thread: a text is folded, looked up and forgotten. */
const folder = new CaseFolder()

type OfKind<Kind extends PlainRule['kind']> = Extract<PlainRule, { readonly kind: Kind }>

export class RuleIndex {
  /** What has to do with numbers. */
  readonly ranges: RangeTable | undefined
  readonly #exact: TextTable | undefined
  readonly #starts: TextTable | undefined
  readonly #ends: TextTable | undefined
  readonly #ignoringCase: readonly CaseTable[]
  readonly #wildcards: WildcardTable | undefined
  readonly #addresses: AddressTable | undefined
  /** -1: no rule asks for it. */
  readonly #true: number
  readonly #false: number
  readonly #null: number

  /** No two rules are the same. */
  constructor(rules: readonly NumberedRule[]) {
    const of = <Kind extends PlainRule['kind']>(kind: Kind) =>
      rules.filter((one): one is { rule: OfKind<Kind>; id: number } => one.rule.kind === kind)
    const bytes = ({ text }: { text: string }, id: number) => ({ bytes: textBytes(text), id })

    const exact = of('exact')
    const texts = exact.flatMap(({ rule: { value }, id }) =>
      typeof value === 'string' ? [bytes({ text: value }, id)] : [],
    )
    this.#exact = texts.length === 0 ? undefined : new TextTable('whole', texts)
    const only = (value: boolean | null) => exact.find(({ rule }) => rule.value === value)?.id ?? -1
    this.#true = only(true)
    this.#false = only(false)
    this.#null = only(null)

    const numbers = exact.flatMap(({ rule: { value }, id }) =>
      typeof value === 'number'
        ? [{ low: value, lowInclusive: true, high: value, highInclusive: true, id }]
        : [],
    )
    const ranges = [...numbers, ...of('numeric').map(({ rule, id }) => ({ ...rule, id }))]
    this.ranges = ranges.length === 0 ? undefined : new RangeTable(ranges)

    const affixes = (kind: 'prefix' | 'suffix', ignoreCase: boolean) =>
      of(kind).filter(({ rule }) => rule.ignoreCase === ignoreCase)
    const table = (kind: 'prefix' | 'suffix', part: 'start' | 'end') => {
      const found = affixes(kind, false)
      return found.length === 0
        ? undefined
        : new TextTable(
            part,
            found.map(({ rule, id }) => bytes(rule, id)),
          )
    }
    this.#starts = table('prefix', 'start')
    this.#ends = table('suffix', 'end')
    const ignoring = [
      { part: 'whole', found: of('equals-ignore-case') },
      { part: 'start', found: affixes('prefix', true) },
      { part: 'end', found: affixes('suffix', true) },
    ] as const
    this.#ignoringCase = ignoring
      .filter(({ found }) => found.length > 0)
      .map(
        ({ part, found }) =>
          new CaseTable(
            part,
            found.map(({ rule, id }) => ({ text: rule.text, id })),
          ),
      )

    const wildcards = of('wildcard').map(({ rule, id }) => ({ text: rule.text, id }))
    this.#wildcards = wildcards.length === 0 ? undefined : new WildcardTable(wildcards)
    const addresses = of('cidr').map(({ rule, id }) => ({ ...rule, id }))
    this.#addresses = addresses.length === 0 ? undefined : new AddressTable(addresses)
  }

  /** Writes the numbers of the rules that take a text into `found` from `count` on; returns the new count. */
  text(bytes: Uint8Array, start: number, end: number, found: Int32Array, count: number): number {
    if (this.#exact !== undefined) count = this.#exact.find(bytes, start, end, found, count)
    if (this.#starts !== undefined) count = this.#starts.find(bytes, start, end, found, count)
    if (this.#ends !== undefined) count = this.#ends.find(bytes, start, end, found, count)
    if (this.#ignoringCase.length > 0) {
      folder.fold(bytes, start, end)
      for (let table = 0; table < this.#ignoringCase.length; table++) {
        count = this.#ignoringCase[table].find(bytes, start, end, folder, found, count)
      }
    }
    if (this.#wildcards !== undefined) count = this.#wildcards.find(bytes, start, end, found, count)
    if (this.#addresses !== undefined) count = this.#addresses.find(bytes, start, end, found, count)
    return count
  }

  /** As `text`, of `true`, `false` or `null`, which its first letter tells. */
  literal(letter: number, found: Int32Array, count: number): number {
    const id = letter === LETTER_T ? this.#true : letter === LETTER_F ? this.#false : this.#null
    if (id >= 0) found[count++] = id
    return count
  }
}

const LETTER_T = 0x74
const LETTER_F = 0x66
