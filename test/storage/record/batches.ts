/** What the tests of the record batch share: codecs, small and random records, forging of finished batches. */
import { crc32c } from '@node-rs/crc32'
import type { RecordField, RecordHeader } from '../../../storage/record/batch-encoder.ts'
import { BatchEncoder } from '../../../storage/record/batch-encoder.ts'
import { batchBytesAt, CRC_FROM, setBatchBytes, setCrc } from '../../../storage/record/batch-header.ts'
import { nodeCodecs } from '../../../storage/record/node/node-codecs.ts'
import type { ConsumedRecord } from '../../../storage/record/record.ts'
import type { SeededRandom } from '../../support/seeded-random.ts'

export const codecs = nodeCodecs

export const source = { topic: 'lab.detector', partition: 3 }

export interface PlainRecord {
  readonly timestampMs: number
  readonly key: RecordField
  readonly value: RecordField
  readonly headers: readonly RecordHeader[]
}

export function plain(
  timestampMs: number,
  key: RecordField,
  value: RecordField,
  headers: readonly RecordHeader[] = [],
): PlainRecord {
  return { timestampMs, key, value, headers }
}

/** Three records that between them have every kind of field. */
export const threeRecords: readonly PlainRecord[] = [
  plain(1_700_000_000_000, 'k', Uint8Array.of(1, 2, 3)),
  plain(1_700_000_000_007, null, 'grüße', [
    { key: 'trace', value: Uint8Array.of(0xff) },
    { key: '', value: null },
  ]),
  plain(1_699_999_999_000, new Uint8Array(0), null),
]

export function newEncoder(bytesMax = 1024 * 1024): BatchEncoder {
  return new BatchEncoder({ crc32c, bytesMax, codecs })
}

export function encode(
  records: readonly PlainRecord[],
  options: Parameters<BatchEncoder['finish']>[0] = {},
): Uint8Array {
  const encoder = newEncoder()
  for (const { timestampMs, key, value, headers } of records) encoder.append(timestampMs, key, value, headers)
  return encoder.finish(options)
}

/** A copy, changed and given the checksum (and, when it grew or shrank, the length) that fits the change. */
export function forge(batch: Uint8Array, change: (bytes: Uint8Array) => Uint8Array | undefined): Uint8Array {
  const copy = batch.slice()
  const forged = change(copy) ?? copy
  if (forged.length !== batch.length) setBatchBytes(forged, 0, forged.length)
  return sign(forged)
}

/** Gives a batch the checksum of its bytes. */
export function sign(batch: Uint8Array): Uint8Array {
  setCrc(batch, 0, crc32c(batch.subarray(CRC_FROM, batchBytesAt(batch, 0))))
  return batch
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

export function fromHex(...parts: string[]): Uint8Array {
  return Uint8Array.from(Buffer.from(parts.join('').replaceAll(/\s/g, ''), 'hex'))
}

/** A record as plain data, for comparing: bytes as hex. */
export function shown(record: ConsumedRecord) {
  return {
    offset: record.offset,
    timestampMs: record.timestampMs,
    key: record.key && hex(record.key),
    value: record.value && hex(record.value),
    headers: record.headers.map(({ key, value }) => ({ key, value: value && hex(value) })),
  }
}

/** What {@link shown} must give for a record of the model. */
export function expected(record: PlainRecord, offset: number): ReturnType<typeof shown> {
  return {
    offset,
    timestampMs: record.timestampMs,
    key: fieldHex(record.key),
    value: fieldHex(record.value),
    headers: record.headers.map(({ key, value }) => ({ key, value: value && hex(value) })),
  }
}

function fieldHex(field: RecordField): string | null {
  if (field === null) return null
  return typeof field === 'string' ? Buffer.from(field).toString('hex') : hex(field)
}

/** Sizes around every border there is: one- and two-byte lengths, short and long text, empty. */
const sizes = [0, 0, 1, 2, 5, 31, 32, 33, 62, 63, 64, 65, 127, 128, 300, 5000]
const alphabets = ['abc {}":,', 'äöß', '日本語', '🔭🧪', 'a\u{1f52d}b\ud800c']

export function randomField(random: SeededRandom): RecordField {
  const size = random.pick(sizes)
  const kind = random.below(4)
  if (kind === 0) return null
  if (kind < 3) return random.bytes(size)
  const letters = [...random.pick(alphabets)]
  return Array.from({ length: size }, () => random.pick(letters)).join('')
}

/** At most `spreadMs` from any other one around the same time. */
export function randomRecord(random: SeededRandom, aroundMs: number, spreadMs = 2 ** 45): PlainRecord {
  const spread = Math.min(spreadMs, random.pick([1, 100, 2 ** 31, 2 ** 45]))
  const headerCount = random.pick([0, 0, 0, 1, 2, 70])
  return plain(
    aroundMs + random.below(spread) - Math.floor(spread / 2),
    randomField(random),
    randomField(random),
    Array.from({ length: headerCount }, () => ({
      key: random.pick(['', 'id', 'größe', 'x'.repeat(70)]),
      value: random.pick([null, new Uint8Array(0), random.bytes(3), random.bytes(80)]),
    })),
  )
}
