/**
 * Whether a producer has room for more records, and who waits for it. Full is what `bufferBytesMax` says, or,
 * while connected, already a few windows of the broker: more would only grow old in memory.
 */
import { Gate } from '../gate.ts'

/** While connected the buffer counts as full at this many windows. */
const WINDOWS_BUFFERED = 2
/** But not below so many batches. */
const BATCHES_BUFFERED_MIN = 16

export class BufferRoom {
  readonly #bytesMax: number
  readonly #batchBytes: number
  readonly #gate = new Gate()
  #fullBytes: number

  constructor(bytesMax: number, batchBytes: number) {
    this.#bytesMax = bytesMax
    this.#batchBytes = batchBytes
    this.#fullBytes = bytesMax
  }

  /** Somebody waits. */
  get isWaitedFor(): boolean {
    return this.#gate.isWaitedFor
  }

  isFull(usedBytes: number): boolean {
    return usedBytes >= this.#fullBytes
  }

  /** `windowBytes` of the connection; undefined: there is none. */
  resize(windowBytes: number | undefined): void {
    const windowsBytes =
      windowBytes === undefined
        ? this.#bytesMax
        : Math.max(WINDOWS_BUFFERED * windowBytes, BATCHES_BUFFERED_MIN * this.#batchBytes)
    this.#fullBytes = Math.min(this.#bytesMax, windowsBytes)
  }

  /** Resolves when there is room again. */
  wait(): Promise<void> {
    return this.#gate.wait()
  }

  /** So much is used now. */
  used(usedBytes: number): void {
    if (usedBytes <= (this.#fullBytes * 3) / 4) this.#gate.open()
  }
}
