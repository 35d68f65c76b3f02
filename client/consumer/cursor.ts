/**
 * The reading position in one partition and everything that decides whether it may be fetched now. Pure
 * state: it knows no network and no time.
 *
 * ```
 *            located()                 fetching = true          arrived()…
 *  locating ───────────▶ fetchable ─────────────────▶ in a fetch ─────────▶ fetchable
 *     ▲                     │  ▲ resume()                │
 *     └── start, seek() ────┘  └─ paused ◀── pause() ────┘
 * ```
 *
 * Invariant: `position` and `fetchOffset` differ only while batches wait to be handed out; what lies between was
 * received or, after a relocation, is not there. Whatever moves the position otherwise (seek, pause) begins a new
 * `epoch`, and answers to fetches of an older epoch are not looked at.
 */
import type { RecordSource } from '../../storage/record/record.ts'
import { OFFSET_EARLIEST, OFFSET_LATEST } from '../protocol/messages/list-offsets.ts'
import type { Topic } from '../topic-directory.ts'
import type { StartPosition } from './options.ts'

/** Where and whether reading a partition ends. */
export interface CursorEnd {
  /** At the latest at the end that the partition has when it is first looked at. */
  readonly untilEnd: boolean
  /** Before this offset; Infinity: not said. */
  readonly endOffset: number
  /** With the first record of this time or later, ms since 1970; undefined: not said. */
  readonly endTimeMs?: number | undefined
  /** {@link Cursor.historyEnd} is wanted. */
  readonly isOrdered: boolean
}

export const NO_END: CursorEnd = { untilEnd: false, endOffset: Number.POSITIVE_INFINITY, isOrdered: false }

/** Offset of a position that is not known yet. */
export const UNKNOWN_OFFSET = -1

export class Cursor {
  readonly source: RecordSource
  /** What is known of the topic; replaced when it was asked for again. */
  topic: Topic
  /** Offset of the next record to hand out, or {@link UNKNOWN_OFFSET}. */
  position = UNKNOWN_OFFSET
  /** Offset of the next record to ask for, or {@link UNKNOWN_OFFSET}. */
  fetchOffset = UNKNOWN_OFFSET
  /** Reading ends before this offset. */
  endOffset: number
  /** The last batch is handed out without its records from here on. */
  cutOffset: number
  /** End of the partition when it was first looked at, if somebody wants that known; else {@link UNKNOWN_OFFSET}. */
  historyEnd = UNKNOWN_OFFSET
  /** Leader epoch of the last record received, -1: none. */
  lastFetchedEpoch = -1
  /** Where the last batch that was handed out ends, or {@link UNKNOWN_OFFSET}: what lies from there to the position is for nobody. */
  handedOutEnd = UNKNOWN_OFFSET
  highWatermark = UNKNOWN_OFFSET
  epoch = 0
  /** In a fetch of this epoch. */
  fetching = false
  /** Waits before it is tried again. */
  resting = false
  paused = false
  /** Why it is not read on. Only {@link seek} heals that. */
  failure: Error | undefined
  /** Failures since the last success, for the back-off. */
  attempts = 0
  /** Where to go once the broker has told the offset. */
  #start: StartPosition | undefined
  /** The words that the present position comes from, until a record has been received. */
  #origin: StartPosition | undefined
  readonly #untilEnd: boolean
  /** The partition's end must be asked for. */
  #endWanted: boolean
  /** So must be the end that this time stands for. */
  #endTimeMs: number | undefined
  /** Batches of this epoch that were received and not yet handed out. */
  #waitingCount = 0

  constructor(topic: Topic, partition: number, start: StartPosition, end: CursorEnd) {
    this.topic = topic
    this.source = { topic: topic.name, partition }
    this.endOffset = end.endOffset
    this.cutOffset = end.endOffset
    this.#endTimeMs = end.endTimeMs
    this.#untilEnd = end.untilEnd
    this.#endWanted = end.untilEnd || end.isOrdered
    this.seek(start)
  }

  get partition(): number {
    return this.source.partition
  }

  get leaderEpoch(): number {
    return this.topic.partitions[this.partition]?.leaderEpoch ?? -1
  }

