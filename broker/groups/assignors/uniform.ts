/**
 * Uniform: every member has as many partitions as any other, give or take one, and keeps what it had as far as
 * that allows.
 *
 * Where all subscribe to the same topics both are exact: loads differ by at most one, and no assignment with such loads
 * moves fewer partitions. Where subscriptions differ, no single partition could be given to another of its topic's
 * subscribers to make two loads more equal; so members that subscribe to the same are within one of each other.
 */
import type { Partitions } from '../partitions.ts'
import type { AssignmentMember } from './assignor.ts'
import { inOrder } from './member-order.ts'
import { NOBODY, Placement } from './placement.ts'

export function assignUniform(
  members: readonly AssignmentMember[],
  topics: ReadonlyMap<string, number>,
): Map<string, Partitions> {
  const placement = new Placement(inOrder(members), topics)
  if (members.length === 0) return new Map()
  if (isEqual(members)) fillEqually(placement)
  else balance(placement)
  return placement.result()
}

function isEqual(members: readonly AssignmentMember[]): boolean {
  const first = new Set(members[0].topics)
  return members.every(({ topics }) => topics.length === first.size && topics.every((key) => first.has(key)))
}

/** All subscribe to the same. */
function fillEqually(placement: Placement): void {
  const { members, owners, loads } = placement
  let partitions = 0
  for (const topic of owners.values()) partitions += topic.length
  const least = Math.floor(partitions / members.length)
  let extras = partitions % members.length

  const quotas = new Int32Array(members.length).fill(least)
  // Who had more than its share before is the first to be allowed one more.
  for (let place = 0; place < members.length && extras > 0; place++) {
    let had = 0
    placement.eachPrevious(place, () => {
      had++
    })
    if (had <= least) continue
    quotas[place]++
    extras--
  }
  for (let place = 0; place < members.length; place++)
    placement.eachPrevious(place, (topic, partition) => {
      if (loads[place] < quotas[place]) placement.give(topic, partition, place)
    })
  for (let place = 0; place < members.length && extras > 0; place++) {
    if (quotas[place] > least) continue
    quotas[place]++
    extras--
  }
  // In turns, so that each topic is spread over all.
  let place = 0
  for (const topic of owners.values())
    for (let partition = 0; partition < topic.length; partition++) {
      if (topic[partition] !== NOBODY) continue
      while (loads[place] >= quotas[place]) place = (place + 1) % members.length
      placement.give(topic, partition, place)
      place = (place + 1) % members.length
    }
}

function balance(placement: Placement): void {
  const { members, owners } = placement
  for (let place = 0; place < members.length; place++)
    placement.eachPrevious(place, (topic, partition) => placement.give(topic, partition, place))
  const subscribers = subscribersByTopic(placement)
  // Topics that few can take go first: the others can still make up for it.
  const keys = [...owners.keys()].sort((a, b) => subscribers.get(a)!.length - subscribers.get(b)!.length)
  for (const key of keys) giveFree(placement, owners.get(key)!, subscribers.get(key)!)
  let hasMoved = true
  while (hasMoved) {
    hasMoved = false
    for (const key of keys) if (level(placement, owners.get(key)!, subscribers.get(key)!)) hasMoved = true
  }
}

function subscribersByTopic({ members, owners }: Placement): Map<string, number[]> {
  const subscribers = new Map<string, number[]>(Array.from(owners.keys(), (key) => [key, []]))
  members.forEach(({ topics }, place) => {
    for (const key of topics) subscribers.get(key)?.push(place)
  })
  return subscribers
}

/** Each partition that nobody has goes to whoever of its subscribers has least. */
function giveFree(placement: Placement, topic: Int32Array, subscribers: number[]): void {
  if (!topic.includes(NOBODY)) return
  const queue = new LoadQueue(placement.loads, subscribers)
  for (let partition = 0; partition < topic.length; partition++)
    if (topic[partition] === NOBODY) {
      placement.give(topic, partition, queue.least)
      queue.grown()
    }
}

/** Partitions of one topic go from who has most to who has least, as long as the two differ by two or more. */
function level(placement: Placement, topic: Int32Array, subscribers: number[]): boolean {
  const { loads } = placement
  const queue = new LoadQueue(loads, subscribers)
  let most = 0
  for (const place of subscribers) most = Math.max(most, loads[place])
  if (most - loads[queue.least] < 2) return false
  const held = partitionsByPlace(topic)
  const givers = [...held.keys()].sort((a, b) => loads[b] - loads[a] || a - b)
  let hasMoved = false
  // The heaviest gives first, down to what the next one has, and so on: one at a time in turns.
  for (let end = 1; end <= givers.length; end++) {
    const floor = end < givers.length ? loads[givers[end]] : 0
    for (let i = 0; i < end; i++) {
      const giver = givers[i]
      const list = held.get(giver)!
      while (list.length > 0 && loads[giver] > floor && loads[giver] - loads[queue.least] >= 2) {
        placement.give(topic, list.pop()!, queue.least)
        queue.grown()
        hasMoved = true
      }
    }
  }
  return hasMoved
}

function partitionsByPlace(topic: Int32Array): Map<number, number[]> {
  const held = new Map<number, number[]>()
  for (let partition = 0; partition < topic.length; partition++) {
    const list = held.get(topic[partition])
    if (list) list.push(partition)
    else held.set(topic[partition], [partition])
  }
  return held
}

/** A heap of members, the one with the least load on top. Loads of the others may only fall below what they were by re-entering. */
class LoadQueue {
  readonly #loads: Int32Array
  readonly #heap: number[]

  constructor(loads: Int32Array, places: readonly number[]) {
    this.#loads = loads
    this.#heap = [...places].sort((a, b) => this.#compare(a, b))
  }

  get least(): number {
    return this.#heap[0]
  }

  /** The load of the least one has grown. */
  grown(): void {
    const heap = this.#heap
    let at = 0
    for (;;) {
      let next = at
      for (let child = 2 * at + 1; child <= 2 * at + 2 && child < heap.length; child++)
        if (this.#compare(heap[child], heap[next]) < 0) next = child
      if (next === at) return
      const moved = heap[at]
      heap[at] = heap[next]
      heap[next] = moved
      at = next
    }
  }

  #compare(a: number, b: number): number {
    return this.#loads[a] - this.#loads[b] || a - b
  }
}
