/** What a data frame holds, checked before anybody relies on it: whole batches, sound headers, good checksums. */
import { baseOffsetAt, batchBytesAt, lastOffsetAt, leaderEpochAt } from '../../storage/record/batch-header.ts'
import type { Crc32c } from '../../storage/record/crc32c.ts'
import { checkCrc, checkFrame } from '../../storage/record/validate.ts'
import {
  type BatchReader,
  ConsumedBatch,
  damaged,
  hasNothingAt,
  type PlacedRecord,
} from './consumed-batch.ts'
import type { Cursor } from './cursor.ts'

/**
 * Gives `take` each batch of `body` in order and moves the cursor's `fetchOffset` behind it. Batches wholly
 * below it are left out, those from its `endOffset` on, and those without records, which the cursor has passed then. Throws {@link ProtocolError} CORRUPT_MESSAGE naming topic, partition and offset at the
 * first damage; the batches before it have been given.
 */
export function readArriving<R extends PlacedRecord>(
  cursor: Cursor,
  body: Uint8Array,
  highWatermark: number,
  reader: BatchReader<R>,
  crc32c: Crc32c | undefined,
  take: (batch: ConsumedBatch<R>) => void,
): void {
  for (let at = 0; at < body.length; at += batchBytesAt(body, at)) {
    const problem = checkFrame(body, at, body.length) ?? (crc32c && checkCrc(body, at, crc32c))
    if (problem) throw damaged(cursor.source, cursor.fetchOffset, problem.sentence)
    const baseOffset = baseOffsetAt(body, at)
    const lastOffset = lastOffsetAt(body, at)
    if (baseOffset < 0 || lastOffset < baseOffset || !Number.isSafeInteger(lastOffset))
      throw damaged(
        cursor.source,
        cursor.fetchOffset,
        `it says that it has the offsets ${baseOffset} to ${lastOffset}`,
      )
    if (lastOffset < cursor.fetchOffset) continue
    if (baseOffset >= cursor.endOffset) {
      cursor.endPassed()
      return
    }
    if (hasNothingAt(body, at)) {
      cursor.passed(lastOffset, leaderEpochAt(body, at))
      continue
    }
    const fromOffset = cursor.fetchOffset
    cursor.received(lastOffset, leaderEpochAt(body, at))
    take(new ConsumedBatch(cursor.source, body, at, fromOffset, cursor.cutOffset, highWatermark, reader))
  }
}
