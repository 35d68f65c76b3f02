/**
 * What stands between the log and the answer of a fetch: of what was read, what a reader gets. Without a filter and for
 * a reader who can unpack everything that is the slice itself, not copied.
 *
 * The handler asks in this order for each partition, as long as there is something below the visible end:
 *
 * 1. With a filter: {@link FetchShaper.skip}. What is known already need not be read; the cursor goes to `nextOffset`.
 *    A promise: somebody is looking at these records just now; await it, ask again.
 * 2. Otherwise read a slice and {@link FetchShaper.shape} it. Of what comes back the cursor goes to `nextOffset`, which may be
 *    less than the slice had: the rest is read again.
 *
 * Who reads the bytes that were sent comes to `endOffset`, not to `nextOffset`: how far the rest was looked at is told by
 * `emptyBatch` (storage/record/empty-batch.ts), once, at the end of the answer.
 *
 * What cannot be unpacked or read is an error by offset, as damage of the log is: it is thrown (or the promise rejects) when
 * the batch is the first of the slice, and what lies before it is served first.
 */
import type { ReadSlice } from '../../storage/log/log-reader.ts'
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import type { CompressionName } from '../../storage/record/compression.ts'
import type { RecordPattern } from './pattern.ts'

export interface ReaderWish {
  readonly filter: RecordPattern | undefined
  /** Codecs the reader can unpack; `none` need not be named. Undefined: all. */
  readonly compressions: ReadonlySet<CompressionName> | undefined
}

/** What was looked at: of an answer the sum of all that `skip` and `shape` gave. 0 without a filter. */
export interface Examined {
  /** Records from `fromOffset` on that were held against the filter. */
  readonly examined: number
  /** Of these, how many have a value that is no JSON, although the filter wants to look into it. */
  readonly notJson: number
}

/** `value.subarray(start, end)` are whole record batches; start = end: nothing is to be sent. */
export interface ShapedSlice extends Examined {
  readonly value: Uint8Array
  /** What lies before may be overwritten. */
  readonly start: number
  readonly end: number
  /** Behind the last batch of the bytes; `fromOffset` where there is none. */
  readonly endOffset: number
  /** The offset to read next; at least `endOffset`, and above `fromOffset`. */
  readonly nextOffset: number
}

/** Nothing from the offset asked for up to, without, `nextOffset` matches. */
export interface Skipped extends Examined {
  readonly nextOffset: number
}

export interface FetchShaper {
  /**
   * The slice as this reader gets it, who wants records from `fromOffset` on; it lies in the slice's first batch. Has taken
   * what it needs of the slice when it returns. Throws or rejects with what `partitionErrorOf` knows.
   */
  shape(
    log: PartitionLog,
    slice: ReadSlice,
    wish: ReaderWish,
    fromOffset: number,
  ): ShapedSlice | Promise<ShapedSlice>
  /**
   * How far nothing matches from `fromOffset` on, as far as that is known, up to `upTo` at most. Undefined: nothing is known,
   * or what comes next is for the reader. Costs about a look-up and never does the work; never rejects.
   */
  skip(
    log: PartitionLog,
    filter: RecordPattern,
    fromOffset: number,
    upTo: number,
  ): Skipped | Promise<void> | undefined
  /**
   * A fetch with the filter is under way, parked or not, and is at `fromOffset`, until the returned function is called:
   * records are looked at once for all of them. Costs little, also when the same filter comes again a moment later.
   */
  subscribe(log: PartitionLog, filter: RecordPattern, fromOffset: number): () => void
}
