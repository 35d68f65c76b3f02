/**
 * The books of the demo: what was acknowledged, what the live consumer saw and what is stored in the end,
 * and whether they agree. Pure; an event is known by its index in the list of {@link demoEvents}.
 *
 * It trusts nothing that comes back: a record is matched to its event by its bytes.
 */
import { type DemoEvent, eventValue, topics } from './events.ts'

/** A record as a consumer hands it out. */
export interface SeenRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  readonly key: string | null
  readonly value: string
}

/** What the last reading found, compared with the acknowledgements. */
export interface Comparison {
  /** Records stored. */
  readonly stored: number
  /** Acknowledged events that are not, byte for byte, with the partition, offset and time acknowledged. */
  readonly missing: number
  /** Records beyond the first of each event. */
  readonly duplicated: number
  /** Records that are no event of the data sets, or whose bytes or key are not those of their event. */
  readonly foreign: number
  /** Records the live consumer had seen and that are not there, or not the same, in the end. */
  readonly vanished: number
  /** Records from the first one that is not older than the replay's time to the end, over all partitions. */
  readonly replayable: number
}

const NEVER = -1
/** It is stored, and nobody was told where: the agent died before the acknowledgement came. */
const SOMEWHERE = -2

export class Ledger {
  readonly #events: readonly DemoEvent[]
  readonly #indexOf = new Map<string, number>()
  readonly #acknowledgedPartition: Int32Array
  readonly #acknowledgedOffset: Float64Array
  readonly #acknowledgedTimeMs: Float64Array
  #acknowledged = 0
  readonly #live: PlaceMap = new PlaceMap()
  readonly #seenLive: Uint8Array
  #consumedDistinct = 0
  #consumed = 0
  #outOfOrder = 0

  constructor(events: readonly DemoEvent[]) {
    this.#events = events
    for (const [index, event] of events.entries()) this.#indexOf.set(`${event.source}/${event.row}`, index)
    this.#acknowledgedPartition = new Int32Array(events.length).fill(NEVER)
    this.#acknowledgedOffset = new Float64Array(events.length)
    this.#acknowledgedTimeMs = new Float64Array(events.length)
    this.#seenLive = new Uint8Array(events.length)
  }

  /** Events acknowledged, each counted once. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Records the live consumer was handed. */
  get consumed(): number {
    return this.#consumed
  }

  /** Events among them, each counted once. */
  get consumedDistinct(): number {
    return this.#consumedDistinct
  }

  /** Times the live consumer was handed an offset that is not above the one before in its partition. */
  get outOfOrder(): number {
    return this.#outOfOrder
  }

  /** Throws when the event had been acknowledged before: a promise must resolve once. */
  acknowledge(index: number, partition: number, offset: number, timestampMs: number): void {
    const before = this.#acknowledgedPartition[index]
    if (before !== NEVER && before !== SOMEWHERE) {
      throw new Error(`${this.#nameOf(index)} was acknowledged twice`)
    }
    this.#acknowledgedPartition[index] = partition
    this.#acknowledgedOffset[index] = offset
    this.#acknowledgedTimeMs[index] = timestampMs
    if (before === NEVER) this.#acknowledged++
  }

  /** The broker has said that it holds the event, to an agent that was killed before it heard of that. */
  hold(index: number): void {
    if (this.#acknowledgedPartition[index] !== NEVER) return
    this.#acknowledgedPartition[index] = SOMEWHERE
    this.#acknowledged++
  }

  /** A record of the live consumer. Returns its event, undefined when it is none of the data sets. */
  consume(record: SeenRecord): DemoEvent | undefined {
    this.#consumed++
    const index = this.#match(record)
    if (!this.#live.put(record, index)) this.#outOfOrder++
    if (index === NEVER) return undefined
    if (this.#seenLive[index] === 0) this.#consumedDistinct++
    this.#seenLive[index] = 1
    return this.#events[index]
  }

  /**
   * Compares everything that is stored with the books. `records` come in order of offset within a partition.
   * What a replay from `replayFromMs` must give is counted here by looking at every record: what the broker's
   * lookup by time found is held against that.
   */
  async compare(records: AsyncIterable<SeenRecord>, replayFromMs: number): Promise<Comparison> {
    const found = new Uint8Array(this.#events.length)
    const inPlace = new Uint8Array(this.#events.length)
    const stored = new PlaceMap()
    let count = 0
    let distinct = 0
    let foreign = 0
    const replayed = new Set<string>()
    let replayable = 0
    for await (const record of records) {
      count++
      const place = placeOf(record.topic, record.partition)
      if (record.timestampMs >= replayFromMs) replayed.add(place)
      if (replayed.has(place)) replayable++
      const index = this.#match(record)
      stored.put(record, index)
      if (index === NEVER) {
        foreign++
        continue
      }
      if (found[index] === 0) distinct++
      found[index] = 1
      const partition = this.#acknowledgedPartition[index]
      const acknowledgedHere =
        partition === SOMEWHERE ||
        (partition === record.partition &&
          this.#acknowledgedOffset[index] === record.offset &&
          this.#acknowledgedTimeMs[index] === record.timestampMs)
      if (acknowledgedHere) inPlace[index] = 1
    }
    let missing = 0
    for (const [index, partition] of this.#acknowledgedPartition.entries()) {
      if (partition !== NEVER && inPlace[index] === 0) missing++
    }
    return {
      stored: count,
      missing,
      duplicated: count - foreign - distinct,
      foreign,
      vanished: this.#live.differencesFrom(stored),
      replayable,
    }
  }

  /** The event a record is, when every byte of its value, its key and its topic say so. */
  #match(record: SeenRecord): number {
    const index = this.#indexOf.get(identity(record.value))
    if (index === undefined) return NEVER
    const event = this.#events[index]
    const same =
      record.topic === topics[event.topic].name &&
      record.key === event.region &&
      record.value === eventValue(event)
    return same ? index : NEVER
  }

  #nameOf(index: number): string {
    return `${this.#events[index].source}/${this.#events[index].row}`
  }
}

/** The id in a value, without trusting that it is JSON at all. */
function identity(value: string): string {
  const match = /^\{"source":"(\w+)","row":(\d+),/.exec(value)
  return match === null ? '' : `${match[1]}/${match[2]}`
}

export function placeOf(topic: string, partition: number): string {
  return `${topic}/${partition}`
}

/** Which event stands at which offset, by partition. */
class PlaceMap {
  readonly #byPlace = new Map<string, Map<number, number>>()
  readonly #last = new Map<string, number>()

  /** False when the offset is not above the one put before in this partition. */
  put(record: SeenRecord, index: number): boolean {
    const place = placeOf(record.topic, record.partition)
    let offsets = this.#byPlace.get(place)
    if (offsets === undefined) {
      offsets = new Map()
      this.#byPlace.set(place, offsets)
    }
    offsets.set(record.offset, index)
    const rises = record.offset > (this.#last.get(place) ?? -1)
    this.#last.set(place, record.offset)
    return rises
  }

  /** Entries that the other does not have, or has with another event. */
  differencesFrom(other: PlaceMap): number {
    let differences = 0
    for (const [place, offsets] of this.#byPlace) {
      const others = other.#byPlace.get(place)
      for (const [offset, index] of offsets) if (others?.get(offset) !== index) differences++
    }
    return differences
  }
}
