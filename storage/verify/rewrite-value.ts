/**
 * The value that takes the place of a damaged one: everything of it that is whole, byte for byte, and where something
 * is lost the batch that says so. Pure.
 */

import {
  ENTRY_BYTES,
  type Entry,
  EntryKind,
  VALUE_HEADER_BYTES,
  type ValueHeader,
  writeDirectory,
} from '../log/value.ts'
import { BATCH_HEADER_BYTES } from '../record/batch-header.ts'
import type { Crc32c } from '../record/crc32c.ts'
import { lostRangeBytes, writeLostRange } from '../record/lost-range.ts'
import type { Piece } from './examine-run.ts'
import type { ExaminedValue } from './examine-value.ts'
import type { LostRange } from './verify-shard.ts'

/** An entry to be, and of a run what its payload consists of. */
interface Part {
  readonly entry: Entry
  readonly pieces: readonly Piece[]
}

export interface NewValue {
  readonly bytes: Uint8Array
  readonly entries: readonly Entry[]
}

/**
 * Undefined where nothing is left to be stored.
 * @param old bytes of the value, batch headers mended; undefined: it is missing
 * @param lost ranges that belong into this place of the journal
 */
export function rewriteValue(
  old: Uint8Array | undefined,
  { entries, runs }: Pick<ExaminedValue, 'entries' | 'runs'>,
  lost: readonly LostRange[],
  header: ValueHeader,
  crc32c: Crc32c,
): NewValue | undefined {
  const parts = entries.map(
    (entry, index): Part => ({ entry, pieces: runs.get(index)?.pieces ?? wholeRun(entry) }),
  )
  for (const range of lost) insert(parts, range)
  if (parts.length === 0) return undefined
  const directoryBytes = VALUE_HEADER_BYTES + parts.length * ENTRY_BYTES
  const bytes = new Uint8Array(directoryBytes + sum(parts.map(({ pieces }) => sum(pieces.map(pieceBytes)))))
  let at = directoryBytes
  const placed = parts.map(({ entry, pieces }): Entry => {
    if (entry.kind !== EntryKind.run) return entry
    const position = at
    for (const piece of pieces) {
      if (piece.kind === 'lost')
        at = writeLostRange(bytes, at, { ...piece, leaderEpoch: entry.leaderEpoch }, crc32c)
      else if (old !== undefined) {
        bytes.set(old.subarray(piece.start, piece.end), at)
        at += piece.end - piece.start
      }
    }
    return {
      ...entry,
      offset: pieces[0].offset,
      endOffset: pieces[pieces.length - 1].endOffset,
      maxTimestampMs: Math.max(...pieces.map(({ maxTimestampMs }) => maxTimestampMs)),
      batchCount: sum(
        pieces.map((piece) =>
          piece.kind === 'lost' ? pieceBytes(piece) / BATCH_HEADER_BYTES : piece.batchCount,
        ),
      ),
      position,
      length: at - position,
    }
  })
  writeDirectory(bytes, header, placed, crc32c)
  return { bytes, entries: placed }
}

/** Before what follows it in its partition, else at the end. */
function insert(parts: Part[], range: LostRange): void {
  const next = parts.findIndex(
    ({ entry }) =>
      entry.kind === EntryKind.run &&
      entry.partition === range.partition &&
      entry.offset >= range.endOffset &&
      Buffer.compare(entry.topicId, range.topicId) === 0,
  )
  parts.splice(next < 0 ? parts.length : next, 0, lostPart(range))
}

function wholeRun({ kind, offset, endOffset, position, length, batchCount, maxTimestampMs }: Entry): Piece[] {
  if (kind !== EntryKind.run) return []
  const end = position + length
  return [{ kind: 'batches', offset, endOffset, start: position, end, batchCount, maxTimestampMs }]
}

function lostPart({ topicId, partition, offset, endOffset, leaderEpoch }: LostRange): Part {
  const entry = {
    kind: EntryKind.run,
    topicId,
    partition,
    offset,
    endOffset,
    maxTimestampMs: -1,
    leaderEpoch,
    position: 0,
    length: 0,
    batchCount: 0,
  }
  const piece = { offset, endOffset, start: 0, end: 0, batchCount: 0, maxTimestampMs: -1 }
  return { entry, pieces: [{ ...piece, kind: 'lost' }] }
}

function pieceBytes({ kind, offset, endOffset, start, end }: Piece): number {
  return kind === 'lost' ? lostRangeBytes(offset, endOffset) : end - start
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
