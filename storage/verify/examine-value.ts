/**
 * Is a stored value what was stored? Its directory first, since it says what the rest is; then each run.
 *
 * A directory that is damaged is made good from what else is known, in this order: the fields that have one right
 * value, the one flipped bit its checksum tells, the index of the segment, and last the entries which agree with
 * whole batches. What was mended says so; nothing is taken for true that nothing confirms. Pure.
 */

import { bitOf } from '../log/directory-repair.ts'
import { ENTRY_BYTES, type Entry, EntryKind, readDirectory, VALUE_HEADER_BYTES } from '../log/value.ts'
import { nextBatchEnd } from '../record/batch-header.ts'
import type { Crc32c } from '../record/crc32c.ts'
import { examineRun, type RunExamination } from './examine-run.ts'

/** What the index of the segment says stands in a value. */
export interface IndexedRun {
  readonly topicId: Uint8Array
  readonly partition: number
  readonly offset: number
  readonly endOffset: number
  readonly maxTimestampMs: number
  readonly leaderEpoch: number
  readonly position: number
  readonly length: number
}

export interface ValueContext {
  readonly segment: number
  readonly sequence: number
  readonly crc32c: Crc32c
  /** Of this value; empty where there is no index. */
  readonly indexed: readonly IndexedRun[]
  /** Whether such a partition is known from elsewhere. */
  readonly isKnown: (topicId: Uint8Array, partition: number) => boolean
}

export interface ExaminedValue {
  /** Where the entries come from; `none`: nothing is known of what it held. */
  readonly source: 'directory' | 'mended' | 'index' | 'batches' | 'none'
  /** What is wrong with the directory; undefined: nothing. */
  readonly problem: string | undefined
  readonly entries: readonly Entry[]
  /** By number of the entry: the runs that are not whole, or were not once. */
  readonly runs: ReadonlyMap<number, RunExamination>
  /** ms since 1970; 0 where it is not known. */
  readonly committedAtMs: number
}

/** @param value undefined: it is missing @param mends whether batch headers may be mended in place */
export function examineValue(
  value: Uint8Array | undefined,
  context: ValueContext,
  mends = false,
): ExaminedValue {
  const { segment, sequence, crc32c } = context
  if (value === undefined)
    return { ...known(undefined, context, 'the value is missing'), runs: allLost(context.indexed) }
  const directory = readDirectory(value, segment, sequence, crc32c)
  const found: Found =
    'problem' in directory
      ? (mendDirectory(value, context, directory.problem) ?? known(value, context, directory.problem))
      : { source: 'directory', problem: undefined, ...directory }
  const runs = new Map<number, RunExamination>()
  found.entries.forEach((entry, index) => {
    if (entry.kind !== EntryKind.run) return
    const isInside = entry.position + entry.length <= value.length
    const examination = isInside
      ? examineRun(value, entry, crc32c, mends)
      : lostRun(entry, `the value ends after ${value.length} bytes, before the run does`)
    if (examination !== undefined) runs.set(index, examination)
  })
  return { ...found, runs }
}

type Found = Omit<ExaminedValue, 'runs'>

function allLost(indexed: readonly IndexedRun[]): Map<number, RunExamination> {
  return new Map(indexed.map((run, index) => [index, lostRun(run, 'the value is missing')]))
}

function lostRun({ offset, endOffset, length }: IndexedRun, sentence: string): RunExamination {
  const nowhere = { start: 0, end: 0, batchCount: 0, maxTimestampMs: -1 }
  return {
    pieces: [{ kind: 'lost', offset, endOffset, ...nowhere }],
    damages: [{ offset, endOffset, bytes: length, sentence, isMendable: false }],
    fenced: [],
  }
}

