/**
 * The index of a sealed segment: for each partition with anything in it, what recovery needs to know
 * (offsets, epochs, truncations) and where its runs are. Written once when the segment is sealed, from
 * then on never changed; what happens to the partition later stands in later segments.
 *
 * It begins with a summary, all that start-up reads; the runs are read when a reader needs them, one
 * partition's at a time (`index-summary.ts`, `sealed-indexes.ts`).
 *
 *     bytes, little endian (the columns are used in place as Float64Array)
 *      0  u32   magic "OCI2"             16  u32  run count R
 *      4  u32   length in bytes          20  u32  epoch count E
 *      8  u32   summary bytes S          24  u32  dropped topic count D
 *     12  u32   partition count P        28  u32  producer snapshot bytes N (0: none)
 *     32  f64   partitions, P * 14: partition number, first run, run count, base offset, end offset,
 *               max timestamp, bytes, truncated to (-1: not), log start offset (-1: not said),
 *               log end offset with it, dead bytes with it, leader epoch with it, CRC-32C of its
 *               runs' bytes, time of the last append, ms since 1970 (0: not known)
 *         f64   epochs, E * 3: row of the partition (ascending), epoch, start offset
 *         16 B  topic ids of the P partitions, then of the D dropped topics
 *         u32   CRC-32C over everything before, u32 zero; S is what all this takes, a multiple of 8
 *      S  f64   runs, R * 6, in the order of the rows: base offset, end offset, max timestamp,
 *               sequence, position, length
 *         N B   the producer snapshot: opaque here, with a checksum of its own
 */
import type { Crc32c } from '../record/crc32c.ts'
import { StorageError } from '../segment-store.ts'
import type { EpochStart } from './leader-epochs.ts'
import { RANGE_STRIDE, type RangeView } from './ranges.ts'

export const INDEX_HEAD_BYTES = 32
export const RUN_BYTES = RANGE_STRIDE * 8
/** Numbers of a partition's row, and of an epoch's. */
export const ROW_NUMBERS = 14
export const EPOCH_NUMBERS = 3
export const ROW_BYTES = ROW_NUMBERS * 8

/** Columns of a row. */
export const RowColumn = {
  partition: 0,
  firstRun: 1,
  runCount: 2,
  baseOffset: 3,
  endOffset: 4,
  maxTimestampMs: 5,
  bytes: 6,
  truncatedTo: 7,
  logStartOffset: 8,
  logStartEndOffset: 9,
  logStartDeadBytes: 10,
  logStartLeaderEpoch: 11,
  runsCrc: 12,
  lastAppendMs: 13,
} as const

const MAGIC = 0x3249434f
/** Checksum and padding at the end of the summary. */
const SUMMARY_TAIL_BYTES = 8

/** A log start entry: where the log starts, where it ended then, and what of the first run is dead. */
export interface LogStart {
  readonly offset: number
  readonly endOffset: number
  readonly deadBytes: number
  readonly leaderEpoch: number
}

/** What one segment says of one partition. */
export interface PartitionSummary {
  readonly topicId: Uint8Array
  readonly partition: number
  readonly runs: RangeView
  /** Everything older at or above this offset is dead; undefined: no truncation in this segment. */
  readonly truncatedTo: number | undefined
  /** The last log start entry of this segment. */
  readonly logStart: LogStart | undefined
  readonly epochs: readonly EpochStart[]
  /** No run was appended later, ms since 1970; 0: not known. */
  readonly lastAppendMs?: number
}

export interface SegmentSummary {
  readonly partitions: readonly PartitionSummary[]
  /** Topics dropped in this segment: their data here and in older segments is dead. */
  readonly droppedTopics: readonly Uint8Array[]
  /** What is known of all producers at the end of this segment, as `producer-state` writes it. */
  readonly producers?: Uint8Array | undefined
}

/** The first numbers of an index: what it consists of, and so where everything in it is. */
export interface IndexHead {
  readonly bytes: number
  readonly summaryBytes: number
  readonly partitions: number
  readonly runs: number
  readonly epochs: number
  readonly droppedTopics: number
  readonly producerBytes: number
}

function summaryBytesOf(partitions: number, epochs: number, droppedTopics: number): number {
  return (
    INDEX_HEAD_BYTES +
    (partitions * ROW_NUMBERS + epochs * EPOCH_NUMBERS) * 8 +
    (partitions + droppedTopics) * 16 +
    SUMMARY_TAIL_BYTES
  )
}

/** Where the runs from number `run` on begin. */
export function runsAt(head: IndexHead, run: number): number {
  return head.summaryBytes + run * RUN_BYTES
}

export function producersAt(head: IndexHead): number {
  return runsAt(head, head.runs)
}

export function indexDamaged(segment: number, why: string): StorageError {
  return new StorageError('DAMAGED', `the index of segment ${segment} is damaged: ${why}`)
}

/**
 * Reads the first {@link INDEX_HEAD_BYTES} of an index.
 * @param indexBytes how long the whole index is
 * @throws StorageError DAMAGED, naming the segment, where they do not fit together
 */
