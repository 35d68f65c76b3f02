/** Everything that reads the log of a shard, put together: for `shard-log.ts`, which is its only user. */
import { ColdReads } from './cold-reads.ts'
import { DamageReports } from './damage-reports.ts'
import { LiveRuns } from './live-runs.ts'
import { LogReader } from './log-reader.ts'
import type { PartitionLog } from './partition-log.ts'
import type { SegmentCatalog } from './segment-catalog.ts'
import type { ShardLogOptions } from './shard-log-options.ts'
import { TimeSearch } from './time-search.ts'

export class ShardReader {
  readonly damages: DamageReports
  readonly runs: LiveRuns
  readonly batches: LogReader
  readonly times: TimeSearch
  readonly cold: ColdReads

  constructor(catalog: SegmentCatalog, { crc32c, codecs, diskPace, observer }: ShardLogOptions) {
    this.damages = new DamageReports((error) => observer?.damaged?.(error))
    this.runs = new LiveRuns(catalog, crc32c, this.damages)
    this.batches = new LogReader(this.runs)
    this.times = new TimeSearch(this.runs, codecs ?? {}, crc32c)
    this.cold = new ColdReads(catalog, this.runs, diskPace)
  }

  /** Brings into memory what a search by time will read. */
  async prepareTimestamp(log: PartitionLog, timestampMs: number): Promise<void> {
    const from = this.times.beginsAt(log, timestampMs)
    // The first step brings in the index, and with it where to read.
    if (from !== undefined) await this.cold.prepare(log, from, 1)
    const offset = this.times.firstRun(log, timestampMs)
    if (offset !== undefined && offset !== from) await this.cold.prepare(log, offset, 1)
  }
}
