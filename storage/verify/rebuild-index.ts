/**
 * The index of a segment, made anew of the entries of its values by the log's own code, as if it were sealed now.
 * Knows this one segment only, as an index does.
 */
import type { PartitionLog } from '../log/partition-log.ts'
import { SegmentCatalog } from '../log/segment-catalog.ts'
import { type Entry, EntryKind } from '../log/value.ts'
import { MemoryDisk, MemorySegmentStore } from '../memory/memory-segment-store.ts'
import { lastOffsetAt, nextBatchEnd } from '../record/batch-header.ts'
import type { Crc32c } from '../record/crc32c.ts'

/** Bytes of a value of the segment that was given to {@link IndexBuilder.add}. */
export type ReadValue = (sequence: number) => Uint8Array | undefined

export type LogStartOf = (topicId: Uint8Array, partition: number) => number

export class IndexBuilder {
  readonly #catalog: SegmentCatalog
  readonly #read: ReadValue

  private constructor(catalog: SegmentCatalog, read: ReadValue) {
    this.#catalog = catalog
    this.#read = read
  }

  /** @param read asked only where a truncation cuts a run in two */
  static async begin(segment: number, read: ReadValue, crc32c: Crc32c): Promise<IndexBuilder> {
    const store = new MemorySegmentStore({ disk: new MemoryDisk() })
    await store.open()
    const catalog = new SegmentCatalog(store, crc32c, 0)
    catalog.enter(segment)
    return new IndexBuilder(catalog, read)
  }

  /**
   * The entries of the next value.
   * @param logStartOf where the log of a partition started before this segment; a truncation below it means more
   */
  add(sequence: number, entries: readonly Entry[], logStartOf: LogStartOf): void {
    for (const entry of entries) {
      this.#meet(entry, logStartOf)
      this.#catalog.apply(entry, sequence, (log, offset) => this.#keptBytes(log, offset))
    }
    this.#catalog.appended(sequence)
  }

  #meet({ kind, topicId, partition }: Entry, logStartOf: LogStartOf): void {
    if (kind === EntryKind.topicDrop || this.#catalog.isDropped(topicId)) return
    if (this.#catalog.partition(topicId, partition) !== undefined) return
    this.#catalog.createPartition(topicId, partition).logStartOffset = logStartOf(topicId, partition)
  }

  finish(producers?: Uint8Array): Uint8Array {
    return this.#catalog.encodeActive(producers)
  }

  /** Bytes of the batches below `offset` in the run that a truncation there cuts in two. */
  #keptBytes(log: PartitionLog, offset: number): number {
    const runs = log.active.runs.view()
    const run = runs.find(offset)
    if (run >= runs.count || runs.baseOffset(run) >= offset) return 0
    const value = this.#read(runs.container(run))
    if (value === undefined) return 0
    const start = runs.position(run)
    const end = start + runs.length(run)
    let kept = start
    for (
      let at = start;
      at >= 0 && at < end && lastOffsetAt(value, at) < offset;
      at = nextBatchEnd(value, at, end)
    )
      kept = Math.max(kept, nextBatchEnd(value, at, end))
    return kept - start
  }
}
