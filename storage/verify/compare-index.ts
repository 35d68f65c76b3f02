/**
 * Does the index of a sealed segment say what its values say? Compares the stored index with one made anew of the
 * entries of the values, partition by partition. Pure.
 */
import { IndexSummary } from '../log/index-summary.ts'
import type { EpochStart } from '../log/leader-epochs.ts'
import { RANGE_STRIDE } from '../log/ranges.ts'
import { RUN_BYTES, runsAt } from '../log/segment-index.ts'
import type { Crc32c } from '../record/crc32c.ts'
import { StorageError } from '../segment-store.ts'
import type { IndexedRun } from './examine-value.ts'
import { hex } from './finding.ts'

export interface IndexDifference {
  readonly topicId: Uint8Array
  readonly partition: number
  readonly sentence: string
}

/** An index that can be read, or why it cannot. */
export type ReadIndex =
  | { readonly summary: IndexSummary; readonly bytes: Uint8Array; readonly problem: undefined }
  | { readonly problem: string }

/** @param stored the bytes, or why there are none */
export function readIndex(stored: Uint8Array | string, segment: number, crc32c: Crc32c): ReadIndex {
  if (typeof stored === 'string') return { problem: stored }
  try {
    const summary = IndexSummary.decode(stored, stored.length, segment, crc32c)
    return { summary, bytes: stored, problem: undefined }
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
    return { problem: error.message }
  }
}

/** The producer snapshot in an index; undefined: it has none. */
export function producersOf({
  summary,
  bytes,
}: {
  summary: IndexSummary
  bytes: Uint8Array
}): Uint8Array | undefined {
  const { producerBytes } = summary.head
  return producerBytes === 0 ? undefined : bytes.subarray(bytes.length - producerBytes)
}

/**
 * Where logs started whose partitions were truncated below that: an index says it although no entry of the segment
 * does, and the segment whose entry did may be gone. By topic id, in hex, and partition.
 */
export function startsBeforeTruncation(index: ReadIndex | undefined): ReadonlyMap<string, number> {
  const starts = new Map<string, number>()
  if (index === undefined || index.problem !== undefined) return starts
  const { summary } = index
  for (let row = 0; row < summary.partitions; row++) {
    const logStart = summary.truncatedTo(row) < 0 ? undefined : summary.logStart(row)
    if (logStart === undefined || logStart.leaderEpoch !== -1 || logStart.deadBytes !== 0) continue
    starts.set(`${hex(summary.topicId(row))}/${summary.partition(row)}`, logStart.offset)
  }
  return starts
}

/** What an index says stands where, by sequence of the value. Rows whose runs do not have their checksum say nothing. */
export function indexedRuns(index: ReadIndex, crc32c: Crc32c): ReadonlyMap<number, readonly IndexedRun[]> {
  const bySequence = new Map<number, IndexedRun[]>()
  if (index.problem !== undefined) return bySequence
  const { summary } = index
  const starts = new Map<number, EpochStart[]>()
  for (let at = 0; at < summary.epochs; at++) {
    const row = summary.epochRow(at)
    const start = { epoch: summary.epoch(at), startOffset: summary.epochStartOffset(at) }
    starts.set(row, [...(starts.get(row) ?? []), start])
  }
  for (let row = 0; row < summary.partitions; row++) {
    const bytes = runBytes(index, row)
    if (crc32c(bytes) !== summary.runsCrc(row)) continue
    const topicId = summary.topicId(row)
    const partition = summary.partition(row)
    const columns = numbers(bytes)
    for (let at = 0; at < columns.length; at += RANGE_STRIDE) {
      const [offset, endOffset, maxTimestampMs, sequence, position, length] = columns.subarray(
        at,
        at + RANGE_STRIDE,
      )
      const leaderEpoch = epochAt(starts.get(row) ?? [], offset)
      const run = { topicId, partition, offset, endOffset, maxTimestampMs, leaderEpoch, position, length }
      const runs = bySequence.get(sequence)
      if (runs === undefined) bySequence.set(sequence, [run])
      else runs.push(run)
    }
  }
  for (const runs of bySequence.values()) runs.sort((a, b) => a.position - b.position)
  return bySequence
}

function epochAt(starts: readonly EpochStart[], offset: number): number {
  let latest = 0
  for (const { epoch, startOffset } of starts) if (startOffset <= offset) latest = Math.max(latest, epoch)
  return latest
}

