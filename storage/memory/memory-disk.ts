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
  costBytes: number
  /** Undefined while the segment is active. */
  index: Uint8Array | undefined
}

/** One append, roll or removal; `apply` is called once or never. */
export interface Change {
  apply(): void
}

export class MemoryDisk {
  /** What all values and indexes may cost together; more is refused with NO_SPACE. May be changed at any time. */
  capacityBytes: number
  /** In ascending order of id; the last one is active. */
  readonly segments: MemorySegment[] = []
  #nextId: SegmentId = 1
  #unsynced: Change[] = []
  #crashes = 0
  #failures = 0

  constructor(options: { readonly capacityBytes?: number } = {}) {
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY
    this.addSegment()
  }

  get nextId(): SegmentId {
    return this.#nextId
  }

  /** How often it crashed. A store opened before the last crash is dead. */
  get crashes(): number {
    return this.#crashes
  }

  get freeBytes(): number {
    const used = this.segments.reduce(
      (sum, { costBytes, index }) => sum + costBytes + (index?.length ?? 0),
      0,
    )
    return Math.max(0, this.capacityBytes - used)
  }

  addSegment(): void {
    this.segments.push({ id: this.#nextId++, values: [], costBytes: 0, index: undefined })
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
