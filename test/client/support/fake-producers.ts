/**
 * What the fake broker knows of idempotent producers: Kafka's rules in the plainest way, with an array per
 * partition and producer. It can be made to break them, to see whether the tests notice.
 */
import { ErrorCode } from '../../../client/protocol/errors.ts'
import {
  baseSequenceAt,
  lastOffsetDeltaAt,
  producerEpochAt,
  producerIdAt,
} from '../../../storage/record/batch-header.ts'
import type { FakePartition } from './fake-broker.ts'

/** A rule that is broken. */
export type PlantedBug =
  /** A batch that was stored already is stored again. */
  | 'duplicates are stored'
  /** A batch is stored although one before it is missing. */
  | 'gaps are stored'
  /** A batch that was not stored is acknowledged. */
  | 'losses are acknowledged'
  /** Batches of an older epoch are stored. */
  | 'nobody is fenced'

/** Batches that a partition remembers of a producer. */
const REMEMBERED = 5
const SEQUENCES = 2 ** 31

interface Given {
  readonly producerId: number
  readonly producerEpoch: number
}

interface Row {
  epoch: number
  next: number
  batches: { first: number; last: number; baseOffset: number }[]
}

export class FakeProducers {
  bug: PlantedBug | undefined
  /** Duplicates that were recognised. */
  duplicates = 0
  /** Batches that were stored although another producer had their name by then: right rules leave it at 0. */
  intruders = 0
  readonly #rows = new Map<FakePartition, Map<number, Row>>()
  readonly #names = new Map<string, Given & { renewedEpoch: number }>()
  /** Of producers without a name: epochs below are refused everywhere. */
  readonly #oldest = new Map<number, number>()
  #count = 0

  /** Undefined: another producer has the name. */
  init(name: string | null, id: number, epoch: number): Given | undefined {
    if (name === null) {
      if (id < 0) return { producerId: 2 * this.#count++, producerEpoch: 0 }
      this.#oldest.set(id, epoch + 1)
      return { producerId: id, producerEpoch: epoch + 1 }
    }
    const known = this.#names.get(name)
    if (known && id >= 0 && known.renewedEpoch === epoch) return known
    if (known && id >= 0 && known.producerEpoch !== epoch && this.bug !== 'nobody is fenced') return undefined
    const given = known
      ? { ...known, producerEpoch: known.producerEpoch + 1, renewedEpoch: epoch }
      : { producerId: 2 * this.#count++ + 1, producerEpoch: 0, renewedEpoch: -1 }
    this.#names.set(name, given)
    return given
  }

  /** The partition has forgotten every producer. */
  forget(partition: FakePartition): void {
    this.#rows.delete(partition)
  }

  /** As if the producer had stored so many records. */
  count(partition: FakePartition, producerId: number, next: number): void {
    const row = this.#row(partition, producerId)
    if (row) row.next = next
  }

  describe(partition: FakePartition, producerId: number) {
    const row = this.#row(partition, producerId)
    const last = row?.batches.at(-1)
    return {
      producerEpoch: row?.epoch ?? -1,
      lastSequence: row ? (row.next - 1) % SEQUENCES : -1,
      nextSequence: row?.next ?? -1,
      lastOffset: last ? last.baseOffset + last.last - last.first : -1,
      lastTimestampMs: -1,
    }
  }

  /** Undefined: append it; `baseOffset`: it is stored there; `code`: why not. */
  check(partition: FakePartition, batch: Uint8Array): { baseOffset: number } | { code: number } | undefined {
    const id = producerIdAt(batch, 0)
    if (id < 0) return undefined
    const epoch = producerEpochAt(batch, 0)
    const first = baseSequenceAt(batch, 0)
    const last = (first + lastOffsetDeltaAt(batch, 0)) % SEQUENCES
    const present = this.#present(id)
    const row = this.#row(partition, id)
    const oldest = Math.max(row?.epoch ?? 0, this.#oldest.get(id) ?? 0)
    const isFenced = present ? epoch !== present.producerEpoch : epoch < oldest
    if (isFenced && this.bug !== 'nobody is fenced') return { code: ErrorCode.INVALID_PRODUCER_EPOCH }
    const isNewEpoch = !present && row !== undefined && epoch > row.epoch
    if (!row || isNewEpoch) {
      if (first === 0 || this.bug === 'gaps are stored') return undefined
      return { code: row ? ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER : ErrorCode.UNKNOWN_PRODUCER_ID }
    }
    const distance = (first - (row.next % SEQUENCES) + SEQUENCES) % SEQUENCES
    if (distance === 0) return undefined
    const known = row.batches.find((each) => each.first === first && each.last === last)
    if (known) {
      this.duplicates++
      return this.bug === 'duplicates are stored' ? undefined : { baseOffset: known.baseOffset }
    }
    if (distance >= SEQUENCES / 2) return { code: ErrorCode.DUPLICATE_SEQUENCE_NUMBER }
    if (this.bug === 'gaps are stored') return undefined
    if (this.bug === 'losses are acknowledged') return { baseOffset: 0 }
    return { code: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER }
  }

  stored(partition: FakePartition, batch: Uint8Array, baseOffset: number): void {
    const id = producerIdAt(batch, 0)
    if (id < 0) return
    const isNamed = id % 2 === 1
    const epoch = producerEpochAt(batch, 0)
    const first = baseSequenceAt(batch, 0)
    const count = lastOffsetDeltaAt(batch, 0) + 1
    const present = this.#present(id)
    if (present && present.producerEpoch !== epoch) this.intruders++
    let row = this.#row(partition, id)
    if (!row || (epoch > row.epoch && !isNamed)) {
      row = { epoch, next: first, batches: [] }
      const rows = this.#rows.get(partition) ?? new Map<number, Row>()
      this.#rows.set(partition, rows.set(id, row))
    }
    row.epoch = epoch
    row.next += count
    row.batches.push({ first, last: (first + count - 1) % SEQUENCES, baseOffset })
    if (row.batches.length > REMEMBERED) row.batches.shift()
  }

  #present(producerId: number): Given | undefined {
    return [...this.#names.values()].find((each) => each.producerId === producerId)
  }

  #row(partition: FakePartition, producerId: number): Row | undefined {
    return this.#rows.get(partition)?.get(producerId)
  }
}
