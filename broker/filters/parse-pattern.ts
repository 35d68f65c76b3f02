/**
 * The text of a filter made into a {@link RecordPattern}, or refused with a {@link PatternError} that says
 * where and why: the document `{"value", "key", "headers", "timestamp", "$or"}` around the language of
 * EventBridge (broker/filters/README.md). Nothing is taken that is larger than {@link patternLimits}.
 */
import { nearest } from '../config/nearest.ts'
import { notInList, orBranches, parseFields, parseSizedLeaf } from './parse-fields.ts'
import { parseLeaf, type Subject } from './parse-rules.ts'
import type { FieldsPattern, LeafPattern, PatternNode, RecordAlternative, RecordPattern } from './pattern.ts'
import { pointerTo } from './pattern-error.ts'
import { patternLimits } from './pattern-limits.ts'
import { type Sized, sizeOfBoth, sizeOfEither, sizeOfNothing } from './pattern-size.ts'
import { isKind, named, PatternText, type Place, type PlaceOf } from './pattern-text.ts'
import { readPositionedJson } from './positioned-json.ts'
import { quoted } from './shortened.ts'

/** @throws PatternError if the text is no filter; at most 64 KiB of UTF-8. */
export function parseRecordPattern(text: string): RecordPattern {
  const pattern = new PatternText(text)
  const { textBytesMax } = patternLimits
  // A UTF-16 unit is at most three bytes: the first test spares the second for nearly all.
  if (text.length * 3 > textBytesMax && new TextEncoder().encode(text).length > textBytesMax)
    pattern.failAt(
      0,
      '',
      `the pattern is longer than ${textBytesMax.toLocaleString('en-US')} bytes, the limit`,
    )
  const root: Place = { node: readPositionedJson(text), pointer: '' }
  if (!isKind(root, 'object'))
    return pattern.fail(
      root,
      `a pattern is an object with one of ${partNames.join(', ')}, not ${named(root)}`,
    )
  const drafts = parseParts(root, pattern).pattern
  return { text, alternatives: drafts.map(({ alternative }) => alternative) }
}

const partNames = ['value', 'key', 'headers', 'timestamp', '$or']

/** An alternative while it is put together, with the places to point to when two parts do not go together. */
interface Draft {
  readonly alternative: RecordAlternative
  readonly places: Readonly<Partial<Record<keyof RecordAlternative, Place>>>
}

/** The parts of a document, all of which must match; `$or` makes several of it. */
function parseParts(place: PlaceOf<'object'>, pattern: PatternText): Sized<Draft[]> {
  if (place.node.members.length === 0)
    pattern.fail(place, `an empty object asks nothing: give one of ${partNames.join(', ')}`)
  let drafts: Sized<Draft[]> = { pattern: [{ alternative: {}, places: {} }], size: sizeOfNothing }
  for (const { name, nameStart, value } of place.node.members) {
    const inner = { node: value, pointer: pointerTo(place.pointer, name) }
    drafts = both(drafts, parsePart(name, nameStart, inner, pattern), place, pattern)
  }
  return drafts
}

function parsePart(name: string, nameStart: number, place: Place, pattern: PatternText): Sized<Draft[]> {
  switch (name) {
    case 'value':
    case 'key': {
      const { pattern: node, size } = parseWhole(name, place, pattern)
      return { pattern: [{ alternative: { [name]: node }, places: { [name]: place } }], size }
    }
    case 'headers':
      return parseHeaders(place, pattern)
    case 'timestamp': {
      if (!isKind(place, 'list'))
        return pattern.fail(
          place,
          `timestamp takes a list, as in {"timestamp": [{"numeric": [">=", 1767225600000]}]}, not ${named(place)}`,
        )
      const { pattern: timestamp, size } = parseSizedLeaf(place, timestampSubject, pattern)
      return { pattern: [{ alternative: { timestamp }, places: { timestamp: place } }], size }
    }
    case '$or':
      return oneOf(
        orBranches(place, pattern).map((branch) => parseParts(branch, pattern)),
        place,
        pattern,
      )
    default: {
      const meant = nearest(name, partNames)
      const hint =
        meant === undefined
          ? `; the fields of an event stand inside value, as in {"value": {${quoted(name)}: …}}`
          : `; did you mean "${meant}"?`
      return pattern.failAt(
        nameStart,
        place.pointer,
        `a pattern has value, key, headers, timestamp and $or, but no ${quoted(name)}${hint}`,
      )
    }
  }
}

const timestampSubject: Subject = { what: 'the timestamp', holds: 'number' }
const wholeSubject = (name: string): Subject => ({
  what: `the ${name} as a whole`,
  holds: 'text',
  instead: `for what stands in its JSON give an object, {"${name}": {"field": [ … ]}}`,
})
const headerSubject: Subject = { what: 'a header', holds: 'text' }

