/**
 * A segment written beside the live ones, in a file the manifest does not name until it is published.
 *
 * It never deletes its file once a manifest that may name it was written, whatever became of that write; the next open
 * finds out. Of one that was not published a crash leaves the file, which the next open deletes.
 */

import { type AsideSegment, type SegmentId, StorageError } from '../segment-store.ts'
import type { SegmentAppender } from './segment-appender.ts'

/** What an aside segment needs of its store. */
export interface AsideHost {
  /** Throws what stands against writing now: a closed or failed store, a full disk. */
  checkWritable(): void
  /** Throws MISUSE unless these are sealed segments that stand next to each other. */
  checkReplaceable(replaced: readonly SegmentId[]): void
  /** Runs a write to the disk; an error in it is the failure of the store. */
  committing<T>(write: () => Promise<T>): Promise<T>
  /** Changes the manifest and takes over the environment; resolves when the change is durable. */
  publish(segment: SegmentAppender, replaced: readonly SegmentId[], onLive: () => void): Promise<void>
  /** Closes the environment and deletes its file. */
  discard(segment: SegmentAppender): Promise<void>
  /** Closes the environment and leaves the file. */
  leave(segment: SegmentAppender): Promise<void>
}

export class LmdbAsideSegment implements AsideSegment {
  readonly #segment: SegmentAppender
  readonly #host: AsideHost
  #state: 'open' | 'publishing' | 'published' | 'in doubt' | 'discarded' = 'open'
  /** Settles, always well, when no write is under way. */
  #writing: Promise<void> | undefined
  #discarded: Promise<void> | undefined

  constructor(segment: SegmentAppender, host: AsideHost) {
    this.#segment = segment
    this.#host = host
  }

  get id(): SegmentId {
    return this.#segment.id
  }

  roomBytes(): number {
    return this.#segment.roomBytes
  }

  append(firstSequence: number, values: readonly Uint8Array[]): Promise<void> {
    return this.#write(async () => {
      this.#segment.checkAppend(firstSequence, values)
      await this.#host.committing(() => this.#segment.append(firstSequence, values))
    })
  }

  publish(index: Uint8Array, replaced: readonly SegmentId[], onLive = () => {}): Promise<void> {
    return this.#write(async () => {
      if (this.#segment.trailer !== undefined) throw misuse(this.id, 'it has an index already: discard it')
      this.#segment.checkIndex(index)
      this.#host.checkReplaceable(replaced)
      await this.#host.committing(() => this.#segment.seal(index))
      this.#state = 'publishing'
      try {
        await this.#host.publish(this.#segment, replaced, onLive)
        this.#state = 'published'
      } catch (error) {
        // Only after these is it certain that the manifest is the one before.
        const isUnchanged = error instanceof StorageError && ['MISUSE', 'NO_SPACE'].includes(error.code)
        this.#state = isUnchanged ? 'open' : 'in doubt'
        throw error
      }
    })
  }

  discard(): Promise<void> {
    this.#discarded ??= this.#discard()
    return this.#discarded
  }

  async #discard(): Promise<void> {
    await this.#writing
    if (this.#state === 'published') return
    const isInDoubt = this.#state === 'in doubt'
    this.#state = 'discarded'
    await (isInDoubt ? this.#host.leave(this.#segment) : this.#host.discard(this.#segment))
  }

  async #write(write: () => Promise<void>): Promise<void> {
    this.#host.checkWritable()
    if (this.#writing !== undefined) throw misuse(this.id, 'a write to it is still in flight')
    if (this.#discarded !== undefined || this.#state !== 'open') throw misuse(this.id, `it is ${this.#state}`)
    let finish = () => {}
    this.#writing = new Promise((resolve) => {
      finish = resolve
    })
    try {
      await write()
    } finally {
      this.#writing = undefined
      finish()
    }
  }
}

function misuse(id: SegmentId, problem: string): StorageError {
  return new StorageError('MISUSE', `segment ${id} cannot be written: ${problem}`)
}
