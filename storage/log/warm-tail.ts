/**
 * What this process appended last: it is in the page cache, so that reading it does not wait for the disk.
 */
import type { SegmentId } from '../segment-store.ts'

interface Mark {
  readonly segment: SegmentId
  readonly sequence: number
  /** Bytes appended before it. */
  readonly before: number
}

/** Marks are so far apart: the tail is known to within this. */
const MARK_BYTES = 1024 * 1024

export class WarmTail {
  readonly #bytesMax: number
  /** In the order of appending; the first is where the tail begins. */
  readonly #marks: Mark[] = []
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Values were appended to a segment from `firstSequence` on. */
  appended(segment: SegmentId, firstSequence: number, bytes: number): void {
    const last = this.#marks[this.#marks.length - 1]
    if (!last || last.segment !== segment || this.#bytes - last.before >= MARK_BYTES)
      this.#marks.push({ segment, sequence: firstSequence, before: this.#bytes })
    this.#bytes += bytes
    while (this.#marks.length > 1 && this.#bytes - this.#marks[0].before > this.#bytesMax) this.#marks.shift()
  }

  has(segment: SegmentId, sequence: number): boolean {
    const from = this.#from(segment)
    return from !== undefined && sequence >= from
  }

  /** Whether any value of the segment belongs to the tail. */
  reaches(segment: SegmentId): boolean {
    return this.#from(segment) !== undefined
  }

  #from(segment: SegmentId): number | undefined {
    for (const mark of this.#marks) if (mark.segment === segment) return mark.sequence
    return undefined
  }
}
