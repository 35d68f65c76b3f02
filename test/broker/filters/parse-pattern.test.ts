/** What the text of a filter becomes. What is refused stands in pattern-errors.test.ts. */
import t from 'tap'
import { parseRecordPattern } from '../../../broker/filters/parse-pattern.ts'
import type { FieldsPattern, LeafPattern, Rule } from '../../../broker/filters/pattern.ts'

/** The rules of a list, as the rules of a field. */
function rules(list: unknown): readonly Rule[] {
  const [{ value }] = parseRecordPattern(JSON.stringify({ value: { a: list } })).alternatives
  return ((value as FieldsPattern).fields.get('a') as LeafPattern).rules
}

const exact = (value: string | number | boolean | null): Rule => ({ kind: 'exact', value })
const leaf = (...values: string[]): LeafPattern => ({ kind: 'leaf', rules: values.map(exact) })
const fields = (named: Record<string, LeafPattern | FieldsPattern>, or: FieldsPattern[] = []) => ({
  kind: 'fields',
  fields: new Map(Object.entries(named)),
  or,
})

t.test('values are exact rules', async (t) => {
  t.same(rules(['x', '', 0, -1.5e3, true, false, null]), ['x', '', 0, -1500, true, false, null].map(exact))
  t.same(rules([{ exactly: 'x' }]), [exact('x')])
})

t.test('operators on text', async (t) => {
  t.same(rules([{ prefix: 'a' }, { suffix: '' }]), [
    { kind: 'prefix', text: 'a', ignoreCase: false },
    { kind: 'suffix', text: '', ignoreCase: false },
  ])
  t.same(rules([{ prefix: { 'equals-ignore-case': 'a' } }, { suffix: { 'equals-ignore-case': 'b' } }]), [
    { kind: 'prefix', text: 'a', ignoreCase: true },
    { kind: 'suffix', text: 'b', ignoreCase: true },
  ])
  t.same(rules([{ 'equals-ignore-case': 'a' }, { wildcard: 'a*\\*\\\\' }]), [
    { kind: 'equals-ignore-case', text: 'a' },
    { kind: 'wildcard', text: 'a*\\*\\\\' },
  ])
})

t.test('anything-but, with all that may stand in it', async (t) => {
  const but = (...inner: Rule[]) => [{ kind: 'anything-but', rules: inner }]
  t.same(rules([{ 'anything-but': 'a' }]), but(exact('a')))
  t.same(rules([{ 'anything-but': 1 }]), but(exact(1)))
  t.same(rules([{ 'anything-but': ['a', 'b'] }]), but(exact('a'), exact('b')))
  t.same(rules([{ 'anything-but': [1, 2] }]), but(exact(1), exact(2)))
  for (const kind of ['prefix', 'suffix'] as const) {
    t.same(rules([{ 'anything-but': { [kind]: 'a' } }]), but({ kind, text: 'a', ignoreCase: false }))
    t.same(
      rules([{ 'anything-but': { [kind]: ['a', 'b'] } }]),
      but({ kind, text: 'a', ignoreCase: false }, { kind, text: 'b', ignoreCase: false }),
    )
    t.same(
      rules([{ 'anything-but': { [kind]: { 'equals-ignore-case': ['a', 'b'] } } }]),
      but({ kind, text: 'a', ignoreCase: true }, { kind, text: 'b', ignoreCase: true }),
    )
  }
  for (const kind of ['equals-ignore-case', 'wildcard'] as const) {
    t.same(rules([{ 'anything-but': { [kind]: 'a' } }]), but({ kind, text: 'a' }))
    t.same(rules([{ 'anything-but': { [kind]: ['a', ''] } }]), but({ kind, text: 'a' }, { kind, text: '' }))
  }
})

