/**
 * The bytes of metadata in LMDB: keys, entries and the store's revision. Pure; every decoder is total.
 *
 * Keys. The first byte says whose a key is, so that no key of a user can be one of the store's:
 *
 *     0x01 "revision"       the record with the store's revision, written by every transaction
 *     0x02 key              an entry; key is 1 to 512 bytes of UTF-8
 *
 * Values, integers big-endian:
 *
 *     entry                                   revision record
 *     0   u8   layout, 1                      0   u8   layout, 1
 *     1   u48  createRevision                 1   u48  revision
 *     7   u48  modRevision                    7   u32  CRC-32C of the key and of bytes 0 to 6
 *     13  u32  CRC-32C of the key, of bytes
 *              0 to 12 and of the value
 *     17       the value
 *
 * LMDB's pages carry no checksum, hence the CRC; it covers the key so that a value that turns up under
 * another key is refused. 48 bits of revision are 4,000 years at 2,000 transactions a second.
 */

import type { MetadataEntry } from '../metadata-store.ts'
import { crc32cTable } from '../record/crc32c.ts'

const LAYOUT = 1
const ENTRY_KEY = 0x02
const ENTRY_HEADER_BYTES = 17
const REVISION_RECORD_BYTES = 11

export const revisionKey: Uint8Array = Buffer.from('\u0001revision')

/** Fatal, so that bytes which are no UTF-8 are noticed; the mark at a key's start belongs to the key. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function encodeEntryKey(key: string): Uint8Array {
  return Buffer.from(`\u0002${key}`)
}

/** The user's key; undefined where the bytes are no entry's key. */
export function decodeEntryKey(bytes: Uint8Array): string | undefined {
  if (bytes.length < 2 || bytes[0] !== ENTRY_KEY) return undefined
  try {
    return utf8.decode(bytes.subarray(1))
  } catch {
    // Not UTF-8: the answer is "no key", and the caller names the bytes.
    return undefined
  }
}

export function encodeEntry(entry: MetadataEntry): Uint8Array {
  const bytes = Buffer.alloc(ENTRY_HEADER_BYTES + entry.value.length)
  bytes[0] = LAYOUT
  bytes.writeUIntBE(entry.createRevision, 1, 6)
  bytes.writeUIntBE(entry.modRevision, 7, 6)
  bytes.set(entry.value, ENTRY_HEADER_BYTES)
  bytes.writeUInt32BE(entryCrc(encodeEntryKey(entry.key), bytes), 13)
  return bytes
}

/** The entry, owning its bytes, or a phrase that says what is wrong with the value. */
export function decodeEntry(key: string, value: Uint8Array): MetadataEntry | string {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length)
  if (bytes.length < ENTRY_HEADER_BYTES)
    return `it has ${bytes.length} bytes, at least ${ENTRY_HEADER_BYTES} expected`
  if (bytes[0] !== LAYOUT) return `its layout is ${bytes[0]}, ${LAYOUT} expected`
  if (bytes.readUInt32BE(13) !== entryCrc(encodeEntryKey(key), bytes)) return 'its checksum does not match'
  const createRevision = bytes.readUIntBE(1, 6)
  const modRevision = bytes.readUIntBE(7, 6)
  if (createRevision < 1 || createRevision > modRevision) {
    return `it was created at revision ${createRevision} and last written at ${modRevision}`
  }
  return { key, createRevision, modRevision, value: new Uint8Array(bytes.subarray(ENTRY_HEADER_BYTES)) }
}

export function encodeRevision(revision: number): Uint8Array {
  const bytes = Buffer.alloc(REVISION_RECORD_BYTES)
  bytes[0] = LAYOUT
  bytes.writeUIntBE(revision, 1, 6)
  bytes.writeUInt32BE(revisionCrc(bytes), 7)
  return bytes
}

/** The revision, or a phrase that says what is wrong with the value. */
export function decodeRevision(value: Uint8Array): number | string {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length)
  if (bytes.length !== REVISION_RECORD_BYTES) {
    return `it has ${bytes.length} bytes, ${REVISION_RECORD_BYTES} expected`
  }
  if (bytes[0] !== LAYOUT) return `its layout is ${bytes[0]}, ${LAYOUT} expected`
  if (bytes.readUInt32BE(7) !== revisionCrc(bytes)) return 'its checksum does not match'
  return bytes.readUIntBE(1, 6)
}

function entryCrc(storedKey: Uint8Array, bytes: Uint8Array): number {
  return crc32cTable(Buffer.concat([storedKey, bytes.subarray(0, 13), bytes.subarray(ENTRY_HEADER_BYTES)]))
}

function revisionCrc(bytes: Uint8Array): number {
  return crc32cTable(Buffer.concat([revisionKey, bytes.subarray(0, 7)]))
}
