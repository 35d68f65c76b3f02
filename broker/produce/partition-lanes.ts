/**
 * Keeps the order of a partition while some of its batches are being worked on: whoever enters a lane leaves it
 * behind all who entered before, however soon he is ready. Partitions do not wait for each other, and one of
 * which nothing is being worked on has no lane.
 *
 * A lane has no bound of its own: who enters has room in the produce budget, and keeps it until he is answered.
 */
import { Queue } from '../../client/queue.ts'

interface Place {
  isReady: boolean
  readonly leave: () => void
}

/** @typeParam P what stands for a partition, by identity */
export class PartitionLanes<P extends object> {
  readonly #lanes = new Map<P, Queue<Place>>()
  #size = 0

  /** Entries that have not left yet. */
  get size(): number {
    return this.#size
  }

  /** Whether somebody is in the lane of the partition: who comes now must enter it, too. */
  isBusy(partition: P): boolean {
    return this.#lanes.size > 0 && this.#lanes.has(partition)
  }

  /**
   * `leave` is called once, when the function returned has been called and everybody before has left. It must not
   * throw: those behind would wait for ever.
   */
  enter(partition: P, leave: () => void): () => void {
    let lane = this.#lanes.get(partition)
    if (!lane) {
      lane = new Queue()
      this.#lanes.set(partition, lane)
    }
    const place: Place = { isReady: false, leave }
    lane.push(place)
    this.#size++
    return () => {
      place.isReady = true
      this.#advance(partition, lane)
    }
  }

  #advance(partition: P, lane: Queue<Place>): void {
    for (let first = lane.peek(); first?.isReady; first = lane.peek()) {
      lane.shift()
      this.#size--
      // Empty before its last one leaves: by then the order of the partition is up to the log again.
      if (!lane.peek()) this.#lanes.delete(partition)
      first.leave()
    }
  }
}
