/** What is packed comes back, with every codec and level, whole and in memory of its own, and never beyond the bound. */
import t from 'tap'
import { compressionLevels, levelProblem } from '../../../../storage/record/compression.ts'
import { roundsOf } from '../../../support/rounds.ts'
import { randomOf, seededRandom } from '../../../support/seeded-random.ts'
import { codecsAtHand, sameBytes, someBytes, textBytes, unpacked } from './codecs-at-hand.ts'

const sizes = [0, 1, 2, 3, 4, 15, 16, 4_095, 4_096, 65_535, 65_536, 65_537, 131_072, 131_073, 300_000]

for (const { name, title, codec, levels } of codecsAtHand) {
  t.test(`${title}: every level and the sizes around blocks`, async (t) => {
    for (const length of sizes)
      for (const bytes of [textBytes(length), new Uint8Array(length), randomOf(length).bytes(length)]) {
        const wrong = levels.filter((level) => {
          const packed = codec.compress(bytes, level)
          const content = unpacked(codec, packed, bytes.length)
          return !sameBytes(content, bytes) || packed.length > bytes.length * 1.01 + 64
        })
        if (wrong.length > 0) t.fail(`${length} bytes, levels ${wrong}`)
        const tight = length === 0 ? undefined : unpacked(codec, codec.compress(bytes), length - 1)
        if (tight) t.match(tight, { name: 'CompressionError', reason: 'too-large' }, `${length} bytes`)
      }
    t.ok(codec.compress(textBytes(60_000)).length < 25_000, 'text gets smaller')
  })

  t.test(`${title}: random bytes`, async (t) => {
    const random = seededRandom(t)
    for (const round of roundsOf(t, process.env.OCTOPUS_SOAK ? 20_000 : 150)) {
      const bytes = someBytes(random, random.pick([20, 2_000, 200_000]))
      const given = bytes.slice()
      const packed = codec.compress(bytes, random.pick(levels))
      const content = unpacked(codec, packed, random.pick([bytes.length, bytes.length + 100_000, 1e9]))
      if (!sameBytes(content, given)) t.fail(`round ${round}: ${content}`)
      if (!sameBytes(bytes, given)) t.fail(`round ${round}: the input was changed`)
    }
  })

  t.test(`${title}: results can be transferred and nobody else writes to them`, async (t) => {
    for (const length of [0, 10, 3_000, 70_000]) {
      const bytes = textBytes(length)
      // Where a library keeps memory between calls, the next call would show.
      const packed = codec.compress(bytes)
      codec.compress(new Uint8Array(length).fill(7))
      const content = codec.decompress(packed, length)
      codec.decompress(codec.compress(new Uint8Array(length).fill(7)), length)
      t.ok(sameBytes(content, bytes), `${length} bytes`)
      for (const result of [packed, content]) {
        t.equal(Object.getPrototypeOf(result), Uint8Array.prototype, 'no Buffer')
        const copy = result.slice()
        const moved = structuredClone(result, { transfer: [result.buffer as ArrayBuffer] })
        t.equal(result.length, 0)
        t.ok(sameBytes(moved, copy))
      }
    }
  })

  t.test(`${title}: a level there is not`, async (t) => {
    const range = name === 'gzip' || name === 'zstd' ? compressionLevels[name] : undefined
    const wrong = range ? [range.min - 1, range.max + 1, 1.5, Number.NaN] : [0, 1]
    for (const level of wrong) {
      const message = range
        ? `${name} has levels ${range.min} to ${range.max}, got ${level}`
        : `${name} has no levels, got ${level}`
      t.throws(() => codec.compress(new Uint8Array(3), level), {
        name: 'CompressionError',
        reason: 'level',
        message,
      })
      t.equal(levelProblem(name, level), message)
    }
  })
}