t.test('numeric, exists, cidr', async (t) => {
  const range = (low: number, lowInclusive: boolean, high: number, highInclusive: boolean) => [
    { kind: 'numeric', low, lowInclusive, high, highInclusive },
  ]
  const { POSITIVE_INFINITY: up, NEGATIVE_INFINITY: down } = Number
  t.same(rules([{ numeric: ['=', 5] }]), range(5, true, 5, true))
  t.same(rules([{ numeric: ['<', 5] }]), range(down, true, 5, false))
  t.same(rules([{ numeric: ['<=', 5] }]), range(down, true, 5, true))
  t.same(rules([{ numeric: ['>', 5] }]), range(5, false, up, true))
  t.same(rules([{ numeric: ['>=', 5] }]), range(5, true, up, true))
  t.same(rules([{ numeric: ['>', 0, '<=', 5] }]), range(0, false, 5, true))
  t.same(rules([{ numeric: ['>=', -1, '<', 5.5] }]), range(-1, true, 5.5, false))
  t.same(rules([{ exists: true }, { exists: false }]), [
    { kind: 'exists', exists: true },
    { kind: 'exists', exists: false },
  ])
  t.same(rules([{ cidr: '10.0.0.0/8' }, { cidr: '2001:db8::/32' }]), [
    { kind: 'cidr', bytes: Uint8Array.of(10, 0, 0, 0), prefixBits: 8 },
    {
      kind: 'cidr',
      bytes: Uint8Array.of(0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
      prefixBits: 32,
    },
  ])
})

t.test('the parts of a document', async (t) => {
  const text = JSON.stringify({
    value: { a: { b: ['x'] }, $or: [{ c: ['y'] }, { d: ['z'] }] },
    key: ['k'],
    headers: { h: ['v'] },
    timestamp: [{ numeric: ['>', 5] }],
  })
  const pattern = parseRecordPattern(text)
  t.equal(pattern.text, text)
  t.same(pattern.alternatives, [
    {
      value: fields({ a: fields({ b: leaf('x') }) as FieldsPattern }, [
        fields({ c: leaf('y') }) as FieldsPattern,
        fields({ d: leaf('z') }) as FieldsPattern,
      ]),
      key: leaf('k'),
      headers: new Map([['h', leaf('v')]]),
      timestamp: {
        kind: 'leaf',
        rules: [
          {
            kind: 'numeric',
            low: 5,
            lowInclusive: false,
            high: Number.POSITIVE_INFINITY,
            highInclusive: true,
          },
        ],
      },
    },
  ])
})

t.test('$or of the document and of headers makes alternatives', async (t) => {
  const pattern = parseRecordPattern(
    JSON.stringify({
      key: ['k'],
      headers: { h: ['1'], $or: [{ i: ['2'] }, { j: ['3'] }] },
      $or: [{ value: ['v'] }, { value: { a: ['w'] }, headers: { l: ['4'] } }],
    }),
  )
  const headers = (named: Record<string, string>) =>
    new Map(Object.entries(named).map(([name, value]) => [name, leaf(value)]))
  t.same(pattern.alternatives, [
    { key: leaf('k'), value: leaf('v'), headers: headers({ h: '1', i: '2' }) },
    { key: leaf('k'), value: fields({ a: leaf('w') }), headers: headers({ h: '1', i: '2', l: '4' }) },
    { key: leaf('k'), value: leaf('v'), headers: headers({ h: '1', j: '3' }) },
    { key: leaf('k'), value: fields({ a: leaf('w') }), headers: headers({ h: '1', j: '3', l: '4' }) },
  ])
})

t.test('fields inside and beside a $or go together', async (t) => {
  const [first, second] = parseRecordPattern(
    JSON.stringify({ value: { a: ['1'] }, $or: [{ value: { b: ['2'] } }, { key: ['k'] }] }),
  ).alternatives
  t.same(first, { value: fields({ a: leaf('1') }, [fields({ b: leaf('2') }) as FieldsPattern]) })
  t.same(second, { value: fields({ a: leaf('1') }), key: leaf('k') })
})
