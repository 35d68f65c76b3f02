/**
 * What the partitions of a shard know of idempotent producers: of every partition and producer its epoch,
 * the sequence that comes next and the last batches.
 *
 * It changes only by what is durable, in the order of the journal: after a restart the same batches (or a
 * snapshot and the batches after it) lead to the same state. So `record` decides nothing, it believes: what
 * was stored was accepted. Whether a batch is accepted is decided before, by `sequence-check.ts`.
 *
 * Bounded: of more than `entriesMax` the one goes that was longest without a batch. One without a batch for
 * `expirationMs` counts as unknown. Rows lie in one array, in no order; a list through them has the order of
 * use.
 */
import {
  appendBatch,
  beginRow,
  lastOffsetOfRow,
  ProducerColumn,
  ROW_NUMBERS,
  SEQUENCES,
  sequenceDistance,
  truncateRow,
} from './producer-row.ts'

export interface ProducerLimits {
  readonly entriesMax: number
  readonly expirationMs: number
}

/** What a partition knows of a producer, durable and for people. */
export interface ProducerStanding {
  readonly producerEpoch: number
  /** As on the wire. */
  readonly lastSequence: number
  /** Records of the producer in the partition. */
  readonly nextSequence: number
  readonly lastOffset: number
  readonly lastTimestampMs: number
}

const {
  epoch: EPOCH,
  producerId: ID,
  nextSequence: NEXT,
  lastTimestampMs: TIMESTAMP,
  batchCount: COUNT,
} = ProducerColumn

const ROWS_AT_FIRST = 64
const NONE = -1

/** @typeParam P what stands for a partition, by identity */
export class ProducerState<P extends object> {
  readonly #expirationMs: number
  #entriesMax: number
  /** Row by partition and producer. */
  readonly #partitions = new Map<P, Map<number, number>>()
  #cells = new Float64Array(ROWS_AT_FIRST * ROW_NUMBERS)
  #partitionOf: (P | undefined)[] = []
  /** The rows in order of use; free rows are chained through `#newer`. */
  #older = new Int32Array(ROWS_AT_FIRST)
  #newer = new Int32Array(ROWS_AT_FIRST)
  #oldest = NONE
  #newest = NONE
  #free = NONE
  #size = 0
  #evicted = 0

  constructor({ entriesMax, expirationMs }: ProducerLimits) {
    this.#entriesMax = entriesMax
    this.#expirationMs = expirationMs
  }

  /** Partitions times producers, those included that have expired and were not let go yet. */
  get size(): number {
    return this.#size
  }

  /** Partitions that know any producer. */
  get partitionCount(): number {
    return this.#partitions.size
  }

  /** How many were forgotten because there were too many. */
  get evicted(): number {
    return this.#evicted
  }

  /** The array rows are in, to be read at {@link find}; another one after the next change. */
  get cells(): Float64Array {
    return this.#cells
  }

  /** Where the row begins in {@link cells}; -1: nothing is known, or not any more. */
  find(partition: P, producerId: number, nowMs: number): number {
    const row = this.#partitions.get(partition)?.get(producerId)
    if (row === undefined) return NONE
    const at = row * ROW_NUMBERS
    return nowMs - this.#cells[at + TIMESTAMP] > this.#expirationMs ? NONE : at
  }

  describe(partition: P, producerId: number, nowMs: number): ProducerStanding | undefined {
    const at = this.find(partition, producerId, nowMs)
    if (at === NONE) return undefined
    const cells = this.#cells
    return {
      producerEpoch: cells[at + EPOCH],
      lastSequence: (cells[at + NEXT] - 1) % SEQUENCES,
      nextSequence: cells[at + NEXT],
      lastOffset: lastOffsetOfRow(cells, at),
      lastTimestampMs: cells[at + TIMESTAMP],
    }
  }

