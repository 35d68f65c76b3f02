/**
 * The rules of a leaf: the entries of a list in a pattern, each a value or an object with one operator.
 * Refused is what EventBridge refuses, and what could never be satisfied where it stands.
 */
import { nearest } from '../config/nearest.ts'
import { parseIpAddress } from './ip-address.ts'
import { numberOf, parseNumeric } from './parse-numeric.ts'
import type { LeafPattern, Rule } from './pattern.ts'
import { pointerTo } from './pattern-error.ts'
import { isKind, named, type PatternText, type Place, type PlaceOf, partsOf } from './pattern-text.ts'
import { quoted } from './shortened.ts'

/** What a leaf is asked about: rules that nothing of the kind satisfies are refused. */
export interface Subject {
  /** Begins a sentence: 'a header'. */
  readonly what: string
  readonly holds: 'json' | 'text' | 'number'
  /** Where to look instead, if there is such a place. */
  readonly instead?: string
}

export const anyScalar: Subject = { what: 'a field', holds: 'json' }

/** The list of a leaf. */
export function parseLeaf(place: PlaceOf<'list'>, subject: Subject, pattern: PatternText): LeafPattern {
  const items = partsOf(place)
  if (items.length === 0)
    pattern.fail(
      place,
      'an empty list is satisfied by nothing: give a value or a rule, or leave the field out',
    )
  return { kind: 'leaf', rules: items.map((item) => parseRule(item, subject, pattern)) }
}

function parseRule(place: Place, subject: Subject, pattern: PatternText): Rule {
  if (isKind(place, 'list'))
    pattern.fail(place, 'a list inside a list is no rule: put its entries into the outer one')
  if (isKind(place, 'object')) return parseOperator(place, subject, pattern)
  return exact(place, subject, pattern)
}

function exact(place: Place, subject: Subject, pattern: PatternText): Rule {
  pattern.countRule(place)
  const { node } = place
  if (node.kind === 'object' || node.kind === 'list')
    return pattern.fail(place, 'here a single value must stand')
  if (node.kind === 'number') {
    mustHold('number', place, subject, pattern)
    return { kind: 'exact', value: numberOf({ node, pointer: place.pointer }, pattern) }
  }
  if (node.kind === 'string') mustHold('text', place, subject, pattern)
  if (node.kind === 'boolean' && subject.holds !== 'json') mustHold('boolean', place, subject, pattern)
  if (node.kind === 'null' && subject.holds === 'number') mustHold('null', place, subject, pattern)
  return { kind: 'exact', value: node.value }
}

/** Refuses what can never be satisfied there. */
function mustHold(
  type: 'text' | 'number' | 'boolean' | 'null',
  place: Place,
  { what, holds, instead }: Subject,
  pattern: PatternText,
): void {
  if (holds === 'json' || holds === type) return
  const { node } = place
  const asText = node.kind === 'number' ? node.text : String(node.kind === 'boolean' && node.value)
  const hint =
    instead ?? (holds === 'text' ? `write "${asText}"` : 'compare it with {"numeric": [">=", 1767225600000]}')
  pattern.fail(
    place,
    `${what} is ${holds === 'text' ? 'text' : 'a number'}, so nothing there is ${named(place)}: ${hint}`,
  )
}

type Parse = (operand: Place, pattern: PatternText, subject: Subject) => Rule

const parsers: Readonly<Record<string, Parse>> = {
  prefix: (operand, pattern) => affix('prefix', operand, pattern),
  suffix: (operand, pattern) => affix('suffix', operand, pattern),
  'equals-ignore-case': (operand, pattern) => ({
    kind: 'equals-ignore-case',
    text: textOf('equals-ignore-case', operand, pattern),
  }),
  wildcard: (operand, pattern) => wildcard(operand, pattern),
  'anything-but': (operand, pattern, subject) => anythingBut(operand, pattern, subject),
  numeric: (operand, pattern) => parseNumeric(operand, pattern),
  exists: (operand, pattern) => exists(operand, pattern),
  cidr: (operand, pattern) => cidr(operand, pattern),
  // Not on AWS's pages, but event-ruler takes it.
  exactly: (operand, pattern) => ({ kind: 'exact', value: textOf('exactly', operand, pattern) }),
}