function parseWhole(name: string, place: Place, pattern: PatternText): Sized<PatternNode> {
  if (isKind(place, 'object')) return parseFields(place, pattern)
  if (isKind(place, 'list')) return parseSizedLeaf(place, wholeSubject(name), pattern)
  return notInList(place, name, pattern)
}

/** Headers have no fields: each name takes a list. Their `$or` is one of the document. */
function parseHeaders(place: Place, pattern: PatternText): Sized<Draft[]> {
  if (!isKind(place, 'object'))
    return pattern.fail(
      place,
      `headers takes an object, {"headers": {"name": ["text"]}}, not ${named(place)}`,
    )
  if (place.node.members.length === 0)
    pattern.fail(place, 'an object without headers asks nothing: name a header')
  const headers = new Map<string, LeafPattern>()
  const places: Record<string, Place> = {}
  let branches: Sized<Draft[]> | undefined
  for (const { name, value } of place.node.members) {
    const inner: Place = { node: value, pointer: pointerTo(place.pointer, name) }
    if (name === '$or')
      branches = oneOf(
        orBranches(inner, pattern).map((branch) => parseHeaders(branch, pattern)),
        inner,
        pattern,
      )
    else {
      headers.set(name, parseHeader(name, inner, pattern))
      places.headers = inner
    }
  }
  if (headers.size === 0 && branches !== undefined) return branches
  const plain: Sized<Draft[]> = {
    pattern: [{ alternative: { headers }, places }],
    size: { alternatives: 1, rules: [...headers.values()].reduce((sum, { rules }) => sum + rules.length, 0) },
  }
  return branches === undefined ? plain : both(plain, branches, place, pattern)
}

function parseHeader(name: string, place: Place, pattern: PatternText): LeafPattern {
  if (isKind(place, 'list')) return parseLeaf(place, headerSubject, pattern)
  return pattern.fail(
    place,
    `the header ${quoted(name)} is text, so it takes a list of values and rules, not ${named(place)}`,
  )
}

function oneOf(branches: readonly Sized<Draft[]>[], place: Place, pattern: PatternText): Sized<Draft[]> {
  return {
    size: sizeOfEither(
      branches.map((branch) => branch.size),
      place,
      pattern,
    ),
    pattern: branches.flatMap((branch) => branch.pattern),
  }
}

/** Each of the one with each of the other. */
function both(
  some: Sized<Draft[]>,
  others: Sized<Draft[]>,
  place: Place,
  pattern: PatternText,
): Sized<Draft[]> {
  const size = sizeOfBoth(some.size, others.size, place, pattern)
  return {
    size,
    pattern: some.pattern.flatMap((one) => others.pattern.map((other) => joined(one, other, pattern))),
  }
}

/** Both at once. Fields go together; two lists for the same thing do not. */
function joined(one: Draft, other: Draft, pattern: PatternText): Draft {
  const a = one.alternative
  const b = other.alternative
  const refuse = (name: keyof RecordAlternative, what: string): never =>
    pattern.fail(
      other.places[name] ?? one.places[name]!,
      `${what} is asked inside the $or and beside it, once at least as a list: ask it in the objects of the $or only`,
    )
  const node = (name: 'value' | 'key'): PatternNode | undefined => {
    const [x, y] = [a[name], b[name]]
    if (x === undefined || y === undefined) return x ?? y
    return x.kind === 'fields' && y.kind === 'fields' ? allOf(x, y) : refuse(name, `the ${name}`)
  }
  const twice = [...(a.headers?.keys() ?? [])].find((name) => b.headers?.has(name))
  if (twice !== undefined) refuse('headers', `the header ${quoted(twice)}`)
  if (a.timestamp !== undefined && b.timestamp !== undefined) refuse('timestamp', 'the timestamp')
  const value = node('value')
  const key = node('key')
  const headers = a.headers && b.headers ? new Map([...a.headers, ...b.headers]) : (a.headers ?? b.headers)
  const timestamp: LeafPattern | undefined = a.timestamp ?? b.timestamp
  return {
    alternative: {
      ...(value && { value }),
      ...(key && { key }),
      ...(headers && { headers }),
      ...(timestamp && { timestamp }),
    },
    places: { ...one.places, ...other.places },
  }
}

/** What is satisfied by one object that satisfies both. */
function allOf(one: FieldsPattern, other: FieldsPattern): FieldsPattern {
  const or = one.or.length === 0 ? [other] : one.or.map((branch) => allOf(branch, other))
  return { kind: 'fields', fields: one.fields, or }
}
