/** What a set of patterns does beyond what each pattern means: one record after the other, many patterns, laziness. */
import t from 'tap'
import { parseRecordPattern } from '../../../broker/filters/parse-pattern.ts'
import { PatternSet } from '../../../broker/filters/pattern-set.ts'
import { fieldsOf } from './laid-out.ts'

interface Parts {
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly timestampMs?: number
}

const utf8 = new TextEncoder()
const setOf = (...filters: unknown[]) =>
  new PatternSet(filters.map((filter) => parseRecordPattern(JSON.stringify(filter))))

function matches(set: PatternSet, value: string | null, { key, headers, timestampMs }: Parts = {}): number[] {
  const count = set.match(
    fieldsOf({
      value: value === null ? null : utf8.encode(value),
      key: key === undefined ? null : utf8.encode(key),
      headers: Object.entries(headers ?? {}).map(([name, text]) => ({ name, value: utf8.encode(text) })),
      timestampMs: timestampMs ?? 0,
    }),
  )
  return [...set.matched.subarray(0, count)]
}

t.test('the indexes are those of the patterns, ascending', async (t) => {
  const set = setOf(
    ...Array.from({ length: 100 }, (_, index) => ({ value: { n: [index % 50, { prefix: 'x' }] } })),
  )
  t.equal(set.size, 100)
  t.same(matches(set, '{"n": 7}'), [7, 57])
  t.same(matches(set, '{"n": 49}'), [49, 99])
  t.same(matches(set, '{"n": 50}'), [])
  t.same(
    matches(set, '{"n": "xy"}'),
    Array.from({ length: 100 }, (_, index) => index),
  )
})

t.test('nothing is left of a record when the next one comes', async (t) => {
  const set = setOf(
    { value: { a: ['x'], b: ['y'] } },
    { value: { list: { a: [1], b: [2] } } },
    { value: { a: [{ exists: false }] } },
    { value: { a: [{ 'anything-but': 'x' }] } },
    { headers: { h: ['1'] }, value: { a: ['x'] } },
  )
  const events: [string, Parts, number[]][] = [
    ['{"a": "x", "b": "y"}', {}, [0]],
    ['{"a": "x"}', { headers: { h: '1' } }, [4]],
    ['{"b": "y"}', {}, [2]],
    ['{"a": ["x", "z"], "b": "y"}', {}, [0, 3]],
    ['{"list": [{"a": 1}, {"b": 2}]}', {}, [2]],
    ['{"list": {"a": 1, "b": 2}}', {}, [1, 2]],
    ['{"a": "x", "b": "y"', {}, []],
    ['{"a": "z"}', { headers: { h: '1' } }, [3]],
  ]
  for (const first of events) {
    for (const [value, parts, expected] of [first, ...events])
      t.same(matches(set, value, parts), expected, value)
  }
})

t.test('the value is read only if a pattern can still match', async (t) => {
  const broken = '{"a": 1,}'
  const byHeader = setOf({ headers: { h: ['1'] }, value: { a: [1] } })
  t.same(matches(byHeader, broken), [])
  t.notOk(byHeader.notJson, 'no header: not read')
  matches(byHeader, broken, { headers: { h: '2' } })
  t.notOk(byHeader.notJson, 'another header: not read')
  matches(byHeader, broken, { headers: { h: '1' } })
  t.ok(byHeader.notJson)
  t.same(matches(byHeader, '{"a": 1}', { headers: { h: '1' } }), [0])
  t.notOk(byHeader.notJson)

  const byAbsence = setOf({ headers: { h: [{ exists: false }] }, key: ['k'], value: { a: [1] } })
  matches(byAbsence, broken, { headers: { h: '1' }, key: 'k' })
  t.notOk(byAbsence.notJson)
  matches(byAbsence, broken, { key: 'other' })
  t.notOk(byAbsence.notJson)
  matches(byAbsence, broken, { key: 'k' })
  t.ok(byAbsence.notJson)

  const onlyAbsence = setOf({ headers: { h: [{ exists: false }] }, value: { a: [1] } })
  matches(onlyAbsence, broken, { headers: { h: '1' } })
  t.notOk(onlyAbsence.notJson)
  matches(onlyAbsence, broken)
  t.ok(onlyAbsence.notJson)

  const never = setOf({ key: ['k'] }, { timestamp: [5] }, { value: [broken] })
  t.same(matches(never, broken, { key: 'k', timestampMs: 5 }), [0, 1, 2])
  t.notOk(never.notJson, 'no pattern looks into it')

  const byKey = setOf({ key: { k: [1] }, value: { a: [1] } })
  matches(byKey, broken, { key: '{"k": 2}' })
  t.notOk(byKey.notJson)
  matches(byKey, broken, { key: '{"k": 1}' })
  t.ok(byKey.notJson)
})

