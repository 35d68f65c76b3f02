/** The groups to be judged at the end of the objects that are open: those of which something has shown up. */
import type { Clock } from './clock.ts'
import type { CompiledSet } from './compiled-set.ts'

export const NO_GROUP = -1

export class PendingGroups {
  /** By node, and from one group to the next: NO_GROUP ends. */
  readonly first: Int32Array
  readonly next: Int32Array
  readonly #clock: Clock
  readonly #nodeOfGroup: Int32Array
  readonly #pendingAt: Int32Array

  constructor(set: CompiledSet, clock: Clock) {
    this.first = new Int32Array(set.wants.length)
    this.next = new Int32Array(set.groupCount)
    this.#clock = clock
    this.#nodeOfGroup = set.nodeOfGroup
    this.#pendingAt = clock.times(set.groupCount)
  }

  /** An object begins. */
  begin(node: number): void {
    this.first[node] = NO_GROUP
  }

  /** The object of the group is open. */
  add(group: number): void {
    const node = this.#nodeOfGroup[group]
    if (this.#pendingAt[group] >= this.#clock.begunAt[node]) return
    this.#pendingAt[group] = this.#clock.now
    this.next[group] = this.first[node]
    this.first[node] = group
  }
}
