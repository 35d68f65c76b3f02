/**
 * The port below the log: a sequence of **segments**, each an append-only list of opaque values.
 *
 * The store knows nothing of topics or batches. It promises:
 * - `append` resolves only when the values are durable (they survive power loss), all of them or,
 *   after a crash, none of them; a rejected append leaves a store that refuses to write (`failed`).
 * - values come back byte for byte, in a segment they were appended to, under the sequence they got;
 * - the set of live segments changes atomically: a crash shows the set before or the set after;
 * - exactly one segment is active; the others are sealed and never change.
 *
 * One append may be in flight at a time; the caller queues. Two stores never share a directory.
 */

/** Number of a segment, from 1 on; never used twice in one data directory, even after removal. A number may be left out. */
export type SegmentId = number

export interface SegmentDescriptor {
  readonly id: SegmentId
  /** Sealed segments never change; exactly one segment, the last of the list, is not sealed. */
  readonly sealed: boolean
  /** Bytes on disk (the preallocated size for file-backed stores). */
  readonly bytes: number
}

export interface SegmentStore {
  /** What the store is, for people: `lmdb`, `memory`. */
  readonly kind: string

  /**
   * Opens what is there, finishing or undoing a change of the segment set that a crash interrupted;
   * an empty store comes up with one active segment. Never reads values.
   * Rejects with {@link StorageError} naming the file and what is wrong with it.
   */
  open(): Promise<void>

  /**
   * Live segments in journal order; the last one is active. Ids need not ascend: a segment made aside has a
   * higher id than those that stand behind it.
   */
  segments(): readonly SegmentDescriptor[]

  /** Bytes of values the active segment still takes, counting what each costs on disk. */
  roomBytes(): number

  /** What a value of this many bytes costs on disk, for comparing with {@link roomBytes}. */
  costBytes(valueBytes: number): number

  /**
   * Appends values to the active segment under sequences `firstSequence`, `firstSequence + 1`, …
   * (0 ≤ sequence ≤ 2^31 - 1; the caller counts from 0 in each segment without gaps).
   * The bytes must not change until the promise settles. Resolves when they are durable.
   * With `isUrgent` the free space that the store keeps back on the disk may be used: for entries that let
   * data go, which a full disk needs most.
   * Before they are durable, `read` may or may not return them: callers gate reads themselves.
   */
  append(
    firstSequence: number,
    values: readonly Uint8Array[],
    options?: { readonly isUrgent: boolean },
  ): Promise<void>

  /**
   * One value, or undefined where there is none. The bytes are valid **until the next call of any
   * method of this store or the next turn of the event loop**, and the caller may overwrite them
   * (it is a private copy). Throws {@link StorageError} if the segment is not live.
   */
  read(segment: SegmentId, sequence: number): Uint8Array | undefined

  /** Number of values in a segment: sequences 0 … count - 1. Durable ones only, after `open`. */
  valueCount(segment: SegmentId): number

  /**
   * Brings `count` (default 1) values from `sequence` on into memory without blocking the event loop, so that the
   * `read`s that follow do not wait for the disk. A hint: resolves even if there are no such values.
   */
  prefetch(segment: SegmentId, sequence: number, count?: number): Promise<void>

  /**
   * Seals the active segment, storing `index` (opaque, may be larger than a value; 8 % of the segment's
   * bytes always fit) in it, and makes the next, prepared segment active. Resolves when both are durable. A crash in between leaves
   * either the old active segment, without index, or the new one; never neither.
   */
  roll(index: Uint8Array): Promise<SegmentId>

  /** Length of the stored index in bytes; undefined for the active segment. Cheap after the first call for a segment. */
  indexBytes(segment: SegmentId): number | undefined

  /**
   * Bytes [start, end) of the index stored at seal time, by default all of it: a fresh copy, owned by the caller.
   * Undefined for the active segment. Waits for the disk off the event loop. The index has a checksum of its own only as
   * a whole, so bytes of a part are not checked.
   * Rejects with StorageError MISUSE if the range does not lie within the index, DAMAGED if the index is.
   */
  readIndex(segment: SegmentId, start?: number, end?: number): Promise<Uint8Array | undefined>

  /** As {@link readIndex}, at once; the event loop stands still while the disk is waited for. */
  readIndexNow(segment: SegmentId, start: number, end: number): Uint8Array | undefined

  /** Removes a sealed segment for good. Resolves when a crash cannot bring it back. */
  remove(segment: SegmentId): Promise<void>

  /**
   * Makes a segment beside the live ones, with room for values that cost about `bytes` (see {@link costBytes};
   * a little more than that, so that it may be filled by several appends) and for their index. It is no live segment until it is
   * published, and it does not outlive the process before. What is written to it may be written while appends
   * to the active segment are in flight.
   */
  beginAside(bytes: number): Promise<AsideSegment>

  /** Free bytes of the disk the store is on; Infinity where there is no such limit. */
  freeBytes(): number

  /** Set after an append or roll failed: nothing is written to this store any more. */
  readonly failure: StorageError | undefined

  /** Finishes what is in flight, releases every resource. Idempotent. */
  close(): Promise<void>
}

/** A segment that is being written beside the live ones, to take the place of some of them. */
export interface AsideSegment {
  /** Its number also when it is live. */
  readonly id: SegmentId

  /** Bytes of values it still takes, counting what each costs on disk. */
  roomBytes(): number

  /** As {@link SegmentStore.append}, to this segment: one append at a time, sequences from 0 without gaps. */
  append(firstSequence: number, values: readonly Uint8Array[]): Promise<void>

  /**
   * Stores the index, and by one change of the set of live segments puts this segment, sealed, in the place of
   * `replaced`: one or more sealed segments that stand next to each other, in journal order. They are then removed,
   * as by {@link SegmentStore.remove}. A crash shows the set before or the set after. Resolves when the set
   * after is durable; `onLive` is called in the very turn in which the set changes for this store's callers, and must
   * not throw. Rejects with MISUSE, which leaves this segment to be discarded, or as `roll` does.
   */
  publish(index: Uint8Array, replaced: readonly SegmentId[], onLive?: () => void): Promise<void>

  /** Leaves nothing of a segment that was not published. Idempotent; does nothing to a published one. */
  discard(): Promise<void>
}

/** An accident below the log: a disk, a file, a directory. `path` names the file where there is one. */
export class StorageError extends Error {
  readonly code: StorageErrorCode
  readonly path: string | undefined

  constructor(code: StorageErrorCode, message: string, options: { path?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'StorageError'
    this.code = code
    this.path = options.path
  }
}

export type StorageErrorCode =
  /** A write or sync failed; the store refuses to write from then on. */
  | 'WRITE_FAILED'
  /** Not enough free space for the write; nothing was written, the store stays usable. */
  | 'NO_SPACE'
  /** A file is shorter, foreign or inconsistent; the message says which and how. */
  | 'DAMAGED'
  /** The data directory was written by another program or a newer version. */
  | 'FOREIGN'
  /** Another process uses the data directory. */
  | 'LOCKED'
  /** The directory or file cannot be read or written with the permissions at hand. */
  | 'INACCESSIBLE'
  /** The call breaks the contract (unknown segment, closed store, value too large). */
  | 'MISUSE'
