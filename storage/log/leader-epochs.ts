/**
 * The leader epoch cache of a partition: at which offset each leader epoch began. Replicas compare
 * these after a failover to find where their logs part (KIP-101, KIP-279).
 *
 * Epochs and start offsets both ascend; an epoch appears once.
 */

export interface EpochStart {
  readonly epoch: number
  readonly startOffset: number
}

export class LeaderEpochs {
  #starts: EpochStart[] = []

  get starts(): readonly EpochStart[] {
    return this.#starts
  }

  /** The newest epoch; -1 before the first. */
  get latest(): number {
    return this.#starts.length === 0 ? -1 : this.#starts[this.#starts.length - 1].epoch
  }

  /**
   * Notes that `epoch` begins at `startOffset`. An epoch not newer than the latest changes nothing;
   * epochs that never got a record (same start) give way to the newer one.
   */
  assign(epoch: number, startOffset: number): void {
    if (epoch <= this.latest) return
    while (this.#starts.length > 0 && this.#starts[this.#starts.length - 1].startOffset >= startOffset)
      this.#starts.pop()
    this.#starts.push({ epoch, startOffset })
  }

  /** The log now ends at `endOffset`: epochs that began at or after it are forgotten. */
  truncateFromEnd(endOffset: number): void {
    while (this.#starts.length > 0 && this.#starts[this.#starts.length - 1].startOffset >= endOffset)
      this.#starts.pop()
  }

  /**
   * The log now starts at `startOffset` with `epoch` (-1: as known here): older epochs are forgotten,
   * the one that holds the offset begins at it.
   */
  truncateFromStart(startOffset: number, epoch = -1): void {
    const covering = Math.max(epoch, this.epochAt(startOffset))
    const later = this.#starts.filter((entry) => entry.startOffset > startOffset && entry.epoch > covering)
    this.#starts = covering < 0 ? later : [{ epoch: covering, startOffset }, ...later]
  }

  /** The epoch of the record at `offset`; -1 where no epoch is known. */
  epochAt(offset: number): number {
    let epoch = -1
    for (const start of this.#starts) {
      if (start.startOffset > offset) break
      epoch = start.epoch
    }
    return epoch
  }

  /**
   * For a follower that ends in `epoch`: the largest epoch here that is not above it, and the offset at
   * which that epoch ends. Undefined when every epoch here is newer (the follower has nothing in common).
   */
  endOffsetFor(epoch: number, logEndOffset: number): { epoch: number; endOffset: number } | undefined {
    for (let i = this.#starts.length - 1; i >= 0; i--) {
      if (this.#starts[i].epoch > epoch) continue
      const endOffset = i + 1 < this.#starts.length ? this.#starts[i + 1].startOffset : logEndOffset
      return { epoch: this.#starts[i].epoch, endOffset }
    }
    return undefined
  }
}
