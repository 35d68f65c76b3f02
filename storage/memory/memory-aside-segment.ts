/**
 * A segment written beside the live ones of a {@link MemorySegmentStore}: kept by the disk, known to nobody, until
 * one change puts it in the place of others. It checks what is asked; the store makes it durable.
 */

import { type AsideSegment, type SegmentId, StorageError } from '../segment-store.ts'
import type { MemorySegment } from './memory-disk.ts'

/** What an aside segment needs of its store. */
export interface AsideHost {
  /** Throws what stands against writing now: a closed store, a crashed disk, an earlier failure. */
  checkWritable(): void
  roomBytes(segment: MemorySegment): number
  /** Throws unless the values may be appended; what they cost. */
  checkAppend(segment: MemorySegment, firstSequence: number, values: readonly Uint8Array[]): number
  checkIndex(segment: MemorySegment, indexBytes: number): void
  /** Throws unless these are sealed segments that stand next to each other; while `change` runs nobody else takes them. */
  replacing(replaced: readonly SegmentId[], change: () => Promise<void>): Promise<void>
  /** Resolves when the change, which takes so many bytes, is durable. */
  write(bytes: number, apply: () => void): Promise<void>
  publish(segment: MemorySegment, replaced: readonly SegmentId[]): void
  discard(segment: MemorySegment): void
}

export class MemoryAsideSegment implements AsideSegment {
  readonly id: SegmentId
  readonly #segment: MemorySegment
  readonly #host: AsideHost
  #state: 'open' | 'writing' | 'published' | 'discarded' = 'open'

  constructor(segment: MemorySegment, host: AsideHost) {
    this.id = segment.id
    this.#segment = segment
    this.#host = host
  }

  roomBytes(): number {
    return this.#host.roomBytes(this.#segment)
  }

  async append(firstSequence: number, values: readonly Uint8Array[]): Promise<void> {
    this.#checkOpen()
    const costBytes = this.#host.checkAppend(this.#segment, firstSequence, values)
    const copies = values.map((value) => new Uint8Array(value))
    await this.#write(costBytes, () => {
      for (const value of copies) this.#segment.values.push(value)
      this.#segment.costBytes += costBytes
    })
  }

  async publish(index: Uint8Array, replaced: readonly SegmentId[], onLive = () => {}): Promise<void> {
    this.#checkOpen()
    this.#host.checkIndex(this.#segment, index.length)
    const stored = new Uint8Array(index)
    await this.#host.replacing(replaced, () =>
      this.#write(stored.length, () => {
        this.#segment.index = stored
        this.#host.publish(this.#segment, replaced)
        this.#state = 'published'
        onLive()
      }),
    )
  }

  async discard(): Promise<void> {
    if (this.#state === 'published') return
    this.#state = 'discarded'
    this.#host.discard(this.#segment)
  }

  async #write(bytes: number, apply: () => void): Promise<void> {
    this.#state = 'writing'
    try {
      await this.#host.write(bytes, apply)
    } finally {
      if (this.#state === 'writing') this.#state = 'open'
    }
  }

  #checkOpen(): void {
    this.#host.checkWritable()
    if (this.#state === 'open') return
    const problem = this.#state === 'writing' ? 'a write to it is still in flight' : `it was ${this.#state}`
    throw new StorageError('MISUSE', `segment ${this.id} cannot be written: ${problem}`)
  }
}
