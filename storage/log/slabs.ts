/**
 * Pooled memory for bytes on their way to the disk: one copy out of the transport's buffer into a
 * slab, from which they are written. A slab is used again when everything in it has been committed.
 *
 * Memory handed out is not zeroed; whoever takes it writes all of it that is used.
 */

export interface Slab {
  readonly bytes: Uint8Array
  /** Slices handed out and not yet released. */
  held: number
  used: number
}

export interface Slice {
  readonly slab: Slab
  readonly start: number
}

export class Slabs {
  readonly #slabBytes: number
  readonly #spareMax: number
  readonly #allocate: (bytes: number) => Uint8Array
  readonly #spare: Slab[] = []
  #current: Slab

  constructor(slabBytes: number, spareMax: number, allocate: (bytes: number) => Uint8Array) {
    this.#slabBytes = slabBytes
    this.#spareMax = spareMax
    this.#allocate = allocate
    this.#current = this.#fresh(slabBytes)
  }

  #fresh(bytes: number): Slab {
    return { bytes: this.#allocate(bytes), held: 0, used: 0 }
  }

  /** Room for `length` bytes. Larger than a slab: memory of its own, never pooled. */
  take(length: number): Slice {
    if (length > this.#slabBytes) return this.#slice(this.#fresh(length), length)
    if (this.#current.used + length > this.#slabBytes) {
      // The full slab comes back through `release` when the last of its slices is committed.
      const full = this.#current
      this.#current = this.#spare.pop() ?? this.#fresh(this.#slabBytes)
      if (full.held === 0) this.#recycle(full)
    }
    return this.#slice(this.#current, length)
  }

  #slice(slab: Slab, length: number): Slice {
    const start = slab.used
    // Slices begin at multiples of 8, so that headers can be read as aligned numbers.
    slab.used = Math.min(slab.bytes.length, (start + length + 7) & ~7)
    slab.held++
    return { slab, start }
  }

  release(slab: Slab): void {
    slab.held--
    if (slab.held === 0 && slab !== this.#current) this.#recycle(slab)
  }

  #recycle(slab: Slab): void {
    slab.used = 0
    if (slab.bytes.length === this.#slabBytes && this.#spare.length < this.#spareMax) this.#spare.push(slab)
  }
}
