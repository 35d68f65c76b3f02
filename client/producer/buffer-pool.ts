/**
 * Buffers for batches, used again after the acknowledgement, and the count of the bytes that are out: the
 * memory bound of the producer. A few sizes only, so that what one partition gives back another can use.
 */

/** The smallest buffer a batch encoder asks for, without headroom. */
const SMALLEST_BYTES = 4096
/** What is kept for later; more than that is left to the garbage collector. */
const KEPT_BYTES_MAX = 16 * 1024 * 1024

export class BufferPool {
  readonly #sizes: readonly number[]
  readonly #free = new Map<number, Uint8Array[]>()
  #keptBytes = 0
  #usedBytes = 0

  /** Sizes double from the smallest up to a full batch; each has the headroom on top. */
  constructor(batchBytes: number, headroomBytes: number) {
    const sizes: number[] = []
    for (let bytes = SMALLEST_BYTES; bytes < batchBytes; bytes *= 2) sizes.push(bytes + headroomBytes)
    this.#sizes = [...sizes, batchBytes + headroomBytes]
    for (const size of this.#sizes) this.#free.set(size, [])
  }

  /** Bytes taken and not given back. */
  get usedBytes(): number {
    return this.#usedBytes
  }

  /** At least `bytes` bytes; what is in them is left from the last use. */
  take(bytes: number): Uint8Array {
    const size = this.#sizes.find((each) => each >= bytes) ?? bytes
    this.#usedBytes += size
    const buffer = this.#free.get(size)?.pop()
    if (!buffer) return new Uint8Array(size)
    this.#keptBytes -= size
    return buffer
  }

  /** Gives back what {@link take} gave; nobody may look at it any more. */
  give(buffer: Uint8Array): void {
    this.#usedBytes -= buffer.length
    if (this.#keptBytes + buffer.length > KEPT_BYTES_MAX) return
    const free = this.#free.get(buffer.length)
    if (!free) return
    this.#keptBytes += buffer.length
    free.push(buffer)
  }
}
