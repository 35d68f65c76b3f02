/**
 * What the caller is at: events and batches that were handed out and of which nobody has asked for the next. They are not
 * processed, so that their offsets are not committed by themselves, and their partition is not given back.
 *
 * Asking for the next says that the last is done. Breaking out of a loop says nothing, because an error ends a loop in the same
 * way: what was at work then counts as done when another loop begins, and not when the consumer is closed.
 */
import type { Cursor } from '../consumer/cursor.ts'

/** Events between two looks at the clock, at most. */
const LOOK_EVENTS_MAX = 64
/**
 * A fifth of the shortest session. In each turn more is fetched while a batch is in hand, and the garbage collector has its records
 * to look at again: with a turn every 10 ms reading event by event took two and a half times the CPU time.
 */
const TURN_MS = 200

/** What one loop is at. */
export class Hand {
  cursor: Cursor | undefined
  /** Offset of the first record it is at that is not done. */
  offset = 0
  isAbandoned = false
  /** It is among those of {@link WorkInHand}. */
  isListed = false
  /** How often the next was asked for, that count as it was seen last, and when it was seen first. */
  count = 0
  seenCount = -1
  seenAtMs = 0
  /** Events until somebody looks at the clock. */
  #untilLook = 0
  readonly #work: WorkInHand

  constructor(work: WorkInHand) {
    this.#work = work
  }

  holds(cursor: Cursor, offset: number): void {
    this.cursor = cursor
    this.offset = offset
  }

  /**
   * Whether the next of the same partition may be handed out without more ado, which says that the last is done: the way of nearly every
   * event. Only its {@link offset} is to be set then.
   */
  goesOn(cursor: Cursor | undefined): boolean {
    if (this.cursor !== cursor || this.isAbandoned || this.#work.isAwaited || --this.#untilLook <= 0)
      return false
    this.count++
    return cursor !== undefined
  }

  /** See {@link WorkInHand.isTurnDue}. */
  get isTurnDue(): boolean {
    if (this.#untilLook > 0) return false
    const isDue = this.#work.isTurnDue
    this.#untilLook = this.#work.lookEvents
    return isDue
  }

  turn(): Promise<void> {
    return this.#work.turn()
  }

  /** The next is asked for. */
  releases(): void {
    this.#work.released(this)
  }

  /** `next` as it is; a loop that is told an error, or that nothing more comes, is over. */
  async watches<T>(next: Promise<IteratorResult<T, undefined>>): Promise<IteratorResult<T, undefined>> {
    let isOver = true
    try {
      const result = await next
      isOver = result.done === true
      return result
    } finally {
      if (isOver) this.#work.ended(this)
    }
  }

  /** The loop has been left. */
  abandons(): void {
    this.isAbandoned = true
    this.#work.abandoned()
  }
}

export class WorkInHand {
  readonly #onReleased: () => void
  readonly #monotonicMs: () => number
  readonly #soon: (run: () => void) => void
  /** Events of a loop until its next look at the clock. */
  lookEvents = 1
  #lookedAtMs = 0
  #turnAtMs = 0
  readonly #hands = new Set<Hand>()
  /** Somebody waits for hands to be empty. */
  isAwaited = false

  constructor(monotonicMs: () => number, soon: (run: () => void) => void, onReleased: () => void) {
    this.#monotonicMs = monotonicMs
    this.#soon = soon
    this.#onReleased = onReleased
  }

  newHand(): Hand {
    return new Hand(this)
  }

  released(hand: Hand): void {
    // A loop that begins goes on behind those that were left; one that runs already knows nothing of them.
    if (hand.count === 0)
      for (const other of this.#hands) if (other.isAbandoned && other !== hand) this.ended(other)
    hand.count++
    hand.cursor = undefined
    // With every event: no look into the set.
    if (!hand.isListed) this.#hands.add(hand)
    hand.isListed = true
    hand.isAbandoned = false
    if (this.isAwaited) this.#onReleased()
  }

  ended(hand: Hand): void {
    hand.isListed = false
    this.#hands.delete(hand)
  }

  abandoned(): void {
    if (this.isAwaited) this.#onReleased()
  }

  /**
   * Whether others should have a turn before the next is handed out: a loop over what is here already would leave none to
   * heartbeats, however short it is at each event.
   */
  get isTurnDue(): boolean {
    const nowMs = this.#monotonicMs()
    // The slower the events are, the fewer of them lie between two looks.
    const isSlow = nowMs - this.#lookedAtMs > TURN_MS / 8
    this.lookEvents = Math.min(
      LOOK_EVENTS_MAX,
      Math.max(1, isSlow ? this.lookEvents / 2 : this.lookEvents * 2),
    )
    this.#lookedAtMs = nowMs
    return nowMs - this.#turnAtMs >= TURN_MS
  }

  /** Others had their turn while the next was waited for. */
  async resting(news: Promise<void>): Promise<void> {
    await news
    this.#turnAtMs = this.#monotonicMs()
  }

  async turn(): Promise<void> {
    await new Promise<void>((resolve) => this.#soon(resolve))
    this.#turnAtMs = this.#monotonicMs()
  }

  /** Whether somebody works on an event of this partition. Who has left his loop does not. */
  isAt(cursor: Cursor): boolean {
    for (const hand of this.#hands) if (hand.cursor === cursor && !hand.isAbandoned) return true
    return false
  }

  /** `position`, or the first offset before it that is not done. */
  processedOf(cursor: Cursor, position: number): number {
    let offset = position
    for (const hand of this.#hands) if (hand.cursor === cursor) offset = Math.min(offset, hand.offset)
    return offset
  }

  /** Somebody has said so of what he is at: what is committed by itself later does not go back behind it. */
  processedUpTo(cursor: Cursor, offset: number): void {
    for (const hand of this.#hands) if (hand.cursor === cursor && hand.offset < offset) hand.offset = offset
  }

  /**
   * For how long the one loop that is slowest has asked for nothing more while it is at something; null: none is at anything. Looks at
   * the clock when it is asked and not with every event, so that it is short by the time since it was asked before.
   */
  processingMs(): number | null {
    const nowMs = this.#monotonicMs()
    let longestMs: number | null = null
    for (const hand of this.#hands) {
      if (hand.seenCount !== hand.count) {
        hand.seenCount = hand.count
        hand.seenAtMs = nowMs
      }
      if (hand.cursor !== undefined && !hand.isAbandoned)
        longestMs = Math.max(longestMs ?? 0, Math.floor(nowMs - hand.seenAtMs))
    }
    return longestMs
  }
}
