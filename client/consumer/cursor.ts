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
  endOffset = Number.POSITIVE_INFINITY
  /** Leader epoch of the last record received, -1: none. */
  lastFetchedEpoch = -1
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
  #endWanted: boolean
  /** Batches of this epoch that were received and not yet handed out. */
  #waitingCount = 0

  constructor(topic: Topic, partition: number, start: StartPosition, untilEnd: boolean) {
    this.topic = topic
    this.source = { topic: topic.name, partition }
    this.#endWanted = untilEnd
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
    if (this.failure) return undefined
    if (this.#endWanted) return OFFSET_LATEST
    if (this.#start === 'latest') return OFFSET_LATEST
    if (this.#start === 'earliest') return OFFSET_EARLIEST
    return typeof this.#start === 'object' && 'timeMs' in this.#start ? this.#start.timeMs : undefined
  }

  get isFetchable(): boolean {
    return (
      this.fetchOffset !== UNKNOWN_OFFSET &&
      this.timestampWanted === undefined &&
      !this.fetching &&
      !this.resting &&
      !this.paused &&
      !this.failure &&
      this.fetchOffset < this.endOffset
    )
  }

  /** Nothing more is to come, nor to be handed out. */
  get isFinished(): boolean {
    return (
      this.timestampWanted === undefined &&
      this.position !== UNKNOWN_OFFSET &&
      this.position >= this.endOffset
    )
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
    if (this.#endWanted) {
      this.#endWanted = false
      this.endOffset = offset
    } else if (offset === UNKNOWN_OFFSET) {
      this.#start = 'latest'
    } else {
      this.#origin = this.#start
      this.#start = undefined
      this.fetchOffset = offset
      // Batches from before a relocation may still wait to be handed out.
      if (this.#waitingCount === 0) this.position = offset
    }
  }

  /**
   * The broker does not hold `fetchOffset`. Looks for `policy` instead, or again for what the position came from
   * if nothing has been read since: retention moved on in between. False: there is nothing to look for.
   */
  relocate(policy: StartPosition | undefined): boolean {
    this.#start = this.#origin ?? policy
    return this.#start !== undefined
  }

  /** A batch up to and with `lastOffset` came. */
  received(lastOffset: number, leaderEpoch: number): void {
    this.#origin = undefined
    this.fetchOffset = lastOffset + 1
    this.lastFetchedEpoch = leaderEpoch
    this.#waitingCount++
  }

  /** So was the oldest batch that waits, up to and with `lastOffset`. The last one may stand before a relocation. */
  handedOut(lastOffset: number): void {
    this.#waitingCount--
    this.position = this.#waitingCount === 0 ? this.fetchOffset : lastOffset + 1
  }

  /** Is not read on. What was received before is still handed out, so the epoch stays. */
  fail(error: Error): void {
    this.failure = error
  }

  #restart(): void {
    this.epoch++
    this.#waitingCount = 0
    this.fetching = false
    this.attempts = 0
  }
}
