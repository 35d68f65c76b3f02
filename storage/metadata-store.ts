/**
 * The port for metadata: topics, configs, later ACLs, keys, trigger definitions. Small, slow-changing
 * truth of the cluster; never offsets, never hot state.
 *
 * Shaped after etcd's v3 API, so that etcd can be the second implementation: every change gets a
 * **revision** (1, 2, 3, … of the whole store), a transaction compares and then writes atomically, a
 * watch tells every change in order. The limits are etcd's, so that nothing is built that etcd refuses.
 */

import type { StorageError } from './segment-store.ts'

/** A key: 1 to 512 bytes of UTF-8 (no lone surrogates), by convention `/kind/name`. Compared by bytes. */
export type MetadataKey = string

export interface MetadataEntry {
  readonly key: MetadataKey
  readonly value: Uint8Array
  /** Revision of the transaction that created the key. */
  readonly createRevision: number
  /** Revision of the transaction that last wrote it. */
  readonly modRevision: number
}

export interface Compare {
  readonly key: MetadataKey
  /** Holds when the key's `modRevision` equals this; 0: the key does not exist. */
  readonly modRevision: number
}

export type Operation =
  | { readonly kind: 'put'; readonly key: MetadataKey; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly key: MetadataKey }

export interface Snapshot {
  readonly revision: number
  /** In ascending byte order of key. */
  readonly entries: readonly MetadataEntry[]
}

export type TransactionResult =
  | { readonly committed: true; readonly revision: number }
  /** A compare did not hold; nothing was written. */
  | { readonly committed: false; readonly revision: number }

export type WatchEvent =
  | { readonly kind: 'put'; readonly entry: MetadataEntry; readonly revision: number }
  | { readonly kind: 'delete'; readonly key: MetadataKey; readonly revision: number }
  /**
   * Changes between the asked revision and `revision` are no longer known: list the prefix again
   * and watch from there. The watch has ended.
   */
  | { readonly kind: 'compacted'; readonly revision: number }

/**
 * Delivered in order, all events of one transaction in one call. Never called from within `transact` or
 * `watch`. What it throws harms neither the store nor other listeners.
 */
export type WatchListener = (events: readonly WatchEvent[]) => void

export interface MetadataStore {
  /** Opens or creates. Rejects with StorageError naming the file and what is wrong. */
  open(): Promise<void>

  get(key: MetadataKey): Promise<MetadataEntry | undefined>

  /** Every entry whose key starts with `prefix` (all if it is empty), and the revision the view is of. */
  list(prefix: string): Promise<Snapshot>

  /**
   * If every compare holds, applies the operations in one revision and resolves when it is durable.
   * At most {@link metadataLimits}; a key appears in at most one operation. A transaction that changes
   * nothing (no operations, or deletes of absent keys only) writes nothing and keeps the revision.
   * Transactions take effect in the order of the calls. The bytes of values are copied at the call.
   * With `isUrgent` the free space that the store keeps back on the disk may be used: for changes that let data
   * go or take rights away, which a full disk needs most; few and small ones.
   * Rejects with StorageError: MISUSE; NO_SPACE, with nothing written; WRITE_FAILED, after which it is not
   * known whether the transaction will be there after a restart, and {@link failure} is set.
   */
  transact(
    compares: readonly Compare[],
    operations: readonly Operation[],
    options?: { readonly isUrgent: boolean },
  ): Promise<TransactionResult>

  /**
   * Tells every change with a revision of at least `fromRevision` (1 or more; also one to come) to keys
   * starting with `prefix`, each after it is durable. Returns the function that ends the watch: no call
   * comes after it.
   */
  watch(prefix: string, fromRevision: number, listener: WatchListener): () => void

  /** Revision of the last committed transaction; 0 before the first. */
  revision(): number

  /** Set after a write failed: every further `transact` rejects with it. Reads and watches go on. */
  readonly failure: StorageError | undefined

  /** Finishes the transactions already called, ends every watch, releases every resource. Idempotent. */
  close(): Promise<void>
}

/** etcd's defaults, held by every implementation and checked on entry. */
export const metadataLimits = {
  /** Of compares, and again of operations. */
  operationsPerTransactionMax: 128,
  valueBytesMax: 1024 * 1024,
  keyBytesMax: 512,
  /** Keys and values, of compares and operations, and the overhead of each. */
  transactionBytesMax: 1024 * 1024 + 512 * 1024,
  /** What etcd's encoding may add for one compare or operation, rounded up. */
  operationOverheadBytes: 64,
} as const
