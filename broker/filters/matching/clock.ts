/**
 * The time in which a record is matched. It ticks whenever an object begins, or a record. What is learnt carries the
 * time, and is true of an object if that is not before the object began: so nothing has to be cleared between
 * records or objects. What is said of one element of an array does not reach the next one, while the object
 * around them has it all.
 */

/** Far from where an int32 ends, and no record makes it tick as often as what is left. */
const LAST = 2 ** 30

export class Clock {
  now = 0
  /** By node: when the object that is open there began. */
  readonly begunAt: Int32Array
  /** All times that anybody has noted. */
  readonly #noted: Int32Array[] = []

  constructor(nodeCount: number) {
    this.begunAt = new Int32Array(nodeCount)
  }

  /** Room for times of so many things. */
  times(count: number): Int32Array {
    const times = new Int32Array(count)
    this.#noted.push(times)
    return times
  }

  begin(node: number): void {
    this.begunAt[node] = ++this.now
  }

  /** To be asked between records: begins anew before numbers end, with everything forgotten. */
  turn(): void {
    if (this.now < LAST) return
    this.now = 0
    for (const times of this.#noted) times.fill(0)
  }
}
