/** The records of the golden batches, and how they are told to the programs that write those. */
import type { RecordHeader } from '../../../../storage/record/batch-encoder.ts'
import { randomOf } from '../../../support/seeded-random.ts'
import { type PlainRecord, plain } from '../batches.ts'
import { films } from './codecs-at-hand.ts'

const NOON_MS = Date.parse('2024-05-01T12:00:00Z')
const bytesOf = (text: string) => new TextEncoder().encode(text)
const header = (key: string, value: string | null): RecordHeader => ({
  key,
  value: value === null ? null : bytesOf(value),
})

/** Sentences that begin and end alike, as they come from instruments. */
const readings = Array.from({ length: 40 }, (_, n) =>
  plain(NOON_MS + n * 250, bytesOf(`station-${n % 4}`), bytesOf(`{"reading":${n},"unit":"kPa","ok":true}`)),
)

export const goldenRecords: Readonly<Record<string, readonly PlainRecord[]>> = {
  one: [plain(NOON_MS, bytesOf('key'), bytesOf('value value value value value value value value value'))],
  // Every kind of field there is, with some text for it to be worth compressing.
  mixed: [
    plain(NOON_MS, null, bytesOf('the same words, the same words, the same words'), [header('a', 'b')]),
    plain(NOON_MS + 1, bytesOf(''), bytesOf(''), [
      header('trace', ''),
      header('trace', null),
      header('ü', 'ß'),
    ]),
    plain(NOON_MS - 5_000, bytesOf('tombstone'), null),
    ...readings,
  ],
  // Several blocks of 64 KiB and, for snappy, of 32.
  films: films
    .slice(0, 200)
    .map((film, n) =>
      plain(
        NOON_MS + n,
        n % 2 === 0 ? bytesOf(`film-${n}`) : null,
        bytesOf(film),
        n % 10 === 0 ? [header('n', `${n}`)] : [],
      ),
    ),
  // What no codec makes smaller.
  noise: [plain(NOON_MS, null, randomOf(1).bytes(1_000))],
}

const hex = (bytes: PlainRecord['key']) =>
  bytes === null ? '-' : Buffer.from(bytes as Uint8Array).toString('hex')

/** One line a record, as `golden/KafkaGolden.java` reads them. */
export function recordLines(records: readonly PlainRecord[]): string {
  return records
    .map(({ timestampMs, key, value, headers }) => {
      const pairs = headers.map(({ key, value }) => `${hex(bytesOf(key))}=${hex(value)}`)
      return [timestampMs, hex(key), hex(value), pairs.join(',')].join('\t')
    })
    .join('\n')
}
