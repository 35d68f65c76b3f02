/**
 * Random events, and random filters made to fit them about half of the time: a small world of names and
 * values, so that things meet.
 */
import { caseForms } from '../../../../broker/filters/case-forms.ts'
import { parseIpAddress } from '../../../../broker/filters/ip-address.ts'
import type { SeededRandom } from '../../../support/seeded-random.ts'
import type { TestRecord } from './slow-matcher.ts'

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json }
type Rules = unknown[]

const names = ['a', 'b', 'c', 'é', 'a.b', '__proto__', '']
const texts = [
  ...[
    '',
    'a',
    'ab',
    'abc',
    'aBC',
    'abcabc',
    'b',
    'bc',
    'ß',
    'SS',
    'straße',
    'É-é',
    'σΣς',
    'ǅ',
    'i\u0307',
    '𐐨x',
  ],
  ...['😀', 'x😀y', 'a*c', 'a\\b', '**', '\\*', 'x\ny', '"q"', 'null', '5', '/lib/x.so', '\u0000', '\u2028'],
  ...['10.1.2.3', '10.200.0.1', '192.168.0.1', '2001:db8::1', '::ffff:10.1.2.3', '::1', '10.1.2'],
]
const halves = ['\ud83d', 'a\ud83d', '\ude00b']
const numbers = [0, -0, 1, -1, 5, 5.5, 300, 1e3, -2.5e-3, 2 ** 53, 1e300, 27.807807921694092]

const chance = (random: SeededRandom, share: number) => random.unit() < share
const some = <T>(random: SeededRandom, from: number, to: number, make: () => T): T[] =>
  Array.from({ length: from + random.below(to - from + 1) }, make)

export function randomScalar(random: SeededRandom): string | number | boolean | null {
  const kind = random.unit()
  if (kind < 0.5) return random.pick(texts)
  if (kind < 0.8) return random.pick(numbers)
  if (kind < 0.83) return random.pick(halves)
  return random.pick([true, false, null])
}

export function randomJson(random: SeededRandom, depth: number): Json {
  const kind = random.unit()
  if (depth === 0 || kind < 0.45) return randomScalar(random)
  if (kind < 0.7) return some(random, 0, 3, () => randomJson(random, depth - 1))
  return randomObject(random, depth)
}

export function randomObject(random: SeededRandom, depth: number): { [name: string]: Json } {
  const object: { [name: string]: Json } = {}
  // Not by assignment, which means something else for __proto__.
  for (const name of some(random, 0, 4, () => random.pick(names)))
    Object.defineProperty(object, name, {
      value: randomJson(random, depth - 1),
      enumerable: true,
      configurable: true,
      writable: true,
    })
  return object
}

/** One of the ways to write it: spaces, escapes, spellings of numbers, names that come again later. */
export function written(random: SeededRandom, json: Json): string {
  const space = () => (chance(random, 0.8) ? '' : random.pick([' ', '\n', '\t', '\r\n', '  ']))
  const write = (value: Json): string => `${space()}${bare(value)}${space()}`
  const bare = (value: Json): string => {
    if (typeof value === 'string') return writtenText(random, value)
    if (typeof value === 'number') return writtenNumber(random, value)
    if (value === null || typeof value === 'boolean') return String(value)
    if (Array.isArray(value)) return `[${value.length === 0 ? space() : value.map(write).join(',')}]`
    const members = Object.entries(value).flatMap(([name, inner]) => {
      const member = (content: Json) => `${space()}${writtenText(random, name)}${space()}:${write(content)}`
      return chance(random, 0.05) ? [member(randomJson(random, 2)), member(inner)] : [member(inner)]
    })
    return `{${members.length === 0 ? space() : members.join(',')}}`
  }
  return write(json)
}

function writtenText(random: SeededRandom, text: string): string {
  const units = Array.from({ length: text.length }, (_, index) => text[index])
  const plain = (unit: string) => {
    const isHalf = unit >= '\ud800' && unit <= '\udfff'
    return isHalf ? unit : JSON.stringify(unit).slice(1, -1)
  }
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  const body = units.map((unit) => (chance(random, 0.1) ? escaped(unit) : plain(unit))).join('')
  // A half of a pair that was left alone has to be escaped: it has no UTF-8.
  return `"${body.replace(/\p{Surrogate}/gu, escaped)}"`
}

function writtenNumber(random: SeededRandom, number: number): string {
  const plain = Object.is(number, -0) ? '-0' : String(number)
  const ways = [plain, plain, number.toExponential(), number.toExponential().replace('e', 'E')]
  if (Number.isInteger(number) && !plain.includes('e')) ways.push(`${plain}.0`, `${plain}e0`)
  if (Number.isInteger(number) && number !== 0 && !plain.includes('e')) ways.push(`${plain}0e-1`)
  return random.pick(ways)
}

