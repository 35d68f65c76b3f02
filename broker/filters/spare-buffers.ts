/**
 * Buffers for what is sent to threads and comes back, used again: a new one for each would be garbage outside of the heap, and
 * a collection for every few megabytes that are looked at. Sizes are powers of two, so that one fits the next.
 */

const BYTES_MIN = 16 * 1024
/** Larger ones are not kept. */
const BYTES_MAX = 512 * 1024
/** Of what is kept. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024

export class SpareBuffers {
  /** By their size. */
  readonly #spares = new Map<number, Uint8Array[]>()
  #keptBytes = 0

  get keptBytes(): number {
    return this.#keptBytes
  }

  /** A buffer of its own that begins with a copy of `bytes`; behind that is anything. */
  copyOf(bytes: Uint8Array): Uint8Array {
    const size = Math.max(BYTES_MIN, 2 ** Math.ceil(Math.log2(bytes.length)))
    const spare = this.#spares.get(size)?.pop()
    if (spare) this.#keptBytes -= size
    const buffer = spare ?? new Uint8Array(size <= BYTES_MAX ? size : bytes.length)
    buffer.set(bytes)
    return buffer
  }

  /** Nobody has it any more. */
  giveBack(buffer: Uint8Array): void {
    const { length } = buffer
    if (length > BYTES_MAX || this.#keptBytes + length > KEPT_BYTES_MAX) return
    const spares = this.#spares.get(length)
    if (spares) spares.push(buffer)
    else this.#spares.set(length, [buffer])
    this.#keptBytes += length
  }
}
