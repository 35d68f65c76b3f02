/**
 * The bytes of a reader's slice, put together of what is stored and of what is left of it. A slice that is one stored
 * stretch is lent and not copied, where that may be.
 */
import { type SelectionSource, selectionBytes, writeSelection } from '../../storage/record/batch-selection.ts'
import type { Crc32c } from '../../storage/record/crc32c.ts'

/** Room in front for the header of a frame. */
export const HEADROOM_BYTES = 128

const noBytes = new Uint8Array(0)

type Part =
  | { readonly kind: 'range'; readonly bytes: Uint8Array; readonly start: number; end: number }
  | { readonly kind: 'selection'; readonly source: SelectionSource; readonly selected: Uint32Array }

/** `value.subarray(start, end)`. */
export interface FinishedParts {
  readonly value: Uint8Array
  readonly start: number
  readonly end: number
}

const nothing: FinishedParts = { value: noBytes, start: 0, end: 0 }

export class SliceParts {
  readonly #parts: Part[] = []
  /** Of the slice so far. */
  bytes = 0

  get isEmpty(): boolean {
    return this.#parts.length === 0
  }

  /** `bytes.subarray(start, end)` as they are: they have to stay until {@link finish}. */
  addRange(bytes: Uint8Array, start: number, end: number): void {
    this.bytes += end - start
    const last = this.#parts[this.#parts.length - 1]
    if (last?.kind === 'range' && last.bytes === bytes && last.end === start) last.end = end
    else this.#parts.push({ kind: 'range', bytes, start, end })
  }

  addSelection(source: SelectionSource, selected: Uint32Array): void {
    this.bytes += selectionBytes(source, selected)
    this.#parts.push({ kind: 'selection', source, selected })
  }

  /** The same parts in memory of their own. */
  settle(crc32c: Crc32c): SliceParts {
    const settled = new SliceParts()
    const { value, start, end } = this.finish(crc32c, false)
    if (end > start) settled.addRange(value, start, end)
    return settled
  }

  /** @param lends whether bytes that were added may be handed out themselves, and what lies before them overwritten */
  finish(crc32c: Crc32c, lends: boolean): FinishedParts {
    if (this.isEmpty) return nothing
    const [first] = this.#parts
    if (lends && this.#parts.length === 1 && first.kind === 'range')
      return { value: first.bytes, start: first.start, end: first.end }
    const value = new Uint8Array(HEADROOM_BYTES + this.bytes)
    let at = HEADROOM_BYTES
    for (const part of this.#parts) {
      if (part.kind === 'selection') at = writeSelection(value, at, part.source, part.selected, crc32c)
      else {
        value.set(part.bytes.subarray(part.start, part.end), at)
        at += part.end - part.start
      }
    }
    return { value, start: HEADROOM_BYTES, end: at }
  }
}
