/**
 * The broker's time of a batch that was sent again: it has it since it was stored, and its producer, who has lost the
 * answer, is told that and not the time of now.
 */
import { LogError } from '../../storage/log/log-error.ts'
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import type { ShardLog } from '../../storage/log/shard-log.ts'
import { maxTimestampAt, timestampTypeAt } from '../../storage/record/batch-header.ts'

/** -1: the batch is there no more, cannot be read, or has times of its own. */
export async function storedAppendTime(
  shard: ShardLog,
  log: PartitionLog,
  baseOffset: number,
): Promise<number> {
  await shard.prepare(log, baseOffset, 1)
  try {
    const slice = shard.read(log, baseOffset, log.durableOffset, 1)
    if (!slice || timestampTypeAt(slice.value, slice.start) !== 'append') return -1
    return maxTimestampAt(slice.value, slice.start)
  } catch (error) {
    // It is stored all the same, and that is what was asked; whoever reads it is told what is wrong.
    if (error instanceof LogError) return -1
    throw error
  }
}
