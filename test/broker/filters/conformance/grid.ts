/** Every operator on every type, present and absent: which of the columns match; the others do not. */
import type { ValueCases } from './cases.ts'

/** What stands in the field a. */
const columns = {
  text: '{"a":"abc"}',
  capitals: '{"a":"ABC"}',
  'empty text': '{"a":""}',
  'longer text': '{"a":"abcd-xabc"}',
  number: '{"a":5}',
  fraction: '{"a":5.5}',
  zero: '{"a":0}',
  negative: '{"a":-5}',
  'number as text': '{"a":"5"}',
  true: '{"a":true}',
  false: '{"a":false}',
  null: '{"a":null}',
  'null as text': '{"a":"null"}',
  address: '{"a":"10.1.2.3"}',
  'address v6': '{"a":"2001:db8::1"}',
  missing: '{"b":"abc"}',
  'nothing at all': '{}',
  'other case of the name': '{"A":"abc"}',
  object: '{"a":{"b":"abc"}}',
  'empty object': '{"a":{}}',
  'empty array': '{"a":[]}',
  'array of texts': '{"a":["x","abc"]}',
  'array of numbers': '{"a":[1,5]}',
  'nested arrays': '{"a":[[],[["abc"]]]}',
  'nested empty arrays': '{"a":[[],[[]]]}',
  'array of everything': '{"a":[null,true,5,"abc",{"b":1}]}',
  'array of objects': '{"a":[{"a":"abc"}]}',
  'text as the event': '"abc"',
  'number as the event': '5',
  'null as the event': 'null',
  'array as the event': '[{"x":1},{"a":"abc"}]',
  'empty array as the event': '[]',
} as const

type Column = keyof typeof columns

const everything = Object.keys(columns) as Column[]
const absent: Column[] = [
  'missing',
  'nothing at all',
  'other case of the name',
  'object',
  'empty object',
  'empty array',
  'nested empty arrays',
  'array of objects',
  'text as the event',
  'number as the event',
  'null as the event',
  'empty array as the event',
]
const present = everything.filter((column) => !absent.includes(column))
const besides = (...left: Column[]) => present.filter((column) => !left.includes(column))
const withAbc: Column[] = [
  'text',
  'array of texts',
  'nested arrays',
  'array of everything',
  'array as the event',
]

const rows: readonly (readonly [rules: readonly unknown[], matching: readonly Column[]])[] = [
  [['abc'], withAbc],
  [[''], ['empty text']],
  [['5'], ['number as text']],
  [[5], ['number', 'array of numbers', 'array of everything']],
  [[5.0], ['number', 'array of numbers', 'array of everything']],
  [[0], ['zero']],
  [[-5], ['negative']],
  [[true], ['true', 'array of everything']],
  [[false], ['false']],
  [[null], ['null', 'array of everything']],
  [['null'], ['null as text']],
  [
    ['abc', 5, null],
    [...withAbc, 'number', 'array of numbers', 'null'],
  ],
  [[{ exactly: 'abc' }], withAbc],
  [[{ prefix: 'ab' }], [...withAbc, 'longer text']],
  [[{ prefix: '5' }], ['number as text']],
  [
    [{ prefix: '' }],
    [
      ...withAbc,
      'capitals',
      'empty text',
      'longer text',
      'number as text',
      'null as text',
      'address',
      'address v6',
    ],
  ],
  [[{ prefix: { 'equals-ignore-case': 'aB' } }], [...withAbc, 'capitals', 'longer text']],
  [[{ suffix: 'bc' }], [...withAbc, 'longer text']],
  [[{ suffix: { 'equals-ignore-case': 'Bc' } }], [...withAbc, 'capitals', 'longer text']],
  [[{ 'equals-ignore-case': 'aBc' }], [...withAbc, 'capitals']],
  [[{ wildcard: 'a*c' }], [...withAbc, 'longer text']],
  [[{ wildcard: 'abc' }], withAbc],
  [
    [{ wildcard: '*' }],
    [
      ...withAbc,
      'capitals',
      'empty text',
      'longer text',
      'number as text',
      'null as text',
      'address',
      'address v6',
    ],
  ],
  [[{ wildcard: '' }], ['empty text']],
  [[{ numeric: ['=', 5] }], ['number', 'array of numbers', 'array of everything']],
  [[{ numeric: ['>', 5] }], ['fraction']],
  [[{ numeric: ['>=', 5] }], ['number', 'fraction', 'array of numbers', 'array of everything']],
  [[{ numeric: ['<', 0] }], ['negative']],
  [[{ numeric: ['<=', 0] }], ['negative', 'zero']],
  [[{ numeric: ['>', 0, '<', 5.5] }], ['number', 'array of numbers', 'array of everything']],
  [[{ numeric: ['>=', -5, '<=', 0] }], ['negative', 'zero']],
  [[{ cidr: '10.0.0.0/8' }], ['address']],
  [[{ cidr: '2001:db8::/32' }], ['address v6']],
  [[{ exists: true }], present],
  [[{ exists: false }], absent],
  [[{ exists: true }, { exists: false }], everything],
  [
    [{ exists: false }, 'abc'],
    [...absent, ...withAbc],
  ],
  [[{ 'anything-but': 'abc' }], besides('text', 'nested arrays', 'array as the event')],
  [[{ 'anything-but': 5 }], besides('number')],
  [[{ 'anything-but': ['abc', 'ABC'] }], besides('text', 'capitals', 'nested arrays', 'array as the event')],
  [[{ 'anything-but': [1, 5] }], besides('number', 'array of numbers')],
  [
    [{ 'anything-but': { prefix: 'ab' } }],
    besides('text', 'longer text', 'nested arrays', 'array as the event'),
  ],
  [
    [{ 'anything-but': { prefix: { 'equals-ignore-case': ['ab', '1'] } } }],
    besides('text', 'capitals', 'longer text', 'address', 'nested arrays', 'array as the event'),
  ],
  [
    [{ 'anything-but': { suffix: ['bc', '3'] } }],
    besides('text', 'longer text', 'address', 'nested arrays', 'array as the event'),
  ],
  [
    [{ 'anything-but': { 'equals-ignore-case': 'ABC' } }],
    besides('text', 'capitals', 'nested arrays', 'array as the event'),
  ],
  [
    [{ 'anything-but': { wildcard: ['*b*', ''] } }],
    besides('text', 'longer text', 'empty text', 'address v6', 'nested arrays', 'array as the event'),
  ],
]

/** The rows of which event-ruler says something else. */
const refusedThere = (rules: readonly unknown[]) => /"anything-but":\{"prefix":\{/.test(JSON.stringify(rules))

export const grid: readonly ValueCases[] = rows.map(([rules, matching]) => ({
  says: `a: ${JSON.stringify(rules)}`,
  value: { a: rules },
  matches: matching.map((column) => columns[column]),
  ...(refusedThere(rules) && { differs: 'there anything-but takes no such rule' }),
  not: everything.filter((column) => !matching.includes(column)).map((column) => columns[column]),
}))
