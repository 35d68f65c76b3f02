/**
 * The disk under {@link MemorySegmentStore}: it outlives the stores opened on it, and a crash.
 *
 * A change is written at once and takes effect when it is synced. Whoever opens the disk finds all that was written;
 * after {@link MemoryDisk.crash} a beginning of what was not synced is left: never a later change without an earlier one.
 * It has no clock, no timer and no randomness: when a sync is over and what a crash keeps is decided outside.
 */

import type { SegmentId } from '../segment-store.ts'

export interface MemorySegment {
  readonly id: SegmentId
  readonly values: Uint8Array[]
  /** What its values may cost together, where it differs from other segments of the store. */
  readonly bytes?: number
  costBytes: number
  /** Undefined while the segment is active. */
  index: Uint8Array | undefined
}

/** One append, roll, removal or publication; `apply` is called once or never. */
export interface Change {
  apply(): void
}

export class MemoryDisk {
  /** What all values and indexes may cost together; more is refused with NO_SPACE. May be changed at any time. */
  capacityBytes: number
  /** In journal order; the last one is active. */
  readonly segments: MemorySegment[] = []
  /** Written beside the live ones and not published; gone when another store opens the disk. */
  readonly aside = new Set<MemorySegment>()
  /** Above every id that was ever live: what a crash leaves of the numbers given out. */
  #nextId: SegmentId = 1
  #nextUntakenId: SegmentId = 1
  #unsynced: Change[] = []
  #crashes = 0
  #failures = 0

  constructor(options: { readonly capacityBytes?: number } = {}) {
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY
    this.addSegment(this.takeId())
  }

  /** A number for a segment to come. */
  takeId(): SegmentId {
    return this.#nextUntakenId++
  }

  /** How often it crashed. A store opened before the last crash is dead. */
  get crashes(): number {
    return this.#crashes
  }

  get freeBytes(): number {
    const used = [...this.segments, ...this.aside].reduce(
      (sum, { costBytes, index }) => sum + costBytes + (index?.length ?? 0),
      0,
    )
    return Math.max(0, this.capacityBytes - used)
  }

  /** Makes the next active segment. */
  addSegment(id: SegmentId): void {
    this.#nextId = Math.max(this.#nextId, id + 1)
    this.segments.push({ id, values: [], costBytes: 0, index: undefined })
  }

  /** Makes a segment beside the live ones. */
  addAside(bytes: number): MemorySegment {
    const segment = { id: this.takeId(), values: [], bytes, costBytes: 0, index: undefined }
    this.aside.add(segment)
    return segment
  }

  /** Puts a segment made aside in the place of live ones that stand next to each other. */
  publishAside(segment: MemorySegment, replaced: readonly SegmentId[]): void {
    this.#nextId = Math.max(this.#nextId, segment.id + 1)
    const place = this.segments.findIndex(({ id }) => id === replaced[0])
    this.segments.splice(place, replaced.length, segment)
    this.aside.delete(segment)
  }

  removeSegment(id: SegmentId): void {
    const index = this.segments.findIndex((segment) => segment.id === id)
    if (index >= 0) this.segments.splice(index, 1)
  }

  write(change: Change): void {
    this.#unsynced.push(change)
  }

  /** The change, and all that were written before it, take effect and survive from now on. */
  sync(change: Change): void {
    this.#apply(this.#unsynced.indexOf(change) + 1)
  }

  syncAll(): void {
    this.#apply(this.#unsynced.length)
  }

  /**
   * Power is lost: stores opened before are dead, and of the unsynced changes only the first few survive.
   * @param random gives a number in [0, 1) that decides how many; without it none survives
   */
  crash(random: () => number = () => 0): void {
    this.#apply(Math.floor(random() * (this.#unsynced.length + 1)))
    this.#unsynced = []
    this.aside.clear()
    this.#nextUntakenId = this.#nextId
    this.#crashes++
  }

  /** Makes the next so many appends and rolls fail with WRITE_FAILED. A crash may keep what they wrote all the same. */
  failNextWrites(count = 1): void {
    this.#failures = count
  }

  /** Whether the write that asks is to fail. */
  takeFailure(): boolean {
    if (this.#failures === 0) return false
    this.#failures--
    return true
  }

  #apply(count: number): void {
    for (const change of this.#unsynced.splice(0, count)) change.apply()
  }
}
