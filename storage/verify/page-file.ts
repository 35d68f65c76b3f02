/**
 * The bytes of a file, read in blocks that follow each other, so that a walk through a segment goes at the speed of the
 * disk. Holds a few blocks and nothing else, however large the file is; never maps it, never writes.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { storageError } from '../lmdb/accidents.ts'
import { StorageError } from '../segment-store.ts'
import type { PageSource } from './page-tree.ts'

const BLOCK_BYTES = 1024 * 1024
/** Leaf pages, the values they point to, and the tree above them. */
const BLOCKS_MAX = 8

export class PageFile implements PageSource {
  readonly path: string
  readonly bytes: number
  readonly #descriptor: number
  /** Blocks by number, the one used last at the end. */
  readonly #blocks = new Map<number, Uint8Array>()

  /** @throws StorageError naming the file */
  constructor(path: string) {
    this.path = path
    try {
      this.#descriptor = openSync(path, 'r')
      this.bytes = fstatSync(this.#descriptor).size
    } catch (error) {
      throw storageError(error, path, 'INACCESSIBLE')
    }
  }

  /** @throws StorageError DAMAGED where the disk does not give the bytes back */
  read(at: number, length: number): Uint8Array {
    if (at < 0 || at + length > this.bytes)
      throw new StorageError('MISUSE', `${this.path} has no bytes ${at} to ${at + length}`, {
        path: this.path,
      })
    const first = Math.floor(at / BLOCK_BYTES)
    if (at + length <= (first + 1) * BLOCK_BYTES) {
      const start = at - first * BLOCK_BYTES
      return this.#block(first).subarray(start, start + length)
    }
    const copy = new Uint8Array(length)
    for (let done = 0; done < length; ) {
      const block = Math.floor((at + done) / BLOCK_BYTES)
      const start = at + done - block * BLOCK_BYTES
      const part = this.#block(block).subarray(start, start + length - done)
      copy.set(part, done)
      done += part.length
    }
    return copy
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  #block(number: number): Uint8Array {
    let block = this.#blocks.get(number)
    if (block === undefined) block = this.#load(number, this.#memory())
    else this.#blocks.delete(number)
    this.#blocks.set(number, block)
    return block
  }

  /** That of the block which was not used for longest, when there are enough. */
  #memory(): Uint8Array {
    const [oldest] = this.#blocks
    if (oldest === undefined || this.#blocks.size < BLOCKS_MAX) return new Uint8Array(BLOCK_BYTES)
    this.#blocks.delete(oldest[0])
    return new Uint8Array(oldest[1].buffer)
  }

  #load(number: number, memory: Uint8Array): Uint8Array {
    const at = number * BLOCK_BYTES
    const length = Math.min(BLOCK_BYTES, this.bytes - at)
    try {
      for (let done = 0; done < length; ) {
        const read = readSync(this.#descriptor, memory, done, length - done, at + done)
        if (read === 0) throw new Error(`it ends at byte ${at + done}`)
        done += read
      }
    } catch (error) {
      throw storageError(error, this.path, 'DAMAGED')
    }
    return memory.subarray(0, length)
  }
}
