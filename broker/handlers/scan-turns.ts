/**
 * Who may look through stored data next, for readers who want a part of it: a piece at a time, connections in turns, a few
 * milliseconds in each turn of the event loop, so that everybody else is served in between.
 *
 * Of one connection one piece is looked at at a time, and of all together a few, so that what is held meanwhile is bounded. It
 * knows nothing of what is done.
 */
import type { Clock, Timers } from '../ports.ts'

/** Of one turn of the event loop; a piece that was begun is finished. */
const TURN_MS = 2
/** Pieces that are looked at elsewhere, by workers. */
const PENDING_MAX = 8

interface Piece {
  readonly look: () => Promise<void> | undefined
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

interface Lane {
  readonly connection: number
  readonly pieces: Piece[]
}

export class ScanTurns {
  readonly #timers: Pick<Timers, 'soon'>
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #lanes = new Map<number, Lane>()
  /** Those whose turn may come, in this order. */
  readonly #ready = new Set<Lane>()
  #pending = 0
  #isScheduled = false

  constructor(timers: Pick<Timers, 'soon'>, clock: Pick<Clock, 'monotonicMs'>) {
    this.#timers = timers
    this.#clock = clock
  }

  /** Calls `look` when it is the connection's turn; settles when that, and what it returned, is done. */
  run(connection: number, look: () => Promise<void> | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      let lane = this.#lanes.get(connection)
      if (!lane) {
        lane = { connection, pieces: [] }
        this.#lanes.set(connection, lane)
        this.#ready.add(lane)
      }
      lane.pieces.push({ look, resolve, reject })
      this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#isScheduled || this.#ready.size === 0 || this.#pending >= PENDING_MAX) return
    this.#isScheduled = true
    this.#timers.soon(() => this.#turn())
  }

  #turn(): void {
    const endMs = this.#clock.monotonicMs() + TURN_MS
    do {
      const [lane] = this.#ready
      if (!lane || this.#pending >= PENDING_MAX) break
      this.#ready.delete(lane)
      this.#look(lane)
    } while (this.#clock.monotonicMs() < endMs)
    this.#isScheduled = false
    this.#schedule()
  }

  #look(lane: Lane): void {
    const { look, resolve, reject } = lane.pieces.shift() as Piece
    try {
      const pending = look()
      if (pending) {
        this.#pending++
        pending.then(resolve, reject).then(() => {
          this.#pending--
          this.#goesOn(lane)
        })
        return
      }
      resolve()
    } catch (error) {
      reject(error)
    }
    this.#goesOn(lane)
  }

  #goesOn(lane: Lane): void {
    if (lane.pieces.length > 0) this.#ready.add(lane)
    else this.#lanes.delete(lane.connection)
    this.#schedule()
  }
}
