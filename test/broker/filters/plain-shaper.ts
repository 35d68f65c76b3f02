/**
 * The slow, obvious shaper: each batch is decoded, each record asked, and each that stays becomes a batch of its own at
 * its offset. Knows no sharing and no threads. What the real one gives must be read as the same records.
 */
import { crc32c } from '@node-rs/crc32'
import type { FetchShaper, ReaderWish, ShapedSlice } from '../../../broker/filters/fetch-shaper.ts'
import type { RecordPattern } from '../../../broker/filters/pattern.ts'
import type { ReadSlice } from '../../../storage/log/log-reader.ts'
import { decodeBatch } from '../../../storage/record/batch-decoder.ts'
import { BatchEncoder } from '../../../storage/record/batch-encoder.ts'
import {
  isControlAt,
  lastOffsetAt,
  leaderEpochAt,
  nextBatchEnd,
  stampBatch,
} from '../../../storage/record/batch-header.ts'
import { nodeCodecs } from '../../../storage/record/node/node-codecs.ts'
import type { ConsumedRecord } from '../../../storage/record/record.ts'

export type Matches = (pattern: RecordPattern, record: ConsumedRecord) => boolean

const source = { topic: 'plain', partition: 0 }

export class PlainShaper implements FetchShaper {
  readonly #matches: Matches

  constructor(matches: Matches) {
    this.#matches = matches
  }

  shape(
    _log: unknown,
    { value, start, end, nextOffset }: ReadSlice,
    { filter, compressions }: ReaderWish,
    fromOffset: number,
  ): ShapedSlice {
    if (!filter && !compressions)
      return { value, start, end, endOffset: nextOffset, nextOffset, examined: 0, notJson: 0 }
    const pieces: Uint8Array[] = []
    let endOffset = fromOffset
    let examined = 0
    for (let at = start; at < end; at = nextBatchEnd(value, at, end)) {
      if (isControlAt(value, at)) {
        pieces.push(value.slice(at, nextBatchEnd(value, at, end)))
        endOffset = lastOffsetAt(value, at) + 1
        continue
      }
      for (const record of decodeBatch(value, at, source, { fromOffset, codecs: nodeCodecs })) {
        examined++
        if (filter && !this.#matches(filter, record)) continue
        pieces.push(batchOf(record, leaderEpochAt(value, at)))
        endOffset = record.offset + 1
      }
    }
    const bytes = new Uint8Array(Buffer.concat(pieces))
    return {
      value: bytes,
      start: 0,
      end: bytes.length,
      endOffset,
      nextOffset,
      examined: filter ? examined : 0,
      notJson: 0,
    }
  }

  skip(): undefined {
    return undefined
  }

  subscribe(): () => void {
    return () => {}
  }
}

function batchOf(record: ConsumedRecord, leaderEpoch: number): Uint8Array {
  const encoder = new BatchEncoder({ crc32c, bytesMax: 64 * 1024 * 1024 })
  encoder.append(record.timestampMs, record.key, record.value, record.headers)
  const batch = encoder.finish()
  stampBatch(batch, 0, record.offset, leaderEpoch)
  return batch
}
