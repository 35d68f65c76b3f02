/**
 * One LMDB environment in one file: the few operations a segment needs, and nowhere else a call of lmdb-js.
 *
 * It promises that `commit` resolves when the puts before it are durable, all or none; that a file that would
 * kill the process is refused; that nothing is called after `close`, which lmdb-js does not survive everywhere.
 * It must never hold a read transaction, a cursor or a buffer of LMDB's across a turn of the event loop.
 *
 * Why these options: `overlappingSync` acknowledges up to a whole commit late. `uint32` keys are the smallest.
 * With `mapSize` the size of the file the map never has to grow. `append`, `noMetaSync`, `noReadAhead`, `noMemInit` and
 * `useWritemap` each gain nothing or lose data. A database of its own name would cost a page per commit.
 */

import { basename, extname } from 'node:path'
import * as lmdb from 'lmdb'
import { StorageError } from '../segment-store.ts'
import { errorName, storageError } from './accidents.ts'
import { checkedFileBytes, commitReason, reasonText, reserveLockFile } from './environment-file.ts'
import { PAGE_BYTES } from './page-budget.ts'
import { FILE_MODE, lockPath } from './segment-files.ts'

/** What lmdb-js has and does not declare. */
interface Undeclared {
  /** Bytes of the value read last. The buffer's own `length` is a property lmdb-js sets by hand. */
  readonly lastSize: number
  readonly env: { info(): { readonly lastPageNumber: number } }
  getStats(): { readonly entryCount: number }
}

type Database = Undeclared & lmdb.RootDatabase<Uint8Array, number>

const OPTIONS = {
  keyEncoding: 'uint32',
  encoding: 'binary',
  overlappingSync: false,
  noSubdir: true,
  pageSize: PAGE_BYTES,
  maxDbs: 0,
  maxReaders: 126,
  permissionsMode: FILE_MODE,
} as const

/** Each prefetch takes a place among the readers; lmdb-js does not survive their number running out. */
const PREFETCHES_MAX = 32

export class LmdbEnvironment {
  readonly path: string
  /** Size of the file. */
  readonly bytes: number
  readonly #database: Database
  #commit: Promise<boolean> | undefined
  #failure: StorageError | undefined
  #prefetches = 0
  #closed = false

  private constructor(path: string, bytes: number, database: Database) {
    this.path = path
    this.bytes = bytes
    this.#database = database
  }

  /**
   * Opens the existing environment in this file. Blocks for 0.1–0.3 ms.
   * @throws StorageError DAMAGED, INACCESSIBLE or NO_SPACE, naming the file
   */
  static open(path: string, options: { readOnly: boolean }): LmdbEnvironment {
    const bytes = checkedFileBytes(path, 'r')
    reserveLockFile(lockPath(path))
    return new LmdbEnvironment(
      path,
      bytes,
      openDatabase(path, { mapSize: bytes, readOnly: options.readOnly }),
    )
  }

  /** The highest page in use. */
  get lastPage(): number {
    return this.#database.env.info().lastPageNumber
  }

  /** Hands over a value; it must not change until the {@link commit} called in the same turn settles. */
  put(key: number, value: Uint8Array): void {
    const commit = this.#database.put(key, value)
    if (commit === this.#commit) return
    // Above 4 MB a turn lmdb-js begins to write early and changes to a second promise, of the same transaction.
    this.#commit?.catch(() => {})
    this.#commit = commit
  }

  /**
   * Resolves when the puts of this turn are durable.
   * @throws StorageError WRITE_FAILED; whether they are durable is then not known, and there must be no further put
   */
  async commit(): Promise<void> {
    const commit = this.#commit
    this.#commit = undefined
    try {
      await commit
    } catch (error) {
      // lmdb-js made one more promise for the start of the transaction and gave it to nobody; here it can be reached.
      this.#database.committed.then(undefined, () => {})
      const cause = await commitReason(error)
      const sentence = `${this.path}: a commit failed (${reasonText(cause)}), nothing more is written to this segment`
      this.#failure = new StorageError('WRITE_FAILED', sentence, { path: this.path, cause })
      throw this.#failure
    }
  }

  /**
   * The value under a key. The bytes lie in a buffer that all LMDB environments of the process share: they
   * are good until the next `get` on any of them.
   * @throws StorageError WRITE_FAILED if a commit failed and LMDB reads no more, otherwise DAMAGED
   */
  get(key: number): Uint8Array | undefined {
    this.#checkOpen()
    try {
      return this.#database.getBinaryFast(key)?.subarray(0, this.#database.lastSize)
    } catch (error) {
      // After a failed write of a meta page LMDB reads nothing either; the bytes on the disk are not to blame.
      throw this.#failure ?? storageError(error, this.path, 'DAMAGED')
    }
  }

  /** How many keys there are. */
  keyCount(): number {
    this.#checkOpen()
    return this.#database.getStats().entryCount
  }

  /** The highest key up to `limit`. */
  lastKey(limit: number): number | undefined {
    this.#checkOpen()
    for (const key of this.#database.getKeys({
      start: limit,
      end: 0,
      inclusiveEnd: true,
      reverse: true,
      limit: 1,
    })) {
      return key
    }
    return undefined
  }

  /** Brings values into memory in a thread. A hint: does nothing when too many are under way. */
  async prefetch(keys: number[]): Promise<void> {
    this.#checkOpen()
    if (this.#prefetches >= PREFETCHES_MAX) return
    this.#prefetches++
    try {
      await this.#database.prefetch(keys)
    } finally {
      this.#prefetches--
    }
  }

  /** Waits for commits and prefetches under way. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#database.close()
    forget(this.path)
  }

  #checkOpen(): void {
    if (this.#closed) throw new StorageError('MISUSE', `${this.path} is closed`, { path: this.path })
  }
}

/** Makes a new, empty environment, whose pages begin every segment. */
export async function createEmptyEnvironment(path: string): Promise<void> {
  reserveLockFile(lockPath(path))
  await openDatabase(path, { readOnly: false }).close()
  forget(path)
}

function openDatabase(path: string, options: { mapSize?: number; readOnly: boolean }): Database {
  try {
    return lmdb.open<Uint8Array, number>(path, { ...OPTIONS, ...options }) as Database
  } catch (error) {
    throw storageError(error, path, 'DAMAGED')
  }
}

/** lmdb-js keeps everything it ever opened in a table by name, with 64 KB of buffer each. */
function forget(path: string): void {
  const { allDbs } = lmdb as unknown as { readonly allDbs: Map<string, unknown> }
  allDbs.delete(basename(path, extname(path)))
}

/**
 * Whether an unhandled rejection is only lmdb-js repeating a commit that failed and was reported already.
 *
 * For each failed commit lmdb-js rejects up to three promises. Those of segments are all handled here; for any other
 * environment in the process the entry point may ask this in its `unhandledRejection` handler and log instead
 * of dying. Everything else stays fatal.
 */
export function isLmdbCommitNoise(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if ('commitError' in error) return error.message.startsWith('Commit failed')
  const isNumbered = 'code' in error && typeof error.code === 'number' && errorName(error) !== undefined
  return isNumbered && /[\\/]lmdb[\\/](?:write\.js|dist[\\/])/.test(error.stack ?? '')
}
