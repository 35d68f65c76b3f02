/** msgpack, written and read: the same bytes and values as a library's, whatever the value. */
import { isDeepStrictEqual } from 'node:util'
import { Packr, Unpackr } from 'msgpackr'
import t from 'tap'
import { MsgpackReader } from '../../../client/protocol/msgpack-reader.ts'
import { MsgpackWriter } from '../../../client/protocol/msgpack-writer.ts'
import { hex } from './examples.ts'
import { Random, seedOr } from './random.ts'

const options = { useRecords: false, moreTypes: false, int64AsType: 'number' } as const
const packr = new Packr(options)
const unpackr = new Unpackr(options)
const writer = new MsgpackWriter()
const reader = new MsgpackReader()

function write(value: unknown): void {
  if (value === null) writer.nil()
  else if (typeof value === 'boolean') writer.boolean(value)
  else if (typeof value === 'number') writer.number(value)
  else if (typeof value === 'string') writer.text(value)
  else if (value instanceof Uint8Array) writer.bytes(value)
  else if (Array.isArray(value)) {
    writer.array(value.length)
    for (const element of value) write(element)
  } else throw new TypeError(`${value}`)
}

function written(value: unknown): Uint8Array {
  writer.begin()
  write(value)
  return new Uint8Array(writer.written())
}

function read(bytes: Uint8Array): unknown {
  reader.begin(bytes)
  return reader.value()
}

/** Binary comes as a Buffer from the library. */
const plain = (value: unknown): unknown =>
  Array.isArray(value) ? value.map(plain) : value instanceof Uint8Array ? new Uint8Array(value) : value

const powers = [0, 5, 7, 8, 15, 16, 31, 32, 52].map((power) => 2 ** power)
const numbers = powers.flatMap((power) => [power - 1, power, power + 1]).flatMap((n) => [n, 0 - n])
const lengths = [0, 1, 15, 16, 31, 32, 33, 255, 256, 65_535, 65_536]
const edges: readonly unknown[] = [
  null,
  true,
  false,
  0.5,
  -1e300,
  ...numbers,
  ...lengths.map((length) => 'x'.repeat(length)),
  ...lengths.map((length) => 'ü'.repeat(length)),
  'a\u{1f419}b\u0000',
  ...lengths.map((length) => new Uint8Array(length).fill(length)),
  ...lengths.map((length) => new Array(length).fill(7)),
]

t.test('at every edge the bytes and values are those of msgpackr', async (t) => {
  for (const value of edges) {
    const bytes = new Uint8Array(packr.pack(value))
    const name = hex(bytes.subarray(0, 12))
    t.ok(Buffer.compare(written(value), bytes) === 0, name)
    t.ok(isDeepStrictEqual(read(bytes), plain(unpackr.unpack(bytes))), name)
  }
})

t.test('every form of a number is read as msgpackr reads it', async (t) => {
  const forms = ['ccff', 'cdffff', 'ceffffffff', 'cf001fffffffffffff', 'd080', 'd18000', 'd280000000']
  for (const form of [
    ...forms,
    'd3ffe0000000000001',
    'd3ffffffffffffffff',
    'ca3f800000',
    'cb7ff8000000000000',
  ])
    t.same(read(Buffer.from(form, 'hex')), unpackr.unpack(Buffer.from(form, 'hex')), form)
})

t.test('arrays of anything', async (t) => {
  const seed = seedOr(20_261_128)
  t.comment(`OCTOPUS_SEED=${seed}`)
  const random = new Random(seed)
  const small = edges.filter((value) => packr.pack(value).length < 300)
  const anything = (depth: number): unknown =>
    depth < 4 && random.below(3) === 0
      ? Array.from({ length: random.below(7) }, () => anything(depth + 1))
      : random.pick(small)
  let wrong = 0
  for (let i = 0; i < 500; i++) {
    const value = [anything(0), anything(0), anything(0)]
    const bytes = new Uint8Array(packr.pack(value))
    if (Buffer.compare(written(value), bytes) !== 0 || !isDeepStrictEqual(read(bytes), value)) wrong++
  }
  t.equal(wrong, 0)
})

t.test(
  'a huge message leaves no huge memory behind, and what was written before is not part of the next',
  async (t) => {
    t.equal(written(new Uint8Array(3_000_000)).length, 3_000_005)
    writer.begin()
    writer.number(1)
    t.ok(writer.written().buffer.byteLength < 1_000_000)
    t.equal(hex(writer.written()), '01')
  },
)

t.test('a value is read without looking at its neighbours, and shares no memory', async (t) => {
  const bytes = Buffer.from('92c4020102a161', 'hex')
  const [binary] = read(bytes) as [Uint8Array]
  bytes.fill(0)
  t.equal(hex(binary), '0102')
  reader.begin(Buffer.from('c0910593c0c0c0', 'hex'))
  t.ok(reader.takesNil())
  t.notOk(reader.takesNil())
  t.equal(reader.arrayCount(), 1)
  t.equal(reader.arrayCount(), -1, 'a number')
  t.equal(reader.value(), 5)
  const { at } = reader
  t.equal(reader.arrayCount(), 3)
  reader.at = at
  t.strictSame(reader.value(), [null, null, null])
})
