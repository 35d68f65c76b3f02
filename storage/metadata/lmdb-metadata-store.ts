/**
 * The metadata store of a single node: all content in memory, made durable in one small LMDB environment.
 * What is in the file, and why each write finds room: entry-layout.ts, metadata-file.ts.
 *
 * The directory must exist and belong to this process alone (see data-directory.ts). Watches cannot begin
 * before the revision the store was opened at: the file holds the content, not how it came about.
 */

import { dirname } from 'node:path'
import { storageError } from '../lmdb/accidents.ts'
import { diskFreeBytes } from '../lmdb/segment-files.ts'
import type { MetadataEntry, MetadataStore, Snapshot } from '../metadata-store.ts'
import { StorageError } from '../segment-store.ts'
import {
  decodeEntry,
  decodeEntryKey,
  decodeRevision,
  encodeEntry,
  encodeEntryKey,
  encodeRevision,
  revisionKey,
} from './entry-layout.ts'
import { quoteKey } from './keys.ts'
import { LazyMedium } from './lazy-medium.ts'
import { MAP_BYTES, MetadataEnvironment, type Write } from './metadata-environment.ts'
import { createMetadataFile, metadataFileBytes, reserveFile } from './metadata-file.ts'
import type { MetadataMedium } from './metadata-medium.ts'
import type { Change } from './metadata-view.ts'
import { RevisionedStore, type RevisionedStoreOptions } from './revisioned-store.ts'

export interface LmdbMetadataStoreOptions extends RevisionedStoreOptions {
  /** Of the file, by convention `DATA/metadata.lmdb`. */
  readonly path: string
  /** Free bytes of the disk a directory is on. Replaced by tests only. */
  readonly freeBytes?: (directory: string) => number
}

export function createLmdbMetadataStore(options: LmdbMetadataStoreOptions): MetadataStore {
  return new RevisionedStore(new LmdbMedium(options.path, options.freeBytes ?? diskFreeBytes), options)
}

/** The same without a store on top, for a view of something that is durable elsewhere; no file before the first write. */
export function createLmdbMedium(path: string): MetadataMedium {
  const exists = async () => (await metadataFileBytes(path)) !== undefined
  return new LazyMedium(new LmdbMedium(path, diskFreeBytes), exists)
}

/** The file is made and lengthened by this much at a time. */
const STEP_BYTES = 64 * 1024 * 1024

/** Reserved beyond the highest page in use; with less the file is lengthened. Half of a new file. */
const ROOM_BYTES = STEP_BYTES / 2

/**
 * More than any transaction takes: 1.5 MiB of keys and values, each value rounded up to pages (1 MiB), the path
 * from the root to each of 128 leaves copied and split (5 MiB), and the list of free pages (1 MiB).
 */
const TRANSACTION_ROOM_BYTES = 16 * 1024 * 1024

/**
 * Must be free on the disk, though the file's own blocks are reserved: copy-on-write file systems take new ones
 * for every write. The log stops earlier, so when it fills the disk topics can still be altered and deleted. What
 * lets data go may be written all the same: when others have filled the disk, it is the way out.
 */
const FREE_BYTES_MIN = TRANSACTION_ROOM_BYTES

class LmdbMedium implements MetadataMedium {
  readonly #path: string
  readonly #freeBytes: (directory: string) => number
  #environment: MetadataEnvironment | undefined
  #fileBytes = 0

  constructor(path: string, freeBytes: (directory: string) => number) {
    this.#path = path
    this.#freeBytes = freeBytes
  }

