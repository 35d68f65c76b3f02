/** Messages: how structs grow, which forms a value may have, what is refused and how it is named. */
import { Packr } from 'msgpackr'
import t from 'tap'
import { apis } from '../../../client/protocol/api.ts'
import { decodeHeader, encodeHeader } from '../../../client/protocol/codec.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { readFrame } from '../../../client/protocol/frame.ts'
import { errorResponse } from '../../../client/protocol/messages/error.ts'
import {
  boolean,
  bytes,
  float64,
  int53,
  integer,
  list,
  nullable,
  struct,
  text,
  uint32,
  withDefault,
} from '../../../client/protocol/schema.ts'
import { example, fromHex } from './examples.ts'
import { refusalOf } from './refusal.ts'

const packr = new Packr({ useRecords: false })

/** msgpack of any value, as a client in another language or a newer version might send it. */
function msgpack(value: unknown): Uint8Array {
  return new Uint8Array(packr.pack(value))
}

t.test('structs grow at their end', async (t) => {
  const wire = [7, 'slow down', 50]
  t.strictSame(decodeHeader(errorResponse, msgpack([...wire, ['new', [1]], 5])), {
    code: 7,
    message: 'slow down',
    retryAfterMs: 50,
  })
  t.strictSame(decodeHeader(errorResponse, msgpack([7, 'slow down'])), {
    code: 7,
    message: 'slow down',
    retryAfterMs: 0,
  })
  t.strictSame(decodeHeader(errorResponse, msgpack([7])), { code: 7, message: null, retryAfterMs: 0 })
  t.equal(
    refusalOf(t, ErrorCode.INVALID_REQUEST, () => decodeHeader(errorResponse, msgpack([]))),
    'ErrorResponse.code: expected int32, got nothing',
  )
  // Inside a list every element ends where it says, whatever the others do.
  const listed = decodeHeader(apis.deleteTopics.request, msgpack([[['a', null, 'later'], ['b'], []], 5]))
  t.strictSame(listed.topics, [
    { name: 'a', topicId: null },
    { name: 'b', topicId: null },
    { name: null, topicId: null },
  ])
})

