/** A segment store that reports how long each append took to become durable; otherwise the store it wraps. */
import type { SegmentId, SegmentStore } from '../../storage/segment-store.ts'
import type { Clock } from '../ports.ts'

export class TimedStore implements SegmentStore {
  readonly #store: SegmentStore
  readonly #clock: Clock
  readonly #onAppend: (durationMs: number) => void

  constructor(store: SegmentStore, clock: Clock, onAppend: (durationMs: number) => void) {
    this.#store = store
    this.#clock = clock
    this.#onAppend = onAppend
  }

  async append(...call: Parameters<SegmentStore['append']>): Promise<void> {
    const startMs = this.#clock.monotonicMs()
    await this.#store.append(...call)
    this.#onAppend(this.#clock.monotonicMs() - startMs)
  }

  get kind() {
    return this.#store.kind
  }
  get failure() {
    return this.#store.failure
  }
  open() {
    return this.#store.open()
  }
  segments() {
    return this.#store.segments()
  }
  roomBytes() {
    return this.#store.roomBytes()
  }
  costBytes(valueBytes: number) {
    return this.#store.costBytes(valueBytes)
  }
  read(segment: SegmentId, sequence: number) {
    return this.#store.read(segment, sequence)
  }
  valueCount(segment: SegmentId) {
    return this.#store.valueCount(segment)
  }
  prefetch(...call: Parameters<SegmentStore['prefetch']>) {
    return this.#store.prefetch(...call)
  }
  roll(index: Uint8Array) {
    return this.#store.roll(index)
  }
  indexBytes(segment: SegmentId) {
    return this.#store.indexBytes(segment)
  }
  readIndex(...call: Parameters<SegmentStore['readIndex']>) {
    return this.#store.readIndex(...call)
  }
  readIndexNow(...call: Parameters<SegmentStore['readIndexNow']>) {
    return this.#store.readIndexNow(...call)
  }
  remove(segment: SegmentId) {
    return this.#store.remove(segment)
  }
  beginAside(bytes: number) {
    return this.#store.beginAside(bytes)
  }
  freeBytes() {
    return this.#store.freeBytes()
  }
  close() {
    return this.#store.close()
  }
}
