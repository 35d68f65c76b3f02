/**
 * The summary of a segment index as numbers in place: columns by row, no object per partition, because
 * a start reads a million rows. Checked as a whole before anything in it is believed.
 */
import type { Crc32c } from '../record/crc32c.ts'
import {
  decodeIndexHead,
  EPOCH_NUMBERS,
  INDEX_HEAD_BYTES,
  type IndexHead,
  indexDamaged,
  type LogStart,
  ROW_NUMBERS,
  RowColumn,
} from './segment-index.ts'

export class IndexSummary {
  readonly head: IndexHead
  readonly #bytes: Uint8Array
  readonly #rows: Float64Array
  readonly #epochs: Float64Array
  readonly #idsAt: number

  private constructor(head: IndexHead, bytes: Uint8Array) {
    this.head = head
    this.#bytes = bytes
    const rowsAt = bytes.byteOffset + INDEX_HEAD_BYTES
    this.#rows = new Float64Array(bytes.buffer, rowsAt, head.partitions * ROW_NUMBERS)
    this.#epochs = new Float64Array(bytes.buffer, rowsAt + this.#rows.byteLength, head.epochs * EPOCH_NUMBERS)
    this.#idsAt = INDEX_HEAD_BYTES + this.#rows.byteLength + this.#epochs.byteLength
  }

  /**
   * @param bytes at least the summary; kept, so not to be changed
   * @param indexBytes how long the whole index is
   * @throws StorageError DAMAGED, naming the segment, when the bytes are not what was written
   */
  static decode(bytes: Uint8Array, indexBytes: number, segment: number, crc32c: Crc32c): IndexSummary {
    const head = decodeIndexHead(bytes, indexBytes, segment)
    const { summaryBytes } = head
    if (bytes.length < summaryBytes)
      throw indexDamaged(segment, `its summary of ${summaryBytes} bytes ends after ${bytes.length}`)
    // The columns are read in place, and a Float64Array must begin at a multiple of 8.
    const own = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes.subarray(0, summaryBytes))
    const tail = new DataView(own.buffer, own.byteOffset + summaryBytes - 8, 8)
    if (tail.getUint32(0, true) !== crc32c(own.subarray(0, summaryBytes - 8)))
      throw indexDamaged(segment, 'the checksum of its summary does not match')
    if (tail.getUint32(4, true) !== 0) throw indexDamaged(segment, 'its summary does not end with zeros')
    return new IndexSummary(head, own)
  }

  get partitions(): number {
    return this.head.partitions
  }

  #cell(row: number, column: number): number {
    return this.#rows[row * ROW_NUMBERS + column]
  }
  partition(row: number): number {
    return this.#cell(row, RowColumn.partition)
  }
  firstRun(row: number): number {
    return this.#cell(row, RowColumn.firstRun)
  }
  runCount(row: number): number {
    return this.#cell(row, RowColumn.runCount)
  }
  /** -1 where the row has no runs. */
  baseOffset(row: number): number {
    return this.#cell(row, RowColumn.baseOffset)
  }
  endOffset(row: number): number {
    return this.#cell(row, RowColumn.endOffset)
  }
  maxTimestampMs(row: number): number {
    return this.#cell(row, RowColumn.maxTimestampMs)
  }
  /** Bytes of the record batches of all runs. */
  bytes(row: number): number {
    return this.#cell(row, RowColumn.bytes)
  }
  /** -1: nothing was truncated. */
  truncatedTo(row: number): number {
    return this.#cell(row, RowColumn.truncatedTo)
  }
  runsCrc(row: number): number {
    return this.#cell(row, RowColumn.runsCrc)
  }

  /** 0: not known. */
  lastAppendMs(row: number): number {
    return this.#cell(row, RowColumn.lastAppendMs)
  }

  logStart(row: number): LogStart | undefined {
    const offset = this.#cell(row, RowColumn.logStartOffset)
    if (offset < 0) return undefined
    return {
      offset,
      endOffset: this.#cell(row, RowColumn.logStartEndOffset),
      deadBytes: this.#cell(row, RowColumn.logStartDeadBytes),
      leaderEpoch: this.#cell(row, RowColumn.logStartLeaderEpoch),
    }
  }

  /** Epochs of all rows, in the order of the rows. */
  get epochs(): number {
    return this.head.epochs
  }
  epochRow(index: number): number {
    return this.#epochs[index * EPOCH_NUMBERS]
  }
  epoch(index: number): number {
    return this.#epochs[index * EPOCH_NUMBERS + 1]
  }
  epochStartOffset(index: number): number {
    return this.#epochs[index * EPOCH_NUMBERS + 2]
  }

  /** Whether a row is of the same topic as the one before it. */
  sameTopicAsBefore(row: number): boolean {
    if (row === 0) return false
    const at = this.#idsAt + row * 16
    for (let i = at; i < at + 16; i++) if (this.#bytes[i] !== this.#bytes[i - 16]) return false
    return true
  }

  /** A copy. */
  topicId(row: number): Uint8Array {
    return this.#id(row)
  }

  droppedTopics(): Uint8Array[] {
    return Array.from({ length: this.head.droppedTopics }, (_, i) => this.#id(this.head.partitions + i))
  }

  /** Data of older segments is dead because of what stands here: the segment may leave only as the oldest. */
  hidesOlder(): boolean {
    if (this.head.droppedTopics > 0) return true
    for (let row = 0; row < this.partitions; row++) if (this.truncatedTo(row) >= 0) return true
    return false
  }

  #id(index: number): Uint8Array {
    const at = this.#idsAt + index * 16
    return new Uint8Array(this.#bytes.subarray(at, at + 16))
  }
}
