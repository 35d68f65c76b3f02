/** A log on a memory store, for tests: batches to append, opening it, and what can be read from it. */
import type { PartitionLog } from '../../../storage/log/partition-log.ts'
import { ShardLog } from '../../../storage/log/shard-log.ts'
import type { ShardLogObserver } from '../../../storage/log/shard-log-options.ts'
import { MemoryDisk } from '../../../storage/memory/memory-disk.ts'
import { MemorySegmentStore, type Syncs } from '../../../storage/memory/memory-segment-store.ts'
import { BatchEncoder } from '../../../storage/record/batch-encoder.ts'
import { baseOffsetAt, batchBytesAt, lastOffsetAt } from '../../../storage/record/batch-header.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { nodeCodecs } from '../../../storage/record/node/node-codecs.ts'

export const topicId = new Uint8Array(16).fill(7)

export function batch(records: number, valueBytes = 10, timestampMs = 1_000): Uint8Array {
  const encoder = new BatchEncoder({ crc32c: crc32cTable, bytesMax: 10_000_000 })
  for (let i = 0; i < records; i++) encoder.append(timestampMs + i, null, new Uint8Array(valueBytes).fill(i))
  return encoder.finish()
}

export interface Setup {
  readonly disk: MemoryDisk
  readonly store: MemorySegmentStore
  readonly shard: ShardLog
  readonly log: PartitionLog
}

export async function openLog(
  disk = new MemoryDisk(),
  options: {
    syncs?: Syncs
    observer?: ShardLogObserver
    segmentBytes?: number
    queuedBytesMax?: number
    indexCacheBytesMax?: number
    nowMs?: () => number
  } = {},
): Promise<Setup> {
  const { syncs, observer, queuedBytesMax, indexCacheBytesMax, segmentBytes = 64 * 1024 } = options
  const { nowMs = () => 5_000 } = options
  const store = new MemorySegmentStore({ disk, segmentBytes, ...(syncs && { syncs }) })
  await store.open()
  const shard = await ShardLog.open({
    store,
    clock: { nowMs },
    crc32c: crc32cTable,
    codecs: nodeCodecs,
    soon: queueMicrotask,
    commitBytesMax: 16 * 1024,
    ...(observer && { observer }),
    ...(queuedBytesMax && { queuedBytesMax }),
    ...(indexCacheBytesMax !== undefined && { indexCacheBytesMax }),
  })
  return { disk, store, shard, log: shard.createPartition(topicId, 0) }
}

export function offsetsOf(shard: ShardLog, log: PartitionLog, from = log.logStartOffset): [number, number][] {
  const offsets: [number, number][] = []
  for (let offset = from; ; ) {
    const slice = shard.read(log, offset, log.highWatermark, 1_000_000)
    if (!slice) return offsets
    for (let at = slice.start; at < slice.end; at += batchBytesAt(slice.value, at))
      offsets.push([baseOffsetAt(slice.value, at), lastOffsetAt(slice.value, at)])
    offset = slice.nextOffset
  }
}