export function decodeIndexHead(bytes: Uint8Array, indexBytes: number, segment: number): IndexHead {
  if (bytes.length < INDEX_HEAD_BYTES || indexBytes < INDEX_HEAD_BYTES)
    throw indexDamaged(
      segment,
      `${Math.min(bytes.length, indexBytes)} bytes are fewer than the ${INDEX_HEAD_BYTES} of its head`,
    )
  const data = new DataView(bytes.buffer, bytes.byteOffset, INDEX_HEAD_BYTES)
  const at = (place: number) => data.getUint32(place, true)
  if (at(0) !== MAGIC) throw indexDamaged(segment, 'it does not begin with "OCI2"')
  const head: IndexHead = {
    bytes: at(4),
    summaryBytes: at(8),
    partitions: at(12),
    runs: at(16),
    epochs: at(20),
    droppedTopics: at(24),
    producerBytes: at(28),
  }
  if (head.bytes !== indexBytes)
    throw indexDamaged(segment, `it has ${indexBytes} bytes and says ${head.bytes}`)
  const summaryBytes = summaryBytesOf(head.partitions, head.epochs, head.droppedTopics)
  if (head.summaryBytes !== summaryBytes)
    throw indexDamaged(segment, `its summary says ${head.summaryBytes} bytes and takes ${summaryBytes}`)
  const bytesOfAll = producersAt(head) + head.producerBytes
  if (head.bytes !== bytesOfAll)
    throw indexDamaged(segment, `it says ${head.bytes} bytes and takes ${bytesOfAll}`)
  return head
}

export function encodeSegmentIndex(summary: SegmentSummary, crc32c: Crc32c): Uint8Array {
  const { partitions, droppedTopics, producers } = summary
  let runCount = 0
  let epochCount = 0
  for (const { runs, epochs } of partitions) {
    runCount += runs.count
    epochCount += epochs.length
  }
  const producerBytes = producers?.length ?? 0
  const summaryBytes = summaryBytesOf(partitions.length, epochCount, droppedTopics.length)
  const bytes = new Uint8Array(summaryBytes + runCount * RUN_BYTES + producerBytes)
  const data = new DataView(bytes.buffer)
  const head = [
    MAGIC,
    bytes.length,
    summaryBytes,
    partitions.length,
    runCount,
    epochCount,
    droppedTopics.length,
    producerBytes,
  ]
  head.forEach((number, index) => {
    data.setUint32(index * 4, number, true)
  })

  const runCells = new Float64Array(bytes.buffer, summaryBytes, runCount * RANGE_STRIDE)
  const rows = new Float64Array(bytes.buffer, INDEX_HEAD_BYTES, partitions.length * ROW_NUMBERS)
  const epochCells = new Float64Array(
    bytes.buffer,
    INDEX_HEAD_BYTES + rows.byteLength,
    epochCount * EPOCH_NUMBERS,
  )
  let idAt = INDEX_HEAD_BYTES + rows.byteLength + epochCells.byteLength
  let firstRun = 0
  let epochAt = 0
  partitions.forEach((entry, row) => {
    const { runs, epochs } = entry
    runCells.set(
      runs.columns.subarray(runs.first * RANGE_STRIDE, (runs.first + runs.count) * RANGE_STRIDE),
      firstRun * RANGE_STRIDE,
    )
    const start = summaryBytes + firstRun * RUN_BYTES
    const runsCrc = crc32c(bytes.subarray(start, start + runs.count * RUN_BYTES))
    writeRow(rows, row * ROW_NUMBERS, entry, firstRun, runsCrc)
    for (const { epoch, startOffset } of epochs) {
      epochCells[epochAt] = row
      epochCells[epochAt + 1] = epoch
      epochCells[epochAt + 2] = startOffset
      epochAt += EPOCH_NUMBERS
    }
    bytes.set(entry.topicId, idAt)
    idAt += 16
    firstRun += runs.count
  })
  for (const topicId of droppedTopics) {
    bytes.set(topicId, idAt)
    idAt += 16
  }
  data.setUint32(idAt, crc32c(bytes.subarray(0, idAt)), true)
  if (producers) bytes.set(producers, bytes.length - producerBytes)
  return bytes
}

function writeRow(
  rows: Float64Array,
  at: number,
  { partition, runs, truncatedTo, logStart, lastAppendMs }: PartitionSummary,
  firstRun: number,
  runsCrc: number,
): void {
  const { count } = runs
  rows[at + RowColumn.partition] = partition
  rows[at + RowColumn.firstRun] = firstRun
  rows[at + RowColumn.runCount] = count
  rows[at + RowColumn.baseOffset] = count > 0 ? runs.baseOffset(0) : -1
  rows[at + RowColumn.endOffset] = count > 0 ? runs.endOffset(count - 1) : -1
  rows[at + RowColumn.maxTimestampMs] = runs.maxTimestampOfAllMs()
  rows[at + RowColumn.bytes] = runs.bytesOfAll()
  rows[at + RowColumn.truncatedTo] = truncatedTo ?? -1
  rows[at + RowColumn.logStartOffset] = logStart?.offset ?? -1
  rows[at + RowColumn.logStartEndOffset] = logStart?.endOffset ?? -1
  rows[at + RowColumn.logStartDeadBytes] = logStart?.deadBytes ?? 0
  rows[at + RowColumn.logStartLeaderEpoch] = logStart?.leaderEpoch ?? -1
  rows[at + RowColumn.runsCrc] = runsCrc
  rows[at + RowColumn.lastAppendMs] = lastAppendMs ?? 0
}
