/**
 * Buffers that go to a worker with a batch, come back with the batch rebuilt, and are used again: buffers that are thrown
 * away at the rate of the events make the collector work as much as a third of what the loop does. Pure.
 *
 * Sizes are powers of two; what is larger than the largest is made anew each time. A bound holds for what lies on the shelf.
 */

const SIZE_MIN = 4096
const SIZE_MAX = 1024 * 1024

export class BufferShelf {
  readonly #bytesMax: number
  #bytes = 0
  readonly #bySize = new Map<number, ArrayBuffer[]>()
  /** Taken and not yet handed over. */
  readonly #out = new WeakSet<ArrayBufferLike>()

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Bytes that lie here. */
  get bytes(): number {
    return this.#bytes
  }

  /** A copy in a buffer that is used by nobody else, and may be larger. */
  copy(bytes: Uint8Array): Uint8Array {
    if (bytes.length > SIZE_MAX) return new Uint8Array(bytes)
    const size = Math.max(SIZE_MIN, 2 ** Math.ceil(Math.log2(bytes.length)))
    const kept = this.#bySize.get(size)?.pop()
    if (kept !== undefined) this.#bytes -= size
    // One that was given away by mistake after it had been given back has no bytes any more.
    const buffer = kept?.byteLength === size ? kept : new ArrayBuffer(size)
    this.#out.add(buffer)
    const copy = new Uint8Array(buffer, 0, bytes.length)
    copy.set(bytes)
    return copy
  }

  /** Whether the bytes are such a copy, and have the buffer for themselves. */
  isCopy(bytes: Uint8Array): boolean {
    return this.#out.has(bytes.buffer)
  }

  /** The buffer of these bytes is needed by nobody any more; whatever is not of a size kept here goes its way. */
  giveBack({ buffer }: Uint8Array): void {
    this.#out.delete(buffer)
    const size = buffer.byteLength
    const isKept = size >= SIZE_MIN && size <= SIZE_MAX && (size & (size - 1)) === 0
    if (!isKept || this.#bytes + size > this.#bytesMax || !(buffer instanceof ArrayBuffer)) return
    let buffers = this.#bySize.get(size)
    if (buffers === undefined) {
      buffers = []
      this.#bySize.set(size, buffers)
    }
    buffers.push(buffer)
    this.#bytes += size
  }
}
