/**
 * What becomes of the files of removed segments: a few are kept as spares, to be overwritten as new segments; the others
 * are deleted, one after the other, in steps.
 *
 * Overwriting is for speed: the blocks are allocated and in the page cache, while deleting 256 MB stalls everybody's
 * fsync. A spare is renamed at once, so that no start can take it for a segment, and no start trusts one: what
 * `free-*` held is not known after a crash, so the next open deletes it. It keeps a file only if all its blocks are
 * reserved and nobody else can see it: of exactly the size of a new segment, without a second link (a backup by hard links
 * would change under its owner). The caller has closed it everywhere: a mapped reader would see the new bytes.
 *
 * Spares count as free space, and a disk that runs short gets them back first.
 */

import { rename, rm, stat } from 'node:fs/promises'
import { syncDirectory } from '../durable-file.ts'
import type { StorageError } from '../segment-store.ts'
import { storageError } from './accidents.ts'
import { eraseSegment, freePath, lockPath, segmentPath } from './segment-files.ts'

export interface RetiredSegmentsOptions {
  readonly directory: string
  /** Of a new segment. */
  readonly segmentBytes: number
  /** How many are kept at this moment; 0: every file is deleted. */
  readonly sparesMax: () => number
  /** Whether the disk is so empty that dead bytes may stay on it. */
  readonly mayKeep: () => boolean
  /** Told of a file that could not be deleted or kept. */
  readonly report: (error: StorageError) => void
}

export class RetiredSegments {
  readonly #options: RetiredSegmentsOptions
  readonly #spares: string[] = []
  /** Files on their way out that still have their blocks. */
  #leaving = 0
  /** Segments that are still being removed. */
  readonly #coming = new Set<Promise<void>>()
  /** Settles, always well, when every file handed over so far is dealt with. Waits for nobody who may wait for it. */
  #work: Promise<void> = Promise.resolve()
  #error: StorageError | undefined
  #isClosed = false

  constructor(options: RetiredSegmentsOptions) {
    this.#options = options
  }

  /** What the disk would have more if it got everything back that is kept here. */
  get bytes(): number {
    return (this.#spares.length + this.#leaving) * this.#options.segmentBytes
  }

  /** Takes over the files of segments as soon as nobody has them open; if that fails they stay segments. */
  retire(segments: readonly number[], released: Promise<unknown>): void {
    const retired = released.then(
      () => {
        this.#coming.delete(retired)
        for (const segment of segments) this.#enqueue(() => this.#retire(segment))
      },
      // They were not removed, which the caller hears from `released`.
      () => {
        this.#coming.delete(retired)
      },
    )
    this.#coming.add(retired)
  }

  /** A file to overwrite as a new segment; it is the caller's from now on. Undefined where there is none. */
  async take(): Promise<string | undefined> {
    for (let path = this.#spares.pop(); path !== undefined; path = this.#spares.pop()) {
      if (await this.#isFit(path)) return path
      this.#discard(path)
    }
    return undefined
  }

  /** Deletes the spares. Resolves with whether there were any, when the disk has their blocks. */
  async giveBack(): Promise<boolean> {
    let hadSome = this.#leaving > 0
    do {
      hadSome ||= this.#spares.length > 0
      for (const path of this.#spares.splice(0)) this.#discard(path)
      await this.#work
      // One that was being renamed has become a spare meanwhile.
    } while (this.#spares.length > 0)
    return hadSome
  }

  /** Deletes a file that no manifest names. */
  async erase(path: string): Promise<void> {
    try {
      await eraseSegment(path)
    } catch (error) {
      this.#failed(error, path)
    }
  }

  /** Leaves no spare. Rejects with the first file that could not be deleted. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#coming)
    await this.giveBack()
    if (this.#error !== undefined) throw this.#error
  }

  async #retire(segment: number): Promise<void> {
    const path = segmentPath(this.#options.directory, segment)
    try {
      if (await this.#isWanted(path)) await this.#keep(path, segment)
      else await this.erase(path)
    } catch (error) {
      this.#failed(error, path)
    }
  }

  async #isWanted(path: string): Promise<boolean> {
    const { sparesMax, mayKeep } = this.#options
    return !this.#isClosed && this.#spares.length < sparesMax() && mayKeep() && (await this.#isFit(path))
  }

  async #keep(path: string, segment: number): Promise<void> {
    const { directory } = this.#options
    const spare = freePath(directory, segment)
    await rename(path, spare)
    await rm(lockPath(path), { force: true })
    await syncDirectory(directory)
    this.#spares.push(spare)
  }

  /** Whether a file may be overwritten as a new segment. */
  async #isFit(path: string): Promise<boolean> {
    try {
      const { size, nlink, blocks } = await stat(path)
      // Without all its blocks, as after a sparse restore, a write into it could find the disk full.
      return size === this.#options.segmentBytes && nlink === 1 && blocks * 512 >= size
    } catch {
      // Deleting it comes next, and says what is wrong with it.
      return false
    }
  }

  #discard(path: string): void {
    this.#leaving++
    this.#enqueue(async () => {
      await this.erase(path)
      this.#leaving--
    })
  }

  /** Runs work that never rejects behind all that was asked for before. */
  #enqueue(work: () => Promise<void>): void {
    this.#work = this.#work.then(work)
  }

  #failed(error: unknown, path: string): void {
    const accident = storageError(error, path, 'WRITE_FAILED')
    this.#error ??= accident
    this.#options.report(accident)
  }
}
