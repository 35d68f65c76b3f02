/**
 * How `octopus consume` writes an event: its value and a newline as they are, or one line of JSON, which can be
 * read again. Pure.
 *
 * JSON: {"topic","partition","offset","timestamp","key","value","headers"}; timestamp in ms since 1970;
 * headers a list of {"key","value"}, since a key may come twice. Text is text when the bytes are valid
 * UTF-8; other bytes are base64, marked by "encoding" (of a value) or "keyEncoding" (of a key), so that
 * no byte is ever lost and no guess is needed. An absent key or value is null.
 */
import { isUtf8 } from 'node:buffer'

/** What is needed of a consumed record. */
export interface PrintableRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly { readonly key: string; readonly value: Uint8Array | null }[]
}

function asText(bytes: Uint8Array): { text: string; encoded: boolean } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return isUtf8(buffer)
    ? { text: buffer.toString('utf8'), encoded: false }
    : { text: buffer.toString('base64'), encoded: true }
}

/** One line of JSON without its newline. */
export function jsonLine(record: PrintableRecord): string {
  const key = record.key === null ? null : asText(record.key)
  const value = record.value === null ? null : asText(record.value)
  return JSON.stringify({
    topic: record.topic,
    partition: record.partition,
    offset: record.offset,
    timestamp: record.timestampMs,
    key: key === null ? null : key.text,
    ...(key?.encoded && { keyEncoding: 'base64' }),
    value: value === null ? null : value.text,
    ...(value?.encoded && { encoding: 'base64' }),
    headers: record.headers.map((header) => {
      const text = header.value === null ? null : asText(header.value)
      return {
        key: header.key,
        value: text === null ? null : text.text,
        ...(text?.encoded && { encoding: 'base64' }),
      }
    }),
  })
}

/** The pieces of one raw line without its newline; an absent key or value is no bytes. */
export function rawLine(
  record: PrintableRecord,
  keySeparator: Uint8Array | undefined,
): readonly Uint8Array[] {
  const pieces: Uint8Array[] = []
  if (keySeparator !== undefined) {
    if (record.key !== null) pieces.push(record.key)
    pieces.push(keySeparator)
  }
  if (record.value !== null) pieces.push(record.value)
  return pieces
}

/** What a line of JSON says of a record, besides where it stands. */
export interface ParsedRecord {
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly { readonly name: string; readonly value: Uint8Array | null }[]
}

/** A line that {@link jsonLine} wrote. Throws an error that says what is wrong with any other. */
export function parseRecordLine(line: Uint8Array): ParsedRecord {
  const json: unknown = JSON.parse(Buffer.from(line).toString('utf8'))
  const record = fieldsOf(json, 'it')
  const { timestamp } = record
  if (!Number.isSafeInteger(timestamp))
    throw new TypeError('timestamp is not a whole number of ms since 1970')
  const headers = record.headers ?? []
  if (!Array.isArray(headers)) throw new TypeError('headers is not a list of {"key","value"}')
  return {
    timestampMs: timestamp as number,
    key: asBytes(record.key, record.keyEncoding, 'key'),
    value: asBytes(record.value, record.encoding, 'value'),
    headers: headers.map((entry, index) => {
      const { key, value, encoding } = fieldsOf(entry, `header ${index + 1}`)
      if (typeof key !== 'string') throw new TypeError(`header ${index + 1} has no key`)
      return { name: key, value: asBytes(value, encoding, `the value of header ${index + 1}`) }
    }),
  }
}

function fieldsOf(json: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new TypeError(`${what} is not a JSON object`)
  return json as Readonly<Record<string, unknown>>
}

function asBytes(text: unknown, encoding: unknown, what: string): Uint8Array | null {
  if (text === null || text === undefined) return null
  if (typeof text !== 'string') throw new TypeError(`${what} is neither text nor null`)
  return encoding === 'base64' ? Buffer.from(text, 'base64') : Buffer.from(text, 'utf8')
}
