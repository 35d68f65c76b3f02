/**
 * What readers without a filter get who cannot unpack everything: the slice as far as they can, whole batches unpacked where they
 * cannot. A slice ends where the pool has to be waited for, or where enough was unpacked.
 */
import type { ReadSlice } from '../../storage/log/log-reader.ts'
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import { baseOffsetAt, compressionAt, nextBatchEnd } from '../../storage/record/batch-header.ts'
import type { ReaderWish, ShapedSlice } from './fetch-shaper.ts'
import { INLINE_UNPACKED_BYTES_MAX } from './packed-batches.ts'
import { type DeliveryTools, takes } from './scan-delivery.ts'
import { SliceParts } from './slice-parts.ts'

type UnpackTools = Pick<DeliveryTools, 'packed' | 'crc32c'>

/** Without a filter: the slice, as long as the reader can unpack it, and whole batches unpacked where he cannot. */
export function unpackedSlice(
  log: PartitionLog,
  { value, start, end, nextOffset }: ReadSlice,
  wish: ReaderWish,
  fromOffset: number,
  tools: UnpackTools,
): ShapedSlice | Promise<ShapedSlice> {
  const all = { value, start, end, endOffset: nextOffset, nextOffset, examined: 0, notJson: 0 }
  if (wish.compressions === undefined) return all
  let taken = start
  while (taken < end && takes(wish, compressionAt(value, taken))) taken = nextBatchEnd(value, taken, end)
  if (taken >= end) return all
  if (taken > start) {
    const offset = baseOffsetAt(value, taken)
    return { ...all, end: taken, endOffset: offset, nextOffset: offset }
  }
  return unpackFirst(log, { value, start, end, nextOffset }, wish, fromOffset, tools)
}

/** From a batch on that the reader cannot unpack; ends before one that cannot be unpacked at all, if it is not the first. */
function unpackFirst(
  log: PartitionLog,
  { value, start, end, nextOffset: upTo }: ReadSlice,
  wish: ReaderWish,
  fromOffset: number,
  { crc32c, packed }: UnpackTools,
): ShapedSlice | Promise<ShapedSlice> {
  const parts = new SliceParts()
  let nextOffset = fromOffset
  const shaped = (of: SliceParts): ShapedSlice => ({
    ...of.finish(crc32c, false),
    endOffset: nextOffset,
    nextOffset,
    examined: 0,
    notJson: 0,
  })
  for (let at = start; at < end && parts.bytes < INLINE_UNPACKED_BYTES_MAX; ) {
    const batchEnd = nextBatchEnd(value, at, end)
    const behind = batchEnd < end ? baseOffsetAt(value, batchEnd) : upTo
    if (takes(wish, compressionAt(value, at))) parts.addRange(value, at, batchEnd)
    else {
      const isFirst = parts.isEmpty
      // The pool would make what comes before it wait.
      if (!isFirst && packed.isMuch(batchEnd - at)) break
      let unpacked: Uint8Array | Promise<Uint8Array>
      try {
        unpacked = packed.unpack(log, value.subarray(at, batchEnd))
      } catch (error) {
        if (isFirst) throw error
        break
      }
      if (unpacked instanceof Promise) {
        const before = parts.settle(crc32c)
        return unpacked.then(
          (bytes) => {
            before.addRange(bytes, 0, bytes.length)
            nextOffset = behind
            return shaped(before)
          },
          (error: unknown) => {
            if (isFirst) throw error
            return shaped(before)
          },
        )
      }
      parts.addRange(unpacked, 0, unpacked.length)
    }
    nextOffset = behind
    at = batchEnd
  }
  return shaped(parts)
}
