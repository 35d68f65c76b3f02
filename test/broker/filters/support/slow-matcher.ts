/**
 * The obvious matcher: what broker/filters/pattern.ts says, written down once more with JSON.parse, recursion
 * and no regard for time. What the fast one is held against.
 */
import { caseForms } from '../../../../broker/filters/case-forms.ts'
import { parseIpAddress } from '../../../../broker/filters/ip-address.ts'
import type {
  FieldsPattern,
  LeafPattern,
  PatternNode,
  RecordAlternative,
  RecordPattern,
  Rule,
} from '../../../../broker/filters/pattern.ts'

export interface TestRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly { readonly name: string; readonly value: Uint8Array | null }[]
  readonly timestampMs: number
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }
type Scalar = string | number | boolean | null

export function slowMatch(pattern: RecordPattern, record: TestRecord): boolean {
  return pattern.alternatives.some((alternative) => matchesAll(alternative, record))
}

function matchesAll({ value, key, headers, timestamp }: RecordAlternative, record: TestRecord): boolean {
  if (value !== undefined && !matchesWhole(value, record.value)) return false
  if (key !== undefined && !matchesWhole(key, record.key)) return false
  if (timestamp !== undefined && !satisfies(timestamp, [record.timestampMs])) return false
  for (const [name, leaf] of headers ?? []) {
    const values = record.headers
      .filter((header) => header.name === name)
      .map((header) => textOf(header.value))
    if (!satisfies(leaf, values)) return false
  }
  return true
}

function matchesWhole(node: PatternNode, bytes: Uint8Array | null): boolean {
  if (node.kind === 'fields') {
    const json = bytes === null ? undefined : jsonOf(bytes)
    return json !== undefined && fieldsMatch(node, json.value) !== 'no'
  }
  const text = textOf(bytes)
  const exists = (rule: Rule) => rule.kind === 'exists' && rule.exists === (bytes !== null)
  return node.rules.some((rule) => (rule.kind === 'exists' ? exists(rule) : takes(rule, text)))
}

/** Undefined: it is no JSON, or not all of it is UTF-8. */
export function jsonOf(bytes: Uint8Array): { readonly value: Json } | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return { value: JSON.parse(text) as Json }
  } catch {
    // That it is no JSON is the answer.
    return undefined
  }
}

/** The text of bytes; what is not UTF-8 becomes halves of surrogate pairs, which no pattern has. */
function textOf(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((n) => at + n <= bytes.length && isUtf8(bytes.subarray(at, at + n)))
    text += length ? decode(bytes.subarray(at, at + length)) : String.fromCharCode(0xdc00 + bytes[at])
    at += length ?? 1
  }
  return text
}

const decode = (bytes: Uint8Array) => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)

function isUtf8(bytes: Uint8Array): boolean {
  try {
    decode(bytes)
    return true
  } catch {
    // That it is not UTF-8 is the answer.
    return false
  }
}

/** How fields are satisfied: with a scalar of the event, by the absence of all of them, or not at all. */
type Outcome = 'with a scalar' | 'by absence' | 'no'

function nodeMatches(node: PatternNode, json: Json | undefined): Outcome {
  if (node.kind === 'fields') return fieldsMatch(node, json)
  const found = scalarsOf(json)
  if (!satisfies(node, found)) return 'no'
  return found.length > 0 ? 'with a scalar' : 'by absence'
}

function fieldsMatch(node: FieldsPattern, json: Json | undefined): Outcome {
  if (!Array.isArray(json)) return objectMatches(node, isObject(json) ? json : {})
  const objects = laidFlat(json).filter(isObject)
  if (objects.some((object) => objectMatches(node, object) === 'with a scalar')) return 'with a scalar'
  return allAbsent(node, objects) ? 'by absence' : 'no'
}

function objectMatches(node: FieldsPattern, object: { readonly [name: string]: Json }): Outcome {
  const outcomes = [...node.fields].map(([name, inner]) => nodeMatches(inner, memberOf(object, name)))
  if (node.or.length > 0) {
    const branches = node.or.map((branch) => objectMatches(branch, object))
    outcomes.push((['with a scalar', 'by absence'] as const).find((o) => branches.includes(o)) ?? 'no')
  }
  if (outcomes.includes('no')) return 'no'
  return outcomes.includes('with a scalar') ? 'with a scalar' : 'by absence'
}