/** Broken somewhere, or whole by luck. */
export function damaged(random: SeededRandom, text: string): string {
  const at = random.below(text.length + 1)
  const kind = random.below(3)
  if (kind === 0) return text.slice(0, at)
  if (kind === 1)
    return text.slice(0, at) + random.pick(['x', ',', '"', '}', ']', '{', '0', '\\', ' ']) + text.slice(at)
  return text.slice(0, at) + text.slice(at + 1)
}

/** Rules of which one takes one of the scalars, most of the time. */
function rulesFor(random: SeededRandom, scalars: readonly Json[]): Rules {
  return some(random, 1, 3, () => {
    if (scalars.length === 0 && chance(random, 0.8)) return { exists: false }
    const scalar = scalars.length > 0 && chance(random, 0.8) ? random.pick(scalars) : randomScalar(random)
    return ruleFor(random, scalar)
  })
}

const isWhole = (text: string) => !/\p{Surrogate}/u.test(text)
const wholeText = (random: SeededRandom) => random.pick(texts)

function ruleFor(random: SeededRandom, scalar: Json): unknown {
  if (typeof scalar === 'string' && !isWhole(scalar))
    return random.pick([{ prefix: 'a' }, { suffix: 'b' }, { wildcard: '*' }])
  const kind = random.unit()
  if (kind < 0.07) return { exists: chance(random, 0.7) }
  if (kind < 0.3) return { 'anything-but': butFor(random, scalar) }
  if (typeof scalar === 'string') return ruleOnText(random, scalar)
  if (typeof scalar === 'number') return ruleOnNumber(random, scalar)
  return scalar
}

function ruleOnText(random: SeededRandom, text: string): unknown {
  const characters = [...text]
  const cut = random.below(characters.length + 1)
  const before = characters.slice(0, cut).join('')
  const after = characters.slice(cut).join('')
  switch (random.below(9)) {
    case 0:
      return { prefix: before }
    case 1:
      return { suffix: after }
    case 2:
      return { prefix: { 'equals-ignore-case': otherCase(random, before) } }
    case 3:
      return { suffix: { 'equals-ignore-case': otherCase(random, after) } }
    case 4:
      return { 'equals-ignore-case': otherCase(random, text) }
    case 5:
    case 6:
      return { wildcard: wildcardFor(random, text) }
    case 7: {
      const bytes = parseIpAddress(text, new Uint8Array(16))
      return bytes === 0 ? text : { cidr: `${text}/${random.below(bytes * 8 + 1)}` }
    }
    default:
      return text
  }
}

function otherCase(random: SeededRandom, text: string): string {
  return [...text].map((character) => random.pick(caseForms(character))).join('')
}

function wildcardFor(random: SeededRandom, text: string): string {
  const parts = [...text].map((character) => {
    if (chance(random, 0.3)) return '*'
    return character === '*' || character === '\\' ? `\\${character}` : character
  })
  if (chance(random, 0.3)) parts.splice(random.below(parts.length + 1), 0, '*')
  // Two asterisks in a row are refused; an escaped one does not count.
  return parts.filter((part, index) => part !== '*' || parts[index - 1] !== '*').join('')
}

function ruleOnNumber(random: SeededRandom, number: number): unknown {
  const below = number - random.pick([0, 0.5, 10])
  const above = number + random.pick([0, 0.5, 10])
  switch (random.below(5)) {
    case 0:
      return { numeric: [random.pick(['>', '>=']), below] }
    case 1:
      return { numeric: [random.pick(['<', '<=']), above] }
    case 2:
      return { numeric: ['=', number] }
    case 3:
      return below < above
        ? { numeric: [random.pick(['>', '>=']), below, random.pick(['<', '<=']), above] }
        : number
    default:
      return number
  }
}

function butFor(random: SeededRandom, scalar: Json): unknown {
  const isText = chance(random, 0.6)
  const other = () => (typeof scalar === 'string' && chance(random, 0.4) ? scalar : wholeText(random))
  if (!isText) return random.pick([random.pick(numbers), some(random, 1, 3, () => random.pick(numbers))])
  const list = some(random, 1, 3, other)
  const filled = list.map((text) => text || 'z')
  switch (random.below(7)) {
    case 0:
      return other()
    case 1:
      return list
    case 2:
      return { prefix: filled }
    case 3:
      return { suffix: filled[0] }
    case 4:
      return {
        [random.pick(['prefix', 'suffix'])]: {
          'equals-ignore-case': filled.map((text) => otherCase(random, text)),
        },
      }
    case 5:
      return { 'equals-ignore-case': list.map((text) => otherCase(random, text)) }
    default:
      return { wildcard: list.map((text) => wildcardFor(random, text)) }
  }
}

