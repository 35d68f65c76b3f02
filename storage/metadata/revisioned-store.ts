/**
 * The metadata store proper, on any {@link MetadataMedium}: takes transactions one at a time, decides each
 * on the view in memory, has the medium make it durable, then shows it to readers, then to watches.
 *
 * Promises: reads and watches see only what is durable; transactions take effect in the order of the calls;
 * after a failed write nothing is written any more, while reads go on. Never: two writes at once.
 */

import { Failure, type FailureOptions } from '../failure.ts'
import type {
  Compare,
  MetadataEntry,
  MetadataStore,
  Operation,
  Snapshot,
  TransactionResult,
  WatchListener,
} from '../metadata-store.ts'
import { StorageError } from '../segment-store.ts'
import { checkKey, checkPrefix } from './keys.ts'
import type { MetadataMedium } from './metadata-medium.ts'
import { MetadataView } from './metadata-view.ts'
import { checkTransaction, type Transaction } from './transaction.ts'
import { defaultHistoryLimits, type HistoryLimits, WatchHistory } from './watch-history.ts'
import { entryCopy, Watchers } from './watchers.ts'

export interface RevisionedStoreOptions extends FailureOptions {
  /** Told what a watch listener threw. The store itself goes on. */
  readonly onListenerError: (error: unknown) => void
  readonly history?: HistoryLimits
}

/** Transactions that wait for their turn, in bytes: a caller beyond it is refused rather than buffered. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024

interface OpenParts {
  readonly view: MetadataView
  readonly history: WatchHistory
  readonly watchers: Watchers
}

export class RevisionedStore implements MetadataStore {
  readonly #medium: MetadataMedium
  readonly #options: RevisionedStoreOptions
  #opening: Promise<OpenParts> | undefined
  #closing: Promise<void> | undefined
  #parts: OpenParts | undefined
  readonly #failure: Failure
  /** Settles, always well, when every transaction taken so far has. */
  #lastTurn: Promise<void> = Promise.resolve()
  #waitingBytes = 0

  constructor(medium: MetadataMedium, options: RevisionedStoreOptions) {
    this.#medium = medium
    this.#options = options
    this.#failure = new Failure(options)
  }

  get failure(): StorageError | undefined {
    return this.#failure.error
  }

  async open(): Promise<void> {
    if (this.#opening !== undefined || this.#closing !== undefined) {
      throw new StorageError('MISUSE', 'A metadata store is opened once')
    }
    this.#opening = this.#load()
    this.#parts = await this.#opening
  }

  async get(key: string): Promise<MetadataEntry | undefined> {
    checkKey(key)
    const entry = this.#opened().view.get(key)
    return entry === undefined ? undefined : entryCopy(entry)
  }

  async list(prefix: string): Promise<Snapshot> {
    checkPrefix(prefix)
    const { revision, entries } = this.#opened().view.list(prefix)
    return { revision, entries: entries.map(entryCopy) }
  }

  async transact(
    compares: readonly Compare[],
    operations: readonly Operation[],
    { isUrgent } = { isUrgent: false },
  ): Promise<TransactionResult> {
    const parts = this.#opened()
    const transaction = checkTransaction(compares, operations)
    if (this.#waitingBytes + transaction.bytes > WAITING_BYTES_MAX) {
      throw new StorageError(
        'MISUSE',
        `More than ${WAITING_BYTES_MAX} bytes of metadata transactions wait: await some before sending more`,
      )
    }
    this.#waitingBytes += transaction.bytes
    const turn = this.#lastTurn.then(() => this.#run(parts, transaction, isUrgent))
    this.#lastTurn = turn.then(
      () => this.#leave(transaction),
      // The caller of `transact` gets the error; the next transaction has its own turn.
      () => this.#leave(transaction),
    )
    return turn
  }

  watch(prefix: string, fromRevision: number, listener: WatchListener): () => void {
    checkPrefix(prefix)
    if (!Number.isSafeInteger(fromRevision) || fromRevision < 1) {
      throw new StorageError(
        'MISUSE',
        `A watch begins at revision ${fromRevision}: it must be an integer from 1 on`,
      )
    }
    return this.#opened().watchers.add(prefix, fromRevision, listener)
  }

  revision(): number {
    return this.#opened().view.revision
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeInTime()
    return this.#closing
  }

  async #load(): Promise<OpenParts> {
    const content = await this.#medium.load()
    const history = new WatchHistory(content.revision, this.#options.history ?? defaultHistoryLimits)
    const watchers = new Watchers(history, this.#options.onListenerError)
    return { view: new MetadataView(content), history, watchers }
  }

  /** After a failure it is given up in time; the medium is then as good as closed, for it is never used again. */
  async #closeInTime(): Promise<void> {
    await this.#failure.outlast(this.#close())
  }

  async #close(): Promise<void> {
    await this.#opening?.catch(() => {
      // It has told its own caller; closing only releases what it got hold of.
    })
    await this.#lastTurn
    this.#parts?.watchers.endAll()
    await this.#medium.close()
  }

  async #run(parts: OpenParts, transaction: Transaction, isUrgent: boolean): Promise<TransactionResult> {
    this.#failure.check()
    const { view, history, watchers } = parts
    const decision = view.decide(transaction)
    if (decision.kind === 'refused') return { committed: false, revision: view.revision }
    if (decision.kind === 'change') {
      await this.#medium.write(decision.change, isUrgent).catch((error) => this.#fail(error))
      view.apply(decision.change)
      history.append(decision.change)
      watchers.schedule()
    }
    return { committed: true, revision: view.revision }
  }

  /** Anything but "nothing was written" leaves the medium in a state nobody knows. */
  #fail(error: unknown): never {
    if (error instanceof StorageError && error.code === 'NO_SPACE') throw error
    throw this.#failure.set(
      error instanceof StorageError
        ? error
        : new StorageError('WRITE_FAILED', 'The metadata could not be written', { cause: error }),
    )
  }

  #leave(transaction: Transaction): void {
    this.#waitingBytes -= transaction.bytes
  }

  #opened(): OpenParts {
    if (this.#closing !== undefined) throw new StorageError('MISUSE', 'The metadata store is closed')
    if (this.#parts === undefined) throw new StorageError('MISUSE', 'The metadata store has not been opened')
    return this.#parts
  }
}
