/** What readers of a topic saw, and whether that is what its producers were told. */
import type { Test } from 'tap'
import type { ConsumedRecord } from '../../client/index.ts'
import { readEvent } from './agent-events.ts'

/** What one reader of the topic saw: who sent what stands where. */
export class Reading {
  /** By partition, sender and number of every offset, as one text. */
  readonly events: string[][]
  readonly faults: string[] = []
  /** By partition and sender: the number that must come next. */
  readonly #next: Map<string, number>[]

  constructor(partitions: number) {
    this.events = Array.from({ length: partitions }, () => [])
    this.#next = Array.from({ length: partitions }, () => new Map())
  }

  /** Reads to where the records end, or for ever. */
  async follow(records: AsyncIterable<ConsumedRecord>): Promise<void> {
    for await (const record of records) this.take(record)
  }

  take(record: Pick<ConsumedRecord, 'partition' | 'offset' | 'text'>): void {
    const { partition, offset } = record
    const events = this.events[partition]
    if (offset !== events.length)
      this.faults.push(`offset ${offset} of ${partition} came after ${events.length - 1}`)
    const event = readEvent(record.text() ?? '', partition)
    if (!event) this.faults.push(`the event at ${partition}@${offset} is damaged`)
    const { name, sequence } = event ?? { name: 'nobody', sequence: 0 }
    const due = this.#next[partition].get(name) ?? 0
    if (event && sequence !== due)
      this.faults.push(`${partition}@${offset} holds ${name} ${sequence}, ${due} was due`)
    this.#next[partition].set(name, sequence + 1)
    events.push(`${name}:${sequence}`)
  }

  countOf(name: string): number[] {
    return this.#next.map((next) => next.get(name) ?? 0)
  }
}

/** A producer, and what was acknowledged to it. */
export interface Acknowledged {
  readonly name: string
  /** Offsets by partition and number. */
  readonly offsets: readonly ReadonlyMap<number, number>[]
  readonly faults: readonly string[]
}

/**
 * Every event is stored once, whole and in order, and where its acknowledgement said; nothing else is there. Returns how
 * many were acknowledged.
 * @param counts by name: how many events each partition has of it
 */
export function compare(
  t: Test,
  stored: Reading,
  counts: ReadonlyMap<string, readonly number[]>,
  producers: readonly Acknowledged[],
): number {
  t.same(stored.faults.slice(0, 5), [], 'every event is whole, there once and in order')
  for (const [name, next] of counts) t.same(stored.countOf(name), next, `everything of ${name} is there`)
  const wrong: string[] = []
  let acknowledged = 0
  for (const { name, offsets } of producers)
    for (const [partition, known] of offsets.entries())
      for (const [sequence, offset] of known) {
        acknowledged++
        if (stored.events[partition][offset] !== `${name}:${sequence}`)
          wrong.push(`${name} ${sequence} was acknowledged at ${partition}@${offset}`)
      }
  t.same(wrong.slice(0, 5), [], 'every acknowledged event is exactly where its acknowledgement said')
  t.same(
    producers.flatMap(({ faults }) => faults),
    [],
    'nothing failed',
  )
  return acknowledged
}

/** The live reader sees at least what was there when the last acknowledgement came; waits for the rest. */
export async function compareLive(t: Test, live: Reading, stored: Reading): Promise<void> {
  const ends = stored.events.map(({ length }) => length)
  while (ends.some((end, partition) => live.events[partition].length < end))
    await new Promise((resolve) => setTimeout(resolve, 10))
  t.same(live.faults.slice(0, 5), [], 'the live consumer got every event whole, once and in order')
  const differing = ends.filter(
    (_, partition) => live.events[partition].join() !== stored.events[partition].join(),
  )
  t.same(differing, [], 'and saw what is stored')
}
