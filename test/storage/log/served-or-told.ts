/** Damaged data read to the end: what is served must be what was written, and all the rest must have been told. */
import { DamageError } from '../../../storage/log/log-error.ts'
import type { PartitionLog } from '../../../storage/log/partition-log.ts'
import type { ShardLog } from '../../../storage/log/shard-log.ts'
import { baseOffsetAt, batchBytesAt, lastOffsetAt } from '../../../storage/record/batch-header.ts'

/** First and last offset. */
export type Range = readonly [first: number, last: number]

export interface Stored {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly bytes: Uint8Array
}

/** Everything that can be read, and the ranges that are refused: each refusal is followed by what lies behind it. */
export function readAll(shard: ShardLog, log: PartitionLog, bytesMax = 1_000_000) {
  const served: Stored[] = []
  const damaged: Range[] = []
  for (let offset = log.logStartOffset; ; ) {
    try {
      const slice = shard.read(log, offset, log.highWatermark, bytesMax)
      if (!slice) return { served, damaged, end: offset }
      for (let at = slice.start; at < slice.end; ) {
        const bytes = new Uint8Array(slice.value.subarray(at, at + batchBytesAt(slice.value, at)))
        served.push({ baseOffset: baseOffsetAt(bytes, 0), lastOffset: lastOffsetAt(bytes, 0), bytes })
        at += bytes.length
      }
      if (slice.nextOffset <= offset) throw new Error(`read at ${offset} goes on at ${slice.nextOffset}`)
      offset = slice.nextOffset
    } catch (error) {
      if (!(error instanceof DamageError)) throw error
      const { firstOffset, lastOffset } = error.damage
      if (lastOffset < offset) throw new Error(`damage to ${lastOffset} was told at ${offset}`)
      damaged.push([firstOffset, lastOffset])
      offset = lastOffset + 1
    }
  }
}

/** Every batch that was written is served as it was, or lies in a range that was told. */
export function isServedOrTold(
  shard: ShardLog,
  log: PartitionLog,
  written: readonly Stored[],
  bytesMax: number,
): number {
  return compare(readAll(shard, log, bytesMax), written, `partition ${log.partition}`)
}

/** As {@link isServedOrTold}, of what was read elsewhere. How many batches were told to be damaged. */
export function compare(
  { served, damaged }: { readonly served: readonly Stored[]; readonly damaged: readonly Range[] },
  written: readonly Stored[],
  where: string,
): number {
  const byOffset = new Map(served.map((stored) => [stored.baseOffset, stored]))
  let told = 0
  for (const { baseOffset, lastOffset, bytes } of written) {
    const found = byOffset.get(baseOffset)
    byOffset.delete(baseOffset)
    if (found) {
      if (Buffer.compare(found.bytes, bytes) !== 0)
        throw new Error(`${where}: ${baseOffset} was served changed`)
      continue
    }
    const isTold = damaged.some(([first, last]) => first <= baseOffset && last >= lastOffset)
    if (!isTold) throw new Error(`${where}: ${baseOffset} to ${lastOffset} was skipped silently`)
    told++
  }
  if (byOffset.size > 0) throw new Error(`${where}: served ${[...byOffset.keys()]}, which nobody wrote`)
  return told
}
