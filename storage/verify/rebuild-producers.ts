/**
 * The producer snapshot of a sealed segment, made anew where the stored one is lost: the newest older one that can be
 * read, and the batches of all values after it, by the log's own code.
 */

import { decodeProducerSnapshot } from '../log/producer-snapshot.ts'
import { ProducerState } from '../log/producer-state.ts'
import { SegmentCatalog } from '../log/segment-catalog.ts'
import { ShardProducers } from '../log/shard-producers.ts'
import type { Entry } from '../log/value.ts'
import { MemoryDisk, MemorySegmentStore } from '../memory/memory-segment-store.ts'
import type { Crc32c } from '../record/crc32c.ts'
import { StorageError } from '../segment-store.ts'

/** What is wrong with a snapshot; undefined: nothing. */
export function producerSnapshotProblem(snapshot: Uint8Array, crc32c: Crc32c): string | undefined {
  const state = new ProducerState<object>({
    entriesMax: Number.POSITIVE_INFINITY,
    expirationMs: Number.POSITIVE_INFINITY,
  })
  const partitions = new Map<string, object>()
  const partitionOf = (topicId: Uint8Array, partition: number) => {
    const key = `${Buffer.from(topicId).toString('hex')}/${partition}`
    const known = partitions.get(key) ?? {}
    partitions.set(key, known)
    return known
  }
  try {
    decodeProducerSnapshot(snapshot, state, partitionOf, crc32c)
    return undefined
  } catch (error) {
    if (error instanceof StorageError) return error.message
    throw error
  }
}

/** Learns from values in journal order what the broker would have known of all producers behind them. */
export class ProducerReplay {
  readonly #catalog: SegmentCatalog
  readonly #producers: ShardProducers

  private constructor(catalog: SegmentCatalog, producers: ShardProducers) {
    this.#catalog = catalog
    this.#producers = producers
  }

  /** @param snapshot to begin with; undefined: nobody is known */
  static async begin(snapshot: Uint8Array | undefined, crc32c: Crc32c): Promise<ProducerReplay> {
    const disk = new MemoryDisk()
    const store = new MemorySegmentStore({ disk })
    await store.open()
    const catalog = new SegmentCatalog(store, crc32c, 0)
    const producers = new ShardProducers(undefined, crc32c, () => {})
    producers.restore(snapshot, catalog)
    return new ProducerReplay(catalog, producers)
  }

  add(sequence: number, value: Uint8Array, entries: readonly Entry[], committedAtMs: number): void {
    for (const entry of entries) {
      // Of the partitions only that they are there, and whether they were dropped, matters here.
      const log = this.#catalog.apply(entry, sequence, () => 0)
      this.#producers.recovered(entry, log, value, committedAtMs)
    }
  }

  snapshot(): Uint8Array | undefined {
    return this.#producers.snapshot()
  }
}
