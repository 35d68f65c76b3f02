/**
 * A metadata store in memory, for tests and simulations. What is durable lives in a {@link MemoryMetadataDisk}
 * that outlives the store: a store dropped without `close` is a crash, a new one on the same disk is the
 * restart. A write that has not become durable by then is gone.
 */

import type { MetadataEntry, MetadataStore, Snapshot } from '../metadata-store.ts'
import type { MetadataMedium } from './metadata-medium.ts'
import type { Change } from './metadata-view.ts'
import { RevisionedStore, type RevisionedStoreOptions } from './revisioned-store.ts'

export interface MemoryMetadataDiskOptions {
  /**
   * Stands between a write and its durability: the write is durable once this resolves, and fails with
   * whatever this rejects with. Where a simulator puts its delays and accidents.
   */
  readonly sync?: (change: Change) => Promise<void>
}

export class MemoryMetadataDisk implements MetadataMedium {
  readonly #sync: (change: Change) => Promise<void>
  readonly #entries = new Map<string, MetadataEntry>()
  #revision = 0

  constructor(options: MemoryMetadataDiskOptions = {}) {
    this.#sync = options.sync ?? (async () => {})
  }

  async load(): Promise<Snapshot> {
    return { revision: this.#revision, entries: [...this.#entries.values()] }
  }

  async write(change: Change): Promise<void> {
    await this.#sync(change)
    for (const event of change.events) {
      if (event.kind === 'put') this.#entries.set(event.entry.key, event.entry)
      else this.#entries.delete(event.key)
    }
    this.#revision = change.revision
  }

  /** Nothing to release: the disk outlives the stores on it. */
  async close(): Promise<void> {}
}

export function createMemoryMetadataStore(
  options: RevisionedStoreOptions & { readonly disk?: MemoryMetadataDisk },
): MetadataStore {
  return new RevisionedStore(options.disk ?? new MemoryMetadataDisk(), options)
}
