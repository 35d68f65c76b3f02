/**
 * The layout of one stored value: whole record batches of one commit, grouped by partition, with a
 * directory in front. All integers are big endian.
 *
 *     header, 32 bytes
 *      0  u32  magic, "OCV1"
 *      4  u32  segment id          a value met under another id or sequence is a stale page
 *      8  u32  sequence            and is refused, however good its checksum
 *     12  u32  entry count
 *     16  u32  value length in bytes, header included
 *     20  i64  commit time, ms since 1970
 *     28  u32  CRC-32C over bytes 0..28 and the directory
 *     directory, 64 bytes an entry
 *      0  u8   kind: 1 run, 2 log start, 3 truncate, 4 leader epoch, 5 topic drop
 *      1  3 B  zero
 *      4  i32  partition           -1 for topic drop
 *      8  16 B topic id
 *     24  i64  offset              run: base offset; log start: log start offset; truncate: new log
 *                                  end offset; leader epoch: its start offset
 *     32  i64  end offset          run: last offset + 1; log start: log end offset
 *     40  i64  max timestamp       run: ms since 1970; log start: dead bytes of the run it points into
 *     48  i32  leader epoch        run: of all its batches; log start: at that offset; leader epoch: it
 *     52  u32  position            run: of its first batch, from the start of the value
 *     56  u32  length              run: bytes of its batches
 *     60  u32  batch count         run
 *     payload: the batches of the runs, in directory order
 *
 * A run is consecutive batches of one partition, without gaps and with one leader epoch. Its bytes are checked by each
 * batch's own CRC; the directory by the header's.
 */
import type { Crc32c } from '../record/crc32c.ts'
import { readInt64, writeInt64 } from './integers.ts'

export const VALUE_HEADER_BYTES = 32
export const ENTRY_BYTES = 64
/** In front of the payload of a value with a single run. */
export const SINGLE_RUN_PREFIX_BYTES = VALUE_HEADER_BYTES + ENTRY_BYTES
/** Small batches are packed up to here: 16 pages of 4 KiB, less what the store needs of them. */
export const VALUE_BYTES_TARGET = 65_500

const MAGIC = 0x4f435631
const CRC_AT = 28

export const EntryKind = { run: 1, logStart: 2, truncate: 3, leaderEpoch: 4, topicDrop: 5 } as const
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind]

export interface Entry {
  readonly kind: EntryKind
  readonly topicId: Uint8Array
  readonly partition: number
  readonly offset: number
  readonly endOffset: number
  readonly maxTimestampMs: number
  readonly leaderEpoch: number
  readonly position: number
  readonly length: number
  readonly batchCount: number
}

export interface ValueHeader {
  readonly segment: number
  readonly sequence: number
  readonly committedAtMs: number
}

/** Why a value cannot be used; the sentence names what was found and what would be right. */
export type ValueProblem = string

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/**
 * Writes header and directory into the first bytes of `value`, whose payload is in place already.
 * Positions in `entries` count from the start of the value.
 */
export function writeDirectory(
  value: Uint8Array,
  header: ValueHeader,
  entries: readonly Entry[],
  crc32c: Crc32c,
): void {
  const data = view(value)
  data.setUint32(0, MAGIC)
  data.setUint32(4, header.segment)
  data.setUint32(8, header.sequence)
  data.setUint32(12, entries.length)
  data.setUint32(16, value.length)
  writeInt64(data, 20, header.committedAtMs)
  let at = VALUE_HEADER_BYTES
  for (const entry of entries) {
    data.setUint32(at, entry.kind << 24)
    data.setInt32(at + 4, entry.partition)
    value.set(entry.topicId, at + 8)
    writeInt64(data, at + 24, entry.offset)
    writeInt64(data, at + 32, entry.endOffset)
    writeInt64(data, at + 40, entry.maxTimestampMs)
    data.setInt32(at + 48, entry.leaderEpoch)
    data.setUint32(at + 52, entry.position)
    data.setUint32(at + 56, entry.length)
    data.setUint32(at + 60, entry.batchCount)
    at += ENTRY_BYTES
  }
  data.setUint32(CRC_AT, directoryCrc(value, entries.length, crc32c))
}

