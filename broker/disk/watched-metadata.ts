/**
 * The metadata store as a node has it: a transaction that fails or never comes back is told, once, since the
 * node cannot go on without its metadata. Otherwise the store it wraps.
 */
import type { MetadataStore, TransactionResult } from '../../storage/metadata-store.ts'
import type { StorageError } from '../../storage/segment-store.ts'
import type { WriteGuard } from './write-guard.ts'

export interface WatchedMetadataOptions {
  readonly guard: WriteGuard
  /** Of the data, for sentences. */
  readonly directory: string
  /** No transaction will succeed any more. Called once. */
  readonly onFailed: (error: StorageError) => void
}

export class WatchedMetadata implements MetadataStore {
  readonly #store: MetadataStore
  readonly #options: WatchedMetadataOptions
  #givenUp: StorageError | undefined
  #isTold = false

  constructor(store: MetadataStore, options: WatchedMetadataOptions) {
    this.#store = store
    this.#options = options
  }

  get failure() {
    return this.#store.failure ?? this.#givenUp
  }

  async transact(...call: Parameters<MetadataStore['transact']>): Promise<TransactionResult> {
    if (this.#givenUp) throw this.#givenUp
    const { guard, directory } = this.#options
    const write = this.#store.transact(...call)
    try {
      return await guard.watch(`a change of metadata in ${directory}`, directory, write, (error) => {
        this.#givenUp = error
      })
    } catch (error) {
      this.#tell()
      throw error
    }
  }

  /** What was refused without being written leaves no failure behind. */
  #tell(): void {
    const { failure } = this
    if (failure === undefined || this.#isTold) return
    this.#isTold = true
    this.#options.onFailed(failure)
  }

  open() {
    return this.#store.open()
  }
  get(key: string) {
    return this.#store.get(key)
  }
  list(prefix: string) {
    return this.#store.list(prefix)
  }
  watch(...call: Parameters<MetadataStore['watch']>) {
    return this.#store.watch(...call)
  }
  revision() {
    return this.#store.revision()
  }
  close() {
    return this.#store.close()
  }
}
