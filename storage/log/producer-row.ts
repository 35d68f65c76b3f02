/**
 * What a partition knows of one producer, as a row of numbers in a larger array: nothing is allocated to
 * read or change one. Sequences count records; on the wire they are int32 and wrap after 2^31 - 1 to 0, here
 * the count goes on.
 *
 *     0 producer id     3 last timestamp, ms since 1970 (the broker's clock)
 *     1 epoch           4 number of batches, 1 to 5; 0: the row is not in use
 *     2 next sequence   5 batches, oldest first: records, base offset
 *
 * The batches follow one another without a gap and end at the next sequence, so their sequences need not
 * be kept.
 */

export const BATCHES_MAX = 5
export const ROW_NUMBERS = 5 + BATCHES_MAX * 2
/** Wire sequences are 0 … 2^31 - 1. */
export const SEQUENCES = 2 ** 31

export const ProducerColumn = {
  producerId: 0,
  epoch: 1,
  nextSequence: 2,
  lastTimestampMs: 3,
  batchCount: 4,
  batches: 5,
} as const

const {
  producerId: ID,
  epoch: EPOCH,
  nextSequence: NEXT,
  batchCount: COUNT,
  batches: BATCHES,
} = ProducerColumn

/** A row whose first batch begins at `firstSequence`, with nothing known from before. */
export function beginRow(
  cells: Float64Array,
  at: number,
  producerId: number,
  epoch: number,
  firstSequence: number,
): void {
  cells[at + ID] = producerId
  cells[at + EPOCH] = epoch
  cells[at + NEXT] = firstSequence
  cells[at + COUNT] = 0
}

/**
 * How far the wire sequence lies ahead of the next one: 0 it is the next, above 0 so many records are
 * missing, below 0 so many are here already. Half of all sequences count as ahead.
 */
export function sequenceDistance(cells: Float64Array, at: number, firstSequence: number): number {
  const ahead = (firstSequence - (cells[at + NEXT] % SEQUENCES) + SEQUENCES) % SEQUENCES
  return ahead < SEQUENCES / 2 ? ahead : ahead - SEQUENCES
}

export function appendBatch(
  cells: Float64Array,
  at: number,
  epoch: number,
  records: number,
  baseOffset: number,
): void {
  const batches = at + BATCHES
  let count = cells[at + COUNT]
  if (count === BATCHES_MAX) {
    cells.copyWithin(batches, batches + 2, batches + BATCHES_MAX * 2)
    count--
  }
  cells[batches + count * 2] = records
  cells[batches + count * 2 + 1] = baseOffset
  cells[at + COUNT] = count + 1
  cells[at + NEXT] += records
  cells[at + EPOCH] = epoch
}

/** Base offset of the remembered batch with exactly these sequences; -1: there is none. */
export function offsetOfBatch(
  cells: Float64Array,
  at: number,
  firstSequence: number,
  records: number,
): number {
  let sequence = cells[at + NEXT]
  for (let i = cells[at + COUNT] - 1; i >= 0; i--) {
    const batch = at + BATCHES + i * 2
    sequence -= cells[batch]
    if (cells[batch] === records && sequence % SEQUENCES === firstSequence) return cells[batch + 1]
  }
  return -1
}

/** Offset of the last record of the newest batch. */
export function lastOffsetOfRow(cells: Float64Array, at: number): number {
  const newest = at + BATCHES + (cells[at + COUNT] - 1) * 2
  return cells[newest + 1] + cells[newest] - 1
}

/** Batches from `endOffset` on were cut off: what is known of the time before counts. Leaves 0 batches where nothing is. */
export function truncateRow(cells: Float64Array, at: number, endOffset: number): void {
  while (cells[at + COUNT] > 0) {
    const newest = at + BATCHES + (cells[at + COUNT] - 1) * 2
    if (cells[newest + 1] < endOffset) return
    cells[at + NEXT] -= cells[newest]
    cells[at + COUNT]--
  }
}
