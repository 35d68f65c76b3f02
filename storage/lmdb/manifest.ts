/**
 * The manifest: which segments are live. One small file, replaced as a whole, so that a crash shows the set
 * before a change or the set after it.
 *
 * JSON, one line:
 * `{"format":"octopus-segments","version":1,"nextId":3,"segments":[{"id":1,"bytes":268435456,"sealed":true},
 * {"id":2,"bytes":268435456,"sealed":false}]}`. The list is in journal order; ids are unique and below `nextId`, and
 * ascend only until a segment was made aside, which has a higher id than those behind it. The last segment and no
 * other is not sealed. Without segments only before the first one is made. A reader that knows ascending ids only refuses a
 * list with others, so the version is the same.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { moveIntoPlace, reserveBeside, writeBeside } from '../durable-file.ts'
import { StorageError } from '../segment-store.ts'
import { errorName, storageError } from './accidents.ts'
import { FILE_MODE, MANIFEST_NAME } from './segment-files.ts'

const FORMAT = 'octopus-segments'
const VERSION = 1

export interface ManifestSegment {
  readonly id: number
  /** Size of the file; it never changes. */
  readonly bytes: number
  readonly sealed: boolean
}

export interface Manifest {
  /** Above every id that was ever live. */
  readonly nextId: number
  /** In journal order; the last one is active. */
  readonly segments: readonly ManifestSegment[]
}

export function encodeManifest(manifest: Manifest): string {
  const segments = manifest.segments.map(({ id, bytes, sealed }) => ({ id, bytes, sealed }))
  return `${JSON.stringify({ format: FORMAT, version: VERSION, nextId: manifest.nextId, segments })}\n`
}

/** @throws StorageError FOREIGN for another program's file or a newer version, DAMAGED for anything else that is wrong */
export function decodeManifest(text: string, path: string): Manifest {
  const parsed = parseObject(text, path)
  if (parsed.format !== FORMAT) {
    throw new StorageError(
      'FOREIGN',
      `${path} was not written by Octopus: it should have the format "${FORMAT}"`,
      { path },
    )
  }
  if (parsed.version !== VERSION) {
    const sentence = `${path} has version ${JSON.stringify(parsed.version)}; this Octopus reads version ${VERSION}`
    throw new StorageError('FOREIGN', `${sentence}: use the Octopus that wrote it, or a newer one`, { path })
  }
  const { nextId, segments } = parsed
  if (!isId(nextId)) throw damaged(path, '"nextId" is not a positive integer')
  if (!Array.isArray(segments)) throw damaged(path, '"segments" is not a list')
  const ids = new Set<number>()
  segments.forEach((segment: unknown, index) => {
    const where = `"segments" entry ${index}`
    if (!isSegment(segment)) throw damaged(path, `${where} is not {id, bytes, sealed}`)
    if (segment.id >= nextId)
      throw damaged(path, `${where} has id ${segment.id}, not below "nextId" ${nextId}`)
    if (ids.has(segment.id)) throw damaged(path, `${where} has id ${segment.id} a second time`)
    if (segment.sealed !== index < segments.length - 1)
      throw damaged(path, `${where}: only the last is not sealed`)
    ids.add(segment.id)
  })
  return { nextId, segments }
}

function parseObject(text: string, path: string): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw damaged(path, 'it is not JSON', error)
  }
  if (typeof parsed !== 'object' || parsed === null) throw damaged(path, 'it is not a JSON object')
  return parsed as Record<string, unknown>
}

function damaged(path: string, problem: string, cause?: unknown): StorageError {
  return new StorageError('DAMAGED', `${path} is damaged: ${problem}; restore it from a backup`, {
    path,
    cause,
  })
}

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1
}

function isSegment(value: unknown): value is ManifestSegment {
  if (typeof value !== 'object' || value === null) return false
  const { id, bytes, sealed } = value as Record<string, unknown>
  return isId(id) && isId(bytes) && typeof sealed === 'boolean'
}

/** Undefined if there is none. */
export async function readManifest(directory: string): Promise<Manifest | undefined> {
  const path = join(directory, MANIFEST_NAME)
  try {
    return decodeManifest(await readFile(path, 'utf8'), path)
  } catch (error) {
    if (errorName(error) === 'ENOENT') return undefined
    throw storageError(error, path, 'INACCESSIBLE')
  }
}

/**
 * Resolves when the new manifest survives power loss. Rejects with StorageError NO_SPACE if the old one stands for
 * certain, WRITE_FAILED if the disk failed, after which either one may be found.
 */
export async function writeManifest(directory: string, manifest: Manifest): Promise<void> {
  const path = join(directory, MANIFEST_NAME)
  try {
    await writeBeside(path, encodeManifest(manifest), FILE_MODE)
  } catch (error) {
    throw storageError(error, path, 'WRITE_FAILED')
  }
  try {
    await moveIntoPlace(path)
  } catch (error) {
    const { message, cause } = storageError(error, path, 'WRITE_FAILED')
    throw new StorageError('WRITE_FAILED', message, { path, cause })
  }
}

const RESERVE_BYTES_MIN = 16 * 1024

/** Reserves blocks for the next manifest: letting data go must not fail because the disk is full. */
export async function reserveManifest(directory: string, manifest: Manifest): Promise<void> {
  const path = join(directory, MANIFEST_NAME)
  const bytes = Math.max(RESERVE_BYTES_MIN, 2 * encodeManifest(manifest).length)
  try {
    await reserveBeside(path, bytes, FILE_MODE)
  } catch (error) {
    throw storageError(error, path, 'WRITE_FAILED')
  }
}
