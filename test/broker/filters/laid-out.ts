/** Records of tests, laid out in bytes as matchers read them. */
import type { RecordFields } from '../../../broker/filters/record-fields.ts'
import { varintBytes, writeVarint } from '../../../storage/record/varint.ts'

export interface RecordParts {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly { readonly name: string; readonly value: Uint8Array | null }[]
  readonly timestampMs: number
}

/** The parts one behind the other, with strange bytes around them that must not be read as part of them. */
export function fieldsOf({ key, value, headers, timestampMs }: RecordParts): RecordFields {
  const encoder = new TextEncoder()
  const parts = headers.map((header) => ({ name: encoder.encode(header.name), value: header.value }))
  const headerBytes = parts.reduce(
    (sum, part) =>
      sum +
      varintBytes(part.name.length) +
      part.name.length +
      varintBytes(part.value?.length ?? -1) +
      (part.value?.length ?? 0),
    0,
  )
  const bytes = new Uint8Array(9 + (key?.length ?? 0) + (value?.length ?? 0) + headerBytes).fill(0x31)
  let at = 3
  const put = (part: Uint8Array | null): [number, number] => {
    if (part === null) return [-1, -1]
    bytes.set(part, at)
    at += part.length
    return [at - part.length, at]
  }
  const [keyStart, keyEnd] = put(key)
  at += 3
  const [valueStart, valueEnd] = put(value)
  const headersStart = at
  for (const part of parts) {
    at = writeVarint(bytes, at, part.name.length)
    put(part.name)
    at = writeVarint(bytes, at, part.value?.length ?? -1)
    put(part.value)
  }
  return {
    bytes,
    keyStart,
    keyEnd,
    valueStart,
    valueEnd,
    headersStart,
    headerCount: headers.length,
    timestampMs,
  }
}
