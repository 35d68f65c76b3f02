/** Each table of rules finds exactly those that take the scalar, held against asking one rule after the other. */
import t from 'tap'
import { caseForms } from '../../../../broker/filters/case-forms.ts'
import { parseIpAddress } from '../../../../broker/filters/ip-address.ts'
import { AddressTable } from '../../../../broker/filters/rules/address-table.ts'
import { CaseFolder, foldText } from '../../../../broker/filters/rules/case-folding.ts'
import { CaseTable } from '../../../../broker/filters/rules/case-table.ts'
import { RangeTable } from '../../../../broker/filters/rules/range-table.ts'
import { TextTable } from '../../../../broker/filters/rules/text-table.ts'
import { Wildcard } from '../../../../broker/filters/rules/wildcard.ts'
import { WildcardTable } from '../../../../broker/filters/rules/wildcard-table.ts'
import { roundsOf } from '../../../support/rounds.ts'
import { type SeededRandom, seededRandom } from '../../../support/seeded-random.ts'

const soak = process.env.OCTOPUS_SOAK ? 50 : 1
const utf8 = new TextEncoder()

/** Lies between other bytes, which do not belong to it. */
function laid(text: string): [Uint8Array, number, number] {
  const bytes = utf8.encode(`ab${text}ba`)
  return [bytes, 2, bytes.length - 2]
}

/** Ids are not those of the entries' places, and nothing before `count` is touched. */
function idsOf(find: (found: Int32Array, count: number) => number): number[] {
  const found = new Int32Array(300).fill(-7)
  const count = find(found, 2)
  if (found[0] !== -7 || found[1] !== -7) throw new Error('what was found before is gone')
  return [...found.subarray(2, count)].sort((a, b) => a - b)
}

function distinct(random: SeededRandom, count: number, make: () => string): string[] {
  return [...new Set(Array.from({ length: 1 + random.below(count) }, make))]
}

const textOf = (random: SeededRandom, letters: readonly string[], max: number) =>
  Array.from({ length: random.below(max) }, () => random.pick(letters)).join('')

function same(found: number[], expected: number[], what: unknown): void {
  if (JSON.stringify(found) === JSON.stringify(expected)) return
  throw new Error(
    `found ${JSON.stringify(found)}, not ${JSON.stringify(expected)}, in ${JSON.stringify(what)}`,
  )
}

t.test('texts, beginnings and ends', async (t) => {
  const random = seededRandom(t)
  const letters = ['a', 'b', 'é', '😀']
  for (const _ of roundsOf(t, soak * 1000)) {
    const texts = distinct(random, 30, () => textOf(random, letters, random.pick([4, 40])))
    const entries = texts.map((text, index) => ({ bytes: utf8.encode(text), id: index * 3 }))
    for (const [part, fits] of [
      ['whole', (text: string, one: string) => text === one],
      ['start', (text: string, one: string) => text.startsWith(one)],
      ['end', (text: string, one: string) => text.endsWith(one)],
    ] as const) {
      const table = new TextTable(part, entries)
      for (const text of [...texts, ...texts.map((one) => `${one}a`), textOf(random, letters, 9)]) {
        const expected = texts.flatMap((one, index) => (fits(text, one) ? [index * 3] : []))
        same(
          idsOf((found, count) => table.find(...laid(text), found, count)),
          expected,
          { part, texts, text },
        )
      }
    }
  }
})

t.test('ranges of numbers', async (t) => {
  const random = seededRandom(t)
  const bounds = [-Infinity, -1e300, -2, -0, 0, 0.5, 1, 2, 2 ** 53, Infinity]
  for (const _ of roundsOf(t, soak * 1000)) {
    const number = () => (random.unit() < 0.5 ? random.pick(bounds) : random.below(20) - 10)
    const ranges = Array.from({ length: 1 + random.below(40) }, (_, id) => {
      const [low, high] = [number(), number()].sort((a, b) => a - b)
      return { low, high, lowInclusive: random.unit() < 0.5, highInclusive: random.unit() < 0.5, id }
    })
    const table = new RangeTable(ranges)
    const values = [
      ...bounds,
      ...ranges.map(({ low }) => low + 0.25),
      ...ranges.map(({ high }) => high),
      number(),
    ]
    for (const value of values) {
      const expected = ranges
        .filter(({ low, lowInclusive }) => (lowInclusive ? value >= low : value > low))
        .filter(({ high, highInclusive }) => (highInclusive ? value <= high : value < high))
        .map(({ id }) => id)
      same(
        idsOf((found, count) => table.find(value, found, count)),
        expected,
        { ranges, value: String(value) },
      )
    }
  }
})

