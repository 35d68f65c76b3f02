/**
 * A store that forgets: it takes values and says at once that they are durable. With it the bench measures
 * everything but the disk. It must never hold anybody's data; the `octopus` program does not know it.
 */
import type { SegmentDescriptor, SegmentStore } from '../../storage/segment-store.ts'

export class DiscardingStore implements SegmentStore {
  readonly kind = 'discarding'
  readonly failure = undefined
  #count = 0

  async open(): Promise<void> {}

  segments(): readonly SegmentDescriptor[] {
    // The log gives its index a share of the segment's size: with this it never asks for the next one.
    return [{ id: 1, sealed: false, bytes: Number.MAX_SAFE_INTEGER }]
  }

  roomBytes(): number {
    return Number.POSITIVE_INFINITY
  }

  costBytes(valueBytes: number): number {
    return valueBytes
  }

  async append(_firstSequence: number, values: readonly Uint8Array[]): Promise<void> {
    this.#count += values.length
  }

  read(): undefined {}

  valueCount(): number {
    return this.#count
  }

  async prefetch(): Promise<void> {}

  /** Never full, so never rolled. */
  roll(): Promise<never> {
    return Promise.reject(new Error('a store without an end has nothing to roll'))
  }

  indexBytes(): undefined {}

  async readIndex(): Promise<undefined> {}

  readIndexNow(): undefined {}

  beginAside(): Promise<never> {
    return Promise.reject(new Error('a store that keeps nothing has nothing to rewrite'))
  }

  async remove(): Promise<void> {}

  freeBytes(): number {
    return Number.POSITIVE_INFINITY
  }

  async close(): Promise<void> {}
}
