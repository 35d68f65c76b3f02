/**
 * A medium that comes into being with the first write: until then there is no file, and nothing is reserved for it.
 */
import type { Snapshot } from '../metadata-store.ts'
import type { MetadataMedium } from './metadata-medium.ts'
import type { Change } from './metadata-view.ts'

export class LazyMedium implements MetadataMedium {
  readonly #exists: () => Promise<boolean>
  readonly #medium: MetadataMedium
  #isLoaded = false

  constructor(medium: MetadataMedium, exists: () => Promise<boolean>) {
    this.#medium = medium
    this.#exists = exists
  }

  async load(): Promise<Snapshot> {
    if (!(await this.#exists())) return { revision: 0, entries: [] }
    this.#isLoaded = true
    return this.#medium.load()
  }

  async write(change: Change, isUrgent: boolean): Promise<void> {
    if (!this.#isLoaded) await this.#medium.load()
    this.#isLoaded = true
    await this.#medium.write(change, isUrgent)
  }

  close(): Promise<void> {
    return this.#medium.close()
  }
}
