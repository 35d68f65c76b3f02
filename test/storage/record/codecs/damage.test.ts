/**
 * Damaged bytes give what they hold or a CompressionError, and nothing else: no other error, no crash, no memory beyond
 * the bound. Every end and every byte of small streams, and random damage to large ones.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { BATCH_HEADER_BYTES } from '../../../../storage/record/batch-header.ts'
import { CompressionError } from '../../../../storage/record/compression.ts'
import { roundsOf } from '../../../support/rounds.ts'
import { type SeededRandom, seededRandom } from '../../../support/seeded-random.ts'
import { hex } from '../batches.ts'
import { codecsAtHand, concatenated, sameBytes, someBytes, textBytes, unpacked } from './codecs-at-hand.ts'

const golden = fileURLToPath(new URL('../../../../../test/storage/record/codecs/golden', import.meta.url))

/** Streams of clients and of ours, by the name of their codec. */
function streams(name: string): Uint8Array[] {
  const ofClients = ['java', 'librdkafka'].flatMap((client) =>
    readdirSync(join(golden, client))
      .filter((file) => file.startsWith(name))
      .map((file) => new Uint8Array(readFileSync(join(golden, client, file))).subarray(BATCH_HEADER_BYTES)),
  )
  const ofOthers = name === 'lz4' ? readdirSync(join(golden, 'lz4')) : []
  return [...ofClients, ...ofOthers.map((file) => new Uint8Array(readFileSync(join(golden, 'lz4', file))))]
}

function damaged(random: SeededRandom, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  // Mostly near the front, where the headers are.
  const reach = random.pick([20, 100, copy.length])
  for (let changes = random.pick([1, 1, 2, 5]); changes > 0; changes--) {
    const at = random.below(Math.min(reach, copy.length))
    copy[at] = random.pick([0, 1, 0x7f, 0x80, 0xff, copy[at] ^ (1 << random.below(8)), random.below(256)])
  }
  const kind = random.below(6)
  if (kind === 0) return copy.subarray(0, random.below(copy.length))
  if (kind === 1) return concatenated(copy, random.bytes(1 + random.below(20)))
  const at = random.below(copy.length)
  if (kind === 2) return concatenated(copy.subarray(0, at), copy.subarray(at + 1 + random.below(5)))
  return copy
}

for (const { name, title, codec } of codecsAtHand) {
  t.test(`${title}: every beginning of a stream is refused`, async (t) => {
    const small = streams(name).filter((stream) => stream.length < 1_500)
    t.ok(small.length >= 4)
    for (const stream of [...small, codec.compress(textBytes(300))]) {
      const whole = unpacked(codec, stream) as Uint8Array
      const taken: number[] = []
      for (let length = 0; length < stream.length; length++) {
        const found = unpacked(codec, stream.subarray(0, length))
        // A stream of chunks or members may end behind any of them: then it holds what comes before.
        if (found instanceof CompressionError ? found.reason !== 'corrupt' : !isBeginning(found, whole))
          t.fail(`${length} of ${stream.length} bytes: ${found} of ${hex(stream)}`)
        if (found instanceof Uint8Array) taken.push(length)
      }
      // The header of snappy-java alone is an empty stream.
      t.same(taken, name === 'snappy' && stream[0] === 0x82 ? [16] : [])
    }
  })

  t.test(`${title}: every flipped bit of small streams`, async (t) => {
    for (const stream of streams(name).filter(({ length }) => length < 110)) {
      for (let bit = 0; bit < stream.length * 8; bit++) {
        const copy = stream.slice()
        copy[bit >>> 3] ^= 1 << (bit & 7)
        unpacked(codec, copy, 100_000)
      }
      t.ok(unpacked(codec, stream) instanceof Uint8Array)
    }
  })

  t.test(`${title}: random damage`, async (t) => {
    const random = seededRandom(t)
    const all = [
      ...streams(name),
      ...[100, 3_000, 150_000].map((length) => codec.compress(textBytes(length))),
    ]
    const outcomes = { refused: 0, taken: 0 }
    const bytesMax = 300_000
    for (const round of roundsOf(t, process.env.OCTOPUS_SOAK ? 200_000 : 3_000)) {
      const bytes = damaged(random, random.unit() < 0.9 ? random.pick(all) : someBytes(random, 3_000))
      // Nothing around the bytes matters.
      const surrounded = concatenated(random.bytes(5), bytes, random.bytes(5)).subarray(5, 5 + bytes.length)
      try {
        const [found, again] = [bytes, surrounded].map((given) => unpacked(codec, given, bytesMax))
        if (found instanceof Uint8Array ? !sameBytes(again, found) : again instanceof Uint8Array)
          throw new Error(`once ${found}, once ${again}`)
        outcomes[found instanceof Uint8Array ? 'taken' : 'refused']++
      } catch (error) {
        t.fail(`round ${round}: ${(error as Error).stack} with ${hex(bytes).slice(0, 2_000)}`)
      }
    }
    t.comment(outcomes)
    t.ok(outcomes.refused > 0)
    // And it still works: whatever a library keeps between calls was not hurt.
    const text = textBytes(200_000)
    t.ok(sameBytes(unpacked(codec, codec.compress(text)), text))
  })
}

function isBeginning(part: Uint8Array, whole: Uint8Array): boolean {
  return part.length < whole.length && sameBytes(part, whole.subarray(0, part.length))
}
