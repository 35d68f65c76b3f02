/**
 * The runs of one partition in a sealed segment, found again in the directories of its values where the
 * index does not give them. Only if they are exactly what start-up took from the summary: else undefined.
 */
import type { Crc32c } from '../record/crc32c.ts'
import type { SegmentId, SegmentStore } from '../segment-store.ts'
import { RangeList, RangeView } from './ranges.ts'
import { EntryKind, readDirectory } from './value.ts'

/** Values brought into memory, and read in one turn of the event loop. */
const VALUES_PER_TURN = 32

/** What the summary said of the partition. */
export interface WantedRuns {
  readonly topicId: Uint8Array
  readonly partition: number
  readonly baseOffset: number
  readonly endOffset: number
  readonly bytes: number
}

export async function rescanRuns(
  store: SegmentStore,
  segment: SegmentId,
  wanted: WantedRuns,
  crc32c: Crc32c,
): Promise<RangeView | undefined> {
  const found = new RangeList()
  const count = store.valueCount(segment)
  for (let sequence = 0; sequence < count; sequence++) {
    if (sequence % VALUES_PER_TURN === 0) await store.prefetch(segment, sequence, VALUES_PER_TURN)
    const value = store.read(segment, sequence)
    const directory = value && readDirectory(value, segment, sequence, crc32c)
    if (!directory || 'problem' in directory) continue
    for (const entry of directory.entries) {
      if (entry.partition !== wanted.partition || !isSame(entry.topicId, wanted.topicId)) continue
      // What a truncation cuts off is not told from what was appended again by the places alone.
      if (entry.kind === EntryKind.truncate) return undefined
      if (entry.kind === EntryKind.run)
        found.push(
          entry.offset,
          entry.endOffset,
          entry.maxTimestampMs,
          sequence,
          entry.position,
          entry.length,
        )
    }
  }
  const runs = new RangeView(found.toColumns(), 0, found.count)
  const isWhole =
    runs.count > 0 &&
    runs.baseOffset(0) === wanted.baseOffset &&
    runs.endOffset(runs.count - 1) === wanted.endOffset &&
    runs.bytesOfAll() === wanted.bytes
  return isWhole ? runs : undefined
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < 16; i++) if (a[i] !== b[i]) return false
  return true
}
