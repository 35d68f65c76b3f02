/**
 * How values become bytes and come back: a producer's `serializer`, a consumer's `deserializer`. Null stays
 * null, it means "deleted" and no format has a say in it.
 */
import { Packr, Unpackr } from 'msgpackr'
import type { RecordField } from '../storage/record/batch-encoder.ts'

export interface Serializer<T> {
  /** What goes into the record: bytes, or text that becomes UTF-8. */
  serialize(value: T): RecordField
  /** What the bytes of a record mean. Throws when they mean nothing. The bytes are not to be kept. */
  deserialize(bytes: Uint8Array | null): T
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
// Records and structured clones are msgpackr's own; without them any msgpack library reads the bytes.
const options = { useRecords: false, moreTypes: false, variableMapSize: true, int64AsType: 'number' } as const
const packr = new Packr(options)
const unpackr = new Unpackr(options)

/** Bytes as they are; what is read is a copy of its own. */
export const bytes: Serializer<Uint8Array | null> = {
  serialize: (value) => value,
  deserialize: (value) => (value === null ? null : new Uint8Array(value)),
}

/** Text as UTF-8. */
export const text: Serializer<string | null> = {
  serialize: (value) => value,
  deserialize: (value) => (value === null ? null : decoder.decode(value)),
}

/** Whatever JSON can say, as text. `undefined` and functions are refused. */
export const json: Serializer<unknown> = {
  serialize(value) {
    if (value === null) return null
    const written = JSON.stringify(value)
    if (written === undefined) throw new TypeError(`a value that JSON cannot say: ${typeof value}`)
    return written
  },
  deserialize: (value) => (value === null ? null : JSON.parse(decoder.decode(value))),
}

/** Whatever msgpack can say; maps become objects. */
export const msgpack: Serializer<unknown> = {
  // The library packs into a buffer of its own that it goes on using; the view is copied by whoever takes the record.
  serialize: (value) => (value === null ? null : packr.pack(value)),
  deserialize: (value) => (value === null ? null : unpackr.unpack(value)),
}
