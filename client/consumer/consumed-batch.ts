/**
 * One record batch as a consumer gets it: checked, not yet decoded. The records are decoded when they are
 * first looked at, once, and keep the bytes of the batch alive.
 */
import { decodeBatch } from '../../storage/record/batch-decoder.ts'
import {
  baseOffsetAt,
  batchBytesAt,
  isControlAt,
  lastOffsetAt,
  recordCountAt,
} from '../../storage/record/batch-header.ts'
import type { CompressionCodecs } from '../../storage/record/compression.ts'
import { isLostRangeAt } from '../../storage/record/lost-range.ts'
import type { ConsumedRecord, RecordSource } from '../../storage/record/record.ts'
import { RecordError } from '../../storage/record/record-error.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import type { TimeWindow } from './options.ts'

/** What is asked of every record that is handed out. */
export interface PlacedRecord {
  readonly offset: number
  readonly timestampMs: number
}

/** How a decoded record becomes what the caller reads. */
export type RecordView<R> = (record: ConsumedRecord) => R

/** What all batches of a consumer share. */
export interface BatchReader<R> {
  readonly codecs: CompressionCodecs
  readonly view: RecordView<R> | undefined
  /** Records outside are left out. */
  readonly window: TimeWindow | undefined
}

export class ConsumedBatch<R extends PlacedRecord = ConsumedRecord> {
  readonly topic: string
  readonly partition: number
  /** Offset of the first record the batch was built with. */
  readonly baseOffset: number
  /** Records below this offset are left out: they lie before the position asked for. */
  readonly fromOffset: number
  /** Records from this offset on are left out: they lie behind where reading ends. Infinity: none. */
  readonly endOffset: number
  /** Offset of the last record the batch was built with that lies before {@link endOffset}. */
  readonly lastOffset: number
  /** Offset after the last record that readers of the partition could see when the batch was sent. */
  readonly highWatermark: number
  /** Size of the batch, of which this may be a part. */
  readonly bytes: number
  readonly #source: RecordSource
  readonly #frame: Uint8Array
  readonly #at: number
  readonly #reader: BatchReader<R>
  #records: readonly R[] | undefined

  /** The batch at `at` of `frame`, whose header has been checked, from `fromOffset` up to, without, `endOffset`. */
  constructor(
    source: RecordSource,
    frame: Uint8Array,
    at: number,
    fromOffset: number,
    endOffset: number,
    highWatermark: number,
    reader: BatchReader<R>,
  ) {
    this.topic = source.topic
    this.partition = source.partition
    this.baseOffset = baseOffsetAt(frame, at)
    this.endOffset = endOffset
    this.lastOffset = Math.min(lastOffsetAt(frame, at), endOffset - 1)
    this.highWatermark = highWatermark
    this.bytes = batchBytesAt(frame, at)
    this.#source = source
    this.#frame = frame
    this.#at = at
    this.fromOffset = fromOffset
    this.#reader = reader
  }

  /** Number of {@link records}; does not decode unless some are left out. */
  get count(): number {
    if (this.isEmpty) return 0
    return this.#isWhole ? recordCountAt(this.#frame, this.#at) : this.records.length
  }

  /** Without records: {@link isLost}. */
  get isEmpty(): boolean {
    return isEmptyAt(this.#frame, this.#at)
  }

  /** Stands for records that the broker lost to damage, and a repair marked as lost. */
  get isLost(): boolean {
    return isLostRangeAt(this.#frame, this.#at)
  }

  /** The records, in order of offset. Throws {@link ProtocolError} CORRUPT_MESSAGE naming topic, partition, offset. */
  get records(): readonly R[] {
    this.#records ??= this.#decode()
    return this.#records
  }

  /** The same batch without the records below `offset`. */
  startingAt(offset: number): ConsumedBatch<R> {
    return this.#between(offset, this.endOffset)
  }

  /** Some of {@link records}, at least one, as a batch: from the one with index `from` up to, without, `to`. */
  slice(from: number, to: number): ConsumedBatch<R> {
    const { records } = this
    const endOffset = to < records.length ? records[to].offset : this.endOffset
    const piece = this.#between(records[from].offset, endOffset)
    piece.#records = records.slice(from, to)
    return piece
  }

  get #isWhole(): boolean {
    const isUncut = this.fromOffset <= this.baseOffset && this.endOffset > lastOffsetAt(this.#frame, this.#at)
    return isUncut && !this.#reader.window
  }

  #between(fromOffset: number, endOffset: number): ConsumedBatch<R> {
    return new ConsumedBatch(
      this.#source,
      this.#frame,
      this.#at,
      fromOffset,
      endOffset,
      this.highWatermark,
      this.#reader,
    )
  }

  #decode(): readonly R[] {
    const { codecs, view } = this.#reader
    try {
      // The checksum was checked on arrival.
      const decoded = decodeBatch(this.#frame, this.#at, this.#source, {
        fromOffset: this.fromOffset,
        codecs,
      })
      const records = this.#isWhole ? decoded : decoded.filter((record) => this.#isWanted(record))
      return view ? records.map(view) : (records as unknown as R[])
    } catch (error) {
      if (!(error instanceof RecordError)) throw error
      throw damaged(this.#source, this.baseOffset, error.message, error)
    }
  }

  #isWanted({ offset, timestampMs }: PlacedRecord): boolean {
    const { window } = this.#reader
    return offset < this.endOffset && (!window || (timestampMs >= window.fromMs && timestampMs < window.toMs))
  }
}

/**
 * Whether nobody needs to be told of the batch: markers of transactions, or a batch none of whose records are left, or match a filter.
 * It is there only for its offsets.
 */
export function hasNothingAt(frame: Uint8Array, at: number): boolean {
  return isEmptyAt(frame, at) && !isLostRangeAt(frame, at)
}

function isEmptyAt(frame: Uint8Array, at: number): boolean {
  return isControlAt(frame, at) || recordCountAt(frame, at) === 0
}

/** The error for bytes that are not what was written: never retried in silence, never skipped. */
export function damaged(
  source: RecordSource,
  offset: number,
  sentence: string,
  cause?: unknown,
): ProtocolError {
  return new ProtocolError(
    ErrorCode.CORRUPT_MESSAGE,
    `damaged record batch at offset ${offset} of topic ${source.topic}, partition ${source.partition}: ${sentence}`,
    { cause },
  )
}
