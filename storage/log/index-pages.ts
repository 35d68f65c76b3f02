/**
 * Pages of stored indexes that were read lately, as they are stored: the rows and runs of many partitions lie in one,
 * and readers of many partitions come for them one after the other. Bounded by bytes; the page that was not needed for
 * the longest time goes first. Segment numbers are never used twice, so what a removed segment leaves here does no harm.
 *
 * Nothing here is checked: whoever takes bytes checks them, each time.
 */
import type { SegmentId } from '../segment-store.ts'

export const INDEX_PAGE_BYTES = 64 * 1024
/** An index of so many pages would be larger than any segment. */
const PAGES_MAX = 2 ** 24

/** Reads bytes [start, end) of a stored index, a copy of their own; undefined: there is none. */
export type ReadIndexNow = (start: number, end: number) => Uint8Array | undefined
export type ReadIndex = (start: number, end: number) => Promise<Uint8Array | undefined>

export class IndexPages {
  readonly bytesMax: number
  /** In the order in which they were needed last. */
  readonly #pages = new Map<number, Uint8Array>()
  #bytes = 0

  /** With less room than a page takes nothing is kept. */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Bytes [start, end), where all of them are here. */
  get(segment: SegmentId, start: number, end: number): Uint8Array | undefined {
    const first = pageOf(start)
    if (pageOf(end - 1) === first) {
      const page = this.#touch(segment, first)
      return page && within(page, first, start, end)
    }
    const bytes = new Uint8Array(end - start)
    for (let at = first; at <= pageOf(end - 1); at++) {
      const page = this.#touch(segment, at)
      if (!page) return undefined
      copyFrom(page, at, bytes, start, end)
    }
    return bytes
  }

  /** The same, from the store where they are not here. `indexBytes`: length of the whole index. */
  readNow(
    segment: SegmentId,
    start: number,
    end: number,
    indexBytes: number,
    read: ReadIndexNow,
  ): Uint8Array | undefined {
    const known = this.get(segment, start, end)
    if (known) return known
    const [from, to] = this.#worthReading(start, end, indexBytes)
    const bytes = read(from, to)
    return bytes && this.#took(segment, from, bytes, start, end)
  }

  /** The same; the event loop does not wait for the disk. */
  async read(
    segment: SegmentId,
    start: number,
    end: number,
    indexBytes: number,
    read: ReadIndex,
  ): Promise<Uint8Array | undefined> {
    const known = this.get(segment, start, end)
    if (known) return known
    const [from, to] = this.#worthReading(start, end, indexBytes)
    const bytes = await read(from, to)
    return bytes && this.#took(segment, from, bytes, start, end)
  }

  /** Whole pages where they will be kept. */
  #worthReading(start: number, end: number, indexBytes: number): [from: number, to: number] {
    const from = pageOf(start) * INDEX_PAGE_BYTES
    const to = Math.min(indexBytes, (pageOf(end - 1) + 1) * INDEX_PAGE_BYTES)
    return to - from > this.bytesMax ? [start, end] : [from, to]
  }

  #took(segment: SegmentId, from: number, bytes: Uint8Array, start: number, end: number): Uint8Array {
    if (from % INDEX_PAGE_BYTES === 0)
      for (let at = 0; at < bytes.length; at += INDEX_PAGE_BYTES)
        // A copy where it is a part, so that no page keeps its neighbours alive.
        this.#put(
          segment,
          pageOf(from + at),
          bytes.length <= INDEX_PAGE_BYTES ? bytes : bytes.slice(at, at + INDEX_PAGE_BYTES),
        )
    return bytes.subarray(start - from, end - from)
  }

  #touch(segment: SegmentId, at: number): Uint8Array | undefined {
    const key = keyOf(segment, at)
    const page = this.#pages.get(key)
    if (!page) return undefined
    this.#pages.delete(key)
    this.#pages.set(key, page)
    return page
  }

  #put(segment: SegmentId, at: number, page: Uint8Array): void {
    if (page.length > this.bytesMax) return
    const key = keyOf(segment, at)
    this.#bytes += page.length - (this.#pages.get(key)?.length ?? 0)
    this.#pages.delete(key)
    this.#pages.set(key, page)
    for (const [oldest, old] of this.#pages) {
      if (this.#bytes <= this.bytesMax) return
      this.#pages.delete(oldest)
      this.#bytes -= old.length
    }
  }
}

function pageOf(position: number): number {
  return Math.floor(position / INDEX_PAGE_BYTES)
}

function keyOf(segment: SegmentId, page: number): number {
  return segment * PAGES_MAX + page
}

function within(page: Uint8Array, at: number, start: number, end: number): Uint8Array {
  return page.subarray(start - at * INDEX_PAGE_BYTES, end - at * INDEX_PAGE_BYTES)
}

function copyFrom(page: Uint8Array, at: number, into: Uint8Array, start: number, end: number): void {
  const pageStart = at * INDEX_PAGE_BYTES
  const from = Math.max(start, pageStart)
  const to = Math.min(end, pageStart + page.length)
  into.set(page.subarray(from - pageStart, to - pageStart), from - start)
}
