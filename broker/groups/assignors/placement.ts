/** Who has which partition while an assignor works: numbers of members in a table by topic, and each member's load. */
import type { Partitions } from '../partitions.ts'
import type { AssignmentMember } from './assignor.ts'

export const NOBODY = -1

export class Placement {
  /** In order; everywhere else a member is its place here. */
  readonly members: readonly AssignmentMember[]
  /** By topic key, in order of the keys: by partition the place of its member, or NOBODY. */
  readonly owners: ReadonlyMap<string, Int32Array>
  /** Partitions of each member. */
  readonly loads: Int32Array

  /** @param members in order */
  constructor(members: readonly AssignmentMember[], topics: ReadonlyMap<string, number>) {
    this.members = members
    this.loads = new Int32Array(members.length)
    const subscribed = new Set(members.flatMap(({ topics }) => topics))
    const keys = [...subscribed].filter((key) => topics.has(key)).sort()
    this.owners = new Map(keys.map((key) => [key, new Int32Array(topics.get(key)!).fill(NOBODY)]))
  }

  /** Calls for each partition the member had before and may still have, which nobody has been given yet. */
  eachPrevious(place: number, call: (owners: Int32Array, partition: number) => void): void {
    const { previous, topics } = this.members[place]
    if (previous.size === 0) return
    const subscribed = new Set(topics)
    for (const [key, partitions] of previous) {
      const owners = subscribed.has(key) ? this.owners.get(key) : undefined
      if (!owners) continue
      for (const partition of partitions)
        if (partition < owners.length && owners[partition] === NOBODY) call(owners, partition)
    }
  }

  give(owners: Int32Array, partition: number, place: number): void {
    if (owners[partition] !== NOBODY) this.loads[owners[partition]]--
    owners[partition] = place
    this.loads[place]++
  }

  result(): Map<string, Partitions> {
    const lists: Map<string, number[]>[] = this.members.map(() => new Map())
    for (const [key, owners] of this.owners)
      for (let partition = 0; partition < owners.length; partition++) {
        const topics = lists[owners[partition]]
        const list = topics.get(key)
        if (list) list.push(partition)
        else topics.set(key, [partition])
      }
    return new Map(this.members.map(({ memberId }, place) => [memberId, lists[place]]))
  }
}
