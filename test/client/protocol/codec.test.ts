/** Messages in frames: golden bytes, every truncation, errors on the wire, any message there and back. */
import { readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { apis } from '../../../client/protocol/api.ts'
import {
  decodeHeader,
  decodeResponse,
  encodeError,
  encodeHeader,
  encodeRequest,
  requestedApi,
} from '../../../client/protocol/codec.ts'
import { ErrorCode, ProtocolError } from '../../../client/protocol/errors.ts'
import {
  FLAG_ERROR,
  FLAG_MORE,
  FLAG_RESPONSE,
  readFrame,
  writeFrame,
} from '../../../client/protocol/frame.ts'
import { valuesOf } from './arbitrary-messages.ts'
import { example, examples, fromHex, hex, recordBatch } from './examples.ts'
import { seedOr } from './random.ts'
import { refusalOf } from './refusal.ts'

const GOLDEN = 'test/client/protocol/golden-frames.json'

t.test('golden frames', async (t) => {
  const plain = JSON.stringify(
    examples.map(({ name, message, body, frame }) => ({ name, message, body, frame })),
    (_, value) => (value instanceof Uint8Array ? hex(value) : value),
    2,
  )
  // Short lists on one line, as the formatter of the repository wants them.
  const formatted = plain.replace(/\[\n\s+([^[\]{}]*)\n\s+\]/g, (_, elements: string) => {
    return `[${elements.replace(/\n\s+/g, ' ')}]`
  })
  if (process.env.UPDATE === '1') writeFileSync(GOLDEN, `${formatted}\n`)
  t.strictSame(
    JSON.parse(plain),
    JSON.parse(readFileSync(GOLDEN, 'utf8')),
    `${GOLDEN} (UPDATE=1 rewrites it)`,
  )

  // Three of them in full, so that no rewriting of the file can change them unseen.
  const inFull = (name: string, ...parts: string[]) => t.equal(hex(example(name).frame), parts.join(''), name)
  const utf8 = (text: string) => hex(Buffer.from(text))
  const message = `92ad${utf8('seismometer-7')}a5${utf8('1.0.0')}`
  inFull('hello request', '0012', '01', '00', '00000001', '00000015', message)
  const produce = '94ffcd7530c09194c41000112233445566778899aabbccddeeff03ff5b'
  inFull('produce request', '0000', '01', '00', '00000004', '0000001d', produce, hex(recordBatch))
  const refused = `93cd03eab8${utf8('the commit queue is full')}ccfa`
  inFull('produce refused', '0000', '01', '05', '00000006', '0000001f', refused)
})

t.test('every example comes back as it went', async (t) => {
  for (const example of examples) {
    // At an odd place of a larger buffer: neighbours must not matter.
    const around = Buffer.alloc(example.frame.length + 20, 0xdb)
    around.set(example.frame, 13)
    const frame = readFrame(around.subarray(13, 13 + example.frame.length))
    t.strictSame(decodeHeader(example.type, frame.header), example.message, example.name)
    t.strictSame(hex(frame.body), hex(example.body), `${example.name}: body`)
    t.equal(frame.apiKey, example.api.key)
    t.equal(frame.apiVersion, 1)
    t.equal(
      frame.flags,
      {
        request: 0,
        response: FLAG_RESPONSE,
        data: FLAG_RESPONSE | FLAG_MORE,
        error: FLAG_RESPONSE | FLAG_ERROR,
      }[example.kind],
    )
    t.strictSame(hex(encodeHeader(example.type, example.message)), hex(frame.header))
  }
})

t.test('every truncation of every example is a value or a refusal', async (t) => {
  for (const example of examples) {
    const { frame } = example
    const bodyStart = frame.length - example.body.length
    for (let length = 0; length < bodyStart; length++) {
      try {
        readFrame(frame.subarray(0, length))
        t.fail(`${example.name} cut at ${length} was read`)
      } catch (caught) {
        if (!(caught instanceof ProtocolError)) throw caught
      }
    }
    // The header alone, as if the frame's length field had been cut with it.
    const { header } = readFrame(frame)
    for (let length = 0; length < header.length; length++) {
      try {
        decodeHeader(example.type, header.subarray(0, length))
        t.fail(`the header of ${example.name} cut at ${length} was decoded`)
      } catch (caught) {
        if (!(caught instanceof ProtocolError)) throw caught
      }
    }
    // Record batches are not looked into here: a cut body is a shorter body.
    for (let length = bodyStart; length < frame.length; length++)
      t.equal(readFrame(frame.subarray(0, length)).body.length, length - bodyStart)
  }
})

t.test('what was encoded stays when more is encoded', async (t) => {
  const [first, later] = [example('metadata response'), example('status response')]
  const header = encodeHeader(first.type, first.message)
  const request = encodeRequest(apis.hello, 1, { clientName: 'a', clientVersion: 'b' })
  const before = [hex(header), hex(request)]
  for (let i = 0; i < 1_000; i++) encodeHeader(later.type, later.message)
  t.strictSame([hex(header), hex(request)], before)
})

t.test('errors on the wire', async (t) => {
  const refusal = example('produce refused').frame
  try {
    decodeResponse(apis.produce, readFrame(refusal))
    t.fail('the refusal was taken for an answer')
  } catch (caught) {
    if (!(caught instanceof ProtocolError)) throw caught
    t.strictSame(
      [caught.name, caught.code, caught.message, caught.retriable, caught.retryAfterMs],
      ['BACKPRESSURE', 1002, 'the commit queue is full', true, 250],
    )
  }
  const received = (code: number, message: string | null) =>
    t.throws(() =>
      decodeResponse(apis.hello, readFrame(encodeError(18, 1, 1, code, message))),
    ) as ProtocolError
  t.match(received(35, null), {
    name: 'UNSUPPORTED_VERSION',
    message: 'The version of the API is not supported.',
    retryAfterMs: 0,
  })
  t.match(received(31_000, 'from the future'), { name: 'UNKNOWN_31000', retriable: false })
  t.match(received(0, null), { name: 'UNKNOWN_SERVER_ERROR' }, 'no refusal without an error')
  t.equal(received(42, `\ufeffhalf \ud83d`).message, '\ufffdhalf \ufffd', 'any message can be sent')
  t.equal(received(42, 'x'.repeat(100_000)).message.length, 1024)
  t.equal(
    received(42, `${'x'.repeat(1023)}\u{1f419}`).message.at(-1),
    '\ufffd',
    'no half character at the cut',
  )
  t.equal(hex(encodeError(65_535, 9, 5, -1, null)), 'ffff0905000000050000000493ffc000', 'an unknown API')
})

t.test('an answer is taken only from its last frame', async (t) => {
  const hello = readFrame(example('hello response').frame)
  t.strictSame(decodeResponse(apis.hello, hello), example('hello response').message)
  const sentence = (frame: Uint8Array) =>
    refusalOf(t, ErrorCode.INVALID_REQUEST, () => decodeResponse(apis.fetch, readFrame(frame)))
  t.equal(
    sentence(example('hello response').frame),
    'expected the last frame of a fetch answer, got a frame of API 18 with flags 1',
  )
  t.match(sentence(example('fetch data').frame), /API 1 with flags 3$/)
  t.match(sentence(example('fetch request').frame), /API 1 with flags 0$/)
})

t.test('which API a request asks for', async (t) => {
  for (const { kind, frame, api } of examples)
    if (kind === 'request') t.equal(requestedApi(readFrame(frame)), api)
  const sentence = (code: number, frame: Uint8Array) =>
    refusalOf(t, code, () => requestedApi(readFrame(frame)))
  t.equal(
    sentence(ErrorCode.INVALID_REQUEST, example('hello response').frame),
    'the frame is an answer where a request was expected',
  )
  t.equal(sentence(ErrorCode.UNSUPPORTED_API, writeFrame(999, 1, 0, 1, fromHex('90'))), 'there is no API 999')
  for (const version of [0, 2])
    t.equal(
      sentence(ErrorCode.UNSUPPORTED_VERSION, writeFrame(1, version, 0, 1, fromHex('90'))),
      `fetch is spoken in versions 1 to 1, not ${version}`,
    )
  t.equal(
    sentence(ErrorCode.INVALID_REQUEST, writeFrame(1, 1, 0, 1, fromHex('90'), fromHex('00'))),
    'a fetch request has no body, this one has 1 bytes',
  )
})

t.test('encoding and decoding generate no code, as a browser may forbid it', async (t) => {
  const original = globalThis.Function
  let generated = 0
  globalThis.Function = new Proxy(original, {
    construct(target, args) {
      generated++
      return Reflect.construct(target, args)
    },
    apply(target, self, args) {
      generated++
      return Reflect.apply(target, self, args)
    },
  })
  try {
    for (let i = 0; i < 10; i++)
      for (const { type, message } of examples) decodeHeader(type, encodeHeader(type, message))
  } finally {
    globalThis.Function = original
  }
  t.equal(generated, 0)
})

t.test('any message of any type comes back as it went', async (t) => {
  const seed = seedOr(20_260_801)
  t.comment(`OCTOPUS_SEED=${seed}`)
  const types = new Map([...examples.map(({ type }) => [type.name, type] as const)])
  for (const [name, type] of types) {
    let runs = 0
    fc.assert(
      fc.property(valuesOf(type), (value) => {
        runs++
        t.strictSame(decodeHeader(type, encodeHeader(type, value)), value)
      }),
      { seed, numRuns: 25 },
    )
    t.equal(runs, 25, name)
  }
})