const onText = ['prefix', 'suffix', 'equals-ignore-case', 'wildcard', 'cidr', 'exactly']

/** The names of the operators, as far as somebody should know them. */
export const operatorNames: readonly string[] = Object.keys(parsers).filter((name) => name !== 'exactly')

function parseOperator(place: PlaceOf<'object'>, subject: Subject, pattern: PatternText): Rule {
  pattern.countRule(place)
  const { name, operand } = only(
    place,
    'an object in a list is a rule and holds one operator',
    pattern,
    operatorNames,
  )
  const parse = Object.hasOwn(parsers, name) ? parsers[name] : undefined
  if (parse === undefined) return unknown(place, name, operatorNames, 'operator', pattern)
  const type = name === 'numeric' ? 'number' : onText.includes(name) ? 'text' : undefined
  if (type !== undefined && subject.holds !== 'json' && subject.holds !== type)
    refuseOperator(name, place, subject, pattern)
  if (name === 'exists' && subject.holds === 'number') pattern.fail(place, `${subject.what} is always there`)
  return parse(operand, pattern, subject)
}

function refuseOperator(
  name: string,
  place: Place,
  { what, holds, instead }: Subject,
  pattern: PatternText,
): never {
  const hint = instead === undefined ? '' : `: ${instead}`
  pattern.fail(
    place,
    `${what} is ${holds === 'text' ? 'text' : 'a number'}, of which ${name} takes nothing${hint}`,
  )
}

/** The single operator of an object. */
function only(
  place: PlaceOf<'object'>,
  sentence: string,
  pattern: PatternText,
  names: readonly string[],
): { readonly name: string; readonly operand: Place } {
  const [first, second] = place.node.members
  if (first === undefined) pattern.fail(place, `${sentence}: ${names.join(', ')}`)
  if (second !== undefined)
    pattern.failAt(
      second.nameStart,
      pointerTo(place.pointer, second.name),
      `${sentence}, but this one has ${quoted(first.name)} and ${quoted(second.name)}: give each an object of its own`,
    )
  return { name: first.name, operand: { node: first.value, pointer: pointerTo(place.pointer, first.name) } }
}

function unknown(
  place: PlaceOf<'object'>,
  name: string,
  names: readonly string[],
  what: string,
  pattern: PatternText,
): never {
  const meant = nearest(name, names)
  const known = names.length === 1 ? `there is ${names[0]}` : `there are ${names.join(', ')}`
  pattern.failAt(
    place.node.members[0].nameStart,
    pointerTo(place.pointer, name),
    `there is no ${what} ${quoted(name)}${meant === undefined ? `; ${known}` : `; did you mean "${meant}"?`}`,
  )
}

function textOf(operator: string, operand: Place, pattern: PatternText): string {
  if (isKind(operand, 'string')) return operand.node.value
  const each = isKind(operand, 'list') ? '; of a list of texts make a rule of each' : ''
  return pattern.fail(operand, `${operator} takes a text, not ${named(operand)}${each}`)
}

/** Prefix and suffix: a text, or one whose case is ignored. */
function affix(kind: 'prefix' | 'suffix', operand: Place, pattern: PatternText): Rule {
  if (!isKind(operand, 'object')) return { kind, text: textOf(kind, operand, pattern), ignoreCase: false }
  const inner = ignoreCaseIn(kind, operand, pattern)
  return { kind, text: textOf('equals-ignore-case', inner, pattern), ignoreCase: true }
}

/** The operand of `equals-ignore-case`, the one operator that may stand inside prefix and suffix. */
function ignoreCaseIn(kind: string, place: PlaceOf<'object'>, pattern: PatternText): Place {
  const names = ['equals-ignore-case']
  const { name, operand } = only(
    place,
    `${kind} takes a text, or an object with one operator`,
    pattern,
    names,
  )
  return name === names[0] ? operand : unknown(place, name, names, `operator inside ${kind} called`, pattern)
}

