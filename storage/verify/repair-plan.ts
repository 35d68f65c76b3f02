/**
 * What a repair would do, decided from what verify found: which segments are written anew, and what of which
 * partition is lost. Pure; to be shown before anything is done.
 */
import type { OffsetRange } from './examine-run.ts'
import type { Finding } from './finding.ts'
import type { ShardVerdict } from './verify-shard.ts'

/** What is lost of one partition. */
export interface PartitionLoss {
  readonly topic: string | undefined
  readonly topicId: string
  readonly partition: number
  /** Ascending, without overlaps. */
  readonly ranges: readonly OffsetRange[]
  readonly offsets: number
  /** Bytes of record batches, as far as they are known. */
  readonly bytes: number
}

export interface RepairPlan {
  /** Segments that are written anew without what is damaged. */
  readonly segments: readonly { readonly id: number; readonly bytes: number; readonly isActive: boolean }[]
  readonly losses: readonly PartitionLoss[]
  /** Values of which it is not known what they held; what is lost of the end of a partition cannot be told then. */
  readonly unknownValues: number
  /** Damages that are mended without loss. */
  readonly mended: number
  /** Damages no repair can do anything about. */
  readonly left: readonly Finding[]
}

/** Gathers what a plan needs while verify goes on, in memory that is bounded by partitions and ranges. */
export class PlanDraft {
  readonly #losses = new Map<string, { finding: Finding; ranges: OffsetRange[]; bytes: number }>()
  readonly #left: Finding[] = []
  #mended = 0
  #unknownValues = 0

  add(finding: Finding): void {
    const { remedy, severity, topicId, partition, firstOffset, lastOffset } = finding
    if (severity !== 'damage') return
    if (remedy === 'none') this.#left.push(finding)
    else if (remedy === 'mend') this.#mended++
    else if (
      topicId === undefined ||
      partition === undefined ||
      firstOffset === undefined ||
      lastOffset === undefined
    ) {
      if (finding.value !== undefined) this.#unknownValues++
    } else {
      const key = `${topicId}/${partition}`
      let loss = this.#losses.get(key)
      if (loss === undefined) {
        loss = { finding, ranges: [], bytes: 0 }
        this.#losses.set(key, loss)
      }
      loss.bytes += finding.bytes ?? 0
      const last = loss.ranges.at(-1)
      if (last !== undefined && last.endOffset === firstOffset)
        loss.ranges[loss.ranges.length - 1] = { ...last, endOffset: lastOffset + 1 }
      else loss.ranges.push({ offset: firstOffset, endOffset: lastOffset + 1 })
    }
  }

  finish(shards: readonly ShardVerdict[]): RepairPlan {
    const losses = [...this.#losses.values()].map(({ finding, ranges, bytes }): PartitionLoss => {
      const { topic, topicId = '', partition = -1 } = finding
      const merged = mergeRanges(ranges)
      const offsets = merged.reduce((total, { offset, endOffset }) => total + endOffset - offset, 0)
      return { topic, topicId, partition, ranges: merged, offsets, bytes }
    })
    losses.sort((a, b) => compare(a.topic ?? a.topicId, b.topic ?? b.topicId) || a.partition - b.partition)
    const segments = shards.flatMap((shard) =>
      shard.segments
        .filter(({ isDamaged }) => isDamaged)
        .map(({ id, bytes, sealed }) => ({ id, bytes, isActive: !sealed })),
    )
    return { segments, losses, unknownValues: this.#unknownValues, mended: this.#mended, left: this.#left }
  }
}

function mergeRanges(ranges: readonly OffsetRange[]): OffsetRange[] {
  const merged: OffsetRange[] = []
  for (const { offset, endOffset } of [...ranges].sort((a, b) => a.offset - b.offset)) {
    const last = merged.at(-1)
    if (last !== undefined && offset <= last.endOffset)
      merged[merged.length - 1] = { offset: last.offset, endOffset: Math.max(last.endOffset, endOffset) }
    else merged.push({ offset, endOffset })
  }
  return merged
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
