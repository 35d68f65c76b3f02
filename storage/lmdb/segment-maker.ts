/**
 * Makes the files of new segments, one of a given size and number at a time: for the next active segment and for those
 * written aside. Looks at the free space first.
 */

import type { LmdbEnvironment } from './environment.ts'
import { emptyEnvironmentPages, type Preallocation, prepareSegment } from './prepare-segment.ts'

export interface SegmentMakerOptions {
  readonly directory: string
  readonly preallocation: Preallocation
  /** Throws NO_SPACE if the disk has no room for so many bytes more. */
  readonly checkDisk: (bytes: number, what: string) => void
}

export class SegmentMaker {
  readonly #options: SegmentMakerOptions
  readonly #closing = new AbortController()
  #emptyPages: Promise<Uint8Array> | undefined

  constructor(options: SegmentMakerOptions) {
    this.#options = options
  }

  /** The open, durable, empty segment. Rejects with StorageError, after which there is nothing of it. */
  async make(id: number, bytes: number, what: string): Promise<LmdbEnvironment> {
    const { directory, preallocation, checkDisk } = this.#options
    checkDisk(bytes, what)
    const emptyPages = await this.#empty()
    return prepareSegment({ directory, id, bytes, preallocation, emptyPages, signal: this.#closing.signal })
  }

  /** What is being made is given up between two steps. */
  abort(): void {
    this.#closing.abort()
  }

  #empty(): Promise<Uint8Array> {
    if (this.#emptyPages !== undefined) return this.#emptyPages
    const pages = emptyEnvironmentPages(this.#options.directory)
    this.#emptyPages = pages
    // Whoever asked is told; the next to ask tries again.
    pages.catch(() => {
      this.#emptyPages = undefined
    })
    return pages
  }
}
