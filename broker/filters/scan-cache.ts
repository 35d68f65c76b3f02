/**
 * The scans of all partitions, found by the offset at which a batch begins. Bounded in bytes: the oldest go first, since
 * readers go forward. What is under way is not counted; the pool bounds it.
 *
 * A scan belongs to a log between two truncations: after one of them nothing that was known of the log is used any more. A topic
 * that was made anew has logs of its own.
 */
import type { FilterGroup, LiveFilter } from './live-filters.ts'
import type { Scan, ScannedBatch } from './scan.ts'

/** The scans of one partition. */
export class PartitionScans {
  readonly #byOffset = new Map<number, ScannedBatch[]>()

  get size(): number {
    return this.#byOffset.size
  }

  /** What is known, or will soon be, of the batch that begins at `baseOffset` for the filter. */
  find(baseOffset: number, filter: LiveFilter): ScannedBatch | undefined {
    const scans = this.#byOffset.get(baseOffset)
    if (!scans) return undefined
    for (const scanned of scans) if (scanned.scan.group.has(filter) && !isTooMuch(scanned)) return scanned
    return undefined
  }

  /** Whether more matches in the batch that begins there than can be told of many filters at once. */
  isTooMuch(baseOffset: number): boolean {
    return this.#byOffset.get(baseOffset)?.some(isTooMuch) ?? false
  }

  /** To be told before the scan begins. */
  add(scan: Scan): void {
    for (let batch = 0; batch < scan.stretch.batches; batch++) {
      const baseOffset = scan.stretch.baseOffset(batch)
      const scans = this.#byOffset.get(baseOffset)
      if (scans) scans.push({ scan, batch })
      else this.#byOffset.set(baseOffset, [{ scan, batch }])
    }
  }

  /** Forgets its batches from number `from` on. */
  remove(scan: Scan, from = 0): void {
    for (let batch = from; batch < scan.stretch.batches; batch++) {
      const baseOffset = scan.stretch.baseOffset(batch)
      const left = this.#byOffset.get(baseOffset)?.filter((other) => other.scan !== scan) ?? []
      if (left.length > 0) this.#byOffset.set(baseOffset, left)
      else this.#byOffset.delete(baseOffset)
    }
  }

  *scans(): Generator<Scan> {
    for (const scans of this.#byOffset.values())
      for (const { scan, batch } of scans) if (batch === 0) yield scan
  }
}

function isTooMuch({ scan, batch }: ScannedBatch): boolean {
  return scan.underWay === undefined && scan.stopAt(batch) === 'too-many-matches'
}

/** Which of the scans that are done are kept. */
export class ScanCache {
  readonly bytesMax: number
  /** The oldest first; with the partition that finds it, and what it was counted as. */
  readonly #scans = new Map<Scan, { readonly from: PartitionScans; readonly bytes: number }>()
  /** Groups live as long as their scans do: how many scans each has here. */
  readonly #groups = new Map<FilterGroup, number>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  get size(): number {
    return this.#scans.size
  }

  /** A scan of the partition is done. */
  keep(scan: Scan, from: PartitionScans): void {
    const { bytes } = scan
    this.#scans.set(scan, { from, bytes })
    this.#bytes += bytes
    const scans = this.#groups.get(scan.group) ?? 0
    this.#groups.set(scan.group, scans + 1)
    if (scans === 0) this.#bytes += scan.group.bytes
    for (const [oldest, { from }] of this.#scans) {
      if (this.#bytes <= this.bytesMax) break
      from.remove(oldest)
      this.#forget(oldest)
    }
  }

  /** The partition is not to be asked again. */
  forget(partition: PartitionScans): void {
    for (const scan of partition.scans()) this.#forget(scan)
  }

  #forget(scan: Scan): void {
    const kept = this.#scans.get(scan)
    if (!kept) return
    this.#scans.delete(scan)
    this.#bytes -= kept.bytes
    const scans = this.#groups.get(scan.group) ?? 0
    if (scans > 1) this.#groups.set(scan.group, scans - 1)
    else {
      this.#groups.delete(scan.group)
      this.#bytes -= scan.group.bytes
    }
  }
}