/** The directory with the fields set that can have one value only, and with the one bit turned that its checksum tells. */
function mendDirectory(
  value: Uint8Array,
  { segment, sequence, crc32c }: ValueContext,
  problem: string,
): Found | undefined {
  if (value.length < VALUE_HEADER_BYTES) return undefined
  const said = new DataView(value.buffer, value.byteOffset, value.length).getUint32(12)
  for (const count of plausibleCounts(value, said)) {
    const bytes = VALUE_HEADER_BYTES + count * ENTRY_BYTES
    const trial = new Uint8Array(value)
    const data = new DataView(trial.buffer)
    data.setUint32(0, 0x4f43_5631)
    data.setUint32(4, segment)
    data.setUint32(8, sequence)
    data.setUint32(12, count)
    data.setUint32(16, value.length)
    const stored = data.getUint32(28)
    data.setUint32(28, 0)
    const computed = crc32c(trial.subarray(0, bytes))
    const syndrome = (computed ^ stored) >>> 0
    // With one bit only it is the checksum itself that is wrong.
    if ((syndrome & (syndrome - 1)) !== 0) {
      const bit = bitOf(syndrome, bytes)
      if (bit < 0) continue
      trial[bit >>> 3] ^= 1 << (bit & 7)
    }
    data.setUint32(28, crc32c(trial.subarray(0, bytes)))
    const directory = readDirectory(trial, segment, sequence, crc32c)
    if ('problem' in directory || !isConfirmed(value, directory.entries)) continue
    return { source: 'mended', problem, ...directory }
  }
  return undefined
}

/** What is said, and each number of entries that differs from it in one bit and fits into the value. */
function plausibleCounts(value: Uint8Array, said: number): number[] {
  const most = Math.floor((value.length - VALUE_HEADER_BYTES) / ENTRY_BYTES)
  const counts = [said, ...Array.from({ length: 32 }, (_, bit) => (said ^ (1 << bit)) >>> 0)]
  return counts.filter((count) => count >= 1 && count <= most)
}

/** The runs lie side by side up to the end of the value. */
function isConfirmed(value: Uint8Array, entries: readonly Entry[]): boolean {
  let at = VALUE_HEADER_BYTES + entries.length * ENTRY_BYTES
  for (const entry of entries) {
    if (entry.kind !== EntryKind.run) continue
    if (entry.position !== at) return false
    at += entry.length
  }
  return at === value.length
}

/** What the index says, else what entries and batches agree on. */
function known(value: Uint8Array | undefined, context: ValueContext, problem: string): Found {
  const { indexed } = context
  if (indexed.length > 0) {
    const entries = indexed.map((run): Entry => {
      const batchCount = value === undefined ? 0 : countBatches(value, run)
      return { ...run, kind: EntryKind.run, batchCount }
    })
    return { source: 'index', problem, entries, committedAtMs: 0 }
  }
  const entries = value === undefined ? [] : agreedEntries(value, context)
  return { source: entries.length > 0 ? 'batches' : 'none', problem, entries, committedAtMs: 0 }
}

/** How many batches there seem to be, of which an index says nothing. */
function countBatches(value: Uint8Array, { position, length }: IndexedRun): number {
  const end = Math.min(position + length, value.length)
  let count = 0
  for (let at = position; at >= 0 && at < end; at = nextBatchEnd(value, at, end)) count++
  return count
}

/** Entries of runs that agree in everything with whole batches, of partitions that are known. */
function agreedEntries(value: Uint8Array, { crc32c, isKnown }: ValueContext): Entry[] {
  const agreed: Entry[] = []
  for (const entry of rawEntries(value)) {
    const { position, length, topicId, partition } = entry
    if (entry.kind !== EntryKind.run || length === 0 || position + length > value.length) continue
    if (!isKnown(topicId, partition)) continue
    if (examineRun(value, entry, crc32c, false) === undefined) agreed.push(entry)
  }
  return agreed
}

/** Whatever stands where entries could, as entries. */
function* rawEntries(value: Uint8Array): Generator<Entry> {
  const data = new DataView(value.buffer, value.byteOffset, value.length)
  const int64 = (at: number) => data.getInt32(at) * 0x1_0000_0000 + data.getUint32(at + 4)
  let payloadAt = value.length
  for (let at = VALUE_HEADER_BYTES; at + ENTRY_BYTES <= payloadAt; at += ENTRY_BYTES) {
    const entry: Entry = {
      kind: value[at] as EntryKind,
      topicId: new Uint8Array(value.subarray(at + 8, at + 24)),
      partition: data.getInt32(at + 4),
      offset: int64(at + 24),
      endOffset: int64(at + 32),
      maxTimestampMs: int64(at + 40),
      leaderEpoch: data.getInt32(at + 48),
      position: data.getUint32(at + 52),
      length: data.getUint32(at + 56),
      batchCount: data.getUint32(at + 60),
    }
    if (entry.position > at && entry.position < payloadAt && entry.kind === EntryKind.run)
      payloadAt = entry.position
    yield entry
  }
}
