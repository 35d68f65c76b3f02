/**
 * Sees to it that nothing is written where the disk could refuse it: looks at the free space before each write, and gives
 * spare files back to a disk that runs short.
 *
 * Spares count as free space for what needs none of its own, and go as soon as the next segment would not
 * find room without them: so a nearly full disk loses speed before it loses anything else.
 */

import { StorageError } from '../segment-store.ts'
import { storageError } from './accidents.ts'

export interface DiskGuardOptions {
  readonly directory: string
  /** Of a new segment. */
  readonly segmentBytes: number
  /** What must stay free. */
  readonly freeBytesMin: number
  readonly diskFreeBytes: (directory: string) => number
  readonly spares: {
    /** What the disk would have more without them. */
    readonly bytes: number
    /** Resolves when they are deleted. Never rejects. */
    giveBack(): Promise<unknown>
  }
}

export class DiskGuard {
  readonly #options: DiskGuardOptions

  constructor(options: DiskGuardOptions) {
    this.#options = options
  }

  /** With the spares. */
  get freeBytes(): number {
    return this.#diskFree() + this.#options.spares.bytes
  }

  /** Whether dead bytes may stay on the disk. */
  maySpare(): boolean {
    const { freeBytesMin, segmentBytes } = this.#options
    return this.#diskFree() >= freeBytesMin + segmentBytes
  }

  /** Before each write, which goes into blocks that are reserved already. Throws NO_SPACE. */
  check(what: string): void {
    const { spares, freeBytesMin } = this.#options
    const free = this.freeBytes
    // Does its work in the background, and never rejects.
    if (spares.bytes > 0 && !this.maySpare()) void spares.giveBack()
    if (free < freeBytesMin) throw this.#noSpace(free, what)
  }

  /** Resolves when the disk has room for so many bytes more, if need be without the spares. Rejects with NO_SPACE. */
  async reserve(bytes: number, what: string): Promise<void> {
    const { spares, freeBytesMin } = this.#options
    const isShort = () => this.#diskFree() - bytes < freeBytesMin
    if (isShort()) await spares.giveBack()
    if (isShort()) throw this.#noSpace(this.#diskFree(), what, bytes)
  }

  #diskFree(): number {
    const { directory, diskFreeBytes } = this.#options
    try {
      return diskFreeBytes(directory)
    } catch (error) {
      throw storageError(error, directory, 'INACCESSIBLE')
    }
  }

  #noSpace(free: number, what: string, bytes = 0): StorageError {
    const { directory, freeBytesMin } = this.#options
    const need = bytes === 0 ? '' : `it takes ${bytes} and `
    const sentence = `${directory} has ${free} bytes free, too few for ${what}: ${need}${freeBytesMin} must stay free`
    return new StorageError('NO_SPACE', sentence, { path: directory })
  }
}
