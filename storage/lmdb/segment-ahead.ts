/**
 * Keeps the next segment prepared, so that a roll does not wait for a file to be made.
 *
 * What fails in the background is reported and tried again when the segment is needed: the disk may have
 * room by then. A prepared segment is nobody's until the manifest names it.
 */

import type { StorageError } from '../segment-store.ts'
import { storageError } from './accidents.ts'
import type { LmdbEnvironment } from './environment.ts'
import { emptyEnvironmentPages, type Preallocation, prepareSegment } from './prepare-segment.ts'

export interface SegmentAheadOptions {
  readonly directory: string
  readonly segmentBytes: number
  readonly preallocation: Preallocation
  /** Throws NO_SPACE if the disk has no room for so many bytes more. */
  readonly checkDisk: (bytes: number, what: string) => void
  readonly report: (error: StorageError) => void
}

export class SegmentAhead {
  readonly #options: SegmentAheadOptions
  readonly #closing = new AbortController()
  #prepared: Promise<LmdbEnvironment> | undefined
  #emptyPages: Uint8Array | undefined

  constructor(options: SegmentAheadOptions) {
    this.#options = options
  }

  /** Begins to prepare segment `id` in the background. */
  start(id: number): void {
    this.#prepared = this.#prepare(id)
    this.#prepared.catch((error) => {
      const { directory, report } = this.#options
      if (!this.#closing.signal.aborted) report(storageError(error, directory, 'WRITE_FAILED'))
    })
  }

  /** Segment `id`, as soon as it is prepared. It stays in here, and is closed with this, until {@link handOver}. */
  async prepared(id: number): Promise<LmdbEnvironment> {
    try {
      if (this.#prepared !== undefined) return await this.#prepared
    } catch {
      // Reported when it happened; what comes of a second attempt is the answer.
    }
    this.#prepared = this.#prepare(id)
    return this.#prepared
  }

  /** The prepared segment has become the active one. */
  handOver(): void {
    this.#prepared = undefined
  }

  async close(): Promise<void> {
    this.#closing.abort()
    // What became of the preparation does not matter any more: the next open deletes the file.
    await this.#prepared?.then((environment) => environment.close()).catch(() => {})
  }

  async #prepare(id: number): Promise<LmdbEnvironment> {
    const { directory, segmentBytes, preallocation, checkDisk } = this.#options
    checkDisk(segmentBytes, 'a new segment')
    this.#emptyPages ??= await emptyEnvironmentPages(directory)
    const { signal } = this.#closing
    return prepareSegment({
      directory,
      id,
      bytes: segmentBytes,
      preallocation,
      emptyPages: this.#emptyPages,
      signal,
    })
  }
}
