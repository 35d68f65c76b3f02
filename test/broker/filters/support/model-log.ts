/**
 * The log of a partition as readers see it, in memory, with all of its records as data beside it. What is read is given away
 * as the real log does: bytes that are gone with the turn.
 */
import type { ReadSlice } from '../../../../storage/log/log-reader.ts'
import { PartitionLog } from '../../../../storage/log/partition-log.ts'
import {
  lastOffsetDeltaAt,
  nextBatchEnd,
  recordCountAt,
  stampBatch,
} from '../../../../storage/record/batch-header.ts'
import { recordsOf, type Stored } from './stored-batches.ts'

interface ModelBatch {
  readonly bytes: Uint8Array
  readonly baseOffset: number
  readonly endOffset: number
  readonly records: readonly Stored[]
}

let topics = 0

export class ModelLog {
  batches: ModelBatch[] = []
  readonly log: PartitionLog

  constructor() {
    const topicId = new Uint8Array(16)
    topicId[15] = ++topics
    this.log = new PartitionLog(topicId, 0, { lost: () => {} })
  }

  get endOffset(): number {
    return this.batches.at(-1)?.endOffset ?? 0
  }

  /** @param isSound false: its records cannot be read, and are none of the model's */
  append(batch: Uint8Array, isSound = true): void {
    const bytes = batch.slice()
    const baseOffset = this.endOffset
    stampBatch(bytes, 0, baseOffset, 0)
    const endOffset = baseOffset + lastOffsetDeltaAt(bytes, 0) + 1
    const records = recordCountAt(bytes, 0) === 0 || !isSound ? [] : recordsOf(bytes)
    this.batches.push({ bytes, baseOffset, endOffset, records })
  }

  /** Keeps so many batches. */
  truncate(batches: number): void {
    this.batches.length = batches
    this.log.truncations++
  }

  /** At most `batchesMax` from the one on that holds `offset`, somewhere in a buffer. */
  read(offset: number, batchesMax: number): ReadSlice | undefined {
    const first = this.batches.findIndex(({ endOffset }) => endOffset > offset)
    if (first < 0) return undefined
    const read = this.batches.slice(first, first + batchesMax)
    const before = 17
    const value = new Uint8Array(before + read.reduce((sum, { bytes }) => sum + bytes.length, 0) + 5)
    let at = before
    for (const { bytes } of read) {
      value.set(bytes, at)
      at += bytes.length
    }
    return { value, start: before, end: at, nextOffset: read[read.length - 1].endOffset }
  }

  /** Records of the offsets from `from` up to, without, `to`. */
  records(from: number, to: number): Stored[] {
    return this.batches.flatMap(({ records }) =>
      records.filter(({ offset }) => offset >= from && offset < to),
    )
  }
}

/** Where each batch begins. */
export function* batchStarts(bytes: Uint8Array, start: number, end: number): Generator<number> {
  for (let at = start; at < end; at = nextBatchEnd(bytes, at, end)) yield at
}
