/**
 * Keeps the next segment prepared, so that a roll does not wait for a file to be made.
 *
 * What fails in the background is reported and tried again when the segment is needed: the disk may have
 * room by then. A prepared segment is nobody's until the manifest names it.
 */

import type { StorageError } from '../segment-store.ts'
import { storageError } from './accidents.ts'
import { SegmentAppender } from './segment-appender.ts'
import type { SegmentMaker } from './segment-maker.ts'

export interface SegmentAheadOptions {
  readonly directory: string
  readonly segmentBytes: number
  readonly maker: SegmentMaker
  readonly report: (error: StorageError) => void
}

interface Preparation {
  readonly id: number
  readonly segment: Promise<SegmentAppender>
}

export class SegmentAhead {
  readonly #options: SegmentAheadOptions
  #preparation: Preparation | undefined
  #isClosed = false

  constructor(options: SegmentAheadOptions) {
    this.#options = options
  }

  /** Begins to prepare segment `id` in the background. */
  start(id: number): void {
    const { segment } = this.#prepare(id)
    segment.catch((error) => {
      const { directory, report } = this.#options
      if (!this.#isClosed) report(storageError(error, directory, 'WRITE_FAILED'))
    })
  }

  /**
   * The prepared segment, as soon as it is. It stays in here, and is closed with this, until {@link handOver}.
   * @param takeId gives a number where none is being prepared
   */
  async prepared(takeId: () => number): Promise<SegmentAppender> {
    const begun = this.#preparation
    try {
      if (begun !== undefined) return await begun.segment
    } catch {
      // Reported when it happened; what comes of a second attempt is the answer.
    }
    return this.#prepare(begun?.id ?? takeId()).segment
  }

  /** The prepared segment has become the active one. */
  handOver(): void {
    this.#preparation = undefined
  }

  /** The maker was told to give up. */
  async close(): Promise<void> {
    this.#isClosed = true
    // What became of the preparation does not matter any more: the next open deletes the file.
    await this.#preparation?.segment.then(({ environment }) => environment.close()).catch(() => {})
  }

  #prepare(id: number): Preparation {
    const { maker, segmentBytes } = this.#options
    const made = maker.make(id, segmentBytes, 'a new segment')
    this.#preparation = { id, segment: made.then((environment) => SegmentAppender.empty(id, environment)) }
    return this.#preparation
  }
}