const isObject = (json: Json): json is { [name: string]: Json } =>
  typeof json === 'object' && json !== null && !Array.isArray(json)
const laidFlat = (items: readonly Json[]): Json[] =>
  items.flatMap((item) => (Array.isArray(item) ? laidFlat(item) : [item]))

/** A pattern that fits `json`, most of the time. */
export function fieldsFor(random: SeededRandom, json: Json, depth: number): { [name: string]: unknown } {
  const objects = laidFlat([json]).filter(isObject)
  const pattern: { [name: string]: unknown } = {}
  const set = (name: string, value: unknown) =>
    Object.defineProperty(pattern, name, { value, enumerable: true, configurable: true, writable: true })
  for (let count = 1 + random.below(2); count > 0; count--) {
    const object = objects.length > 0 && chance(random, 0.9) ? random.pick(objects) : randomObject(random, 1)
    const known = Object.keys(object)
    const name = known.length > 0 && chance(random, 0.85) ? random.pick(known) : random.pick(names)
    set(name, nodeFor(random, Object.hasOwn(object, name) ? object[name] : undefined, depth))
  }
  if (depth > 0 && chance(random, 0.15))
    set(
      '$or',
      some(random, 2, 3, () => fieldsFor(random, json, depth - 1)),
    )
  return pattern
}

function nodeFor(random: SeededRandom, json: Json | undefined, depth: number): unknown {
  const items = json === undefined ? [] : laidFlat([json])
  const scalars = items.filter((item) => !isObject(item))
  const goDeeper =
    depth > 0 && (scalars.length === 0 ? items.length > 0 || chance(random, 0.2) : chance(random, 0.15))
  return goDeeper ? fieldsFor(random, items, depth - 1) : rulesFor(random, scalars)
}

/** Rules on what is text. */
function textRules(random: SeededRandom, text: string | null): Rules {
  return some(random, 1, 2, () => {
    if (text === null) return random.pick<unknown>([null, { exists: false }, { 'anything-but': 'x' }])
    const kind = random.unit()
    if (kind < 0.15) return { exists: true }
    if (kind < 0.3)
      return {
        'anything-but': random.pick<unknown>([text, ['x', 'y'], { prefix: 'q' }, { wildcard: '*a*' }]),
      }
    return ruleOnText(random, chance(random, 0.8) ? text : wholeText(random))
  })
}

/** A filter that fits the record, whose value is `json`, most of the time. */
export function randomFilter(
  random: SeededRandom,
  record: TestRecord,
  json: Json,
): { [name: string]: unknown } {
  const part = (): { [name: string]: unknown } => {
    const kind = random.unit()
    if (kind < 0.7) return { value: fieldsFor(random, json, 3) }
    const text = (bytes: Uint8Array | null) => (bytes === null ? null : new TextDecoder().decode(bytes))
    if (kind < 0.8) return { key: textRules(random, text(record.key)) }
    if (kind < 0.85) return { timestamp: [ruleOnNumber(random, record.timestampMs)] }
    if (kind < 0.9) return { value: textRules(random, text(record.value)) }
    const header = record.headers.length > 0 ? random.pick(record.headers) : { name: 'h', value: null }
    return { headers: { [header.name]: textRules(random, text(header.value)) } }
  }
  const filter = { ...part(), ...(chance(random, 0.3) ? part() : {}) }
  if (!chance(random, 0.1)) return filter
  // What is a list beside a $or may not be in it.
  const branches = some(random, 2, 3, part)
  const isTwice = (name: string) => name in filter && branches.some((branch) => name in branch)
  return Object.keys(filter).some(isTwice) ? { $or: [filter, ...branches] } : { ...filter, $or: branches }
}

/** A record around a value as text. */
export function randomRecord(random: SeededRandom, value: string): TestRecord {
  const bytes = (text: string | null) => (text === null ? null : new TextEncoder().encode(text))
  const key = random.pick([null, '', ...texts])
  return {
    key: bytes(key),
    value: chance(random, 0.02) ? null : bytes(value),
    headers: some(random, 0, 2, () => ({
      name: random.pick(['h', 'i', 'é']),
      value: bytes(random.pick([null, ...texts])),
    })),
    timestampMs: random.pick([0, 1, 5, -1, 1767225600000]),
  }
}
