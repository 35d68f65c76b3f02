/**
 * Sets of partitions as groups handle them. Topics stand under the key of their id (`topicIdKey`), never
 * under their name: a topic that was deleted and created again is another one.
 *
 * None of them is ever changed once made: state, records and answers share them.
 */

/** By topic: numbers of partitions, ascending, none twice; no topic without one. */
export type Partitions = ReadonlyMap<string, readonly number[]>

/** By topic and partition: the member epoch from which on the member has it. No topic without a partition. */
export type HeldPartitions = ReadonlyMap<string, ReadonlyMap<number, number>>

export const NO_PARTITIONS: Partitions = new Map()
export const NONE_HELD: HeldPartitions = new Map()

/** Makes a set of loose partitions, one topic after the other in order of their keys. */
export class PartitionsBuilder {
  readonly #topics = new Map<string, number[]>()

  add(topicKey: string, partition: number): void {
    const partitions = this.#topics.get(topicKey)
    if (partitions) partitions.push(partition)
    else this.#topics.set(topicKey, [partition])
  }

  build(): Partitions {
    if (this.#topics.size === 0) return NO_PARTITIONS
    const keys = [...this.#topics.keys()].sort()
    return new Map(keys.map((key) => [key, this.#topics.get(key)!.sort((a, b) => a - b)]))
  }
}

export function countOf(partitions: Partitions): number {
  let count = 0
  for (const list of partitions.values()) count += list.length
  return count
}

export function heldCountOf(held: HeldPartitions): number {
  let count = 0
  for (const topic of held.values()) count += topic.size
  return count
}

export function isSamePartitions(a: Partitions, b: Partitions): boolean {
  if (a === b) return true
  if (a.size !== b.size) return false
  for (const [key, list] of a) {
    const other = b.get(key)
    if (!other || other.length !== list.length) return false
    for (let i = 0; i < list.length; i++) if (list[i] !== other[i]) return false
  }
  return true
}

/** Whether the sorted list has the number. */
export function includes(list: readonly number[] | undefined, partition: number): boolean {
  if (!list) return false
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (list[middle] < partition) low = middle + 1
    else high = middle
  }
  return list[low] === partition
}

export function isHeld(held: HeldPartitions, topicKey: string, partition: number): boolean {
  return held.get(topicKey)?.has(partition) === true
}

/** The set without epochs. */
export function partitionsOfHeld(held: HeldPartitions): Partitions {
  const builder = new PartitionsBuilder()
  for (const [key, topic] of held) for (const partition of topic.keys()) builder.add(key, partition)
  return builder.build()
}

/** What of `held` passes; `held` itself where all of it does. */
export function filterHeld(
  held: HeldPartitions,
  passes: (topicKey: string, partition: number) => boolean,
): HeldPartitions {
  let isWhole = true
  const kept = new Map<string, Map<number, number>>()
  for (const [key, topic] of held) {
    const some = new Map<number, number>()
    for (const [partition, epoch] of topic) if (passes(key, partition)) some.set(partition, epoch)
    if (some.size < topic.size) isWhole = false
    if (some.size > 0) kept.set(key, some)
  }
  return isWhole ? held : kept
}

/** Both sets together. */
export function joinHeld(a: HeldPartitions, b: HeldPartitions): HeldPartitions {
  if (a.size === 0) return b
  if (b.size === 0) return a
  const joined = new Map<string, ReadonlyMap<number, number>>(a)
  for (const [key, topic] of b) {
    const mine = joined.get(key)
    joined.set(key, mine ? new Map([...mine, ...topic]) : topic)
  }
  return joined
}