function wildcard(operand: Place, pattern: PatternText): Rule {
  const text = textOf('wildcard', operand, pattern)
  for (let index = 0; index < text.length; index++) {
    if (text[index] === '*' && text[index + 1] === '*')
      pattern.fail(operand, `two asterisks follow each other in ${quoted(text)}: one takes any text already`)
    if (text[index] !== '\\') continue
    const next = text[++index]
    if (next === '*' || next === '\\') continue
    const found = next === undefined ? 'the end' : quoted(next)
    pattern.fail(
      operand,
      `a backslash in a wildcard stands before * or another backslash (in JSON "\\\\*" and "\\\\\\\\"), not before ${found}`,
    )
  }
  return { kind: 'wildcard', text }
}

function exists(operand: Place, pattern: PatternText): Rule {
  if (!isKind(operand, 'boolean'))
    return pattern.fail(operand, `exists takes true or false, not ${named(operand)}`)
  return { kind: 'exists', exists: operand.node.value }
}

function cidr(operand: Place, pattern: PatternText): Rule {
  const text = textOf('cidr', operand, pattern)
  const [address, bits, ...rest] = text.split('/')
  if (bits === undefined || rest.length > 0)
    pattern.fail(
      operand,
      `cidr takes an address, a slash and how many bits count, as in "10.0.0.0/8", not ${quoted(text)}`,
    )
  const into = new Uint8Array(16)
  const length = parseIpAddress(address, into)
  if (length === 0) pattern.fail(operand, `${quoted(address)} is no IPv4 or IPv6 address`)
  const prefixBits = /^\d{1,3}$/.test(bits) ? Number(bits) : -1
  if (prefixBits < 0 || prefixBits > length * 8)
    pattern.fail(
      operand,
      `of an ${length === 4 ? 'IPv4' : 'IPv6'} address 0 to ${length * 8} bits can count, not ${quoted(bits)}`,
    )
  return { kind: 'cidr', bytes: into.slice(0, length), prefixBits }
}

const insideAnythingBut = ['prefix', 'suffix', 'equals-ignore-case', 'wildcard']

function anythingBut(operand: Place, pattern: PatternText, subject: Subject): Rule {
  const rules = isKind(operand, 'object')
    ? anythingButRules(operand, pattern, subject)
    : anythingButValues(operand, pattern, subject)
  return { kind: 'anything-but', rules }
}

function anythingButValues(operand: Place, pattern: PatternText, subject: Subject): Rule[] {
  const places = entries('anything-but', operand, pattern)
  for (const place of places)
    if (place.node.kind !== 'string' && place.node.kind !== 'number')
      pattern.fail(
        place,
        `anything-but takes texts or numbers, or an object with one of ${insideAnythingBut.join(', ')}, not ${named(place)}`,
      )
  const other = places.find(({ node }) => node.kind !== places[0].node.kind)
  if (other !== undefined)
    pattern.fail(other, 'the list of anything-but has texts and numbers: it takes either, not both')
  return places.map((place) => exact(place, subject, pattern))
}

function anythingButRules(place: PlaceOf<'object'>, pattern: PatternText, subject: Subject): Rule[] {
  const { name, operand } = only(place, 'inside anything-but stands one operator', pattern, insideAnythingBut)
  if (!insideAnythingBut.includes(name))
    return unknown(place, name, insideAnythingBut, 'operator inside anything-but called', pattern)
  if (subject.holds === 'number')
    pattern.fail(place, `${subject.what} is a number, of which ${name} takes nothing`)
  const isAffix = name === 'prefix' || name === 'suffix'
  const ignoreCase = isAffix && isKind(operand, 'object')
  const texts = ignoreCase ? ignoreCaseIn(name, operand, pattern) : operand
  return entries(name, texts, pattern).map((entry): Rule => {
    pattern.countRule(entry)
    if (name === 'wildcard') return wildcard(entry, pattern)
    const text = textOf(name, entry, pattern)
    if (name === 'equals-ignore-case') return { kind: name, text }
    if (text === '')
      pattern.fail(
        entry,
        `every text has an empty ${name}, so nothing would be left: give at least one character`,
      )
    return { kind: name as 'prefix' | 'suffix', text, ignoreCase }
  })
}

/** One value, or those of a list, which must not be empty. */
function entries(operator: string, operand: Place, pattern: PatternText): Place[] {
  if (!isKind(operand, 'list')) return [operand]
  const places = partsOf(operand)
  if (places.length === 0) pattern.fail(operand, `the list of ${operator} is empty: give at least one entry`)
  return places
}
