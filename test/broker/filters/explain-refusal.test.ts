/** What is said of a record that a filter refuses. */
import t from 'tap'
import { type Refusal, RefusalExplainer } from '../../../broker/filters/explain-refusal.ts'
import { type LooseRecord, recordFieldsOf } from '../../../broker/filters/loose-record.ts'
import { parseRecordPattern } from '../../../broker/filters/parse-pattern.ts'
import { PatternSet } from '../../../broker/filters/pattern-set.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { type RecordText, recordOf } from './conformance/cases.ts'
import { randomFilter, randomObject, randomRecord, written } from './support/random-filters.ts'
import { slowMatch } from './support/slow-matcher.ts'

function explainer(filter: unknown): (record: LooseRecord) => Refusal[] {
  const explaining = new RefusalExplainer(parseRecordPattern(JSON.stringify(filter)), (part) => {
    const set = new PatternSet([part])
    return (fields) => set.match(fields) > 0
  })
  return (record) => explaining.explain(record, recordFieldsOf(record))
}

/** The sentences; branches as lists in a list. */
const said = (refusals: readonly Refusal[]): unknown[] =>
  refusals.map(({ sentence, branches }) => (branches ? [sentence, ...branches.map(said)] : sentence))

const refused = (filter: unknown, record: RecordText) => said(explainer(filter)(recordOf(record)))

t.test('what matches is not explained', async (t) => {
  t.same(refused({ value: { a: ['x'] } }, { value: '{"a":"x"}' }), [])
  t.same(refused({ $or: [{ key: ['a'] }, { key: ['b'] }] }, { key: 'b' }), [])
})

t.test('fields: what is there, and what must be', async (t) => {
  const filter = { value: { temp: [{ numeric: ['>', 30] }], run: { state: ['done', { prefix: 'ok' }] } } }
  const of = (value: string) => refused(filter, { value })
  t.same(of('{"temp":31,"run":{"state":"new"}}'), [
    'value.run.state is "new", and must be one of ["done",{"prefix":"ok"}]',
  ])
  t.same(of('{"temp":"31"}'), [
    'value.temp is "31", and must be {"numeric":[">",30]}',
    'value.run.state is missing, and must be one of ["done",{"prefix":"ok"}]',
  ])
  t.same(of('{"temp":[1,2,[3,null]],"run":[{"state":{}},{"state":{}},{"state":{}}]}'), [
    'value.temp is 1, 2, 3 and 1 more, and must be {"numeric":[">",30]}',
    'value.run.state is 3 objects, and must be one of ["done",{"prefix":"ok"}]',
  ])
  t.same(of('{"temp":[],"run":{"state":{"done":1}}}'), [
    'value.temp is an empty array, and must be {"numeric":[">",30]}',
    'value.run.state is an object, and must be one of ["done",{"prefix":"ok"}]',
  ])
})

t.test('names that are no words are quoted', async (t) => {
  t.same(refused({ value: { 'a.b': { '': ['x'] } } }, { value: '{}' }), [
    'value["a.b"][""] is missing, and must be "x"',
  ])
  t.same(refused({ headers: { 'content type': ['x'] } }, { headers: [['content type', 'y']] }), [
    'headers["content type"] is "y", and must be "x"',
  ])
})

t.test('a value without fields', async (t) => {
  const filter = { value: { a: [{ exists: false }] } }
  t.same(refused(filter, { value: null }), ['value is null, so it has no fields'])
  t.same(refused(filter, { value: 'a=x' }), ['value is "a=x", which is not JSON and so has no fields'])
  t.same(refused({ key: { a: ['x'] } }, {}), ['key is null, so it has no fields'])
  t.same(refused({ value: { a: ['x'] } }, { value: '5' }), ['value.a is missing, and must be "x"'])
})

t.test('whole values, keys, headers, timestamps', async (t) => {
  t.same(
    refused(
      { value: ['x'], key: [{ prefix: 'k' }], headers: { h: ['1'], i: ['2'] }, timestamp: [5] },
      {
        value: 'y',
        headers: [
          ['h', '2'],
          ['h', null],
        ],
      },
    ),
    [
      'key is null, and must be {"prefix":"k"}',
      'value is "y", and must be "x"',
      'headers.h is "2", null, and must be "1"',
      'headers.i is missing, and must be "2"',
      'timestamp is 0, and must be 5',
    ],
  )
})

t.test('fields that match one by one, but in no element together', async (t) => {
  const filter = { value: { people: { first: ['Anna'], last: ['Jones'] } } }
  t.same(refused(filter, { value: '{"people":[{"first":"Anna","last":"Smith"},{"last":"Jones"}]}' }), [
    'each field of value.people matches by itself, but no element of the array matches them all',
  ])
})

t.test('$or: each branch', async (t) => {
  t.same(
    refused(
      { value: { a: { $or: [{ b: ['x'] }, { c: ['y'], d: ['z'] }] } } },
      { value: '{"a":{"b":"y","c":"y"}}' },
    ),
    [
      [
        'none of the 2 alternatives for value.a matches',
        ['value.a.b is "y", and must be "x"'],
        ['value.a.d is missing, and must be "z"'],
      ],
    ],
  )
  t.same(refused({ $or: [{ key: ['a'] }, { key: ['b'], timestamp: [1] }] }, { key: 'b' }), [
    [
      'none of the 2 alternatives matches',
      ['key is "b", and must be "a"'],
      ['timestamp is 0, and must be 1'],
    ],
  ])
})

t.test('long things are shortened', async (t) => {
  const [sentence] = refused(
    { key: Array.from({ length: 100 }, (_, index) => `k${index}`) },
    { key: 'x'.repeat(1000) },
  )
  t.equal(
    sentence,
    `key is "${'x'.repeat(38)}…, and must be one of ["k0","k1","k2","k3","k4","k5","k6","k7","k8","k9","k10","k11","k12","k1…`,
  )
})

t.test('an event that is nested deeper than any stack', async (t) => {
  const depth = 100_000
  const value = `{"a":${'['.repeat(depth)}1${']'.repeat(depth)}}`
  t.same(refused({ value: { a: ['x'] } }, { value }), ['value.a is 1, and must be "x"'])
})

t.test('there is an explanation exactly when there is no match', async (t) => {
  const random = seededRandom(t)
  for (let round = 0; round < 300; round++) {
    const json = randomObject(random, 3)
    const fitting = randomRecord(random, written(random, json))
    const filter = randomFilter(random, fitting, json)
    const explain = explainer(filter)
    for (const record of [fitting, randomRecord(random, written(random, randomObject(random, 3))), fitting]) {
      const matches = slowMatch(parseRecordPattern(JSON.stringify(filter)), record)
      const refusals = explain(record)
      if (matches !== (refusals.length === 0)) t.fail(JSON.stringify({ filter, refusals }))
      if (refusals.some(({ branches }) => branches?.some((branch) => branch.length === 0)))
        t.fail('a branch without a reason')
    }
  }
})