t.test('what is not JSON matches no fields, but all else', async (t) => {
  const set = setOf(
    { value: { a: [1] } },
    { value: { nowhere: [{ exists: false }] } },
    { key: ['k'] },
    { $or: [{ value: { a: [1] } }, { key: ['k'] }] },
    { key: { x: [1] } },
  )
  t.same(matches(set, '{"a": 1} x', { key: 'k' }), [2, 3])
  t.ok(set.notJson)
  t.same(matches(set, null, { key: 'k' }), [2, 3])
  t.notOk(set.notJson, 'null is not counted')
  t.same(matches(set, '{"a": 1}', { key: '{"x": 1} x' }), [0, 1, 3], 'a key that is no JSON')
  t.notOk(set.notJson, 'is not counted')
})

t.test('of a name that comes twice the last field counts', async (t) => {
  const set = setOf(
    { value: { a: [1] } },
    { value: { a: { b: [1] } } },
    { value: { a: { b: [{ exists: false }] } } },
    { value: { a: [{ 'anything-but': 1 }] } },
    { key: { k: [1] }, value: { a: [2] } },
  )
  t.same(matches(set, '{"a": 1, "a": 2}'), [2, 3])
  t.same(matches(set, '{"a": 2, "\\u0061": 1}'), [0, 2])
  t.same(matches(set, '{"a": {"b": 1}, "a": 1, "a": {"c": 1}}'), [2])
  t.same(matches(set, '{"a": {"b": 2, "b": 1}, "a": {"b": 2, "b": 1, "b": 1}}'), [1])
  t.same(matches(set, '{"a": [{"b": 1}, {"b": 2}]}'), [1], 'not in two elements of a list')
  t.same(
    matches(set, '{"a": 1, "a": 2}', { key: '{"k": 2, "k": 1}' }),
    [2, 3, 4],
    'in the key, then in the value',
  )
  t.same(matches(set, '{"a": 1, "a": 2}', { key: '{"k": 1, "k": 2}' }), [2, 3])
})

t.test('anything-but counts a scalar once, however many of its rules take it', async (t) => {
  const set = setOf(
    { value: { a: [{ 'anything-but': { prefix: ['a', 'ab', 'abc'] } }] } },
    { value: { a: [{ 'anything-but': ['abc', 'b'] }] } },
  )
  t.same(matches(set, '{"a": ["abc", "x"]}'), [0, 1])
  t.same(matches(set, '{"a": ["abc", "ab"]}'), [1])
  t.same(matches(set, '{"a": ["abc", "abc"]}'), [])
  t.same(matches(set, '{"a": "abc"}'), [])
  t.same(matches(set, '{"a": [["x"], ["abc", "abc"]]}'), [0, 1])
})

t.test('a value is read for what is common besides it as well', async (t) => {
  const set = setOf(
    ...Array.from({ length: 40 }, (_, index) => ({
      timestamp: [{ numeric: ['>', index * 10] }],
      value: { id: [`id-${index % 20}`] },
    })),
  )
  t.same(matches(set, '{"id": "id-3"}', { timestampMs: 1000 }), [3, 23])
  t.same(matches(set, '{"id": "id-3"}', { timestampMs: 31 }), [3])
  t.same(matches(set, '{"id": "id-3"}', { timestampMs: 30 }), [])
  t.same(matches(set, '{"id": ["id-3", "id-19"]}', { timestampMs: 195 }), [3, 19])
})

t.test('rules that others share are asked of the scalar that is there', async (t) => {
  const set = setOf(
    { value: { n: ['x'], id: ['y', { prefix: '' }] } },
    { value: { id: ['y'] } },
    { value: { id: [{ prefix: '' }] } },
    ...Array.from({ length: 8 }, (_, index) => ({ value: { id: [{ prefix: `q${index}` }] } })),
  )
  t.same(matches(set, '{"n": "x", "id": null}'), [])
  t.same(matches(set, '{"n": "x", "id": "q1"}'), [0, 2, 4])
  t.same(matches(set, '{"n": "x", "id": 5}'), [])
})

t.test('no pattern at all', async (t) => {
  const set = new PatternSet([])
  t.equal(set.size, 0)
  t.same(matches(set, '{"a": 1}', { key: 'k' }), [])
})
