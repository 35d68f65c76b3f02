/**
 * Keeps the next segment prepared, so that a roll does not wait for a file to be made.
 *
 * What fails in the background is reported and tried again when the segment is needed: the disk may have
 * room by then. A prepared segment is nobody's until the manifest names it, so a full disk can have it back.
 */

import type { StorageError } from '../segment-store.ts'
import { storageError } from './accidents.ts'
import { SegmentAppender } from './segment-appender.ts'
import type { SegmentMaker } from './segment-maker.ts'

export interface SegmentAheadOptions {
  readonly directory: string
  readonly segmentBytes: number
  readonly maker: SegmentMaker
  /** Deletes a file that no manifest names. Never rejects. */
  readonly erase: (path: string) => Promise<void>
  readonly report: (error: StorageError) => void
}

interface Preparation {
  readonly id: number
  readonly segment: Promise<SegmentAppender>
}

export class SegmentAhead {
  readonly #options: SegmentAheadOptions
  #preparation: Preparation | undefined
  #isInUse = false
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
   * Hands the prepared segment over, as soon as it is prepared: it is the caller's when `take` resolves, and stays in here
   * if that rejects. One call at a time.
   * @param takeId gives a number where no segment is being prepared
   */
  async handOver(
    takeId: () => number,
    take: (segment: SegmentAppender) => Promise<void>,
  ): Promise<SegmentAppender> {
    this.#isInUse = true
    try {
      const segment = await this.#prepared(takeId)
      await take(segment)
      this.#preparation = undefined
      return segment
    } finally {
      this.#isInUse = false
    }
  }

  /** Gives the disk its blocks back, unless it is in use. Whether there was something to give. */
  async giveUp(): Promise<boolean> {
    const given = this.#preparation
    if (given === undefined || this.#isInUse) return false
    this.#preparation = undefined
    try {
      const { environment } = await given.segment
      await environment.close()
      await this.#options.erase(environment.path)
      return true
    } catch {
      // It was never made, which was reported.
      return false
    }
  }

  /** The maker was told to give up. */
  async close(): Promise<void> {
    this.#isClosed = true
    // What became of the preparation does not matter any more: the next open deletes the file.
    await this.#preparation?.segment.then(({ environment }) => environment.close()).catch(() => {})
  }

  async #prepared(takeId: () => number): Promise<SegmentAppender> {
    const begun = this.#preparation
    try {
      if (begun !== undefined) return await begun.segment
    } catch {
      // Reported when it happened; what comes of a second attempt is the answer.
    }
    return this.#prepare(begun?.id ?? takeId()).segment
  }

  #prepare(id: number): Preparation {
    const { maker, segmentBytes } = this.#options
    const made = maker.make(id, segmentBytes, 'a new segment')
    this.#preparation = { id, segment: made.then((environment) => SegmentAppender.empty(id, environment)) }
    return this.#preparation
  }
}
