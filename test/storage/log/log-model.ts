/**
 * A partition log as an array of batches: slow, obvious, and what the real one is held to.
 */

export interface ModelBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly maxTimestampMs: number
  readonly leaderEpoch: number
  /** As stored: stamped. */
  readonly bytes: Uint8Array
}

export class ModelLog {
  batches: ModelBatch[] = []
  logStartOffset = 0
  logEndOffset = 0
  leaderEpoch = 0

  append(batch: ModelBatch): void {
    this.batches.push(batch)
    this.logEndOffset = batch.lastOffset + 1
    this.leaderEpoch = Math.max(this.leaderEpoch, batch.leaderEpoch)
  }

  /** Ends where the last batch ends that lies below `offset` as a whole; at the log start, or below at `offset`. */
  truncateTo(offset: number): number {
    if (offset >= this.logEndOffset) return this.logEndOffset
    const last = this.batches.findLast((batch) => batch.lastOffset < offset)
    const end = Math.min(offset, Math.max(this.logStartOffset, (last?.lastOffset ?? -1) + 1))
    this.batches = end <= this.logStartOffset ? [] : this.batches.filter((batch) => batch.baseOffset < end)
    this.logEndOffset = end
    if (this.logStartOffset > end) this.logStartOffset = end
    return end
  }

  retain(nowMs: number, retentionMs: number, retentionBytes: number): void {
    const live = () => this.batches.filter((batch) => batch.lastOffset >= this.logStartOffset)
    for (;;) {
      const batches = live()
      if (batches.length === 0) return
      const total = batches.reduce((sum, batch) => sum + batch.bytes.length, 0)
      const [first] = batches
      const isOld = retentionMs >= 0 && first.maxTimestampMs < nowMs - retentionMs
      const isSpare = retentionBytes >= 0 && total - first.bytes.length >= retentionBytes
      if (!isOld && !isSpare) return
      this.logStartOffset = first.lastOffset + 1
    }
  }

  get bytes(): number {
    return this.batches
      .filter((batch) => batch.lastOffset >= this.logStartOffset)
      .reduce((sum, batch) => sum + batch.bytes.length, 0)
  }

  /** What a reader gets from `offset` on: whole batches, the first of which holds it. */
  from(offset: number): readonly ModelBatch[] {
    return this.batches.filter((batch) => batch.lastOffset >= offset)
  }
}
