/** The frame: what is refused and how, what is a view, how it is put around a batch. */
import t from 'tap'
import { apis } from '../../../client/protocol/api.ts'
import { decodeHeader, encodeHeader } from '../../../client/protocol/codec.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import {
  FLAG_MORE,
  FLAG_RESPONSE,
  FRAME_HEADER_BYTES,
  readFrame,
  writeFrame,
  writeFrameBefore,
  writeFrameHeaderAt,
} from '../../../client/protocol/frame.ts'
import { example, fromHex, hex } from './examples.ts'
import { refusalOf } from './refusal.ts'

t.test('a broken frame is refused with what is wrong', async (t) => {
  const broken = (bytes: Uint8Array) => refusalOf(t, ErrorCode.INVALID_REQUEST, () => readFrame(bytes))
  const head = (flags: string, headerLength: string, rest = '') =>
    fromHex(`000001${flags}00000001${headerLength}${rest}`)
  t.equal(broken(fromHex('')), 'broken frame: a frame has at least 12 bytes, this message has 0')
  t.equal(broken(fromHex('0000010000')), 'broken frame: a frame has at least 12 bytes, this message has 5')
  t.equal(broken(head('00', '00000003', 'c0c0')), 'broken frame: headerLength says 3, only 2 bytes follow it')
  t.equal(
    broken(head('00', 'ffffffff')),
    'broken frame: a header has at most 16777216 bytes, headerLength says 4294967295',
  )
  t.equal(
    broken(head('08', '00000000')),
    'broken frame: flags 8 has unknown bits, known are RESPONSE 1, MORE 2 and ERROR 4',
  )
  t.match(broken(head('81', '00000000')), /^broken frame: flags 129 has unknown bits/)
  t.equal(broken(head('02', '00000000')), 'broken frame: flags 2 has MORE or ERROR without RESPONSE')
  t.equal(broken(head('04', '00000000')), 'broken frame: flags 4 has MORE or ERROR without RESPONSE')
  t.equal(
    broken(head('07', '00000000')),
    'broken frame: an ERROR frame is the last of its answer, this one has MORE',
  )
  t.equal(
    broken(head('05', '00000000', 'c0')),
    'broken frame: an ERROR frame has no body, this one has 1 bytes',
  )
  for (const flags of ['00', '01', '03', '05']) t.equal(readFrame(head(flags, '00000000')).header.length, 0)
})

t.test('reading makes views, decoding makes copies', async (t) => {
  const bytes = Buffer.from(example('produce request').frame)
  const frame = readFrame(bytes)
  t.equal(frame.header.buffer, bytes.buffer)
  t.equal(frame.body.buffer, bytes.buffer)
  t.equal(Object.getPrototypeOf(frame.header), Uint8Array.prototype, 'plain also when a Buffer came')
  const message = decodeHeader(apis.produce.request, frame.header)
  bytes.fill(0)
  t.strictSame(message, example('produce request').message)
})

t.test('writing around a batch', async (t) => {
  const { frame, type, message, body } = example('fetch data')
  const header = encodeHeader(type, message)
  const args = [apis.fetch.key, 1, FLAG_RESPONSE | FLAG_MORE, 7, header] as const
  const front = FRAME_HEADER_BYTES + header.length

  const pieces = [body.subarray(0, 10), body.subarray(10, 10), body.subarray(10)]
  t.strictSame(hex(writeFrame(...args, pieces)), hex(frame), 'a body in pieces')
  t.strictSame(hex(writeFrame(...args)), hex(frame.subarray(0, front)), 'no body')

  const buffer = new Uint8Array(200).fill(0xaa)
  buffer.set(body, 100)
  const batch = buffer.subarray(100, 100 + body.length)
  t.equal(writeFrameBefore(batch, front - 1, ...args), undefined)
  t.ok(
    buffer.subarray(0, 100).every((byte) => byte === 0xaa),
    'nothing was written where it did not fit',
  )
  const joined = writeFrameBefore(batch, front, ...args)
  t.strictSame(hex(joined ?? fromHex('')), hex(frame))
  t.equal(joined?.buffer, buffer.buffer, 'no copy')
  t.ok(
    buffer.subarray(0, 100 - front).every((byte) => byte === 0xaa),
    'nothing was written before the frame',
  )
  t.throws(() => writeFrameBefore(batch, 101, ...args), RangeError, 'more headroom than there is')

  const target = new Uint8Array(200)
  t.equal(writeFrameHeaderAt(target, 5, ...args), 5 + front)
  t.strictSame(hex(target.subarray(5, 5 + front)), hex(frame.subarray(0, front)))
  t.throws(() => writeFrameHeaderAt(target, 200 - front + 1, ...args), RangeError, 'no room')
  t.throws(() => writeFrame(0x1_0000, 1, 0, 1, header), RangeError)
  t.throws(() => writeFrame(0, 256, 0, 1, header), RangeError)
  t.throws(() => writeFrame(0, 1, 8, 1, header), RangeError)
  for (const id of [-1, 0.5, 2 ** 32]) t.throws(() => writeFrame(0, 1, 0, id, header), RangeError)
  t.throws(() => writeFrame(0, 1, 0, 1, new Uint8Array(16 * 1024 * 1024 + 1)), RangeError)
  t.equal(readFrame(writeFrame(0xffff, 255, 0, 0xffff_ffff, header)).correlationId, 0xffff_ffff)
})
