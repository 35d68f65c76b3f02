/**
 * A batch with some of the records of another one: what a filter leaves. It has the same base offset, last offset delta,
 * leader epoch, base timestamp and producer fields, so that its records have the offsets and times they had (there are
 * gaps now) and readers go on where the whole batch ended. Its count, max timestamp, size and checksum are those of what
 * is left.
 *
 * Records are copied as they are, byte for byte and neighbours together. Nothing is looked at but the times of those that
 * stay, nothing is allocated for a record, and what was not checked before must not come here.
 */
import {
  attributeBits,
  attributesAt,
  BATCH_HEADER_BYTES,
  baseTimestampAt,
  CRC_FROM,
  setAttributes,
  setBatchBytes,
  setCrc,
  setMaxTimestamp,
  setRecordCount,
  timestampTypeAt,
} from './batch-header.ts'
import type { Crc32c } from './crc32c.ts'
import { VarintReader, varintEndAt } from './varint.ts'

/** A whole batch, its records uncompressed and checked. */
export interface SelectionSource {
  /** The header is at `at`; whether it says that the records are compressed does not matter. */
  readonly bytes: Uint8Array
  readonly at: number
  /** Where the uncompressed records are, from `sectionAt` on; `bytes` again if they are not compressed. */
  readonly section: Uint8Array
  readonly sectionAt: number
  /** Where each record starts, and where the last one ends, counted from `sectionAt`. */
  readonly positions: Uint32Array
}

/** Which records: their indexes in the batch, ascending; at least one. */
export type Selected = Uint32Array

/** Bytes {@link writeSelection} takes. */
export function selectionBytes(
  { positions }: Pick<SelectionSource, 'positions'>,
  selected: Selected,
): number {
  let bytes = BATCH_HEADER_BYTES
  for (let i = 0; i < selected.length; i++) bytes += positions[selected[i] + 1] - positions[selected[i]]
  return bytes
}

/** Writes the uncompressed batch with these records at `to` of `into`; where it ends. */
export function writeSelection(
  into: Uint8Array,
  to: number,
  source: SelectionSource,
  selected: Selected,
  crc32c: Crc32c,
): number {
  if (selected.length === 0) throw new RangeError('a selection has at least one record')
  const { bytes, at, section, sectionAt, positions } = source
  into.set(bytes.subarray(at, at + BATCH_HEADER_BYTES), to)
  let end = to + BATCH_HEADER_BYTES
  for (let first = 0; first < selected.length; ) {
    let next = first + 1
    while (next < selected.length && selected[next] === selected[next - 1] + 1) next++
    const from = sectionAt + positions[selected[first]]
    const until = sectionAt + positions[selected[next - 1] + 1]
    into.set(section.subarray(from, until), end)
    end += until - from
    first = next
  }
  setBatchBytes(into, to, end - to)
  setAttributes(into, to, attributesAt(into, to) & ~attributeBits.compression)
  setRecordCount(into, to, selected.length)
  // Where the broker gave the time, the max timestamp is the time of each record.
  if (timestampTypeAt(into, to) === 'create')
    setMaxTimestamp(into, to, baseTimestampAt(into, to) + latestDelta(source, selected))
  setCrc(into, to, crc32c(into.subarray(to + CRC_FROM, end)))
  return end
}

/** {@link writeSelection} into a buffer of its own. */
export function selectRecords(source: SelectionSource, selected: Selected, crc32c: Crc32c): Uint8Array {
  const batch = new Uint8Array(selectionBytes(source, selected))
  writeSelection(batch, 0, source, selected, crc32c)
  return batch
}

function latestDelta({ section, sectionAt, positions }: SelectionSource, selected: Selected): number {
  const varints = new VarintReader()
  let latest = -Infinity
  for (let i = 0; i < selected.length; i++) {
    // Behind the record's length and its attributes.
    const at = varintEndAt(section, sectionAt + positions[selected[i]]) + 1
    const byte = section[at]
    const delta = byte < 0x80 ? (byte >>> 1) ^ -(byte & 1) : varints.readVarlong(section, at, section.length)
    if (delta > latest) latest = delta
  }
  return latest
}
