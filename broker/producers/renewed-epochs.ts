/**
 * Ids without a name whose producers have asked for a new epoch: what they sent before is refused from then on,
 * wherever it comes from. A producer asks when it has given something up; that may still lie in the socket of a
 * connection that has ended, or wait for its commit, and whoever is told that it is not stored sends again what
 * stands behind it.
 *
 * Kept in memory: a restart ends every connection. Bounded: those who asked longest ago are forgotten first, when
 * nothing of theirs can be on its way any more; then the newest epoch counts that a partition has seen.
 */
const IDS_MAX = 10_000

export class RenewedEpochs {
  readonly #idsMax: number
  readonly #epochs = new Map<number, number>()

  constructor(idsMax = IDS_MAX) {
    this.#idsMax = idsMax
  }

  /** Batches of `producerId` with an epoch below `producerEpoch` are refused from now on. */
  raise(producerId: number, producerEpoch: number): void {
    const oldest = Math.max(producerEpoch, this.oldestEpochOf(producerId))
    this.#epochs.delete(producerId)
    this.#epochs.set(producerId, oldest)
    if (this.#epochs.size <= this.#idsMax) return
    for (const first of this.#epochs.keys()) {
      this.#epochs.delete(first)
      return
    }
  }

  /** The oldest epoch that is good; 0: any. */
  oldestEpochOf(producerId: number): number {
    return this.#epochs.get(producerId) ?? 0
  }
}