/** Whether none of the objects has a scalar where the fields look, and they are satisfied by that. */
function allAbsent(node: FieldsPattern, objects: readonly { readonly [name: string]: Json }[]): boolean {
  const absent = ([name, inner]: [string, PatternNode]) => {
    const values = objects.map((object) => memberOf(object, name)).filter((value) => value !== undefined)
    if (inner.kind === 'leaf') return scalarsOf(values).length === 0 && satisfies(inner, [])
    return allAbsent(inner, laidFlat(values).filter(isObject))
  }
  return (
    [...node.fields].every(absent) &&
    (node.or.length === 0 || node.or.some((branch) => allAbsent(branch, objects)))
  )
}

function isObject(json: Json | undefined): json is { readonly [name: string]: Json } {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function memberOf(object: { readonly [name: string]: Json }, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

function scalarsOf(json: Json | undefined): Scalar[] {
  const items = json === undefined ? [] : laidFlat([json])
  return items.filter((item): item is Scalar => !isObject(item))
}

/** The entries of an array, and of those nested in it. */
function laidFlat(items: readonly Json[]): Json[] {
  return items.flatMap((item) => (Array.isArray(item) ? laidFlat(item) : [item]))
}

function satisfies(leaf: LeafPattern, scalars: readonly Scalar[]): boolean {
  return leaf.rules.some((rule) =>
    rule.kind === 'exists'
      ? rule.exists === scalars.length > 0
      : scalars.some((scalar) => takes(rule, scalar)),
  )
}

function takes(rule: Rule, scalar: Scalar): boolean {
  switch (rule.kind) {
    case 'exact':
      return scalar === rule.value
    case 'prefix':
    case 'suffix':
      if (typeof scalar !== 'string') return false
      if (rule.ignoreCase)
        return rule.kind === 'prefix'
          ? endsOfForms(rule.text, scalar, 0).length > 0
          : someStart(scalar, (start) => endsOfForms(rule.text, scalar, start).includes(scalar.length))
      return rule.kind === 'prefix' ? scalar.startsWith(rule.text) : scalar.endsWith(rule.text)
    case 'equals-ignore-case':
      return typeof scalar === 'string' && endsOfForms(rule.text, scalar, 0).includes(scalar.length)
    case 'wildcard':
      return typeof scalar === 'string' && wildcardMatches(rule.text, scalar)
    case 'anything-but':
      return !rule.rules.some((inner) => takes(inner, scalar))
    case 'numeric':
      return (
        typeof scalar === 'number' &&
        (rule.lowInclusive ? scalar >= rule.low : scalar > rule.low) &&
        (rule.highInclusive ? scalar <= rule.high : scalar < rule.high)
      )
    case 'exists':
      throw new Error('exists is about a field, not about a scalar')
    case 'cidr':
      return typeof scalar === 'string' && isInside(scalar, rule.bytes, rule.prefixBits)
  }
}

function someStart(text: string, isRight: (start: number) => boolean): boolean {
  return Array.from({ length: text.length + 1 }, (_, start) => start).some(isRight)
}

/** Where a reading of the pattern, each character in one of its cases, from `start` on may end. */
function endsOfForms(pattern: string, text: string, start: number): number[] {
  let ends = [start]
  for (const character of pattern)
    ends = ends.flatMap((end) =>
      caseForms(character)
        .filter((form) => text.startsWith(form, end))
        .map((form) => end + form.length),
    )
  return ends
}

function wildcardMatches(pattern: string, text: string): boolean {
  let ends = new Set([0])
  for (let at = 0; at < pattern.length; at++) {
    if (pattern[at] === '*') {
      const first = Math.min(...ends)
      ends = new Set(Array.from({ length: text.length - first + 1 }, (_, index) => first + index))
      continue
    }
    if (pattern[at] === '\\') at++
    const character = pattern[at]
    ends = new Set([...ends].filter((end) => text[end] === character).map((end) => end + 1))
    if (ends.size === 0) return false
  }
  return ends.has(text.length)
}

function isInside(text: string, bytes: Uint8Array, prefixBits: number): boolean {
  const into = new Uint8Array(16)
  if (parseIpAddress(text, into) !== bytes.length) return false
  const bits = (address: Uint8Array) => [...address].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return bits(into.subarray(0, bytes.length)).slice(0, prefixBits) === bits(bytes).slice(0, prefixBits)
}
