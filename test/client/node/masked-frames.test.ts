/** Frames that a client sends: their bytes, their keys, and when their memory may be used again. */
import { Writable } from 'node:stream'
import t from 'tap'
import { MaskedFrames } from '../../../client/node/masked-frames.ts'
import { seededRandom } from '../../support/seeded-random.ts'

/** Takes pieces as a socket does and keeps them, not copies, until it is told that the system has taken them. */
class HeldSocket extends Writable {
  readonly pieces: Buffer[] = []
  #take: (() => void) | undefined

  constructor() {
    super({ highWaterMark: 1 })
  }

  override _write(piece: Buffer, _encoding: string, taken: () => void): void {
    this.pieces.push(piece)
    this.#take = taken
  }

  /** The system takes the piece handed over last; the next one, if any waits, is handed over. */
  async takes(): Promise<void> {
    const take = this.#take
    this.#take = undefined
    take?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Takes everything at once. */
class OpenSocket extends Writable {
  readonly frames: Buffer[] = []
  override _write(piece: Buffer, _encoding: string, taken: () => void): void {
    this.frames.push(Buffer.from(piece))
    taken()
  }
}

/** By the letter of RFC 6455, 5.2 and 5.3. */
function unframe(frame: Buffer): { payload: Buffer; key: Buffer; headerBytes: number } {
  t.equal(frame[0], 0x82, 'a final binary frame without extension bits')
  t.ok(frame[1] & 0x80, 'masked')
  const short = frame[1] & 0x7f
  const at = short < 126 ? 2 : short === 126 ? 4 : 10
  const length =
    short < 126 ? short : short === 126 ? frame.readUInt16BE(2) : Number(frame.readBigUInt64BE(2))
  const key = frame.subarray(at, at + 4)
  const payload = Buffer.from(frame.subarray(at + 4))
  for (let i = 0; i < payload.length; i++) payload[i] ^= key[i % 4]
  t.equal(payload.length, length, 'the length is that of the payload')
  return { payload, key, headerBytes: at + 4 }
}

t.test('any payload comes out of its frame as it went in, with the shortest header', async (t) => {
  const random = seededRandom(t)
  const socket = new OpenSocket()
  const frames = new MaskedFrames(socket)
  const noise = random.bytes(400_000)
  const edges = [0, 1, 125, 126, 127, 2034, 2035, 65_535, 65_536, 66_546, 66_547, 300_000]
  const sizes = [...edges, ...Array.from({ length: 40 }, () => random.below(70_000))]
  for (const size of sizes) {
    // At any alignment: the native code takes eight bytes at a time.
    const shift = random.below(8)
    const payload = noise.slice(0, size + shift).subarray(shift)
    const before = Buffer.from(payload)
    frames.send(payload)
    t.ok(before.equals(payload), 'the payload is left as it was')
    payload.fill(0)
    const frame = socket.frames.pop() as Buffer
    const { payload: arrived, headerBytes } = unframe(frame)
    t.ok(arrived.equals(before), `${size} bytes`)
    t.equal(headerBytes, size < 126 ? 6 : size < 65_536 ? 8 : 14)
    t.equal(socket.frames.length, 0, 'one piece, one write')
  }
})

t.test('the bytes of a frame', async (t) => {
  const socket = new OpenSocket()
  new MaskedFrames(socket).send(Buffer.from('octopus'))
  const frame = socket.frames[0]
  t.equal(frame.subarray(0, 2).toString('hex'), '8287')
  t.equal(frame.length, 2 + 4 + 7)
  new MaskedFrames(socket).send(Buffer.alloc(65_536))
  t.equal(socket.frames[1].subarray(0, 10).toString('hex'), '82ff0000000000010000')
})

t.test('every frame has a key of its own that nobody can foresee', async (t) => {
  const socket = new OpenSocket()
  const frames = new MaskedFrames(socket)
  // More than one filling of the store of keys.
  for (let i = 0; i < 5000; i++) frames.send(Buffer.alloc(4))
  const keys = socket.frames.map((frame) => frame.readUInt32BE(2))
  t.ok(new Set(keys).size > 4990, 'they do not repeat')
  for (let bit = 0; bit < 32; bit++) {
    const share = keys.filter((key) => (key >>> bit) & 1).length / keys.length
    t.ok(share > 0.45 && share < 0.55, `bit ${bit} is set in about half of them: ${share}`)
  }
})

t.test('memory is used again when the system has taken it, and not before', async (t) => {
  const socket = new HeldSocket()
  const frames = new MaskedFrames(socket)
  const sent = (value: number) => frames.send(new Uint8Array(60_000).fill(value))
  const value = (piece: Buffer) => unframe(piece).payload[0]

  sent(1)
  sent(2)
  t.equal(socket.pieces.length, 1, 'the second waits behind the first')
  sent(3)
  t.equal(value(socket.pieces[0]), 1, 'nothing was written over what has not been taken')
  await socket.takes()
  // Something of `ws` between ours: bytes that are not of this object.
  socket.write(Buffer.alloc(10))
  await socket.takes()
  t.same(socket.pieces.map(value), [1, 2, 3], 'in order')
  await socket.takes()
  await socket.takes()
  t.equal(socket.writableLength, 0, 'all taken')

  const memory = new Set(socket.pieces.map(({ buffer }) => buffer))
  sent(4)
  t.ok(memory.has(socket.pieces[4].buffer), 'memory of a message that has left')
  t.equal(value(socket.pieces[4]), 4)
})

t.test('whatever is taken when: no piece changes while the system may still look at it', async (t) => {
  const random = seededRandom(t)
  const socket = new HeldSocket()
  const frames = new MaskedFrames(socket)
  const noise = random.bytes(70_000)
  const payloads: Buffer[] = []
  let seen = 0
  for (let step = 0; step < 600; step++) {
    if (random.below(2) === 0) {
      const payload = Buffer.from(noise.slice(0, random.below(3) === 0 ? 200 : 2_000 + random.below(66_000)))
      payload[0] = step
      payloads.push(payload)
      frames.send(payload)
    } else {
      // The piece that is about to be taken is looked at last of all, when anything wrong would have happened.
      if (socket.pieces.length > seen) {
        const { payload } = unframe(socket.pieces[seen])
        t.ok(payload.equals(payloads[seen]), `message ${seen} of ${payload.length} bytes`)
        seen++
      }
      await socket.takes()
    }
  }
  t.ok(seen > 100, `${seen} messages were taken`)
})

t.test('small messages that the system takes at once all use the same memory', async (t) => {
  const pieces: Buffer[] = []
  const socket = new Writable({
    write(piece: Buffer, _encoding, taken) {
      pieces.push(piece)
      taken()
    },
  })
  const frames = new MaskedFrames(socket)
  for (let i = 0; i < 100; i++) {
    frames.send(new Uint8Array(100 + i).fill(i))
    t.equal(unframe(pieces[i]).payload[0], i)
  }
  t.equal(new Set(pieces.map(({ buffer }) => buffer)).size, 1)
})
