/** Messages taken out of what a socket reads: the right ones, in order, and everything else left to `ws`, byte for byte. */
import t from 'tap'
import { WholeMessages } from '../../../client/node/whole-messages.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const BINARY = 2
const TEXT = 1
const CONTINUATION = 0
const PING = 9
const CLOSE = 8

interface FrameOptions {
  readonly opcode?: number
  readonly isFinal?: boolean
  readonly isMasked?: boolean
  readonly extensionBits?: number
}

/** By the letter of RFC 6455, 5.2. */
function frame(payload: Uint8Array, options: FrameOptions = {}): Buffer {
  const { opcode = BINARY, isFinal = true, isMasked = false, extensionBits = 0 } = options
  const first = (isFinal ? 0x80 : 0) | extensionBits | opcode
  const mask = isMasked ? 0x80 : 0
  const { length } = payload
  let header: Buffer
  if (length < 126) header = Buffer.from([first, mask | length])
  else if (length < 65_536) header = Buffer.from([first, mask | 126, length >>> 8, length & 0xff])
  else {
    header = Buffer.alloc(10)
    header[0] = first
    header[1] = mask | 127
    header.writeBigUInt64BE(BigInt(length), 2)
  }
  return Buffer.concat([header, ...(isMasked ? [Buffer.from([0, 0, 0, 0])] : []), payload])
}

/** Reads `chunks` and says what was taken, what was left, and in which order the two came. */
function read(chunks: readonly Buffer[], isBehind: (chunk: number) => boolean = () => false) {
  const taken: Buffer[] = []
  const left: Buffer[] = []
  const messages = new WholeMessages()
  messages.begin((message) => taken.push(message))
  chunks.forEach((chunk, i) => {
    const bytes = messages.take(chunk, isBehind(i))
    if (bytes < chunk.length) left.push(chunk.subarray(bytes))
  })
  return { taken, left: Buffer.concat(left) }
}

const text = (bytes: Buffer) => bytes.toString('latin1')

t.test('whole messages are taken, of every form of length', async (t) => {
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 200_000]) {
    const payload = Buffer.alloc(length, 'octopus')
    const { taken, left } = read([Buffer.concat([frame(payload), frame(payload)])])
    t.equal(taken.length, 2, `${length} bytes`)
    t.ok(taken.every((message) => message.equals(payload)))
    t.equal(left.length, 0)
  }
})

t.test('a message is a view of what was read, not a copy', async (t) => {
  const chunk = frame(Buffer.from('octopus'))
  const [message] = read([chunk]).taken
  t.equal(message.buffer, chunk.buffer)
})

t.test('nothing is taken before it begins', async (t) => {
  const messages = new WholeMessages()
  t.equal(messages.take(Buffer.from('HTTP/1.1 101 Switching Protocols\r\n\r\n'), false), 0)
  const taken: string[] = []
  messages.begin((message) => taken.push(text(message)))
  t.equal(messages.take(frame(Buffer.from('first')), false), 7)
  t.same(taken, ['first'])
})

t.test('wherever two reads part a message, the next whole one behind it is taken', async (t) => {
  for (const length of [0, 5, 126, 300, 65_536]) {
    const cutFrame = frame(Buffer.alloc(length, 'a'))
    const ends = length > 1000 ? [...Array(15).keys(), length - 1] : [...cutFrame.keys()]
    for (const cut of ends.filter((at) => at > 0)) {
      const { taken, left } = read([
        Buffer.concat([frame(Buffer.from('before')), cutFrame.subarray(0, cut)]),
        cutFrame.subarray(cut),
        frame(Buffer.from('behind')),
      ])
      t.same(taken.map(text), ['before', 'behind'], `${length} bytes, cut at ${cut}`)
      t.ok(left.equals(cutFrame), 'the parted one is left whole')
    }
  }
})

t.test('what is not a whole binary message is left, and what follows it in the same read', async (t) => {
  const one = frame(Buffer.from('one'))
  const two = frame(Buffer.from('two'))
  const others: Record<string, Buffer> = {
    ping: frame(Buffer.from('?'), { opcode: PING }),
    'text message': frame(Buffer.from('text'), { opcode: TEXT }),
    'message with an extension bit': frame(Buffer.from('zip'), { extensionBits: 0x40 }),
    'two fragments with a ping between them': Buffer.concat([
      frame(Buffer.from('a'), { isFinal: false }),
      frame(Buffer.alloc(0), { opcode: PING }),
      frame(Buffer.from('b'), { opcode: CONTINUATION }),
    ]),
  }
  for (const [name, other] of Object.entries(others)) {
    const { taken, left } = read([Buffer.concat([one, other, two]), one])
    t.same(taken.map(text), ['one', 'one'], name)
    t.ok(left.equals(Buffer.concat([other, two])), 'in order')
  }
})

t.test('nothing is taken between the fragments of a message', async (t) => {
  const begin = frame(Buffer.from('a'), { isFinal: false })
  const end = frame(Buffer.from('b'), { opcode: CONTINUATION })
  const one = frame(Buffer.from('one'))
  const { taken, left } = read([begin, one, end, one])
  t.same(taken.map(text), ['one'])
  t.ok(left.equals(Buffer.concat([begin, one, end])), 'that another message interrupts them, ws has to see')
})

t.test('nothing is taken behind a good-bye or a masked frame', async (t) => {
  const one = frame(Buffer.from('one'))
  const byes = [frame(Buffer.from([3, 232]), { opcode: CLOSE }), frame(Buffer.from('x'), { isMasked: true })]
  for (const bye of byes) {
    const { taken, left } = read([bye, one, Buffer.concat([one, one])])
    t.equal(taken.length, 0)
    t.ok(left.equals(Buffer.concat([bye, one, one, one])))
  }
})

t.test('nothing is taken while ws is behind, and nothing is lost by it', async (t) => {
  const one = frame(Buffer.from('one'))
  const { taken, left } = read([one, Buffer.concat([one, one]), one], (chunk) => chunk === 1)
  t.same(taken.map(text), ['one', 'one'])
  t.ok(left.equals(Buffer.concat([one, one])))
})

t.test('any frames in any reads: taken and left together are what was sent, in order', async (t) => {
  const random = seededRandom(t)
  for (let round = 0; round < 300; round++) {
    const frames: Buffer[] = []
    for (let i = random.below(12); i >= 0; i--) {
      const length = random.below(8) === 0 ? random.below(70_000) : random.below(200)
      const payload = Buffer.from(random.bytes(length))
      const kind = random.below(6)
      if (kind === 0)
        frames.push(
          frame(payload, { isFinal: false }),
          frame(payload.subarray(0, 3), { opcode: CONTINUATION }),
        )
      else
        frames.push(frame(payload.subarray(0, kind === 1 ? 125 : length), kind === 1 ? { opcode: PING } : {}))
    }
    const sent = Buffer.concat(frames)
    const messages = new WholeMessages()
    const got: Buffer[] = []
    messages.begin((message) => got.push(frame(message)))
    for (let at = 0; at < sent.length; ) {
      const end = Math.min(sent.length, at + 1 + random.below(random.below(3) === 0 ? 5 : 3_000))
      const chunk = sent.subarray(at, end)
      const taken = messages.take(chunk, random.below(10) === 0)
      got.push(chunk.subarray(taken))
      at = end
    }
    t.ok(Buffer.concat(got).equals(sent), `round ${round}: ${frames.length} frames`)
  }
})
