/**
 * Bytes of strangers: whatever comes, a decoder gives a value or a refusal that names what is wrong, and
 * a value it gives can be written and read again.
 */
import t, { type Test } from 'tap'
import { decodeHeader, encodeHeader, requestedApi } from '../../../client/protocol/codec.ts'
import { ErrorCode, ProtocolError } from '../../../client/protocol/errors.ts'
import { readFrame } from '../../../client/protocol/frame.ts'
import { checkMsgpack } from '../../../client/protocol/msgpack-check.ts'
import { list, struct, type Type, text, uint32 } from '../../../client/protocol/schema.ts'
import { examples, fromHex } from './examples.ts'
import { Random, seedOr } from './random.ts'

// The stacks of some hundred thousand refusals would be most of the run.
Error.stackTraceLimit = 0

const types = [...new Set(examples.map(({ type }) => type))]

/** Takes only the refusals a stranger's bytes may cause; anything else is a bug and ends the test. */
function refused(caught: unknown): true {
  if (caught instanceof ProtocolError && caught.message.length < 300) return true
  throw caught
}

/** True when `header` decodes; then the value must survive being written and read again. */
function decodes(t: Test, type: Type<unknown>, header: Uint8Array): boolean {
  let value: unknown
  try {
    value = decodeHeader(type, header)
  } catch (caught) {
    return !refused(caught)
  }
  const again = encodeHeader(type, value)
  const same = Buffer.compare(again, encodeHeader(type, decodeHeader(type, again))) === 0
  if (!same) t.fail('a decoded value changed when written and read again', { header, value })
  return true
}

/** One whole value of msgpack, in hex: short arrays of what messages are made of and of what they are not. */
function anyValue(random: Random, depth: number): string {
  if (depth < 4 && random.below(2) === 0) {
    const elements = Array.from({ length: random.below(5) }, () => anyValue(random, depth + 1))
    return `9${elements.length}${elements.join('')}`
  }
  return random.pick([
    'c0',
    'c2',
    'c3',
    '00',
    '07',
    'ff',
    'cd0400',
    'cb7ff8000000000000',
    'a0',
    'a161',
    topic,
  ])
}
const topic = 'c41000112233445566778899aabbccddeeff'

t.test('random bytes', async (t) => {
  const seed = seedOr(20_260_802)
  t.comment(`OCTOPUS_SEED=${seed}`)
  const random = new Random(seed)
  let values = 0
  for (let i = 0; i < 100_000; i++) {
    // Half of them are msgpack at least, or nearly all would fail at the first byte.
    const bytes = i % 2 ? random.bytes(random.below(24)) : fromHex(anyValue(random, 0))
    if (decodes(t, random.pick(types), bytes)) values++
    try {
      requestedApi(readFrame(bytes))
    } catch (caught) {
      refused(caught)
    }
  }
  t.ok(values > 1_000, `${values} of them were values`)
})

t.test('examples with some bytes changed', async (t) => {
  const seed = seedOr(20_260_803)
  t.comment(`OCTOPUS_SEED=${seed}`)
  const random = new Random(seed)
  const interesting = [0x00, 0x7f, 0x80, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc4, 0xc6, 0xc7, 0xcb, 0xcf]
  interesting.push(0xd3, 0xd4, 0xd9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff)
  let [values, refusals] = [0, 0]
  for (let i = 0; i < 100_000; i++) {
    const { frame, type } = random.pick(examples)
    const bytes = frame.slice()
    for (let changes = 1 + random.below(3); changes > 0; changes--)
      bytes[random.below(bytes.length)] = random.below(2) ? random.pick(interesting) : random.below(256)
    try {
      if (decodes(t, type, readFrame(bytes).header)) values++
      else refusals++
    } catch (caught) {
      refused(caught)
      refusals++
    }
  }
  t.ok(values > 10_000, `${values} were values`)
  t.ok(refusals > 10_000, `${refusals} were refused`)
})

const anything = struct('Anything', { value: list(list(text())) })

function sentenceOf(t: Test, bytes: Uint8Array, type: Type<unknown> = anything): string {
  try {
    decodeHeader(type, bytes)
  } catch (caught) {
    if (!(caught instanceof ProtocolError)) throw caught
    t.equal(caught.code, ErrorCode.INVALID_REQUEST)
    return caught.message
  }
  t.fail(`${Buffer.from(bytes).toString('hex')} was decoded`)
  return ''
}

