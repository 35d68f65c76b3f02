/**
 * Records as callers hand them in: checked, since the encoder trusts its input and would write nonsense, and
 * copied where they have to wait.
 */
import type { RecordField, RecordHeader } from '../../storage/record/batch-encoder.ts'
import type { ProducerRecord } from './options.ts'

/** Throws TypeError when a key or value is none. */
export function checkField(name: string, field: unknown): asserts field is RecordField {
  if (field === null || field instanceof Uint8Array || typeof field === 'string') return
  throw new TypeError(`record ${name}: expected bytes, text or null, got ${kindOf(field)}`)
}

/** Throws TypeError when one of the headers is none. */
export function checkHeaders(headers: readonly RecordHeader[]): void {
  for (const { key, value } of headers) {
    if (typeof key !== 'string')
      throw new TypeError(`record headers: expected a key that is text, got ${kindOf(key)}`)
    if (value !== null && !(value instanceof Uint8Array))
      throw new TypeError(`record header ${key}: expected bytes or null, got ${kindOf(value)}`)
  }
}

/** The same record with bytes of its own, which the caller can no longer change. */
export function ownCopy(
  record: ProducerRecord<unknown>,
  value: RecordField,
  timestampMs: number,
): ProducerRecord<RecordField> {
  const { key = null, headers = [] } = record
  return {
    ...record,
    key: copyOf(key),
    value: copyOf(value),
    headers: headers.map((header) => ({ key: header.key, value: copyOf(header.value) })),
    timestampMs,
  }
}

/** What a record that waits takes besides its bytes, about. */
const RECORD_BYTES = 100

/** Memory that a record takes, about. */
export function recordBytes(
  { key = null, headers = [] }: ProducerRecord<unknown>,
  value: RecordField,
): number {
  let bytes = RECORD_BYTES + fieldBytes(key) + fieldBytes(value)
  for (const header of headers) bytes += RECORD_BYTES + header.key.length + fieldBytes(header.value)
  return bytes
}

function fieldBytes(field: RecordField): number {
  return field === null ? 0 : field.length
}

function copyOf<F extends RecordField>(field: F): F {
  return field instanceof Uint8Array ? (new Uint8Array(field) as Uint8Array as F) : field
}

function kindOf(value: unknown): string {
  return value === undefined ? 'nothing' : typeof value
}
