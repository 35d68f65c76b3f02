/** Random filters on random events: every matcher says what the slow one says, and what logic demands. */
import t from 'tap'
import { parseRecordPattern } from '../../../broker/filters/parse-pattern.ts'
import type { RecordPattern } from '../../../broker/filters/pattern.ts'
import { roundsOf } from '../../support/rounds.ts'
import { type SeededRandom, seededRandom } from '../../support/seeded-random.ts'
import { fast, type Matcher, slow } from './support/matchers.ts'
import {
  damaged,
  fieldsFor,
  randomFilter,
  randomJson,
  randomObject,
  randomRecord,
  written,
} from './support/random-filters.ts'
import type { TestRecord } from './support/slow-matcher.ts'

const soak = process.env.OCTOPUS_SOAK ? 50 : 1

const show = ({ key, value, headers, timestampMs }: TestRecord) => {
  const text = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString()
  return {
    key: text(key),
    value: text(value),
    headers: headers.map((header) => [header.name, text(header.value)]),
    timestampMs,
  }
}

const recordWith = (value: string): TestRecord => ({
  key: null,
  value: new TextEncoder().encode(value),
  headers: [],
  timestampMs: 0,
})

const patternOf = (filter: unknown): RecordPattern => parseRecordPattern(JSON.stringify(filter))

interface Made {
  readonly record: TestRecord
  /** Made to fit it, about half of the time. */
  readonly pattern: RecordPattern
}

function made(random: SeededRandom): Made {
  const json = random.unit() < 0.85 ? randomObject(random, 3) : randomJson(random, 3)
  const text = written(random, json)
  const whole = randomRecord(random, random.unit() < 0.03 ? damaged(random, text) : text)
  const pattern = patternOf(randomFilter(random, whole, json))
  return { pattern, record: random.unit() < 0.15 ? strange(random, whole) : whole }
}

/** With a key that is JSON, with bytes that are no text, with a byte of the value that is another one. */
function strange(random: SeededRandom, record: TestRecord): TestRecord {
  switch (random.below(4)) {
    case 0:
      return { ...record, key: record.value }
    case 1:
      return { ...record, key: random.bytes(random.below(6)) }
    case 2:
      return { ...record, headers: [...record.headers, { name: 'h', value: random.bytes(random.below(6)) }] }
    default: {
      if (record.value === null || record.value.length === 0) return record
      const value = Uint8Array.from(record.value)
      value[random.below(value.length)] = random.below(256)
      return { ...record, value }
    }
  }
}

/** The same on both, for filters and events that were made for each other: few at a time, and many. */
function agrees(matcher: Matcher, other: Matcher): void {
  for (const [rounds, size] of [
    [300, 8],
    [10, 64],
  ])
    t.test(`${matcher.name} says what ${other.name} says, ${size} filters at a time`, async (t) => {
      const random = seededRandom(t)
      let matched = 0
      for (const _ of roundsOf(t, soak * rounds)) {
        const all = Array.from({ length: size }, () => made(random))
        const patterns = all.map(({ pattern }) => pattern)
        const [one, two] = [matcher.build(patterns), other.build(patterns)]
        for (const [index, { record }] of all.entries()) {
          const [said, expected] = [one(record), two(record)]
          if (expected.includes(index)) matched++
          if (JSON.stringify(said) === JSON.stringify(expected)) continue
          const wrong = patterns.filter((_, at) => said.includes(at) !== expected.includes(at))
          const filters = wrong.map(({ text }) => text)
          t.same(said, expected, JSON.stringify({ record: show(record), filters }))
          return
        }
      }
      const pairs = soak * rounds * size
      t.comment(`${matched} of ${pairs} match what was made for them`)
      t.ok(matched > pairs * 0.35 && matched < pairs * 0.75, 'about half of them match')
    })
}

function keepsLogic(matcher: Matcher): void {
  const matches = (filter: unknown, text: string) =>
    matcher.build([patternOf(filter)])(recordWith(text)).length === 1

  t.test(`${matcher.name}: how an event is written means nothing`, async (t) => {
    const random = seededRandom(t)
    for (const _ of roundsOf(t, soak * 500)) {
      const json = randomObject(random, 3)
      const filter = { value: fieldsFor(random, json, 3) }
      const [one, other] = [written(random, json), written(random, json)]
      if (matches(filter, one) !== matches(filter, other)) t.fail(JSON.stringify({ filter, one, other }))
    }
  })

  t.test(`${matcher.name}: $or is or, wherever it stands`, async (t) => {
    const random = seededRandom(t)
    for (const _ of roundsOf(t, soak * 500)) {
      const json = randomObject(random, 3)
      const text = written(random, json)
      const [one, other, third] = [1, 2, 3].map(() => fieldsFor(random, json, 2))
      const expected = [one, other, third].some((value) => matches({ value }, text))
      const around = matches({ $or: [one, other, third].map((value) => ({ value })) }, text)
      const inside = matches({ value: { $or: [one, { $or: [other, third] }] } }, text)
      if (around !== expected) t.fail(`around: ${JSON.stringify({ one, other, third, text })}`)
      if (inside !== expected) t.fail(`inside: ${JSON.stringify({ one, other, third, text })}`)
    }
  })

  t.test(`${matcher.name}: what is damaged matches only if it is still JSON`, async (t) => {
    const random = seededRandom(t)
    for (const _ of roundsOf(t, soak * 500)) {
      const text = damaged(random, written(random, randomObject(random, 2)))
      let isJson = true
      try {
        JSON.parse(text)
      } catch {
        isJson = false
      }
      const anything = { value: { nowhere: [{ exists: false }] } }
      if (matches(anything, text) !== isJson) t.fail(JSON.stringify(text))
    }
  })
}

agrees(fast, slow)
keepsLogic(slow)
keepsLogic(fast)
