/**
 * The index of a sealed segment: for each partition with anything in it, what recovery needs to know
 * (offsets, epochs, truncations) and where its runs are. Written once when the segment is sealed, from
 * then on never changed; what happens to the partition later stands in later segments.
 *
 *     bytes, little endian (the columns are used in place as Float64Array)
 *      0  u32   magic "OCI1"
 *      4  u32   length in bytes, trailer included
 *      8  u32   partition count P
 *     12  u32   run count R
 *     16  u32   epoch count E
 *     20  u32   dropped topic count D
 *     24  f64   runs, R * 6: base offset, end offset, max timestamp, sequence, position, length
 *         f64   partitions, P * 8: partition number, first run, run count, truncated to (-1: not),
 *               log start offset (-1: not said), log end offset with it, dead bytes with it,
 *               leader epoch with it
 *         f64   epochs, E * 3: row of the partition, epoch, start offset
 *         16 B  topic ids of the P partitions, then of the D dropped topics
 *         u32   CRC-32C over everything before
 */
import type { Crc32c } from '../record/crc32c.ts'
import { StorageError } from '../segment-store.ts'
import type { EpochStart } from './leader-epochs.ts'
import { RANGE_STRIDE, RangeView } from './ranges.ts'

const MAGIC = 0x3149434f
const HEADER_BYTES = 24
const PARTITION_NUMBERS = 8
const EPOCH_NUMBERS = 3

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
}

export interface SegmentSummary {
  readonly partitions: readonly PartitionSummary[]
  /** Topics dropped in this segment: their data here and in older segments is dead. */
  readonly droppedTopics: readonly Uint8Array[]
}

export function encodeSegmentIndex(summary: SegmentSummary, crc32c: Crc32c): Uint8Array {
  const { partitions, droppedTopics } = summary
  let runCount = 0
  let epochCount = 0
  for (const { runs, epochs } of partitions) {
    runCount += runs.count
    epochCount += epochs.length
  }
  const numbers = runCount * RANGE_STRIDE + partitions.length * PARTITION_NUMBERS + epochCount * EPOCH_NUMBERS
  const idsAt = HEADER_BYTES + numbers * 8
  const length = idsAt + (partitions.length + droppedTopics.length) * 16 + 4
  const bytes = new Uint8Array(length)
  const head = new DataView(bytes.buffer)
  head.setUint32(0, MAGIC, true)
  head.setUint32(4, length, true)
  head.setUint32(8, partitions.length, true)
  head.setUint32(12, runCount, true)
  head.setUint32(16, epochCount, true)
  head.setUint32(20, droppedTopics.length, true)

  const cells = new Float64Array(bytes.buffer, HEADER_BYTES, numbers)
  let firstRun = 0
  let partitionAt = runCount * RANGE_STRIDE
  let epochAt = partitionAt + partitions.length * PARTITION_NUMBERS
  let idAt = idsAt
  partitions.forEach((entry, row) => {
    const { runs, truncatedTo, logStart } = entry
    cells.set(
      runs.columns.subarray(runs.first * RANGE_STRIDE, (runs.first + runs.count) * RANGE_STRIDE),
      firstRun * RANGE_STRIDE,
    )
    cells.set(
      [
        entry.partition,
        firstRun,
        runs.count,
        truncatedTo ?? -1,
        logStart?.offset ?? -1,
        logStart?.endOffset ?? -1,
        logStart?.deadBytes ?? 0,
        logStart?.leaderEpoch ?? -1,
      ],
      partitionAt,
    )
    partitionAt += PARTITION_NUMBERS
    for (const { epoch, startOffset } of entry.epochs) {
      cells.set([row, epoch, startOffset], epochAt)
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
  head.setUint32(length - 4, crc32c(bytes.subarray(0, length - 4)), true)
  return bytes
}

/** A sealed segment's index in memory: its summary and, by row, the runs of each partition. */
export class SegmentIndex implements SegmentSummary {
  readonly partitions: readonly PartitionSummary[]
  readonly droppedTopics: readonly Uint8Array[]
  readonly byteLength: number

  constructor(
    partitions: readonly PartitionSummary[],
    droppedTopics: readonly Uint8Array[],
    byteLength: number,
  ) {
    this.partitions = partitions
    this.droppedTopics = droppedTopics
    this.byteLength = byteLength
  }

  /** Throws {@link StorageError} DAMAGED, naming the segment, when the bytes are not what was written. */
  static decode(bytes: Uint8Array, segment: number, crc32c: Crc32c): SegmentIndex {
    const damaged = (why: string): never => {
      throw new StorageError('DAMAGED', `the index of segment ${segment} is damaged: ${why}`)
    }
    if (bytes.length < HEADER_BYTES + 4) damaged(`${bytes.length} bytes are shorter than its header`)
    // The columns are read in place, and a Float64Array must begin at a multiple of 8.
    const own = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes)
    const head = new DataView(own.buffer, own.byteOffset, own.byteLength)
    if (head.getUint32(0, true) !== MAGIC) damaged('it does not begin with "OCI1"')
    if (head.getUint32(4, true) !== own.length)
      damaged(`it has ${own.length} bytes and says ${head.getUint32(4, true)}`)
    const crc = head.getUint32(own.length - 4, true)
    if (crc !== crc32c(own.subarray(0, own.length - 4))) damaged('its checksum does not match')

    const partitionCount = head.getUint32(8, true)
    const runCount = head.getUint32(12, true)
    const epochCount = head.getUint32(16, true)
    const droppedCount = head.getUint32(20, true)
    const numbers = runCount * RANGE_STRIDE + partitionCount * PARTITION_NUMBERS + epochCount * EPOCH_NUMBERS
    const idsAt = HEADER_BYTES + numbers * 8
    const cells = new Float64Array(own.buffer, own.byteOffset + HEADER_BYTES, numbers)
    const topicIdAt = (row: number) => new Uint8Array(own.subarray(idsAt + row * 16, idsAt + row * 16 + 16))

    const epochs: EpochStart[][] = Array.from({ length: partitionCount }, () => [])
    let at = runCount * RANGE_STRIDE + partitionCount * PARTITION_NUMBERS
    for (let i = 0; i < epochCount; i++, at += EPOCH_NUMBERS)
      epochs[cells[at]].push({ epoch: cells[at + 1], startOffset: cells[at + 2] })

    const partitions: PartitionSummary[] = []
    at = runCount * RANGE_STRIDE
    for (let row = 0; row < partitionCount; row++, at += PARTITION_NUMBERS) {
      const truncatedTo = cells[at + 3]
      const logStart = cells[at + 4]
      partitions.push({
        topicId: topicIdAt(row),
        partition: cells[at],
        runs: new RangeView(cells, cells[at + 1], cells[at + 2]),
        truncatedTo: truncatedTo < 0 ? undefined : truncatedTo,
        logStart:
          logStart < 0
            ? undefined
            : {
                offset: logStart,
                endOffset: cells[at + 5],
                deadBytes: cells[at + 6],
                leaderEpoch: cells[at + 7],
              },
        epochs: epochs[row],
      })
    }
    const dropped = Array.from({ length: droppedCount }, (_, i) => topicIdAt(partitionCount + i))
    return new SegmentIndex(partitions, dropped, own.length)
  }
}