t.test('blocks of addresses', async (t) => {
  const random = seededRandom(t)
  const part = () => random.pick([0, 1, 10, 127, 128, 254, 255])
  const v4 = () => Array.from({ length: 4 }, part).join('.')
  const v6 = () =>
    `${part().toString(16)}::${part().toString(16)}:${part().toString(16)}${part().toString(16)}`
  const address = () => random.pick([v4, v6])()
  for (const _ of roundsOf(t, soak * 1000)) {
    const blocks = Array.from({ length: 1 + random.below(30) }, (_, id) => {
      const into = new Uint8Array(16)
      const bytes = into.slice(0, parseIpAddress(address(), into))
      bytes.set(into.subarray(0, bytes.length))
      return { bytes, prefixBits: random.below(bytes.length * 8 + 1), id }
    })
    const table = new AddressTable(blocks)
    const texts = ['', 'x', '10.0.0', '10.0.0.256', '1'.repeat(60), ...Array.from({ length: 20 }, address)]
    for (const text of texts) {
      const into = new Uint8Array(16)
      const length = parseIpAddress(text, into)
      const bitsOf = (bytes: Uint8Array) =>
        [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
      const expected = blocks
        .filter(({ bytes }) => bytes.length === length)
        .filter(({ bytes, prefixBits }) => bitsOf(into).startsWith(bitsOf(bytes).slice(0, prefixBits)))
        .map(({ id }) => id)
      same(
        idsOf((found, count) => table.find(...laid(text), found, count)),
        expected,
        { blocks, text },
      )
    }
  }
})

/** By a regular expression, for texts short enough. */
function wildcardFits(wildcard: string, text: string): boolean {
  const parts = wildcard.match(/\\.|./gsu) ?? []
  const source = parts.map((part) => (part === '*' ? '.*' : part))
  return new RegExp(`^${source.join('')}$`, 'su').test(text)
}

t.test('wildcards', async (t) => {
  const random = seededRandom(t)
  const letters = ['a', 'b', 'ab', 'abc', 'é', '*', '\\']
  const written = (text: string) => text.replace(/[*\\]/g, '\\$&')
  for (const _ of roundsOf(t, soak * 600)) {
    const most = random.pick([3, 9])
    const wildcards = distinct(random, 30, () => {
      const parts = Array.from({ length: random.below(4) + 1 }, () => written(textOf(random, letters, most)))
      return parts.join('*').replace(/(?<!\\)((?:\\\\)*)\*{2,}/g, '$1*')
    })
    const table = new WildcardTable(wildcards.map((text, index) => ({ text, id: index * 2 })))
    const texts = Array.from({ length: 12 }, () => textOf(random, letters, random.pick([5, 20])))
    // Some that fit.
    for (const wildcard of wildcards.slice(0, 12)) {
      texts.push(
        new Wildcard(wildcard).literals.map((part) => Buffer.from(part).toString()).join(random.pick(texts)),
      )
    }
    for (const text of texts) {
      const expected = wildcards.flatMap((one, index) => (wildcardFits(one, text) ? [index * 2] : []))
      same(
        idsOf((found, count) => table.find(...laid(text), found, count)),
        expected,
        { wildcards, text },
      )
    }
  }
})

t.test('texts whose case is ignored', async (t) => {
  const random = seededRandom(t)
  const letters = [
    'a',
    'A',
    'b',
    'k',
    '\u212a',
    'ß',
    'SS',
    's',
    'S',
    'ſ',
    'É',
    'é',
    'İ',
    'i\u0307',
    'I',
    'ı',
    'Σ',
    'σ',
  ]
  const more = ['ς', 'ǅ', 'ŉ', 'ΐ', '𐐀', '𐐨', '😀', '1']
  /** Where a reading of the pattern from `start` on may end. */
  const ends = (pattern: string, text: string, start: number): number[] =>
    [...pattern].reduce(
      (at, character) =>
        at.flatMap((from) =>
          caseForms(character).flatMap((form) => (text.startsWith(form, from) ? [from + form.length] : [])),
        ),
      [start],
    )
  const folder = new CaseFolder()
  for (const _ of roundsOf(t, soak * 1000)) {
    const used = random.unit() < 0.3 ? ['a', 'A', 'b', 'B'] : [...letters, ...more]
    const texts = distinct(random, 20, () => textOf(random, used, 5))
    for (const [part, fits] of [
      ['whole', (text: string, one: string) => ends(one, text, 0).includes(text.length)],
      ['start', (text: string, one: string) => ends(one, text, 0).length > 0],
      [
        'end',
        (text: string, one: string) =>
          Array.from({ length: text.length + 1 }, (_, at) => at).some((at) =>
            ends(one, text, at).includes(text.length),
          ),
      ],
    ] as const) {
      const table = new CaseTable(
        part,
        texts.map((text, index) => ({ text, id: index * 3 })),
      )
      const forms = texts.map((text) =>
        [...text].map((character) => random.pick(caseForms(character))).join(''),
      )
      for (const text of [
        ...forms,
        ...forms.map((one) => textOf(random, used, 3) + one),
        textOf(random, used, 9),
      ]) {
        const expected = texts.flatMap((one, index) => (fits(text, one) ? [index * 3] : []))
        const bytes = laid(text)
        folder.fold(...bytes)
        same(
          idsOf((found, count) => table.find(...bytes, folder, found, count)),
          expected,
          { part, texts, text },
        )
      }
    }
  }
})

t.test('every form of a character folds to the same', async (t) => {
  let forms = 0
  // Beyond are no letters that have cases.
  for (let point = 0; point < 0x20000; point++) {
    if (point >= 0xd800 && point < 0xe000) continue
    const character = String.fromCodePoint(point)
    for (const form of caseForms(character)) {
      forms++
      if (foldText(form) !== foldText(character)) t.fail(`${character} and ${form}`)
    }
  }
  t.ok(forms > 0x20000)
})
