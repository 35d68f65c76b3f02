/** A record that stands in no batch, as the matcher reads one: for whoever has its parts only. */
import { varintBytes, writeVarint } from '../../storage/record/varint.ts'
import type { RecordFields } from './record-fields.ts'

export interface LooseRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly { readonly name: string; readonly value: Uint8Array | null }[]
  readonly timestampMs: number
}

/** Key, value and headers one behind the other, the headers as in a record batch. */
export function recordFieldsOf({ key, value, headers, timestampMs }: LooseRecord): RecordFields {
  const names = headers.map(({ name }) => new TextEncoder().encode(name))
  const part = (bytes: Uint8Array | null) =>
    bytes === null ? varintBytes(-1) : varintBytes(bytes.length) + bytes.length
  const headerBytes = headers.reduce((sum, header, index) => sum + part(names[index]) + part(header.value), 0)
  const keyBytes = key?.length ?? 0
  const valueBytes = value?.length ?? 0
  const bytes = new Uint8Array(keyBytes + valueBytes + headerBytes)
  if (key !== null) bytes.set(key, 0)
  if (value !== null) bytes.set(value, keyBytes)
  const headersStart = keyBytes + valueBytes
  let at = headersStart
  const append = (content: Uint8Array | null) => {
    at = writeVarint(bytes, at, content?.length ?? -1)
    if (content === null) return
    bytes.set(content, at)
    at += content.length
  }
  for (const [index, header] of headers.entries()) {
    append(names[index])
    append(header.value)
  }
  return {
    bytes,
    keyStart: key === null ? -1 : 0,
    keyEnd: key === null ? -1 : keyBytes,
    valueStart: value === null ? -1 : keyBytes,
    valueEnd: value === null ? -1 : headersStart,
    headersStart,
    headerCount: headers.length,
    timestampMs,
  }
}