  /** Ids any partition knows something of. */
  producerIds(nowMs: number): ReadonlySet<number> {
    const ids = new Set<number>()
    for (const rows of this.#partitions.values())
      for (const [producerId, row] of rows)
        if (nowMs - this.#cells[row * ROW_NUMBERS + TIMESTAMP] <= this.#expirationMs) ids.add(producerId)
    return ids
  }

  /**
   * A batch is durable. One that goes on where the row ends is added to it; any other begins anew, a newer
   * epoch at 0 or what followed something that is no longer known.
   */
  record(
    partition: P,
    producerId: number,
    epoch: number,
    firstSequence: number,
    records: number,
    baseOffset: number,
    timestampMs: number,
  ): void {
    let at = this.find(partition, producerId, timestampMs)
    if (at === NONE) at = this.#renewed(partition, producerId, epoch, firstSequence)
    else if (sequenceDistance(this.#cells, at, firstSequence) !== 0)
      beginRow(this.#cells, at, producerId, epoch, firstSequence)
    appendBatch(this.#cells, at, epoch, records, baseOffset)
    this.#cells[at + TIMESTAMP] = timestampMs
    this.#use(at / ROW_NUMBERS)
    if (this.#size > this.#entriesMax) this.#evict()
  }

  /** An expired row is used again, or a new one made. */
  #renewed(partition: P, producerId: number, epoch: number, firstSequence: number): number {
    const known = this.#partitions.get(partition)?.get(producerId)
    const row = known ?? this.#add(partition, producerId)
    const at = row * ROW_NUMBERS
    beginRow(this.#cells, at, producerId, epoch, firstSequence)
    return at
  }

  /** The log of the partition now ends at `endOffset`; a producer of which nothing before it is known is forgotten. */
  truncate(partition: P, endOffset: number): void {
    const rows = this.#partitions.get(partition)
    if (!rows) return
    for (const row of [...rows.values()]) {
      const at = row * ROW_NUMBERS
      truncateRow(this.#cells, at, endOffset)
      if (this.#cells[at + COUNT] === 0) this.#remove(row)
    }
  }

  /** Forgets everything about these partitions: they are gone. */
  forget(isGone: (partition: P) => boolean): void {
    for (const [partition, rows] of [...this.#partitions])
      if (isGone(partition)) for (const row of [...rows.values()]) this.#remove(row)
  }

  /** Lets go what has expired. */
  expire(nowMs: number): void {
    while (
      this.#oldest !== NONE &&
      nowMs - this.#cells[this.#oldest * ROW_NUMBERS + TIMESTAMP] > this.#expirationMs
    )
      this.#remove(this.#oldest)
  }

  /** From now on there may be so many. */
  limitTo(entriesMax: number): void {
    this.#entriesMax = entriesMax
    while (this.#size > entriesMax) this.#evict()
  }

  clear(): void {
    while (this.#oldest !== NONE) this.#remove(this.#oldest)
  }

  /** Every row, the longest unused first: where it begins in {@link cells}. Nothing may change meanwhile. */
  forEachRow(visit: (partition: P, at: number) => void): void {
    for (let row = this.#oldest; row !== NONE; row = this.#newer[row])
      visit(this.#partitionOf[row] as P, row * ROW_NUMBERS)
  }

  /** Puts a row back as {@link forEachRow} gave it, as the last used. False: there is one already. */
  restore(partition: P, numbers: Float64Array): boolean {
    const producerId = numbers[ID]
    if (this.#partitions.get(partition)?.has(producerId)) return false
    const row = this.#add(partition, producerId)
    this.#cells.set(numbers, row * ROW_NUMBERS)
    if (this.#size > this.#entriesMax) this.#evict()
    return true
  }

  #evict(): void {
    this.#remove(this.#oldest)
    this.#evicted++
  }

  #add(partition: P, producerId: number): number {
    const row = this.#free === NONE ? this.#fresh() : this.#free
    if (row === this.#free) this.#free = this.#newer[row]
    this.#partitionOf[row] = partition
    let rows = this.#partitions.get(partition)
    if (!rows) {
      rows = new Map()
      this.#partitions.set(partition, rows)
    }
    rows.set(producerId, row)
    this.#size++
    this.#linkNewest(row)
    return row
  }

  #fresh(): number {
    const row = this.#size
    if (row === this.#older.length) {
      this.#cells = grown(this.#cells, new Float64Array(this.#cells.length * 2))
      this.#older = grown(this.#older, new Int32Array(row * 2))
      this.#newer = grown(this.#newer, new Int32Array(row * 2))
    }
    return row
  }

  #remove(row: number): void {
    const at = row * ROW_NUMBERS
    const partition = this.#partitionOf[row] as P
    const rows = this.#partitions.get(partition)
    rows?.delete(this.#cells[at + ID])
    if (rows?.size === 0) this.#partitions.delete(partition)
    this.#partitionOf[row] = undefined
    this.#cells[at + COUNT] = 0
    this.#unlink(row)
    this.#newer[row] = this.#free
    this.#free = row
    this.#size--
  }

  #use(row: number): void {
    if (row === this.#newest) return
    this.#unlink(row)
    this.#linkNewest(row)
  }

  #linkNewest(row: number): void {
    this.#older[row] = this.#newest
    this.#newer[row] = NONE
    if (this.#newest === NONE) this.#oldest = row
    else this.#newer[this.#newest] = row
    this.#newest = row
  }

  #unlink(row: number): void {
    const older = this.#older[row]
    const newer = this.#newer[row]
    if (older === NONE) this.#oldest = newer
    else this.#newer[older] = newer
    if (newer === NONE) this.#newest = older
    else this.#older[newer] = older
  }
}

function grown<A extends Float64Array | Int32Array>(from: A, to: A): A {
  to.set(from)
  return to
}
