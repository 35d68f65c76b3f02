/**
 * Makes the files of new segments, for the next active one and for those written aside: of the file of a removed segment
 * where one is to be had, else of free space, which is looked at first.
 */

import type { LmdbEnvironment } from './environment.ts'
import { emptyEnvironmentPages, type Preallocation, prepareSegment } from './prepare-segment.ts'

export interface SegmentMakerOptions {
  readonly directory: string
  readonly preallocation: Preallocation
  /** Makes room for so many bytes on the disk, as far as it is ours to make; rejects with NO_SPACE if there is none. */
  readonly reserve: (bytes: number, what: string) => Promise<void>
  /** A spare file of so many bytes to overwrite; undefined where there is none. */
  readonly takeSpare: (bytes: number) => Promise<string | undefined>
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
    const { directory, preallocation, reserve, takeSpare } = this.#options
    const { signal } = this.#closing
    const spare = await takeSpare(bytes)
    if (spare === undefined) await reserve(bytes, what)
    const emptyPages = () => this.#empty()
    return prepareSegment({ directory, id, bytes, preallocation, spare, emptyPages, signal })
  }

  get isAborted(): boolean {
    return this.#closing.signal.aborted
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