export function compareIndexes(
  storedIndex: { readonly summary: IndexSummary; readonly bytes: Uint8Array },
  expectedIndex: { readonly summary: IndexSummary; readonly bytes: Uint8Array },
  crc32c: Crc32c,
): IndexDifference[] {
  const differences: IndexDifference[] = []
  const stored = comparable(storedIndex)
  const expected = comparable(expectedIndex)
  const storedRows = rowsOf(stored.summary)
  const expectedRows = rowsOf(expected.summary)
  const differ = (summary: IndexSummary, row: number, sentence: string) => {
    differences.push({ topicId: summary.topicId(row), partition: summary.partition(row), sentence })
  }
  for (const [key, row] of expectedRows) {
    const other = storedRows.get(key)
    if (other === undefined) differ(expected.summary, row, 'it does not name the partition')
    else {
      const sentence = rowDifference(stored, other, expected, row, crc32c)
      if (sentence !== undefined) differ(expected.summary, row, sentence)
    }
  }
  for (const [key, row] of storedRows)
    if (!expectedRows.has(key))
      differ(stored.summary, row, 'it names the partition, of which the values say nothing')
  const dropped = (summary: IndexSummary) => new Set(summary.droppedTopics().map(hex))
  const droppedStored = dropped(stored.summary)
  const droppedExpected = dropped(expected.summary)
  for (const id of new Set([...droppedStored, ...droppedExpected]))
    if (droppedStored.has(id) !== droppedExpected.has(id))
      differences.push({
        topicId: Buffer.from(id, 'hex'),
        partition: -1,
        sentence: `it ${droppedStored.has(id) ? 'says' : 'does not say'} that the topic was dropped, unlike the values`,
      })
  return differences
}

type Comparable = {
  readonly summary: IndexSummary
  readonly bytes: Uint8Array
  readonly epochs: readonly string[]
}

/** What a row says, besides its runs, by the names people know. */
function columns(
  { summary, epochs }: Comparable,
  row: number,
): readonly (readonly [string, number | string])[] {
  const logStart = summary.logStart(row)
  return [
    ['number of runs', summary.runCount(row)],
    ['first offset', summary.baseOffset(row)],
    ['end', summary.endOffset(row)],
    ['latest time', summary.maxTimestampMs(row)],
    ['bytes', summary.bytes(row)],
    ['truncation', summary.truncatedTo(row)],
    ['log start', logStart?.offset ?? -1],
    ['log end', logStart?.endOffset ?? -1],
    ['dead bytes', logStart?.deadBytes ?? 0],
    ['leader epoch of the log start', logStart?.leaderEpoch ?? -1],
    ['leader epochs', epochs[row]],
  ]
}

function rowDifference(
  stored: Comparable,
  row: number,
  expected: Comparable,
  expectedRow: number,
  crc32c: Crc32c,
): string | undefined {
  const runs = runBytes(stored, row)
  if (crc32c(runs) !== stored.summary.runsCrc(row)) return 'its runs do not have their checksum'
  const right = columns(expected, expectedRow)
  for (const [index, [name, is]] of columns(stored, row).entries())
    if (is !== right[index][1]) return `${name}: it says ${is}, the values say ${right[index][1]}`
  if (Buffer.compare(runs, runBytes(expected, expectedRow)) !== 0)
    return 'it says that its runs lie elsewhere than they do'
  return undefined
}

/** The leader epochs of each row, for comparing and for showing: `epoch@start epoch@start`. */
function comparable({ summary, bytes }: { summary: IndexSummary; bytes: Uint8Array }): Comparable {
  const epochs: string[] = new Array(summary.partitions).fill('')
  for (let index = 0; index < summary.epochs; index++) {
    const row = summary.epochRow(index)
    const start = `${summary.epoch(index)}@${summary.epochStartOffset(index)}`
    epochs[row] = epochs[row] === '' ? start : `${epochs[row]} ${start}`
  }
  return { summary, bytes, epochs }
}

function rowsOf(summary: IndexSummary): Map<string, number> {
  const rows = new Map<string, number>()
  for (let row = 0; row < summary.partitions; row++)
    rows.set(`${hex(summary.topicId(row))}/${summary.partition(row)}`, row)
  return rows
}

function runBytes({ summary, bytes }: { summary: IndexSummary; bytes: Uint8Array }, row: number): Uint8Array {
  const start = runsAt(summary.head, summary.firstRun(row))
  return bytes.subarray(start, start + summary.runCount(row) * RUN_BYTES)
}

function numbers(bytes: Uint8Array): Float64Array {
  const own = new Uint8Array(bytes)
  return new Float64Array(own.buffer, 0, own.length / 8)
}