/**
 * CRC over the header before the CRC field, and the directory. The field itself is covered as zero,
 * so that one call over adjoining bytes suffices.
 */
export function directoryCrc(value: Uint8Array, entryCount: number, crc32c: Crc32c): number {
  const data = view(value)
  const kept = data.getUint32(CRC_AT)
  data.setUint32(CRC_AT, 0)
  const crc = crc32c(value.subarray(0, VALUE_HEADER_BYTES + entryCount * ENTRY_BYTES))
  data.setUint32(CRC_AT, kept)
  return crc
}

/** Cheap identity check before serving bytes of a value whose directory is not read. */
export function identifyValue(
  value: Uint8Array,
  segment: number,
  sequence: number,
): ValueProblem | undefined {
  if (value.length < VALUE_HEADER_BYTES) return `value of ${value.length} bytes is shorter than its header`
  const data = view(value)
  if (data.getUint32(0) !== MAGIC) return `value begins with 0x${data.getUint32(0).toString(16)}, not "OCV1"`
  if (data.getUint32(4) !== segment || data.getUint32(8) !== sequence)
    return `value names itself segment ${data.getUint32(4)}, sequence ${data.getUint32(8)}: a stale page`
  if (data.getUint32(16) !== value.length)
    return `value of ${value.length} bytes says it has ${data.getUint32(16)}`
  return undefined
}

/** Decodes and checks header and directory. Throws nothing: damage comes back as a sentence. */
export function readDirectory(
  value: Uint8Array,
  segment: number,
  sequence: number,
  crc32c: Crc32c,
):
  | { readonly entries: readonly Entry[]; readonly committedAtMs: number }
  | { readonly problem: ValueProblem } {
  const stranger = identifyValue(value, segment, sequence)
  if (stranger !== undefined) return { problem: stranger }
  const data = view(value)
  const count = data.getUint32(12)
  const payloadAt = VALUE_HEADER_BYTES + count * ENTRY_BYTES
  if (payloadAt > value.length) return { problem: `directory of ${count} entries is longer than the value` }
  const crc = data.getUint32(CRC_AT)
  const expected = directoryCrc(value, count, crc32c)
  if (crc !== expected)
    return { problem: `directory checksum is 0x${crc.toString(16)}, should be 0x${expected.toString(16)}` }
  const entries: Entry[] = []
  for (let at = VALUE_HEADER_BYTES; at < payloadAt; at += ENTRY_BYTES) {
    const entry: Entry = {
      kind: value[at] as EntryKind,
      // A copy: `value` may be a Buffer, whose own slice is a view of memory that the next read overwrites.
      topicId: new Uint8Array(value.subarray(at + 8, at + 24)),
      partition: data.getInt32(at + 4),
      offset: readInt64(data, at + 24),
      endOffset: readInt64(data, at + 32),
      maxTimestampMs: readInt64(data, at + 40),
      leaderEpoch: data.getInt32(at + 48),
      position: data.getUint32(at + 52),
      length: data.getUint32(at + 56),
      batchCount: data.getUint32(at + 60),
    }
    if (entry.kind < EntryKind.run || entry.kind > EntryKind.topicDrop)
      return { problem: `entry kind ${entry.kind} is unknown: written by a newer version?` }
    if (
      entry.kind === EntryKind.run &&
      (entry.position < payloadAt || entry.position + entry.length > value.length)
    )
      return { problem: `run at ${entry.position}, ${entry.length} bytes, lies outside the value` }
    entries.push(entry)
  }
  return { entries, committedAtMs: readInt64(data, 20) }
}

/** An entry without a payload; `maxTimestampMs` doubles as dead bytes for a log start. */
export function entryOf(
  kind: EntryKind,
  of: { readonly topicId: Uint8Array; readonly partition: number },
  fields: Partial<Entry>,
): Entry {
  return {
    kind,
    topicId: of.topicId,
    partition: of.partition,
    offset: 0,
    endOffset: 0,
    maxTimestampMs: 0,
    leaderEpoch: -1,
    position: 0,
    length: 0,
    batchCount: 0,
    ...fields,
  }
}
