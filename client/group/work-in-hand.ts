/**
 * What the caller is at: events and batches that were handed out and of which nobody has asked for the next. They are not
 * processed, so that their offsets are not committed by themselves, and their partition is not given back.
 *
 * Asking for the next says that the last is done. Breaking out of a loop says nothing, because an error ends a loop in the same
 * way: what was at work then counts as done when another loop begins, and not when the consumer is closed.
 */
import type { Cursor } from '../consumer/cursor.ts'

/** Events between two looks at the clock. */
const LOOK_EVENTS = 16
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
  readonly #work: WorkInHand

  constructor(work: WorkInHand) {
    this.#work = work
  }

  holds(cursor: Cursor, offset: number): void {
    this.cursor = cursor
    this.offset = offset
  }

  /** See {@link WorkInHand.isTurnDue}. */
  get isTurnDue(): boolean {
    return this.#work.isTurnDue
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
  #sinceLook = 0
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
    if (++this.#sinceLook < LOOK_EVENTS) return false
    this.#sinceLook = 0
    return this.#monotonicMs() - this.#turnAtMs >= TURN_MS
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