  /** The time to ask the broker's offset for, as the wire has it; undefined: nothing to ask. */
  get timestampWanted(): number | undefined {
    if (this.failure || this.lastWanted) return undefined
    if (this.#endWanted) return OFFSET_LATEST
    if (this.#endTimeMs !== undefined) return this.#endTimeMs
    if (this.#start === 'latest') return OFFSET_LATEST
    if (this.#start === 'earliest') return OFFSET_EARLIEST
    return typeof this.#start === 'object' && 'timeMs' in this.#start ? this.#start.timeMs : undefined
  }

  /** The newest records are wanted and their place is not known yet: who waits for the same object shares them. */
  get lastWanted(): { readonly last: number } | undefined {
    if (this.failure || typeof this.#start !== 'object' || !('last' in this.#start)) return undefined
    return this.#start
  }

  /** Its position or its end is being looked up. */
  get isLocating(): boolean {
    if (this.failure) return false
    return this.#endWanted || this.#endTimeMs !== undefined || this.#start !== undefined
  }

  /** Something that was stored at the start is still to come from the broker. */
  get isAwaited(): boolean {
    if (this.paused || this.failure) return false
    return this.isLocating || this.fetchOffset < Math.min(this.historyEnd, this.endOffset)
  }

  get isFetchable(): boolean {
    return (
      this.fetchOffset !== UNKNOWN_OFFSET &&
      !this.isLocating &&
      !this.fetching &&
      !this.resting &&
      !this.paused &&
      !this.failure &&
      this.fetchOffset < this.endOffset
    )
  }

  /** Nothing more is to come, nor to be handed out. */
  get isFinished(): boolean {
    return !this.isLocating && this.position !== UNKNOWN_OFFSET && this.position >= this.endOffset
  }

  /** Goes elsewhere; what was fetched or is on its way is for nobody. */
  seek(start: StartPosition): void {
    this.#restart()
    this.failure = undefined
    this.lastFetchedEpoch = -1
    this.#origin = undefined
    if (typeof start === 'object' && 'offset' in start) {
      this.#start = undefined
      this.position = start.offset
      this.fetchOffset = start.offset
    } else {
      this.#start = start
      this.position = UNKNOWN_OFFSET
      this.fetchOffset = UNKNOWN_OFFSET
    }
  }

  /** Back to what was handed out: fetched records that wait are dropped and will be fetched again. */
  rewind(): void {
    this.#restart()
    this.lastFetchedEpoch = -1
    this.fetchOffset = this.position
  }

  /** The broker's answer to {@link timestampWanted}; {@link UNKNOWN_OFFSET}: no record is that young. */
  located(offset: number): void {
    if (this.#endWanted) this.#ended(offset)
    else if (this.#endTimeMs !== undefined) this.#endedInTime(offset)
    else if (offset === UNKNOWN_OFFSET) this.#start = 'latest'
    else this.#begin(offset, this.#start)
  }

  /** The answer to {@link lastWanted}: where those records begin, and the end they were counted from. */
  locatedLast(offset: number, endOffset: number): void {
    if (this.#endWanted) this.#ended(endOffset)
    // Retention that has passed the place has left only newer ones.
    this.#begin(offset, 'earliest')
  }

  /**
   * The broker does not hold `fetchOffset`. Looks for `policy` instead, or again for what the position came from
   * if nothing has been read since: retention moved on in between. False: there is nothing to look for.
   */
  relocate(policy: StartPosition | undefined): boolean {
    this.#start = this.#origin ?? policy
    return this.#start !== undefined
  }

  /**
   * Nothing up to and with `lastOffset` is for anybody: it was looked at. As soon as nothing waits that comes before, the position is
   * behind it, whether or not somebody asks for the next record.
   */
  passed(lastOffset: number, leaderEpoch: number): void {
    this.#advance(lastOffset, leaderEpoch)
    if (this.#waitingCount === 0) this.position = this.fetchOffset
  }

  /** A batch up to and with `lastOffset` came. */
  received(lastOffset: number, leaderEpoch: number): void {
    this.#advance(lastOffset, leaderEpoch)
    this.#waitingCount++
  }

  /** What came lies behind the end: there is nothing (more) before it. */
  endPassed(): void {
    this.fetchOffset = this.endOffset
    if (this.#waitingCount === 0) this.position = this.endOffset
  }

  /** So was the oldest batch that waits, up to and with `lastOffset`. The last one may stand before a relocation. */
  handedOut(lastOffset: number): void {
    this.#waitingCount--
    this.handedOutEnd = lastOffset + 1
    this.position = this.#waitingCount === 0 ? this.fetchOffset : lastOffset + 1
  }

  /** So was a part of it, up to, without, `offset`. */
  handedOutBefore(offset: number): void {
    this.position = offset
  }

  /** Is not read on. What was received before is still handed out, so the epoch stays. */
  fail(error: Error): void {
    this.failure = error
  }

  #begin(offset: number, origin: StartPosition | undefined): void {
    this.#origin = origin
    this.#start = undefined
    this.fetchOffset = offset
    // Batches from before a relocation may still wait to be handed out.
    if (this.#waitingCount === 0) this.position = offset
  }

  #ended(offset: number): void {
    this.#endWanted = false
    this.historyEnd = offset
    if (this.#untilEnd) this.endOffset = Math.min(this.endOffset, offset)
  }

  /**
   * The record itself is still read, and the batch it is in whole: where the broker cannot look into a batch, it says
   * the batch's first record, and what is wanted may stand behind it.
   */
  #endedInTime(offset: number): void {
    this.#endTimeMs = undefined
    if (offset !== UNKNOWN_OFFSET) this.endOffset = Math.min(this.endOffset, offset + 1)
  }

  #advance(lastOffset: number, leaderEpoch: number): void {
    this.#origin = undefined
    this.fetchOffset = Math.min(lastOffset + 1, this.endOffset)
    this.lastFetchedEpoch = leaderEpoch
  }

  #restart(): void {
    this.epoch++
    this.handedOutEnd = UNKNOWN_OFFSET
    this.#waitingCount = 0
    this.fetching = false
    this.attempts = 0
  }
}
