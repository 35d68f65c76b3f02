/** Cases of whole filters: value, key, headers, timestamp and the $or over them. */
import type { RecordCases } from './cases.ts'

const invalid = Uint8Array.of(0x61, 0xff, 0x62)
const latin1 = Uint8Array.of(
  ...new TextEncoder().encode('{"a":"x","b":"'),
  0xe9,
  ...new TextEncoder().encode('"}'),
)

export const records: readonly RecordCases[] = [
  {
    says: 'everything that is named must match',
    pattern: { value: { a: ['x'] }, key: ['k'], headers: { h: ['v'] }, timestamp: [5] },
    matches: [{ value: '{"a":"x"}', key: 'k', headers: [['h', 'v']], timestampMs: 5 }],
    not: [
      { value: '{"a":"y"}', key: 'k', headers: [['h', 'v']], timestampMs: 5 },
      { value: '{"a":"x"}', key: 'K', headers: [['h', 'v']], timestampMs: 5 },
      { value: '{"a":"x"}', key: 'k', headers: [['h', 'w']], timestampMs: 5 },
      { value: '{"a":"x"}', key: 'k', headers: [['h', 'v']], timestampMs: 6 },
      { value: '{"a":"x"}', key: null, headers: [['h', 'v']], timestampMs: 5 },
    ],
  },
  {
    says: 'fields of a value: null and what is no JSON do not match, not even by absence',
    pattern: { value: { a: [{ exists: false }] } },
    matches: [{ value: '{}' }, { value: '5' }, { value: 'null' }, { value: '[{"b":1}]' }],
    not: [{ value: null }, { value: '' }, { value: 'no json' }, { value: invalid }, { value: '{"a":1}' }],
  },
  {
    says: 'JSON is UTF-8',
    pattern: { value: { a: ['x'] } },
    matches: [{ value: '{"a":"x","b":"é"}' }],
    not: [{ value: latin1 }, { value: Uint8Array.of(...new TextEncoder().encode('{"a":"x"}'), 0xff) }],
  },
  {
    says: 'fields of a key, as of a value',
    pattern: { key: { device: ['beam-1'] } },
    matches: [{ key: '{"device":"beam-1"}' }, { key: '[{"device":["beam-1"]}]', value: 'no json' }],
    not: [{ key: null, value: '{"device":"beam-1"}' }, { key: 'beam-1' }, { key: '"beam-1"' }, { key: '' }],
  },
  {
    says: 'rules on a value as a whole',
    pattern: { value: ['ok', { prefix: 'ERR' }] },
    matches: [{ value: 'ok' }, { value: 'ERROR: beam lost' }],
    not: [{ value: 'ok\n' }, { value: '"ok"' }, { value: '' }, { value: null }, { value: ' ERR' }],
  },
  {
    says: 'a value as a whole that is JSON is text all the same',
    pattern: { value: [{ wildcard: '{*"a":1*}' }] },
    matches: [{ value: '{"a":1}' }, { value: '{ "a":1, "b":2}' }],
    not: [{ value: '{"a": 1}' }, { value: '{"b":{"a":1}} ' }],
  },
  {
    says: 'null is JSON null, and does not exist',
    pattern: { value: [null] },
    matches: [{ value: null }],
    not: [{ value: 'null' }, { value: '' }],
  },
  {
    says: 'exists of a value',
    pattern: { value: [{ exists: true }] },
    matches: [{ value: '' }, { value: 'x' }, { value: invalid }],
    not: [{ value: null }],
  },
  {
    says: 'exists: false of a value',
    pattern: { value: [{ exists: false }] },
    matches: [{ value: null }],
    not: [{ value: '' }, { value: 'null' }],
  },
  {
    says: 'anything-but of a value as a whole takes null',
    pattern: { value: [{ 'anything-but': 'x' }] },
    matches: [{ value: null }, { value: '' }, { value: 'y' }, { value: invalid }],
    not: [{ value: 'x' }],
  },
  {
    says: 'no key, an empty key, a key',
    pattern: { key: [{ exists: false }, ''] },
    matches: [{ key: null }, { key: '' }],
    not: [{ key: 'k' }, { key: ' ' }],
  },
  {
    says: 'rules on keys',
    pattern: {
      key: [{ prefix: 'lab-1/' }, { suffix: { 'equals-ignore-case': '.RAW' } }, { cidr: '10.0.0.0/8' }],
    },
    matches: [{ key: 'lab-1/beam' }, { key: 'x.raw' }, { key: '10.20.30.40' }],
    not: [{ key: 'lab-2/beam' }, { key: 'raw' }, { key: '11.0.0.1' }, { key: null }],
  },
  {
    says: 'bytes that are not UTF-8 equal no text, but what stands around them is text',
    pattern: { key: ['a\ufffdb', { prefix: 'a\ufffd' }, { 'equals-ignore-case': 'a\ufffdB' }] },
    matches: [{ key: 'a\ufffdb' }, { key: 'A\ufffdb' }, { key: 'a\ufffd' }],
    not: [{ key: invalid }],
  },
  {
    says: 'prefix, suffix and wildcard around bytes that are not UTF-8',
    pattern: {
      value: [{ prefix: 'a' }],
      key: [{ suffix: 'b' }],
      headers: { h: [{ wildcard: 'a*b' }], i: [{ prefix: { 'equals-ignore-case': 'A' } }] },
    },
    matches: [
      {
        value: invalid,
        key: invalid,
        headers: [
          ['h', invalid],
          ['i', invalid],
        ],
      },
    ],
    not: [
      {
        value: Uint8Array.of(0xff, 0x61),
        key: invalid,
        headers: [
          ['h', invalid],
          ['i', invalid],
        ],
      },
      {
        value: invalid,
        key: Uint8Array.of(0x62, 0xc3),
        headers: [
          ['h', invalid],
          ['i', invalid],
        ],
      },
      {
        value: invalid,
        key: invalid,
        headers: [
          ['h', Uint8Array.of(0x61, 0x62, 0x80)],
          ['i', invalid],
        ],
      },
    ],
  },
  {
    says: 'half a character is no character',
    pattern: { key: [{ prefix: 'é' }, { suffix: '€' }, { wildcard: '*😀*' }] },
    matches: [
      { key: 'éa' },
      { key: Uint8Array.of(0xff, 0xe2, 0x82, 0xac) },
      { key: Uint8Array.of(0xf0, 0x9f, 0xf0, 0x9f, 0x98, 0x80, 0x80) },
    ],
    not: [
      { key: Uint8Array.of(0xc3) },
      { key: Uint8Array.of(0xe2, 0x82) },
      { key: Uint8Array.of(0xf0, 0x9f, 0x98) },
      { key: Uint8Array.of(0x82, 0xac) },
    ],
  },
  {
    says: 'a header of several of one name: one is enough',
    pattern: { headers: { type: ['reading'] } },
    matches: [
      { headers: [['type', 'reading']] },
      {
        headers: [
          ['type', 'x'],
          ['other', 'y'],
          ['type', 'reading'],
        ],
      },
    ],
    not: [
      { headers: [] },
      { headers: [['type', 'x']] },
      { headers: [['Type', 'reading']] },
      { headers: [['other', 'reading']] },
      { headers: [['type', null]] },
    ],
  },
  {
    says: 'a header of several: anything-but, if one is something else',
    pattern: { headers: { type: [{ 'anything-but': 'reading' }] } },
    matches: [
      {
        headers: [
          ['type', 'reading'],
          ['type', 'x'],
        ],
      },
      { headers: [['type', null]] },
      { headers: [['type', '']] },
    ],
    not: [
      {
        headers: [
          ['type', 'reading'],
          ['type', 'reading'],
        ],
      },
      { headers: [] },
    ],
  },
  {
    says: 'a header that is there, with null as well',
    pattern: { headers: { trace: [{ exists: true }] } },
    matches: [
      { headers: [['trace', null]] },
      { headers: [['trace', '']] },
      {
        headers: [
          ['a', 'b'],
          ['trace', 'x'],
        ],
      },
    ],
    not: [{ headers: [] }, { headers: [['traces', 'x']] }, { headers: [['trac', 'x']] }],
  },
  {
    says: 'a header that is not there',
    pattern: { headers: { trace: [{ exists: false }] } },
    matches: [{ headers: [] }, { headers: [['other', 'x']] }],
    not: [{ headers: [['trace', null]] }, { headers: [['trace', 'x']] }],
  },
  {
    says: 'a header that is null',
    pattern: { headers: { trace: [null] } },
    matches: [
      { headers: [['trace', null]] },
      {
        headers: [
          ['trace', 'x'],
          ['trace', null],
        ],
      },
    ],
    not: [{ headers: [['trace', 'null']] }, { headers: [] }],
  },
  {
    says: 'several headers: all of them, in any order',
    pattern: { headers: { a: ['1'], b: [{ prefix: '2' }], é: [{ exists: false }, '3'] } },
    matches: [
      {
        headers: [
          ['a', '1'],
          ['b', '22'],
        ],
      },
      {
        headers: [
          ['b', '2'],
          ['é', '3'],
          ['c', 'x'],
          ['a', '1'],
        ],
      },
    ],
    not: [
      { headers: [['a', '1']] },
      {
        headers: [
          ['b', '2'],
          ['a', '2'],
        ],
      },
      {
        headers: [
          ['a', '1'],
          ['b', '2'],
          ['é', '4'],
        ],
      },
    ],
  },
  {
    says: '$or among headers',
    pattern: { headers: { a: ['1'], $or: [{ b: ['2'] }, { c: ['3'] }] } },
    matches: [
      {
        headers: [
          ['a', '1'],
          ['c', '3'],
        ],
      },
      {
        headers: [
          ['b', '2'],
          ['a', '1'],
        ],
      },
    ],
    not: [
      { headers: [['a', '1']] },
      {
        headers: [
          ['b', '2'],
          ['c', '3'],
        ],
      },
    ],
  },
  {
    says: 'a stretch of time',
    pattern: { timestamp: [{ numeric: ['>=', 1767225600000, '<', 1767312000000] }] },
    matches: [{ timestampMs: 1767225600000 }, { timestampMs: 1767311999999 }],
    not: [{ timestampMs: 1767225599999 }, { timestampMs: 1767312000000 }, { timestampMs: 0 }],
  },
  {
    says: 'timestamps: some, any but one, before 1970',
    pattern: { timestamp: [7, { numeric: ['<', 0] }, { 'anything-but': [7, 8, 9] }] },
    matches: [{ timestampMs: 7 }, { timestampMs: -1 }, { timestampMs: 10 }],
    not: [{ timestampMs: 8 }, { timestampMs: 9 }],
  },
  {
    says: '$or of the filter: key or value, with the rest beside it',
    pattern: { headers: { lab: ['1'] }, $or: [{ key: ['k'] }, { value: { a: ['x'] }, timestamp: [5] }] },
    matches: [
      { headers: [['lab', '1']], key: 'k', value: 'no json' },
      { headers: [['lab', '1']], value: '{"a":"x"}', timestampMs: 5 },
    ],
    not: [
      { headers: [['lab', '1']], value: '{"a":"x"}', timestampMs: 6 },
      { headers: [['lab', '2']], key: 'k' },
      { headers: [['lab', '1']] },
    ],
  },
  {
    says: '$or of the filter: fields of the value beside it and inside go together, in one element',
    pattern: { value: { a: { x: [1] } }, $or: [{ value: { a: { y: [2] } } }, { key: ['k'] }] },
    matches: [{ value: '{"a":{"x":1,"y":2}}' }, { value: '{"a":[{"x":1}]}', key: 'k' }],
    not: [{ value: '{"a":{"y":2}}', key: 'k' }, { value: '{"a":{"x":1}}' }],
  },
  {
    says: '$or in $or of the filter',
    pattern: { $or: [{ key: ['a'] }, { headers: { h: ['1'] }, $or: [{ key: ['b'] }, { value: ['c'] }] }] },
    matches: [{ key: 'a' }, { key: 'b', headers: [['h', '1']] }, { value: 'c', headers: [['h', '1']] }],
    not: [{ key: 'b' }, { headers: [['h', '1']] }, { value: 'c' }],
  },
]
