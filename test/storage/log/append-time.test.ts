/** Batches whose records get the time of their commit, in the log and in what is found by time. */
import t from 'tap'
import type { PartitionLog } from '../../../storage/log/partition-log.ts'
import type { ShardLog } from '../../../storage/log/shard-log.ts'
import { MemoryDisk } from '../../../storage/memory/memory-disk.ts'
import { batchBytesAt, maxTimestampAt, timestampTypeAt } from '../../../storage/record/batch-header.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { checkStoredBatch } from '../../../storage/record/validate.ts'
import { batch, openLog } from './log-fixture.ts'

t.test('appended with the time of their commit', async (t) => {
  const clock = { ms: 70_000 }
  const { disk, shard, log } = await openLog(new MemoryDisk(), { nowMs: () => clock.ms })
  const appended = (records: number, timestampMs: number, time?: 'append') =>
    shard.append({}, log, batch(records, 10, timestampMs), time)
  t.strictSame(await appended(3, 1_000, 'append'), { baseOffset: 0, appendTimeMs: 70_000, logStartOffset: 0 })
  t.strictSame(await appended(3, 1_000), { baseOffset: 3, appendTimeMs: -1, logStartOffset: 0 })
  clock.ms += 5
  const both = new Uint8Array([...batch(2, 10, 90_000), ...batch(2, 10, 1_000)])
  t.match(await shard.append({}, log, both, 'append'), { baseOffset: 6, appendTimeMs: 70_005 })

  const look = (shard: ShardLog, log: PartitionLog) => {
    const times: (readonly [string, number])[] = []
    for (let offset = 0; offset < log.highWatermark; ) {
      const slice = shard.read(log, offset, log.highWatermark, 100_000)
      if (!slice) break
      for (let at = slice.start; at < slice.end; at += batchBytesAt(slice.value, at)) {
        const problem = checkStoredBatch(slice.value, at, slice.end, crc32cTable)
        t.equal(problem, undefined, 'the checksum is that of its bytes')
        times.push([timestampTypeAt(slice.value, at), maxTimestampAt(slice.value, at)])
      }
      offset = slice.nextOffset
    }
    return times
  }
  const expected = [
    ['append', 70_000],
    ['create', 1_002],
    ['append', 70_005],
    ['append', 70_005],
  ]
  const find = (shard: ShardLog, log: PartitionLog, timestampMs: number) =>
    shard.findTimestamp(log, timestampMs, log.highWatermark)
  t.strictSame(look(shard, log), expected)
  await shard.close()
  const again = await openLog(disk)
  t.strictSame(look(again.shard, again.log), expected)
  t.strictSame(find(again.shard, again.log, 1_000), { offset: 0, timestampMs: 70_000 })
  t.strictSame(find(again.shard, again.log, 70_001), { offset: 6, timestampMs: 70_005 })
  t.equal(find(again.shard, again.log, 70_006), undefined)
  await again.shard.moveLogStart(again.log, 7)
  t.strictSame(find(again.shard, again.log, 0), { offset: 7, timestampMs: 70_005 }, 'not below the log start')
})
