/**
 * The data directory of a node, `DATA`: created, recognised, locked.
 *
 *     DATA/octopus.json      what the directory is (data-directory-marker.ts)
 *     DATA/lock-*            who has it open (directory-lock.ts)
 *     DATA/metadata.lmdb     the metadata store
 *     DATA/groups.lmdb       the view of consumer groups, from the first group on
 *     DATA/shard-0/          the segments of shard 0
 *
 * Promises: a directory of anything else is never written into; a newer or damaged one is refused; of all
 * processes at most one has the directory open. Never: reads or writes what the stores keep in it.
 */

import { readdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createMarker, decodeMarker, encodeMarker, type Marker } from './data-directory-marker.ts'
import { isLockFile, lockDirectory } from './directory-lock.ts'
import { makeDirectory, replaceFile } from './durable-file.ts'
import { errorName, storageError } from './lmdb/accidents.ts'
import { StorageError } from './segment-store.ts'

export interface DataDirectoryOptions {
  readonly path: string
  /** Wall clock, ms since 1970. */
  readonly now: () => number
  /** Files that may lie in a directory that is otherwise empty, because somebody put them there before the first start. */
  readonly provisioned?: readonly string[]
  /** A random UUID in its usual form, such as `crypto.randomUUID()` gives. */
  readonly randomUuid: () => string
  /** Refuses a directory that is not one yet, instead of making it one. */
  readonly mustExist?: boolean
}

/** Open and locked until `close`. */
export interface DataDirectory {
  /** Absolute. */
  readonly path: string
  /** 22 characters of base64url; made when the directory was, and never changed. */
  readonly clusterId: string
  readonly nodeId: number
  /** ISO 8601, UTC. */
  readonly createdAt: string
  readonly metadataPath: string
  readonly groupsPath: string
  /** Directory of a shard, from 0 on. It need not exist yet. */
  shardPath(shard: number): string
  /** Lets another process open the directory. Idempotent. */
  close(): Promise<void>
}

const MARKER_NAME = 'octopus.json'

/**
 * Opens the directory, creating it where it is missing or empty. Rejects with StorageError INACCESSIBLE,
 * FOREIGN, DAMAGED, LOCKED or NO_SPACE; the message is one line and says what to do.
 */
export async function openDataDirectory(options: DataDirectoryOptions): Promise<DataDirectory> {
  const path = resolve(options.path)
  if (options.mustExist) await refuseAbsent(path)
  else await createDirectory(path)
  await refuseForeign(path, options.provisioned ?? [])
  const lock = await lockDirectory(path, options.randomUuid().slice(0, 8))
  try {
    const { clusterId, nodeId, createdAt } = (await readMarker(path)) ?? (await writeMarker(path, options))
    return {
      path,
      clusterId,
      nodeId,
      createdAt,
      metadataPath: join(path, 'metadata.lmdb'),
      groupsPath: join(path, 'groups.lmdb'),
      shardPath: (shard) => shardPath(path, shard),
      close: () => lock.release(),
    }
  } catch (error) {
    await lock.release()
    throw error
  }
}

function shardPath(path: string, shard: number): string {
  if (!Number.isSafeInteger(shard) || shard < 0) {
    throw new StorageError('MISUSE', `There is no shard ${shard}: shards are counted from 0`)
  }
  return join(path, `shard-${shard}`)
}

async function createDirectory(path: string): Promise<void> {
  try {
    await makeDirectory(path, 0o700)
  } catch (error) {
    if (errorName(error) === 'EEXIST') {
      throw new StorageError('INACCESSIBLE', `${path} is a file: --data must name a directory`, { path })
    }
    if (errorName(error) === 'ENOENT') {
      throw new StorageError('INACCESSIBLE', `${path} cannot be made: give --data a directory that can`, {
        path,
        cause: error,
      })
    }
    throw storageError(error, path, 'INACCESSIBLE')
  }
}

async function refuseAbsent(path: string): Promise<void> {
  try {
    await stat(join(path, MARKER_NAME))
  } catch (error) {
    const name = errorName(error)
    if (name !== 'ENOENT' && name !== 'ENOTDIR') throw storageError(error, path, 'INACCESSIBLE')
    const sentence = `${path} is no data directory of Octopus: there is no ${MARKER_NAME} in it`
    throw new StorageError('FOREIGN', sentence, { path, cause: error })
  }
}

/** Before anything is written, the lock included: whose directory is it? */
async function refuseForeign(path: string, provisioned: readonly string[]): Promise<void> {
  const names = await readdir(path).catch((error) => {
    throw storageError(error, path, 'INACCESSIBLE')
  })
  if (names.includes(MARKER_NAME)) return
  const foreign = names.filter((name) => !isOurs(name) && !provisioned.includes(name)).sort()
  if (foreign.length === 0) return
  const shown = foreign.slice(0, 3).map((name) => JSON.stringify(name))
  const more = foreign.length > shown.length ? ` and ${foreign.length - shown.length} more` : ''
  throw new StorageError(
    'FOREIGN',
    `${path} holds ${shown.join(', ')}${more} but no ${MARKER_NAME}, so it is not a data directory of ` +
      'Octopus: choose an empty or new directory for --data',
    { path },
  )
}

/** What a start that was cut short leaves behind, and what every fresh ext4 volume has. */
function isOurs(name: string): boolean {
  return name === `${MARKER_NAME}.new` || name === 'lost+found' || isLockFile(name)
}

async function readMarker(directory: string): Promise<Marker | undefined> {
  const path = join(directory, MARKER_NAME)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (errorName(error) === 'ENOENT') return undefined
    throw storageError(error, path, 'INACCESSIBLE')
  }
  return decodeMarker(text, directory, path)
}

async function writeMarker(directory: string, options: DataDirectoryOptions): Promise<Marker> {
  const marker = createMarker(options.randomUuid(), options.now())
  const path = join(directory, MARKER_NAME)
  try {
    await replaceFile(path, encodeMarker(marker), 0o600)
  } catch (error) {
    throw storageError(error, path, 'WRITE_FAILED')
  }
  return marker
}
