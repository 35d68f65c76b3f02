/**
 * The set of live segments: the manifest on disk and its picture in memory.
 *
 * Changes are made one after the other, each durable before it is seen in memory. A change that failed is
 * not seen, although the disk may have it: whoever opens the directory next finds one or the other.
 */

import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory } from '../durable-file.ts'
import { type SegmentDescriptor, StorageError } from '../segment-store.ts'
import { errorName, storageError } from './accidents.ts'
import {
  type Manifest,
  type ManifestSegment,
  readManifest,
  reserveManifest,
  writeManifest,
} from './manifest.ts'
import { DIRECTORY_MODE, leftoverFiles, MANIFEST_NAME, segmentOfFile, segmentPath } from './segment-files.ts'

export interface LiveSegmentsHost {
  /**
   * Gives the disk blocks back and says whether there were any: a change that lets data go must not fail because the
   * disk is full.
   */
  makeRoom(): Promise<boolean>
  /** Told that the disk failed where nobody waits for it. */
  failed(error: StorageError): void
}

export class LiveSegments {
  readonly #directory: string
  readonly #host: LiveSegmentsHost
  #manifest: Manifest
  #byId: ReadonlyMap<number, ManifestSegment>
  #nextUntakenId: number
  #changes: Promise<unknown>

  private constructor(directory: string, manifest: Manifest, host: LiveSegmentsHost) {
    this.#directory = directory
    this.#host = host
    this.#manifest = manifest
    this.#byId = byId(manifest)
    this.#nextUntakenId = manifest.nextId
    this.#changes = this.#reserve()
  }

  /**
   * Reads the manifest, or begins an empty one in an empty directory; looks whether each live segment's file is there
   * in full; deletes what a crash left over, so that a full disk has room again before anything is written to it.
   */
  static async load(directory: string, host: LiveSegmentsHost): Promise<LiveSegments> {
    try {
      await makeDirectory(directory, DIRECTORY_MODE)
      const names = await readdir(directory)
      const manifest = (await readManifest(directory)) ?? (await beginManifest(directory, names))
      for (const segment of manifest.segments) await checkFile(directory, segment)
      const live = new LiveSegments(directory, manifest, host)
      for (const name of leftoverFiles(names, (id) => live.find(id) !== undefined))
        await rm(join(directory, name))
      return live
    } catch (error) {
      throw storageError(error, directory, 'INACCESSIBLE')
    }
  }

  /** In journal order; the last one is active. */
  get descriptors(): readonly SegmentDescriptor[] {
    return this.#manifest.segments
  }

  find(id: number): ManifestSegment | undefined {
    return this.#byId.get(id)
  }

  /** A number for a segment to come. It may be given again after a restart if the segment never was live. */
  takeId(): number {
    return this.#nextUntakenId++
  }

  /** Seals the active segment, if there is one, and makes this one active. */
  activate(id: number, bytes: number): Promise<void> {
    return this.#change(({ nextId, segments }) => ({
      nextId: Math.max(nextId, id + 1),
      segments: [...segments.map((segment) => ({ ...segment, sealed: true })), { id, bytes, sealed: false }],
    }))
  }

  /** Puts a sealed segment in the place of others, neighbours in journal order. */
  replace(replaced: readonly number[], id: number, bytes: number, onLive: () => void): Promise<void> {
    return this.#change(({ nextId, segments }) => {
      const place = placeOf(segments, replaced)
      const after = segments.slice(place + replaced.length)
      return {
        nextId: Math.max(nextId, id + 1),
        segments: [...segments.slice(0, place), { id, bytes, sealed: true }, ...after],
      }
    }, onLive)
  }

  /** @throws StorageError MISUSE unless these are sealed and stand next to each other, in journal order */
  checkReplaceable(replaced: readonly number[]): void {
    placeOf(this.#manifest.segments, replaced)
  }

  remove(id: number): Promise<void> {
    return this.#change(({ nextId, segments }) => {
      const segment = segments.find((candidate) => candidate.id === id)
      if (segment === undefined) throw new StorageError('MISUSE', `there is no segment ${id} to remove`)
      if (!segment.sealed)
        throw new StorageError('MISUSE', `segment ${id} is active: it can be removed after a roll`)
      return { nextId, segments: segments.filter((candidate) => candidate !== segment) }
    })
  }

  /** Resolves when no change is under way. */
  async settled(): Promise<void> {
    await this.#changes
  }

  #change(decide: (manifest: Manifest) => Manifest, seen = () => {}): Promise<void> {
    const change = this.#changes.then(async () => {
      const manifest = decide(this.#manifest)
      await this.#write(manifest)
      this.#manifest = manifest
      this.#byId = byId(manifest)
      seen()
    })
    // The next change does not depend on this one; whoever asked for this one is told.
    this.#changes = change.then(() => this.#reserve()).catch(() => {})
    return change
  }

  /** Never rejects. */
  async #reserve(): Promise<void> {
    try {
      await reserveManifest(this.#directory, this.#manifest)
    } catch (error) {
      // On a full disk the next change tries to do without.
      if (error instanceof StorageError && error.code === 'WRITE_FAILED') this.#host.failed(error)
    }
  }

  async #write(manifest: Manifest): Promise<void> {
    try {
      await writeManifest(this.#directory, manifest)
    } catch (error) {
      const isFull = error instanceof StorageError && error.code === 'NO_SPACE'
      if (!isFull || !(await this.#host.makeRoom())) throw error
      await writeManifest(this.#directory, manifest)
    }
  }
}

/** Where in the list the segments to replace begin. */
function placeOf(segments: readonly ManifestSegment[], replaced: readonly number[]): number {
  if (replaced.length === 0) throw new StorageError('MISUSE', 'there is no segment to replace')
  const place = segments.findIndex(({ id }) => id === replaced[0])
  replaced.forEach((id, at) => {
    const segment = segments.find((candidate) => candidate.id === id)
    if (segment === undefined) throw new StorageError('MISUSE', `segment ${id} is not live`)
    if (!segment.sealed) throw new StorageError('MISUSE', `segment ${id} is active: it cannot be replaced`)
    if (segments[place + at] !== segment)
      throw new StorageError('MISUSE', `segment ${id} does not stand behind the one before it`)
  })
  return place
}

function byId({ segments }: Manifest): ReadonlyMap<number, ManifestSegment> {
  return new Map(segments.map((segment) => [segment.id, segment]))
}

async function beginManifest(directory: string, names: readonly string[]): Promise<Manifest> {
  const segmentFile = names.find((name) => segmentOfFile(name) !== undefined)
  if (segmentFile !== undefined) {
    const path = join(directory, MANIFEST_NAME)
    const sentence = `${path} is missing, although there are segments (${segmentFile}): restore it from a backup`
    throw new StorageError('DAMAGED', sentence, { path })
  }
  const manifest = { nextId: 1, segments: [] }
  await writeManifest(directory, manifest)
  return manifest
}

async function checkFile(directory: string, { id, bytes }: ManifestSegment): Promise<void> {
  const path = segmentPath(directory, id)
  try {
    const { size } = await stat(path)
    if (size >= bytes) return
    const sentence = `${path} is damaged: it has ${size} bytes instead of ${bytes}; restore it from a backup`
    throw new StorageError('DAMAGED', sentence, { path })
  } catch (error) {
    if (errorName(error) !== 'ENOENT') throw storageError(error, path, 'INACCESSIBLE')
    const sentence = `${path} is missing, although ${MANIFEST_NAME} names it; restore it from a backup`
    throw new StorageError('DAMAGED', sentence, { path, cause: error })
  }
}
