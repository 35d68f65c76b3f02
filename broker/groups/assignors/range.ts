/**
 * Range: of each topic every subscriber gets one run of neighbouring partitions, the first ones one more where they
 * cannot be equal. Topics with equally many partitions and the same subscribers are cut at the same places, so
 * that what is joined by key stays together.
 */
import type { Partitions } from '../partitions.ts'
import type { AssignmentMember } from './assignor.ts'
import { inOrder } from './member-order.ts'

export function assignRange(
  members: readonly AssignmentMember[],
  topics: ReadonlyMap<string, number>,
): Map<string, Partitions> {
  const assigned = new Map<string, Map<string, number[]>>()
  const subscribers = new Map<string, string[]>()
  for (const { memberId, topics } of inOrder(members)) {
    assigned.set(memberId, new Map())
    for (const key of topics) {
      const ids = subscribers.get(key)
      if (ids) ids.push(memberId)
      else subscribers.set(key, [memberId])
    }
  }
  for (const key of [...subscribers.keys()].sort()) {
    const ids = subscribers.get(key)!
    const partitions = topics.get(key) ?? 0
    for (let i = 0; i < ids.length; i++) {
      const first = startOf(i, partitions, ids.length)
      const end = startOf(i + 1, partitions, ids.length)
      if (end > first)
        assigned.get(ids[i])!.set(
          key,
          Array.from({ length: end - first }, (_, n) => first + n),
        )
    }
  }
  return assigned
}

/** Where the run of the subscriber at this place begins. */
function startOf(place: number, partitions: number, count: number): number {
  return place * Math.floor(partitions / count) + Math.min(place, partitions % count)
}
