/**
 * What is right for idempotent producers, written down the slow and obvious way: one object an entry, copied
 * whole before a commit, sorted whenever an order is asked for.
 */
import { NAME_EXPIRED } from '../../../storage/log/sequence-check.ts'

export interface ModelBatch {
  readonly partition: string
  readonly producerId: number
  readonly epoch: number
  /** As on the wire. */
  readonly first: number
  readonly records: number
  readonly baseOffset: number
}

interface Entry {
  readonly partition: string
  readonly producerId: number
  epoch: number
  next: bigint
  batches: { first: bigint; records: number; baseOffset: number }[]
  lastMs: number
  use: number
}

const WRAP = 2n ** 31n
const wire = (count: bigint) => Number(count % WRAP)

export class ProducerModel {
  #entries: Entry[] = []
  #use = 0
  entriesMax: number
  readonly #expirationMs: number

  constructor(entriesMax: number, expirationMs: number) {
    this.entriesMax = entriesMax
    this.#expirationMs = expirationMs
  }

  copy(): ProducerModel {
    const copy = new ProducerModel(this.entriesMax, this.#expirationMs)
    copy.#entries = structuredClone(this.#entries)
    copy.#use = this.#use
    return copy
  }

  #find(partition: string, producerId: number, nowMs: number): Entry | undefined {
    return this.#entries.find(
      (entry) =>
        entry.partition === partition &&
        entry.producerId === producerId &&
        nowMs - entry.lastMs <= this.#expirationMs,
    )
  }

  /** The verdict and, of a duplicate, the offset of the original. Changes nothing. */
  verdict(batch: ModelBatch, standing: number, nowMs: number): string {
    if (standing === NAME_EXPIRED) return 'unknown'
    const isNamed = standing >= 0
    if (isNamed && batch.epoch !== standing) return 'fenced'
    const entry = this.#find(batch.partition, batch.producerId, nowMs)
    if (!entry) return batch.first === 0 ? 'append' : 'unknown'
    if (!isNamed && batch.epoch < entry.epoch) return 'fenced'
    if (!isNamed && batch.epoch > entry.epoch) return batch.first === 0 ? 'append' : 'gap'
    if (batch.first === wire(entry.next)) return 'append'
    const original = entry.batches.find(
      ({ first, records }) => wire(first) === batch.first && records === batch.records,
    )
    if (original) return `duplicate ${original.baseOffset}`
    const ahead = (BigInt(batch.first) - entry.next + entry.next * WRAP) % WRAP
    return ahead < WRAP / 2n ? 'gap' : 'old'
  }

  /** A batch was stored. */
  store(batch: ModelBatch, nowMs: number): void {
    const { partition, producerId, epoch, first, records, baseOffset } = batch
    let entry = this.#find(partition, producerId, nowMs)
    if (entry && wire(entry.next) !== first) entry = undefined
    if (!entry) {
      this.#entries = this.#entries.filter(
        (other) => other.partition !== partition || other.producerId !== producerId,
      )
      entry = { partition, producerId, epoch, next: BigInt(first), batches: [], lastMs: nowMs, use: 0 }
      this.#entries.push(entry)
    }
    entry.batches.push({ first: entry.next, records, baseOffset })
    entry.batches = entry.batches.slice(-5)
    entry.next += BigInt(records)
    entry.epoch = epoch
    entry.lastMs = nowMs
    entry.use = ++this.#use
    this.limit()
  }

  limit(): void {
    while (this.#entries.length > this.entriesMax) {
      const oldest = Math.min(...this.#entries.map(({ use }) => use))
      this.#entries = this.#entries.filter(({ use }) => use !== oldest)
    }
  }

  truncate(partition: string, endOffset: number): void {
    for (const entry of this.#entries) {
      if (entry.partition !== partition) continue
      const cut = entry.batches.find(({ baseOffset }) => baseOffset >= endOffset)
      if (cut) entry.next = cut.first
      entry.batches = entry.batches.filter(({ baseOffset }) => baseOffset < endOffset)
    }
    this.#entries = this.#entries.filter(({ batches }) => batches.length > 0)
  }

  forget(partition: string): void {
    this.#entries = this.#entries.filter((entry) => entry.partition !== partition)
  }

  expire(nowMs: number): void {
    this.#entries = this.#entries.filter(({ lastMs }) => nowMs - lastMs <= this.#expirationMs)
  }

  get size(): number {
    return this.#entries.length
  }

  /** What can be seen of every entry, the longest unused first. */
  shown(nowMs: number) {
    return this.#entries
      .filter(({ lastMs }) => nowMs - lastMs <= this.#expirationMs)
      .sort((a, b) => a.use - b.use)
      .map(({ partition, producerId, epoch, next, batches, lastMs }) => ({
        partition,
        producerId,
        standing: {
          producerEpoch: epoch,
          lastSequence: wire(next - 1n),
          nextSequence: Number(next),
          lastOffset: batches.map((batch) => batch.baseOffset + batch.records - 1).at(-1),
          lastTimestampMs: lastMs,
        },
        batches: batches.map(({ records, baseOffset }) => [records, baseOffset]),
      }))
  }
}
