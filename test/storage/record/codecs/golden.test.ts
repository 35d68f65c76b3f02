/**
 * Batches that real Kafka clients wrote with every codec: the Java client and librdkafka, made by `golden/make.sh`,
 * which also has the Java client read ours. All are read exactly; what stands in their frames is written down
 * here, so that it is known what clients write.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { crc32c } from '@node-rs/crc32'
import t from 'tap'
import { decodeBatch } from '../../../../storage/record/batch-decoder.ts'
import { BATCH_HEADER_BYTES, compressionAt, setAttributes } from '../../../../storage/record/batch-header.ts'
import { compressionCodes, compressionName } from '../../../../storage/record/compression.ts'
import { checkProducedBatch, checkStoredBatch } from '../../../../storage/record/validate.ts'
import { encode, expected, forge, hex, shown, source } from '../batches.ts'
import { type CodecAtHand, codecsAtHand, concatenated } from './codecs-at-hand.ts'
import { goldenRecords, recordLines } from './golden-records.ts'

const golden = resolve(
  fileURLToPath(new URL('../../../../../test/storage/record/codecs/golden', import.meta.url)),
)
const read = (path: string) => new Uint8Array(readFileSync(join(golden, path)))

/** As our producers write it, but for records that do not get smaller, which these leave alone. */
function written(records: string, { name, codec }: CodecAtHand): Uint8Array {
  return forge(encode(goldenRecords[records]), (batch) => {
    setAttributes(batch, 0, compressionCodes[name])
    return concatenated(
      batch.subarray(0, BATCH_HEADER_BYTES),
      codec.compress(batch.subarray(BATCH_HEADER_BYTES)),
    )
  })
}

if (process.env.OCTOPUS_GOLDEN) writeFor(process.env.OCTOPUS_GOLDEN)
else testGolden()

/** What `golden/make.sh` hands to the clients. */
function writeFor(directory: string): void {
  mkdirSync(join(directory, 'ours'), { recursive: true })
  for (const [records, list] of Object.entries(goldenRecords)) {
    writeFileSync(join(directory, `${records}.records`), recordLines(list))
    for (const atHand of codecsAtHand)
      writeFileSync(join(directory, 'ours', `${atHand.name}-${records}.batch`), written(records, atHand))
  }
  t.pass(`written to ${directory}`)
}

function testGolden(): void {
  for (const [client, count] of [
    ['java', 24],
    ['librdkafka', 12],
  ] as const)
    t.test(`batches of ${client}`, async (t) => {
      const files = readdirSync(join(golden, client))
      t.equal(files.length, count)
      for (const file of files) {
        const [, name, records] = /^(gzip|snappy|lz4|zstd)(?:level\d+)?-(\w+)\.batch$/.exec(
          file,
        ) as unknown as [string, string, string]
        const batch = read(`${client}/${file}`)
        t.equal(compressionName(compressionAt(batch, 0)), name, file)
        t.equal(checkProducedBatch(batch, 0, batch.length, crc32c, { bytesMax: 1e6 }), undefined)
        t.equal(checkStoredBatch(batch, 0, batch.length, crc32c), undefined)
        for (const { title, codec } of codecsAtHand.filter((atHand) => atHand.name === name))
          t.same(
            decodeBatch(batch, 0, source, { crc32c, codecs: { [name]: codec } }).map(shown),
            goldenRecords[records].map(expected),
            title,
          )
      }
    })

  t.test('the Java client has read each of our batches', async (t) => {
    const lines = readFileSync(join(golden, 'java-reads-ours.txt'), 'utf8').trimEnd().split('\n')
    t.match(lines.pop(), /^by kafka-clients \d/)
    const names = [...new Set(codecsAtHand.map(({ name }) => name))].sort()
    t.same(
      lines.map((line) => line.replace(/ +\d+ bytes +(\d+) records +/, ' $1 ')),
      Object.keys(goldenRecords)
        .sort()
        .flatMap((records) =>
          names.map((name) => `${name}-${records}.batch ${goldenRecords[records].length} read as written`),
        ),
    )
  })

  t.test('the frames of the clients, and ours', async (t) => {
    const packed = (bytes: Uint8Array, count: number) => hex(bytes.subarray(61, 61 + count))
    const ours = (name: string) =>
      written('films', codecsAtHand.find((atHand) => atHand.name === name) as CodecAtHand)
    t.equal(packed(read('java/lz4-films.batch'), 7), '04224d18604082', '64 KiB, independent, no checksums')
    t.equal(packed(ours('lz4'), 7), '04224d18604082')
    t.equal(packed(read('librdkafka/lz4-films.batch'), 7), '04224d18604082')
    const xerial = '82534e41505059000000000100000001'
    t.equal(packed(read('java/snappy-films.batch'), 16), xerial)
    t.equal(packed(ours('snappy'), 16), xerial)
    t.equal(packed(read('librdkafka/snappy-films.batch'), 3), '8bfd04', 'a raw block of 81,547 bytes')
    t.equal(packed(read('java/zstd-films.batch'), 6), '28b52ffd0058', 'a window, no content size')
    t.equal(packed(read('librdkafka/zstd-films.batch'), 6), '28b52ffd0058')
    t.equal(packed(ours('zstd'), 9), '28b52ffda08b3e0100', 'one segment of 81,547 bytes')
  })
}
