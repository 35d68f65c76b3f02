/** Gzip by Node's zlib: one member or several, lengths that are not the truth, and what stands behind the last. */
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { gzip } from '../../../../storage/record/node/gzip.ts'
import { fromHex } from '../batches.ts'
import { concatenated, sameBytes, textBytes, unpacked } from './codecs-at-hand.ts'

const text = textBytes(100_000)
const packed = gzip.compress(text)

t.test('several members', async (t) => {
  const small = gzip.compress(textBytes(10))
  const none = gzip.compress(new Uint8Array(0))
  for (const members of [
    [packed, small],
    [small, packed],
    [packed, packed, none],
    [none, small, none],
  ]) {
    const content = concatenated(
      ...members.map((member) =>
        member === packed ? text : member === small ? textBytes(10) : member.subarray(0, 0),
      ),
    )
    t.ok(sameBytes(unpacked(gzip, concatenated(...members), content.length), content))
    t.ok(sameBytes(unpacked(gzip, concatenated(...members)), content), 'with more room than it takes')
    t.match(unpacked(gzip, concatenated(...members), content.length - 1), {
      reason: 'too-large',
      message: / or more unpacked, at most \d+ are taken$/,
    })
  }
})

t.test('a member with a name, a comment and a checksum of its header', async (t) => {
  const header = fromHex('1f8b081a000000000003', '6100', '6200')
  // The lower half of the CRC-32 of what stands before it.
  const crc = crc32(header) & 0xffff
  const member = concatenated(
    header,
    Uint8Array.of(crc, crc >>> 8),
    new Uint8Array(gzipSync(text)).subarray(10),
  )
  t.ok(sameBytes(unpacked(gzip, member), text))
})

function crc32(bytes: Uint8Array): number {
  let crc = -1
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}

t.test('zeroes behind the last member are padding, as for zlib; anything else is refused', async (t) => {
  t.ok(sameBytes(unpacked(gzip, concatenated(packed, new Uint8Array(100))), text))
  for (const rest of ['01', '1f', '1f8b', '1f8b0800', '00000001'])
    t.match(unpacked(gzip, concatenated(packed, fromHex(rest))), {
      name: 'CompressionError',
      reason: 'corrupt',
    })
})

t.test('a forged length costs nothing but a second look', async (t) => {
  for (const length of [0, 1, 99_999, 100_001, 200_000, 0xffff_ffff]) {
    const forged = packed.slice()
    new DataView(forged.buffer).setUint32(forged.length - 4, length, true)
    t.match(unpacked(gzip, forged), {
      reason: 'corrupt',
      message: /^gzip: \d+ bytes are no whole and sound members: /,
    })
  }
  t.match(unpacked(gzip, fromHex('')), { reason: 'corrupt', message: /^gzip: 0 bytes are no whole/ })
})