  async load(): Promise<Snapshot> {
    if ((await metadataFileBytes(this.#path)) === undefined) await this.#create()
    const environment = MetadataEnvironment.open(this.#path)
    try {
      this.#fileBytes = (await metadataFileBytes(this.#path)) ?? 0
      const content = decodeContent(environment, this.#path) ?? (await this.#begin(environment))
      this.#environment = environment
      return content
    } catch (error) {
      await environment.close()
      throw error
    }
  }

  /** Gives a new environment its revision, so that one which lost everything is not taken for new. */
  async #begin(environment: MetadataEnvironment): Promise<Snapshot> {
    await this.#makeRoom(environment, false)
    await environment.commit([{ key: revisionKey, value: encodeRevision(0) }])
    return { revision: 0, entries: [] }
  }

  async write(change: Change, isUrgent: boolean): Promise<void> {
    const environment = this.#environment
    if (environment === undefined) throw new StorageError('MISUSE', `${this.#path} is not open`)
    await this.#makeRoom(environment, isUrgent)
    await environment.commit(encodeChange(change))
  }

  async close(): Promise<void> {
    await this.#environment?.close()
  }

  async #create(): Promise<void> {
    const needed = STEP_BYTES + FREE_BYTES_MIN
    const free = this.#free()
    if (free < needed) throw this.#noSpace(`needs ${needed} bytes of free disk and has ${free}`)
    await createMetadataFile(this.#path, STEP_BYTES)
  }

  /** Makes sure that the next transaction cannot find the disk full. Rejects with NO_SPACE. */
  async #makeRoom(environment: MetadataEnvironment, isUrgent: boolean): Promise<void> {
    const free = this.#free()
    if (free < FREE_BYTES_MIN && !isUrgent)
      throw this.#noSpace(`needs ${FREE_BYTES_MIN} bytes of free disk and has ${free}`)
    const used = environment.usedBytes
    if (this.#fileBytes - used >= ROOM_BYTES) return
    const bytes = this.#fileBytes + STEP_BYTES
    let cause: unknown
    if (free >= STEP_BYTES + FREE_BYTES_MIN && bytes <= MAP_BYTES) cause = await this.#lengthen(bytes)
    // Without success there may be room yet for this transaction; the next one tries again.
    if (this.#fileBytes - used >= TRANSACTION_ROOM_BYTES) return
    throw this.#noSpace(`uses ${used} of its ${this.#fileBytes} bytes and cannot grow`, cause)
  }

  /** The error, if there was one. */
  async #lengthen(bytes: number): Promise<unknown> {
    const error = await reserveFile(this.#path, bytes).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    this.#fileBytes = (await metadataFileBytes(this.#path)) ?? 0
    return error
  }

  #free(): number {
    try {
      return this.#freeBytes(dirname(this.#path))
    } catch (error) {
      throw storageError(error, dirname(this.#path), 'INACCESSIBLE')
    }
  }

  #noSpace(problem: string, cause?: unknown): StorageError {
    const message = `${this.#path} ${problem}: free some space; nothing was written`
    return new StorageError('NO_SPACE', message, { path: this.#path, cause })
  }
}

function encodeChange(change: Change): Write[] {
  const writes: Write[] = change.events.map((event) =>
    event.kind === 'put'
      ? { key: encodeEntryKey(event.entry.key), value: encodeEntry(event.entry) }
      : { key: encodeEntryKey(event.key), value: undefined },
  )
  return [...writes, { key: revisionKey, value: encodeRevision(change.revision) }]
}

/** Undefined: an environment nothing was ever written to. Throws DAMAGED naming the key. */
function decodeContent(environment: MetadataEnvironment, path: string): Snapshot | undefined {
  const entries: MetadataEntry[] = []
  let revision: number | undefined
  for (const { key, value } of environment.entries()) {
    if (Buffer.compare(key, revisionKey) === 0) revision = checkedRevision(value, path)
    else entries.push(checkedEntry(key, value, path))
  }
  if (revision === undefined && entries.length > 0) throw damaged(path, 'its revision is missing')
  if (revision === undefined) return undefined
  for (const { key, modRevision } of entries) {
    if (modRevision > revision) {
      throw damaged(
        path,
        `${quoteKey(key)} was written at revision ${modRevision}, the store is at ${revision}`,
      )
    }
  }
  return { revision, entries }
}

function checkedRevision(value: Uint8Array, path: string): number {
  const revision = decodeRevision(value)
  if (typeof revision === 'string') throw damaged(path, `its revision cannot be read: ${revision}`)
  return revision
}

function checkedEntry(storedKey: Uint8Array, value: Uint8Array, path: string): MetadataEntry {
  const key = decodeEntryKey(storedKey)
  if (key === undefined)
    throw damaged(path, `the key ${Buffer.from(storedKey).toString('hex')} is none of ours`)
  const entry = decodeEntry(key, value)
  if (typeof entry === 'string') throw damaged(path, `the value of ${quoteKey(key)} cannot be read: ${entry}`)
  return entry
}

function damaged(path: string, problem: string): StorageError {
  return new StorageError('DAMAGED', `${path} is damaged: ${problem}; restore it from a backup`, { path })
}