t.test('a field that is not of its type is named with what came', async (t) => {
  const shape = struct('Shape', {
    whole: integer(-1, 1),
    count: uint32,
    offset: int53,
    ratio: float64,
    yes: boolean,
    label: text(5),
    key: bytes({ length: 2 }),
    blob: bytes({ lengthMax: 2 }),
    maybe: nullable(text(2)),
    rows: list(struct('Row', { n: uint32 }), 2),
  })
  const good = {
    whole: -1,
    count: 4_294_967_295,
    offset: -9_007_199_254_740_991,
    ratio: 0.1,
    yes: true,
    label: 'a\u{1f419}b\u0000',
    key: fromHex('0102'),
    blob: fromHex('ff'),
    maybe: null,
    rows: [{ n: 1 }, { n: 2 }],
  }
  t.strictSame(decodeHeader(shape, encodeHeader(shape, good)), good)

  const wrong: readonly (readonly [Partial<Record<keyof typeof good, unknown>>, string])[] = [
    [{ whole: 2 }, '.whole: expected integer -1..1 (-1..1), got 2'],
    [{ whole: 0.5 }, '.whole: expected integer -1..1 (-1..1), got 0.5'],
    [{ count: -1 }, '.count: expected uint32 (0..4294967295), got -1'],
    [{ count: '7' }, '.count: expected uint32 (0..4294967295), got "7"'],
    [
      { offset: 2 ** 53 },
      '.offset: expected int53 (-9007199254740991..9007199254740991), got 9007199254740992',
    ],
    [{ ratio: Number.NaN }, '.ratio: expected float64, got NaN'],
    [{ ratio: Number.POSITIVE_INFINITY }, '.ratio: expected float64, got Infinity'],
    [{ yes: 1 }, '.yes: expected boolean, got 1'],
    [{ yes: null }, '.yes: expected boolean, got nothing'],
    [{ label: 'abcdef' }, '.label: expected text of at most 5 characters, got "abcdef"'],
    [{ label: 'x'.repeat(41) }, '.label: expected text of at most 5 characters, got text of 41 characters'],
    [{ label: fromHex('61') }, '.label: expected text of at most 5 characters, got 1 bytes'],
    [{ key: fromHex('01') }, '.key: expected 2 bytes, got 1 bytes'],
    [{ blob: fromHex('010203') }, '.blob: expected at most 2 bytes, got 3 bytes'],
    [{ blob: 'ab' }, '.blob: expected at most 2 bytes, got "ab"'],
    [{ maybe: 'abc' }, '.maybe: expected text of at most 2 characters, got "abc"'],
    [{ rows: 5 }, '.rows: expected list of at most 2 Row, got 5'],
    [{ rows: [{ n: 1 }, { n: 2 }, { n: 3 }] }, '.rows: expected list of at most 2 Row, got a list of 3'],
    [{ rows: [{ n: 1 }, { n: 'x' }] }, '.rows[1].n: expected uint32 (0..4294967295), got "x"'],
  ]
  const toArrays = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(toArrays)
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
    return Object.values(value).map(toArrays)
  }
  for (const [change, sentence] of wrong) {
    const bad = { ...good, ...change } as typeof good
    t.equal(
      refusalOf(t, ErrorCode.INVALID_REQUEST, () => decodeHeader(shape, msgpack(toArrays(bad)))),
      `Shape${sentence}`,
    )
    t.equal(
      refusalOf(t, ErrorCode.INVALID_REQUEST, () => encodeHeader(shape, bad)),
      `Shape${sentence}`,
      'the encoder refuses it as well',
    )
  }
  t.equal(
    refusalOf(t, ErrorCode.INVALID_REQUEST, () => decodeHeader(shape, msgpack('text'))),
    'Shape: expected a list of 10 fields, got "text"',
  )
  const badText = 'expected well-formed text that does not begin with a byte order mark'
  for (const label of ['a\ud83d', '\udc19', '\ufeffa'])
    t.equal(
      refusalOf(t, ErrorCode.INVALID_REQUEST, () => encodeHeader(shape, { ...good, label })),
      `Shape.label: ${badText}, got ${JSON.stringify(label)}`,
    )
  t.equal(
    refusalOf(t, ErrorCode.INVALID_REQUEST, () => encodeHeader(shape, undefined as unknown as typeof good)),
    'Shape: expected Shape, got nothing',
  )
  t.equal(decodeHeader(struct('Old', { n: withDefault(uint32, 9) }), msgpack([])).n, 9)
})

t.test('whole numbers may come in any form of msgpack', async (t) => {
  const one = struct('One', { n: int53 })
  const forms: readonly (readonly [string, number])[] = [
    ['9105', 5],
    ['91cc05', 5],
    ['91cd0005', 5],
    ['91ce00000005', 5],
    ['91cf0000000000000005', 5],
    ['91d005', 5],
    ['91d1fffb', -5],
    ['91d2fffffffb', -5],
    ['91d3fffffffffffffffb', -5],
    ['91fb', -5],
    ['91ca40a00000', 5],
    ['91cb4014000000000000', 5],
    ['91cf001fffffffffffff', 2 ** 53 - 1],
    ['91d3ffe0000000000001', 1 - 2 ** 53],
    ['91cb433fffffffffffff', 2 ** 53 - 1],
    ['91cb8000000000000000', 0],
  ]
  for (const [form, n] of forms) t.ok(Object.is(decodeHeader(one, fromHex(form)).n, n), form)
})

t.test('lists as long as a large cluster', async (t) => {
  const count = 10_000
  const [template] = decodeHeader(
    apis.produce.request,
    readFrame(example('produce request').frame).header,
  ).partitions
  const request = {
    acks: -1,
    timeoutMs: 1,
    transactionalId: null,
    partitions: Array.from({ length: count }, (_, partition) => ({ ...template, partition })),
  }
  t.strictSame(decodeHeader(apis.produce.request, encodeHeader(apis.produce.request, request)), request)
})
