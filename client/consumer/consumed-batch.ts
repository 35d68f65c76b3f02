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

/** How a decoded record becomes what the caller reads. */
export type RecordView<R> = (record: ConsumedRecord) => R

/** What all batches of a consumer share. */
export interface BatchReader<R> {
  readonly codecs: CompressionCodecs
  readonly view: RecordView<R> | undefined
}

export class ConsumedBatch<R = ConsumedRecord> {
  readonly topic: string
  readonly partition: number
  /** Offset of the first record the batch was built with. */
  readonly baseOffset: number
  /** Records below this offset are left out: they lie before the position asked for. */
  readonly fromOffset: number
  /** Offset of the last record the batch was built with. */
  readonly lastOffset: number
  /** Offset after the last record that readers of the partition could see when the batch was sent. */
  readonly highWatermark: number
  /** Size of the batch. */
  readonly bytes: number
  readonly #source: RecordSource
  readonly #frame: Uint8Array
  readonly #at: number
  readonly #reader: BatchReader<R>
  #records: readonly R[] | undefined

  /** The batch at `at` of `frame`, whose header has been checked, without the records below `fromOffset`. */
  constructor(
    source: RecordSource,
    frame: Uint8Array,
    at: number,
    fromOffset: number,
    highWatermark: number,
    reader: BatchReader<R>,
  ) {
    this.topic = source.topic
    this.partition = source.partition
    this.baseOffset = baseOffsetAt(frame, at)
    this.lastOffset = lastOffsetAt(frame, at)
    this.highWatermark = highWatermark
    this.bytes = batchBytesAt(frame, at)
    this.#source = source
    this.#frame = frame
    this.#at = at
    this.fromOffset = fromOffset
    this.#reader = reader
  }

  /** Number of {@link records}; does not decode unless records at the front are left out. */
  get count(): number {
    if (this.isEmpty) return 0
    return this.fromOffset > this.baseOffset ? this.records.length : recordCountAt(this.#frame, this.#at)
  }

  /** Markers of transactions, or a batch all of whose records have been removed: there only for its offsets. */
  get isEmpty(): boolean {
    return isControlAt(this.#frame, this.#at) || recordCountAt(this.#frame, this.#at) === 0
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
    return new ConsumedBatch(this.#source, this.#frame, this.#at, offset, this.highWatermark, this.#reader)
  }

  #decode(): readonly R[] {
    const { codecs, view } = this.#reader
    try {
      // The checksum was checked on arrival.
      const records = decodeBatch(this.#frame, this.#at, this.#source, {
        fromOffset: this.fromOffset,
        codecs,
      })
      return view ? records.map(view) : (records as unknown as R[])
    } catch (error) {
      if (!(error instanceof RecordError)) throw error
      throw damaged(this.#source, this.baseOffset, error.message, error)
    }
  }
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
