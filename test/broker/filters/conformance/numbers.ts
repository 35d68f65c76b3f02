/** Cases of numbers. */
import type { ValueCases } from './cases.ts'

export const numbers: readonly ValueCases[] = [
  {
    says: 'the example of AWS: bounds on three fields',
    value: {
      detail: {
        'c-count': [{ numeric: ['>', 0, '<=', 5] }],
        'd-count': [{ numeric: ['<', 10] }],
        'x-limit': [{ numeric: ['=', 301.8] }],
      },
    },
    matches: [
      '{"detail":{"c-count":5,"d-count":3,"x-limit":301.8}}',
      '{"detail":{"c-count":0.1,"d-count":-3,"x-limit":3.018e2}}',
    ],
    not: [
      '{"detail":{"c-count":0,"d-count":3,"x-limit":301.8}}',
      '{"detail":{"c-count":5.1,"d-count":3,"x-limit":301.8}}',
      '{"detail":{"c-count":5,"d-count":10,"x-limit":301.8}}',
      '{"detail":{"c-count":5,"d-count":3,"x-limit":301.81}}',
      '{"detail":{"c-count":"5","d-count":3,"x-limit":301.8}}',
      '{"detail":{"c-count":5,"d-count":3}}',
    ],
  },
  {
    says: 'a number is one number, however it is written',
    value: { a: [300] },
    matches: [
      '{"a":300}',
      '{"a":300.0}',
      '{"a":3.0e2}',
      '{"a":3E+2}',
      '{"a":30000e-2}',
      '{"a":300.00000000000000000000}',
    ],
    not: ['{"a":300.1}', '{"a":"300"}', '{"a":3e1}', '{"a":-300}', '{"a":true}', '{"a":299.9999999999999}'],
  },
  {
    says: 'zero has no sign',
    value: { a: [0], b: [{ numeric: ['=', -0.0] }], c: [{ numeric: ['>=', 0] }] },
    matches: ['{"a":-0,"b":0,"c":-0.0}', '{"a":0.0,"b":-0e5,"c":0}', '{"a":0e10,"b":0,"c":0}'],
    not: ['{"a":1e-300,"b":0,"c":0}', '{"a":0,"b":0,"c":-1e-300}'],
  },
  {
    says: 'seventeen digits tell doubles apart, fewer do not match',
    value: { a: [27.807807921694092] },
    matches: ['{"a":27.807807921694092}', '{"a":27.8078079216940920}', '{"a":2.7807807921694092e1}'],
    not: ['{"a":27.80780792169408}', '{"a":27.8078079216941}', '{"a":27.807807}'],
  },
  {
    says: 'digits beyond a double are rounded, as JSON readers do',
    differs: 'there digits beyond a double make a number that equals only its own text',
    value: { a: [0.1] },
    matches: ['{"a":0.1}', '{"a":0.10000000000000001}', '{"a":0.1000000000000000055511151231257827}'],
    not: ['{"a":0.10000000000000002}', '{"a":0.09999999999999999}'],
  },
  {
    says: 'a dozen digits, as of an AWS account',
    value: { account: [123456789012] },
    matches: ['{"account":123456789012}', '{"account":1.23456789012e11}'],
    not: ['{"account":123456789013}', '{"account":"123456789012"}'],
  },
  {
    says: 'whole numbers to the last that a double tells apart',
    value: { a: [9007199254740991] },
    matches: ['{"a":9007199254740991}', '{"a":9007199254740991.0}'],
    not: ['{"a":9007199254740990}', '{"a":9007199254740992}'],
  },
  {
    says: 'beyond that two numbers may be one',
    differs: 'there such a number equals only its own text',
    value: { a: [9007199254740992] },
    matches: ['{"a":9007199254740992}', '{"a":9007199254740993}'],
    not: ['{"a":9007199254740991}', '{"a":9007199254740994}'],
  },
  {
    says: 'numbers beyond what AWS compares',
    differs: 'there a number with more digits than a double has is in no range',
    value: { a: [{ numeric: ['>', 5e9, '<', 1e300] }] },
    matches: ['{"a":5000000000.000001}', '{"a":1e299}', '{"a":12345678901234567890}'],
    not: ['{"a":5e9}', '{"a":1e300}', '{"a":1e400}', '{"a":-1e299}'],
  },
  {
    says: 'a number too large for a double is above all bounds, and is any but those given',
    differs: 'there it is in no range',
    value: { a: [{ numeric: ['>', 1e308] }], b: [{ 'anything-but': 5 }] },
    matches: ['{"a":1e400,"b":1e400}', '{"a":1.5e308,"b":-1e400}'],
    not: ['{"a":-1e400,"b":1}', '{"a":1e308,"b":1}', '{"a":1e400,"b":5.0}'],
  },
  {
    says: 'one that is too small is zero',
    differs: 'there the smallest double is in no range',
    value: { a: [{ numeric: ['>', 0] }] },
    matches: ['{"a":5e-324}', '{"a":1e-300}'],
    not: ['{"a":1e-400}', '{"a":0}'],
  },
  {
    says: 'the smallest steps of a bound',
    value: { a: [{ numeric: ['>', 4999999999.999998, '<=', 4999999999.999999] }] },
    matches: ['{"a":4999999999.999999}'],
    not: ['{"a":4999999999.999998}', '{"a":5000000000}', '{"a":4999999999.999997}'],
  },
  {
    says: 'bounds that are inclusive and exclusive',
    value: { a: [{ numeric: ['>=', -1, '<', 1] }, { numeric: ['>', 10, '<=', 20] }] },
    matches: ['{"a":-1}', '{"a":0.999}', '{"a":10.001}', '{"a":20}', '{"a":[100,20]}'],
    not: ['{"a":1}', '{"a":-1.001}', '{"a":10}', '{"a":20.001}', '{"a":[5,1]}'],
  },
  {
    says: 'a number among texts',
    value: { a: ['5', 6, { numeric: ['<', 0] }] },
    matches: ['{"a":"5"}', '{"a":6}', '{"a":-1}', '{"a":["x",6.0]}'],
    not: ['{"a":5}', '{"a":"6"}', '{"a":"-1"}'],
  },
  {
    says: 'anything-but numbers: text of the same digits is something else',
    value: { a: [{ 'anything-but': [100, 200, 300] }] },
    matches: ['{"a":101}', '{"a":"100"}', '{"a":null}', '{"a":[100,1]}', '{"a":false}'],
    not: ['{"a":100}', '{"a":2e2}', '{"a":[100,200,300.0]}', '{"a":{"b":1}}', '{}'],
  },
  {
    says: 'true is not 1, false is not 0, null is nothing of them',
    value: { a: [true], b: [0], c: [null] },
    matches: ['{"a":true,"b":0,"c":null}'],
    not: [
      '{"a":1,"b":0,"c":null}',
      '{"a":true,"b":false,"c":null}',
      '{"a":true,"b":0,"c":0}',
      '{"a":true,"b":null,"c":null}',
      '{"a":"true","b":0,"c":null}',
      '{"a":true,"b":0}',
    ],
  },
]
