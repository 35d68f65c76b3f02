/**
 * The LMDB environment of the metadata: the few operations its store needs, and the only calls of lmdb-js for it.
 *
 * Promises: `commit` resolves when all its puts and removes are durable, or rejects; a file that would kill
 * the process when mapped is refused. Never: a read transaction or a cursor across a turn of the event loop.
 *
 * Why these options. `overlappingSync` acknowledges up to a whole commit late. Keys are bytes, because LMDB
 * then orders them as etcd does and no text can mean something to lmdb-js. `eventTurnBatching` would put a
 * transaction of lmdb-js's own around ours; when a commit fails it rejects one more promise that nobody can
 * reach, which ends the process. An explicit `batch` without it has only the one we await.
 */

import * as lmdb from 'lmdb'
import { storageError } from '../lmdb/accidents.ts'
import { checkedFileBytes, commitReason, reasonText, reserveLockFile } from '../lmdb/environment-file.ts'
import { PAGE_BYTES } from '../lmdb/page-budget.ts'
import { FILE_MODE, lockPath } from '../lmdb/segment-files.ts'
import { StorageError } from '../segment-store.ts'

/** What lmdb-js has and does not declare. */
interface Undeclared {
  readonly env: { info(): { readonly lastPageNumber: number } }
}

type Database = lmdb.RootDatabase<Uint8Array, Uint8Array> & Undeclared

/** Address space only. The map must never grow: lmdb-js would let the file grow with it. */
export const MAP_BYTES = 1024 * 1024 * 1024

const OPTIONS = {
  keyEncoding: 'binary',
  encoding: 'binary',
  overlappingSync: false,
  eventTurnBatching: false,
  noSubdir: true,
  pageSize: PAGE_BYTES,
  mapSize: MAP_BYTES,
  maxDbs: 0,
  permissionsMode: FILE_MODE,
} as const

export interface Write {
  readonly key: Uint8Array
  /** Undefined: the key is removed. */
  readonly value: Uint8Array | undefined
}

export class MetadataEnvironment {
  readonly #path: string
  readonly #database: Database

  private constructor(path: string, database: Database) {
    this.#path = path
    this.#database = database
  }

  /** Opens the environment in an existing file. Throws StorageError DAMAGED, INACCESSIBLE or NO_SPACE. */
  static open(path: string): MetadataEnvironment {
    checkedFileBytes(path, 'r+')
    reserveLockFile(lockPath(path))
    return new MetadataEnvironment(path, openDatabase(path))
  }

  /** Makes a file with an empty environment, two pages long. */
  static async create(path: string): Promise<void> {
    await openDatabase(path).close()
  }

  /** Where the highest page in use ends. */
  get usedBytes(): number {
    return (this.#database.env.info().lastPageNumber + 1) * PAGE_BYTES
  }

  /** Everything there is, in order of key. To be read to its end in one turn of the event loop. */
  entries(): Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }> {
    return this.#database.getRange({})
  }

  /**
   * One transaction. The values must not change until the promise settles.
   * Rejects with StorageError WRITE_FAILED: whether it is durable is then not known.
   */
  async commit(writes: readonly Write[]): Promise<void> {
    try {
      await this.#database.batch(() => {
        for (const { key, value } of writes) {
          if (value === undefined) this.#database.remove(key)
          else this.#database.put(key, value)
        }
      })
    } catch (error) {
      const cause = await commitReason(error)
      throw new StorageError(
        'WRITE_FAILED',
        `${this.#path}: a commit failed (${reasonText(cause)}); no metadata is written any more until a restart`,
        { path: this.#path, cause },
      )
    }
  }

  /** Waits for the commit under way. Nothing may be called after it. */
  async close(): Promise<void> {
    await this.#database.close()
  }
}

function openDatabase(path: string): Database {
  try {
    return lmdb.open<Uint8Array, Uint8Array>(path, OPTIONS) as Database
  } catch (error) {
    throw storageError(error, path, 'DAMAGED')
  }
}
