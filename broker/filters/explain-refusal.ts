/**
 * Why a record does not match a filter, for people: the smallest parts of the filter that refuse it by
 * themselves. The verdict over each part is that of the matcher, so that an explanation cannot contradict it;
 * what was found in the record is looked up for the sentence only.
 */
import type { LooseRecord } from './loose-record.ts'
import type { FieldsPattern, LeafPattern, PatternNode, RecordAlternative, RecordPattern } from './pattern.ts'
import type { RecordFields } from './record-fields.ts'
import { leafText } from './rule-text.ts'
import { shortened } from './shortened.ts'

export interface Refusal {
  /** Of the record: `value.run.state`, `headers.type`; a name that is no word is quoted. */
  readonly field: string
  readonly sentence: string
  /** Of an `$or`: why each branch refuses. */
  readonly branches?: readonly (readonly Refusal[])[]
}

/** Makes a part of the filter into something that can be asked about records. */
export type CompilePart = (part: RecordPattern) => (record: RecordFields) => boolean

type Wrap = (node: PatternNode) => RecordAlternative

/** For one filter and any number of records, one at a time: each part is compiled when it is first asked. */
export class RefusalExplainer {
  readonly #pattern: RecordPattern
  readonly #compile: CompilePart
  /** By what the part is about: a node, an alternative, a `$or`. */
  readonly #parts = new Map<object, (record: RecordFields) => boolean>()
  #record!: LooseRecord
  #fields!: RecordFields

  constructor(pattern: RecordPattern, compile: CompilePart) {
    this.#pattern = pattern
    this.#compile = compile
  }

  /** Why it does not match; nothing, if it does. Both arguments are the same record. */
  explain(record: LooseRecord, fields: RecordFields): Refusal[] {
    this.#record = record
    this.#fields = fields
    const { alternatives } = this.#pattern
    if (alternatives.some((alternative) => this.#takes(alternative, alternative))) return []
    if (alternatives.length === 1) return this.#alternative(alternatives[0])
    return [
      {
        field: '$or',
        sentence: `none of the ${alternatives.length} alternatives matches`,
        branches: alternatives.map((alternative) => this.#alternative(alternative)),
      },
    ]
  }

  #takes(about: object, alternative: RecordAlternative): boolean {
    let part = this.#parts.get(about)
    if (part === undefined) {
      part = this.#compile({ text: '', alternatives: [alternative] })
      this.#parts.set(about, part)
    }
    return part(this.#fields)
  }

  #alternative({ value, key, headers, timestamp }: RecordAlternative): Refusal[] {
    const refusals: Refusal[] = []
    if (key !== undefined) refusals.push(...this.#whole('key', key, (node) => ({ key: node })))
    if (value !== undefined) refusals.push(...this.#whole('value', value, (node) => ({ value: node })))
    for (const [name, leaf] of headers ?? []) {
      if (this.#takes(leaf, { headers: new Map([[name, leaf]]) })) continue
      const there = this.#record.headers.filter((header) => header.name === name)
      const texts = there.map((header) => textOf(header.value))
      refusals.push(refusal(step('headers', name), texts, leaf))
    }
    if (timestamp !== undefined && !this.#takes(timestamp, { timestamp }))
      refusals.push(refusal('timestamp', [this.#record.timestampMs], timestamp))
    return refusals
  }

  #whole(part: 'value' | 'key', node: PatternNode, wrap: Wrap): Refusal[] {
    if (this.#takes(node, wrap(node))) return []
    const bytes = this.#record[part]
    if (node.kind === 'leaf') return [refusal(part, [textOf(bytes)], node)]
    if (bytes === null) return [{ field: part, sentence: `${part} is null, so it has no fields` }]
    const json = jsonOf(bytes)
    if (json !== undefined) return this.#inside(part, node, wrap, [json.value])
    return [
      { field: part, sentence: `${part} ${found([textOf(bytes)])}, which is not JSON and so has no fields` },
    ]
  }

  /** The fields of `node` that refuse by themselves; `here` is what the record has at this place. */
  #inside(field: string, node: FieldsPattern, wrap: Wrap, here: readonly unknown[]): Refusal[] {
    const refusals: Refusal[] = []
    for (const [name, inner] of node.fields) {
      const wrapField: Wrap = (part) => wrap({ kind: 'fields', fields: new Map([[name, part]]), or: [] })
      if (this.#takes(inner, wrapField(inner))) continue
      const there = membersOf(here, name)
      const path = step(field, name)
      if (inner.kind === 'fields') refusals.push(...this.#inside(path, inner, wrapField, there))
      else refusals.push(refusal(path, there, inner))
    }
    if (node.or.length > 0 && !this.#takes(node.or, wrap({ kind: 'fields', fields: new Map(), or: node.or })))
      refusals.push({
        field: step(field, '$or'),
        sentence: `none of the ${node.or.length} alternatives for ${field} matches`,
        branches: node.or.map((branch) => this.#inside(field, branch, wrap, here)),
      })
    if (refusals.length > 0) return refusals
    return [
      {
        field,
        sentence: `each field of ${field} matches by itself, but no element of the array matches them all`,
      },
    ]
  }
}

function refusal(field: string, values: readonly unknown[], leaf: LeafPattern): Refusal {
  return { field, sentence: `${field} ${found(values)}, and must be ${shortened80(asked(leaf))}` }
}

/** One rule by itself, several as their list. */
function asked(leaf: LeafPattern): string {
  const text = leafText(leaf)
  return leaf.rules.length === 1 ? text.slice(1, -1) : `one of ${text}`
}

/** What there is, as the rest of a sentence. */
function found(values: readonly unknown[]): string {
  const flat = laidFlat(values)
  const scalars = flat.filter((value) => typeof value !== 'object' || value === null)
  if (scalars.length > 0) {
    const shown = scalars.slice(0, SHOWN).map((value) => shortened(JSON.stringify(value)))
    const more = scalars.length - shown.length
    return `is ${shown.join(', ')}${more > 0 ? ` and ${more.toLocaleString('en-US')} more` : ''}`
  }
  if (flat.length > 0) return `is ${flat.length === 1 ? 'an object' : `${flat.length} objects`}`
  return values.length > 0 ? 'is an empty array' : 'is missing'
}

const SHOWN = 3

const shortened80 = (text: string) => (text.length <= 80 ? text : `${text.slice(0, 79)}…`)

/** What the objects among the values have under a name. */
function membersOf(values: readonly unknown[], name: string): unknown[] {
  return laidFlat(values).flatMap((value) =>
    typeof value === 'object' && value !== null && Object.hasOwn(value, name)
      ? [(value as Readonly<Record<string, unknown>>)[name]]
      : [],
  )
}

/** The entries of arrays, however deep; iterative, since an event may be nested deeper than the stack. */
function laidFlat(values: readonly unknown[]): unknown[] {
  const flat: unknown[] = []
  const rest = [...values].reverse()
  for (let value = rest.pop(); rest.length > 0 || value !== undefined; value = rest.pop()) {
    if (Array.isArray(value)) for (let index = value.length - 1; index >= 0; index--) rest.push(value[index])
    else flat.push(value)
  }
  return flat
}

function jsonOf(bytes: Uint8Array): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)) }
  } catch {
    // That it is no JSON is the answer.
    return undefined
  }
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

function step(field: string, name: string): string {
  return /^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(name) ? `${field}.${name}` : `${field}[${JSON.stringify(name)}]`
}
