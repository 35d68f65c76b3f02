/**
 * A record as matchers see it: where its parts lie in bytes that were checked. One object serves for all records, so
 * nothing is allocated for one.
 */

export interface RecordFields {
  bytes: Uint8Array
  /** The key is `bytes.subarray(keyStart, keyEnd)`; null: both are -1. */
  keyStart: number
  keyEnd: number
  /** As the key. */
  valueStart: number
  valueEnd: number
  /** Of the first header: key length (varint), key, value length (varint, -1: null), value; then the next. */
  headersStart: number
  headerCount: number
  /** Ms since 1970. */
  timestampMs: number
}
