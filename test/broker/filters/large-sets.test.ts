/** Large sets say of each pattern what it says alone, and patterns and records made to be slow are not. */
import t from 'tap'
import { Clock } from '../../../broker/filters/matching/clock.ts'
import { parseRecordPattern } from '../../../broker/filters/parse-pattern.ts'
import { PatternSet } from '../../../broker/filters/pattern-set.ts'
import { roundsOf } from '../../support/rounds.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { fieldsOf } from './laid-out.ts'
import { randomFilter, randomObject, randomRecord, written } from './support/random-filters.ts'
import { slowMatch } from './support/slow-matcher.ts'

const soak = process.env.OCTOPUS_SOAK ? 30 : 1
const utf8 = new TextEncoder()
const many = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index))

t.test('a hundred and fifty random patterns at once', async (t) => {
  const random = seededRandom(t)
  let matched = 0
  for (const _ of roundsOf(t, soak * 8)) {
    const events = many(150, () => {
      const json = randomObject(random, 3)
      return { json, record: randomRecord(random, written(random, json)) }
    })
    const patterns = events.map(({ json, record }) =>
      parseRecordPattern(JSON.stringify(randomFilter(random, record, json))),
    )
    const set = new PatternSet(patterns)
    for (const { record } of events.slice(0, 40)) {
      const count = set.match(fieldsOf(record))
      const said = [...set.matched.subarray(0, count)]
      const expected = patterns.flatMap((pattern, index) => (slowMatch(pattern, record) ? [index] : []))
      matched += said.length
      if (said.join() === expected.join()) continue
      const wrong = patterns.filter((_, index) => said.includes(index) !== expected.includes(index))
      const value = record.value && Buffer.from(record.value).toString()
      throw new Error(`${JSON.stringify(value)}: ${wrong.map(({ text }) => text).join(' ')}`)
    }
  }
  t.ok(matched > soak * 8 * 40 * 5, `${matched} matches`)
})

/** Rules of one kind for one field, many of which take a scalar, beside another field that decides. */
t.test('many rules for a field of which nothing else is known yet', async (t) => {
  const random = seededRandom(t)
  const rules = [
    () => ({ numeric: ['>', random.below(20) - 10] }),
    () => ({ numeric: ['<=', random.below(20) - 10] }),
    () => ({ prefix: 'abc'.slice(0, random.below(4)) }),
    () => ({ suffix: 'abc'.slice(random.below(4)) }),
    () => ({ wildcard: `*${'abc'[random.below(3)]}*` }),
    () => ({ 'equals-ignore-case': random.pick(['ABC', 'aB', 'C']) }),
    () => ({ 'anything-but': { prefix: random.pick(['a', 'b']) } }),
    () => random.pick([1, 'abc', null, { exists: false }, { exists: true }]),
  ]
  const scalar = () => random.pick([-5, 0, 5, 1.5, 'abc', 'a\u0062c', 'ab', 'bc', 'C', '', null, true])
  const scalars = () => (random.unit() < 0.6 ? scalar() : many(random.below(4), scalar))
  for (const _ of roundsOf(t, soak * 60)) {
    const patterns = many(40, () => {
      const n = many(1 + random.below(3), () => random.pick(rules)())
      const id = [random.pick(['x', 'y', 'z']), ...many(random.below(2), () => random.pick(rules)())]
      const fields = random.unit() < 0.5 ? { n, id } : { l: { n, id } }
      return parseRecordPattern(JSON.stringify({ value: fields }))
    })
    const set = new PatternSet(patterns)
    for (const _ of many(20, () => 0)) {
      const object = () => ({ id: random.pick(['x', 'y', 'z', scalar()]), n: scalars() })
      const json = { ...object(), l: random.pick([object(), many(random.below(4), object)]) }
      const record = { ...randomRecord(random, ''), value: utf8.encode(JSON.stringify(json)) }
      const said = [...set.matched.subarray(0, set.match(fieldsOf(record)))]
      const expected = patterns.flatMap((pattern, index) => (slowMatch(pattern, record) ? [index] : []))
      if (said.join() === expected.join()) continue
      const wrong = patterns.filter((_, index) => said.includes(index) !== expected.includes(index))
      throw new Error(`${JSON.stringify(json)}: ${wrong.map(({ text }) => text).join(' ')}`)
    }
  }
})

/** Who went back in the text, or asked each pattern of each place, would not end. */
t.test('patterns and records made to be slow', async (t) => {
  const as = 'a'.repeat(1_000_000)
  const cases: Readonly<Record<string, readonly [filters: unknown[], value: string, matched: number]>> = {
    'two hundred asterisks': [
      [{ value: { t: [{ wildcard: `${'*a'.repeat(200)}*b*` }] } }],
      `{"t":"${as}"}`,
      0,
    ],
    'a long literal that nearly fits everywhere': [
      [{ value: { t: [{ wildcard: `*${'a'.repeat(8000)}b*` }] } }],
      `{"t":"${as}"}`,
      0,
    ],
    'a thousand wildcards that begin alike': [
      many(1000, (index) => ({ value: { t: [{ wildcard: `*${'a'.repeat(index + 1)}*b` }] } })),
      `{"t":"${as}"}`,
      0,
    ],
    'thousands of alternatives for one field': [
      [{ value: { t: many(2500, (index) => ({ wildcard: `*a*${index}*` })) } }],
      `{"t":"${as}"}`,
      0,
    ],
    'a thousand alternatives, in each of many objects': [
      [{ value: { l: { $or: many(1000, (index) => ({ a: [{ prefix: 'x' }], [`b${index}`]: [1] })) } } }],
      JSON.stringify({ l: many(20_000, () => ({ a: 'x', b5: 2 })) }),
      0,
    ],
    'a thousand patterns on each of many objects': [
      many(1000, (index) => ({ value: { l: { a: ['x'], b: [index] } } })),
      JSON.stringify({ l: many(20_000, (index) => ({ a: 'x', b: index })) }),
      1000,
    ],
    'a name again and again': [
      [{ value: { x: [1] } }],
      `{${many(100_000, (index) => `"x":${index === 99_999 ? 1 : 2}`).join()}}`,
      1,
    ],
    'objects in objects': [
      [{ value: { x: { x: { x: { y: [1] } } } } }],
      `${'{"x":'.repeat(200_000)}1${'}'.repeat(200_000)}`,
      0,
    ],
  }
  for (const [name, [filters, value, matched]] of Object.entries(cases)) {
    const set = new PatternSet(filters.map((filter) => parseRecordPattern(JSON.stringify(filter))))
    const record = fieldsOf({ key: null, value: utf8.encode(value), headers: [], timestampMs: 0 })
    const before = process.cpuUsage()
    t.equal(set.match(record), matched, name)
    t.notOk(set.notJson)
    const { user, system } = process.cpuUsage(before)
    t.ok(user + system < 3_000_000, `${name}: ${(user + system) / 1000} ms`)
  }
})

t.test('the clock of a set begins anew before its numbers end', async (t) => {
  const clock = new Clock(3)
  const times = clock.times(2)
  clock.begin(1)
  times[0] = clock.now
  clock.turn()
  t.ok(times[0] >= clock.begunAt[1], 'not yet')
  clock.now = 2 ** 30
  times[1] = clock.now
  clock.turn()
  clock.begin(1)
  t.ok(times[0] < clock.begunAt[1])
  t.ok(times[1] < clock.begunAt[1])
})
