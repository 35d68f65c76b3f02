/** Batches as a log may hold them, of all shapes, with records that filters can tell apart. */
import { crc32c } from '@node-rs/crc32'
import { parseRecordPattern } from '../../../../broker/filters/parse-pattern.ts'
import type { RecordPattern } from '../../../../broker/filters/pattern.ts'
import { decodeBatch } from '../../../../storage/record/batch-decoder.ts'
import { BatchEncoder, type RecordHeader } from '../../../../storage/record/batch-encoder.ts'
import {
  attributeBits,
  attributesAt,
  maxTimestampAt,
  setAttributes,
  setMaxTimestamp,
} from '../../../../storage/record/batch-header.ts'
import type { CompressionName } from '../../../../storage/record/compression.ts'
import { emptyBatch } from '../../../../storage/record/empty-batch.ts'
import { lostRangeBytes, writeLostRange } from '../../../../storage/record/lost-range.ts'
import { nodeCodecs } from '../../../../storage/record/node/node-codecs.ts'
import { sign } from '../../../storage/record/batches.ts'
import type { SeededRandom } from '../../../support/seeded-random.ts'
import { slowMatch } from './slow-matcher.ts'

export const codecNames = Object.keys(nodeCodecs) as CompressionName[]

/** One record of a log, as a reader must see it. */
export interface Stored {
  readonly offset: number
  readonly timestampMs: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly { readonly key: string; readonly value: string | null }[]
}

export const filters: readonly RecordPattern[] = [
  '{"value":{"kind":["a"]}}',
  '{"value":{"kind":["b"],"n":[{"numeric":[">",50]}]}}',
  '{"value":{"kind":[{"prefix":"c"}]}}',
  '{"value":{"nothing":["like this"]}}',
  '{"value":{"kind":[{"exists":true}]}}',
  '{"key":["k1","k2"]}',
  '{"key":[{"exists":false}]}',
  '{"headers":{"h":["yes"]}}',
  '{"timestamp":[{"numeric":["<",1700000000050]}]}',
  '{"timestamp":[{"numeric":[">",0]}]}',
  '{"value":["oops"]}',
  '{"value":[{"exists":false}]}',
  '{"$or":[{"key":["k1"]},{"value":{"kind":["a"]}}]}',
].map(parseRecordPattern)

/** Another filter for each number. */
export function numbered(n: number): RecordPattern {
  return parseRecordPattern(JSON.stringify({ value: { n: [n], kind: [{ 'anything-but': ['z'] }] } }))
}

export interface DataShape {
  readonly records: number
  readonly compression: CompressionName
  readonly isAppendTime: boolean
  /** Bytes of blanks in each value. */
  readonly padding: number
}

export function randomShape(random: SeededRandom): DataShape {
  return {
    records: 1 + random.below(random.pick([1, 3, 20, 120])),
    compression: random.pick(['none', 'none', ...codecNames]),
    isAppendTime: random.below(5) === 0,
    padding: random.pick([0, 0, 10, 200]),
  }
}

export function dataBatch(random: SeededRandom, shape: DataShape): Uint8Array {
  const encoder = new BatchEncoder({ crc32c, bytesMax: 2 ** 30, codecs: nodeCodecs })
  for (let i = 0; i < shape.records; i++) {
    const headers: RecordHeader[] =
      random.below(4) === 0
        ? [{ key: 'h', value: random.pick([null, new TextEncoder().encode(random.pick(['yes', 'no']))]) }]
        : []
    encoder.append(
      1_700_000_000_000 + random.below(100),
      random.pick([null, 'k1', 'k2', 'k3', '']),
      randomValue(random, shape.padding),
      headers,
    )
  }
  const batch = encoder.finish({ compression: shape.compression })
  if (!shape.isAppendTime) return batch
  setAttributes(batch, 0, attributesAt(batch, 0) | attributeBits.logAppendTime)
  setMaxTimestamp(batch, 0, maxTimestampAt(batch, 0) + 7)
  return sign(batch)
}

function randomValue(random: SeededRandom, padding: number): string | null {
  const kind = random.below(12)
  if (kind === 0) return null
  if (kind === 1) return random.pick(['oops', '', '{"kind":"a"', '{"kind":"a"}}'])
  return JSON.stringify({
    kind: random.pick(['a', 'b', 'c1', 'c2', 7]),
    n: random.below(100),
    ...(padding > 0 && { pad: ' '.repeat(padding) }),
  })
}

/** Batches without records: what repair and compaction leave. */
export function batchWithoutRecords(random: SeededRandom, offset: number, leaderEpoch: number): Uint8Array {
  const endOffset = offset + 1 + random.below(20)
  const stretch = { offset, endOffset, leaderEpoch }
  if (random.below(2) === 0) return emptyBatch(stretch, crc32c)
  const bytes = new Uint8Array(lostRangeBytes(offset, endOffset))
  writeLostRange(bytes, 0, stretch, crc32c)
  return bytes
}

const source = { topic: 'test', partition: 0 }

/** The records of a batch, with offsets from its base offset on. */
export function recordsOf(batch: Uint8Array, at = 0): Stored[] {
  return decodeBatch(batch, at, source, { codecs: nodeCodecs, crc32c }).map((record) => ({
    offset: record.offset,
    timestampMs: record.timestampMs,
    key: record.keyText(),
    value: record.text(),
    headers: record.headers.map(({ key, value }) => ({
      key,
      value: value && new TextDecoder().decode(value),
    })),
  }))
}

/** Whether the record is for the filter, by the slow matcher. */
export function isFor(filter: RecordPattern, { key, value, headers, timestampMs }: Stored): boolean {
  const bytes = (text: string | null) => (text === null ? null : new TextEncoder().encode(text))
  return slowMatch(filter, {
    key: bytes(key),
    value: bytes(value),
    headers: headers.map((header) => ({ name: header.key, value: bytes(header.value) })),
    timestampMs,
  })
}

/** Whether the filter looks into the value as JSON, and it is none. */
export function isNotJson({ value }: Stored): boolean {
  if (value === null) return false
  try {
    JSON.parse(value)
    return false
  } catch {
    // That is the answer.
    return true
  }
}
