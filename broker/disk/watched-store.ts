/**
 * The segment store as the log of a node has it: appends are timed, writes that never come back count as failed,
 * and no events are written while the disk is too full for them. Otherwise the store it wraps.
 */
import { type SegmentId, type SegmentStore, StorageError } from '../../storage/segment-store.ts'
import type { Clock } from '../ports.ts'
import type { WriteGuard } from './write-guard.ts'

export interface WatchedStoreOptions {
  readonly clock: Clock
  readonly guard: WriteGuard
  /** Of the data, for sentences. */
  readonly directory: string
  /** Why events cannot be taken now. Entries that let data go are written all the same. */
  readonly refusal: () => StorageError | undefined
  /** The disk has less room than was thought: looks again. */
  readonly look: () => void
  readonly onAppend: (durationMs: number) => void
}

export class WatchedStore implements SegmentStore {
  readonly #store: SegmentStore
  readonly #options: WatchedStoreOptions
  /** A write was given up: what it did or will do to the disk is not known. */
  #givenUp: StorageError | undefined

  constructor(store: SegmentStore, options: WatchedStoreOptions) {
    this.#store = store
    this.#options = options
  }

  async append(...call: Parameters<SegmentStore['append']>): Promise<void> {
    const { clock, refusal, onAppend } = this.#options
    const error = call[2]?.isUrgent ? undefined : refusal()
    if (error) throw error
    const startMs = clock.monotonicMs()
    await this.#guarded('a commit', () => this.#store.append(...call))
    onAppend(clock.monotonicMs() - startMs)
  }

  roll(index: Uint8Array) {
    return this.#guarded('the change to a new segment', () => this.#store.roll(index))
  }

  async #guarded<T>(what: string, write: () => Promise<T>): Promise<T> {
    if (this.#givenUp) throw this.#givenUp
    const { guard, directory, look, refusal } = this.#options
    try {
      return await guard.watch(`${what} in ${directory}`, directory, write(), (error) => {
        this.#givenUp = error
      })
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== 'NO_SPACE') throw error
      // Another program was faster than the looks; who waits hears the same as everybody after.
      look()
      throw refusal() ?? error
    }
  }

  get kind() {
    return this.#store.kind
  }
  get failure() {
    return this.#store.failure ?? this.#givenUp
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