t.test('msgpack that is refused before anything is built from it', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['', 'byte 0: the bytes end where a value was expected'],
    ['92c0', 'byte 0: an array of 2 elements, only 1 bytes are left'],
    ['9291c0', 'byte 3: the bytes end where a value was expected'],
    ['91cd00', 'byte 1: the bytes end inside a number'],
    ['91cb00000000000000', 'byte 1: the bytes end inside a number'],
    ['91dd0000', 'byte 1: the bytes end inside a number'],
    ['90c0', 'byte 1: 1 bytes after the end of the value'],
    // Four thousand million of something in a few bytes.
    ['ddffffffffc0', 'byte 0: an array of 4294967295 elements, only 1 bytes are left'],
    ['91dcffff', 'byte 1: an array of 65535 elements, only 0 bytes are left'],
    ['91dbffffffff61', 'byte 1: a str of 4294967295 bytes, only 1 are left'],
    ['91c6ffffffff61', 'byte 1: a bin of 4294967295 bytes, only 1 are left'],
    ['91a261', 'byte 1: a str of 2 bytes, only 1 are left'],
    // Maps: by each of their three forms; so a key cannot come twice nor be called __proto__.
    ['9180', 'byte 1: a map; a struct is an array of its fields'],
    ['9182a16101a16102', 'byte 1: a map; a struct is an array of its fields'],
    ['91de0001', 'byte 1: a map; a struct is an array of its fields'],
    ['91dfffffffff', 'byte 1: a map; a struct is an array of its fields'],
    // Extensions: a record definition, undefined, a set, a date, a reference, a typed array, a big number.
    ['91d4724091a16101', 'byte 1: an extension type; there are none in this protocol'],
    ['91d40000', 'byte 1: an extension type; there are none in this protocol'],
    ['91d4730091', 'byte 1: an extension type; there are none in this protocol'],
    ['91d6ff00000000', 'byte 1: an extension type; there are none in this protocol'],
    ['91d67000000001', 'byte 1: an extension type; there are none in this protocol'],
    ['91d5740001', 'byte 1: an extension type; there are none in this protocol'],
    ['91d7ff0000000000000000', 'byte 1: an extension type; there are none in this protocol'],
    ['91d8000000', 'byte 1: an extension type; there are none in this protocol'],
    ['91c70142ff', 'byte 1: an extension type; there are none in this protocol'],
    ['91c8ffff', 'byte 1: an extension type; there are none in this protocol'],
    ['91c9ffffffff', 'byte 1: an extension type; there are none in this protocol'],
    ['91c1', 'byte 1: the unused byte 0xc1'],
    // One more than what a number holds exactly, on both sides.
    ['91cf0020000000000000', 'byte 1: an integer beyond ±(2^53 - 1)'],
    ['91cfffffffffffffffff', 'byte 1: an integer beyond ±(2^53 - 1)'],
    ['91d30020000000000000', 'byte 1: an integer beyond ±(2^53 - 1)'],
    ['91d3ffe0000000000000', 'byte 1: an integer beyond ±(2^53 - 1)'],
    ['91d38000000000000000', 'byte 1: an integer beyond ±(2^53 - 1)'],
    ['91a2c080', 'byte 2: text that is not UTF-8'],
    ['91a3efbbbf', 'byte 2: text that begins with a byte order mark'],
  ]
  for (const [bytes, sentence] of cases)
    t.equal(sentenceOf(t, fromHex(bytes)), `broken header at ${sentence}`, bytes)
})

t.test('arrays inside arrays, as deep as anybody likes', async (t) => {
  const nested = (depth: number) => new Uint8Array(depth).fill(0x91)
  const closed = (depth: number) => Uint8Array.from([...nested(depth - 1), 0x90])
  t.doesNotThrow(() => checkMsgpack(closed(16)))
  const tooDeep = 'more than 16 arrays inside each other'
  t.equal(sentenceOf(t, closed(17)), `broken header at byte 16: ${tooDeep}`)
  t.equal(sentenceOf(t, nested(100_000)), `broken header at byte 16: ${tooDeep}`)
  // Each says it holds as many as there are bytes left: the sum would be thousands of millions.
  const wide = new Uint8Array(15 * 5 + 1_000_000).fill(0x90)
  for (let i = 0; i < 15; i++) wide.set([0xdd, 0x00, 0x0f, 0x42, 0x40], i * 5)
  t.match(sentenceOf(t, wide), /the bytes end where a value was expected$/)
  // Arrays beside each other are not deep.
  const beside = Uint8Array.from([0xdc, 0x03, 0xe8, ...new Array(1_000).fill([0x91, 0x90]).flat()])
  t.doesNotThrow(() => checkMsgpack(beside))
})

t.test('a million empty elements cost no more than they may', async (t) => {
  const crowd = new Uint8Array(1_000_005).fill(0x90)
  crowd.set([0xdd, 0x00, 0x0f, 0x42, 0x40])
  const rows = struct('Rows', { rows: list(struct('Row', { n: uint32 })) })
  const wrapped = Uint8Array.from([0x91, ...crowd])
  t.equal(
    sentenceOf(t, wrapped, rows),
    'Rows.rows: expected list of at most 100000 Row, got a list of 1000000',
  )
})

t.test('text is UTF-8 exactly when a strict decoder says so', async (t) => {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const check = (...bytes: number[]) => {
    const header = Uint8Array.from([0xa0 | bytes.length, ...bytes])
    let [expected, passed] = [true, true]
    try {
      strict.decode(Uint8Array.from(bytes))
    } catch {
      // Telling invalid bytes apart by the throw is what the strict decoder is for.
      expected = false
    }
    try {
      checkMsgpack(header)
    } catch (caught) {
      passed = !refused(caught)
    }
    const isMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
    if (passed !== (expected && !isMark)) t.fail(`bytes ${bytes}: ${passed ? 'passed' : 'were refused'}`)
  }
  const edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbb, 0xbf, 0xc0, 0xff]
  for (let lead = 0; lead < 256; lead++) {
    check(lead)
    for (let second = 0; second < 256; second++) check(lead, second)
    if (lead < 0xc0) continue
    for (const second of edges)
      for (const third of edges) {
        check(lead, second, third)
        for (const fourth of [0x7f, 0x80, 0xbf, 0xc0]) check(lead, second, third, fourth)
      }
  }
  t.pass('every text of one and two bytes, and the edges of three and four')
})
