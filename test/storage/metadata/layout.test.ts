/** The pure parts: order of keys, and the bytes of metadata in LMDB. */
import t from 'tap'
import {
  decodeEntry,
  decodeEntryKey,
  decodeRevision,
  encodeEntry,
  encodeEntryKey,
  encodeRevision,
  revisionKey,
} from '../../../storage/metadata/entry-layout.ts'
import { compareKeys, quoteKey } from '../../../storage/metadata/keys.ts'
import { Random, seedOr } from '../../client/protocol/random.ts'
import { bytes } from './contract.ts'

const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex')

t.test('keys are compared by the bytes of their UTF-8 form', async (t) => {
  const seed = seedOr(42)
  t.comment(`OCTOPUS_SEED=${seed}`)
  const random = new Random(seed)
  const characters = [...'\u0000/ab\u007f\u0080é\ud7ff\ue000\ufffd\uffff\u{10000}\u{1f419}\u{10ffff}']
  const key = () => Array.from({ length: random.below(4) }, () => random.pick(characters)).join('')
  for (let round = 0; round < 5000; round++) {
    const [a, b] = [key(), key()]
    const expected = Buffer.compare(Buffer.from(a), Buffer.from(b))
    if (Math.sign(compareKeys(a, b)) !== expected) t.fail(`${quoteKey(a)} and ${quoteKey(b)}`)
  }
  t.ok(compareKeys('\uffff', '\u{10000}') < 0, 'where UTF-16 would say otherwise')
  t.ok('\uffff' > '\u{10000}')
})

t.test('keys in messages', async (t) => {
  t.equal(quoteKey('/a"\n'), '"/a\\"\\n"')
  t.equal(quoteKey('x'.repeat(64)), `"${'x'.repeat(64)}"`)
  t.equal(quoteKey('x'.repeat(65)), `"${'x'.repeat(64)}…"`)
})

t.test('golden bytes', async (t) => {
  t.equal(hex(revisionKey), '017265766973696f6e')
  t.equal(hex(encodeEntryKey('/é')), '022fc3a9')
  const entry = { key: '/a', value: bytes('value'), createRevision: 1, modRevision: 0x010203040506 }
  t.equal(hex(encodeEntry(entry)), '0100000000000101020304050600b5ebb776616c7565')
  t.strictSame(decodeEntry('/a', encodeEntry(entry)), entry)
  t.equal(hex(encodeRevision(0x010203040506)), '01010203040506ba0220d0')
  t.equal(decodeRevision(encodeRevision(0x010203040506)), 0x010203040506)
  t.equal(decodeRevision(encodeRevision(0)), 0)
  const empty = { key: '/a', value: bytes(''), createRevision: 2, modRevision: 2 }
  t.strictSame(decodeEntry('/a', encodeEntry(empty)), empty)
})

t.test('every truncation and every flipped bit is refused', async (t) => {
  const entry = encodeEntry({ key: '/a', value: bytes('value'), createRevision: 3, modRevision: 7 })
  const revision = encodeRevision(7)
  const decoders: [Uint8Array, (value: Uint8Array) => unknown][] = [
    [entry, (value) => decodeEntry('/a', value)],
    [revision, decodeRevision],
  ]
  for (const [sound, decode] of decoders) {
    for (let length = 0; length < sound.length; length++) {
      if (typeof decode(sound.subarray(0, length)) !== 'string') t.fail(`${length} bytes of ${hex(sound)}`)
    }
    for (let bit = 0; bit < sound.length * 8; bit++) {
      const flipped = new Uint8Array(sound)
      flipped[bit >> 3] ^= 1 << (bit & 7)
      if (typeof decode(flipped) !== 'string') t.fail(`bit ${bit} of ${hex(sound)}`)
    }
  }
  t.equal(decodeEntry('/b', entry), 'its checksum does not match', 'under another key')
  const newer = new Uint8Array(entry)
  newer[0] = 2
  t.equal(decodeEntry('/a', newer), 'its layout is 2, 1 expected')
  t.equal(decodeRevision(bytes('')), 'it has 0 bytes, 11 expected')
})

t.test('keys of the environment', async (t) => {
  for (const key of ['/a', '\ufeffmark', '\u0000', '\u{10ffff}'])
    t.equal(decodeEntryKey(encodeEntryKey(key)), key)
  for (const stored of ['', '02', '01', '0361', '02ff', '02eda080', '02c3']) {
    t.equal(decodeEntryKey(Buffer.from(stored, 'hex')), undefined, stored)
  }
  t.equal(decodeEntryKey(revisionKey), undefined)
})
