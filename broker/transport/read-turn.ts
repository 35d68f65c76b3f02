/**
 * Why nothing is sent over TLS while something is read: uWebSockets.js hands out what it has decrypted while more of
 * the same read may still be waiting to be decrypted, and a write on any connection makes it forget the rest. The
 * connection then ends as damaged, at the very moment when most data comes in.
 *
 * From the first message of a turn of the event loop to the end of that turn, therefore, whoever wants to send waits
 * here: what is sent leaves when the turn has ended. A callback that returns is not yet the end: promises settle behind it.
 */

export interface Held {
  /** The turn has ended: what was held may leave. */
  release(): void
}

export class ReadTurn {
  readonly #soon: (run: () => void) => void
  readonly #held = new Set<Held>()
  #isReading = false
  #reader: unknown

  /** @param soon runs its argument when the present turn has handled its events */
  constructor(soon: (run: () => void) => void) {
    this.#soon = soon
  }

  /** Whether something is, or may be, in the middle of being read. */
  get isReading(): boolean {
    return this.#isReading
  }

  /** Whose bytes were handed out last. */
  get reader(): unknown {
    return this.#reader
  }

  /** Something of `reader` is about to be handed out. */
  reads(reader: unknown): void {
    this.#reader = reader
    if (this.#isReading) return
    this.#isReading = true
    this.#soon(() => this.#end())
  }

  /** `held` is released, once, when the turn has ended. */
  hold(held: Held): void {
    this.#held.add(held)
  }

  /** Resolves when nothing is being read. */
  ended(): Promise<void> {
    if (!this.#isReading) return Promise.resolve()
    return new Promise((resolve) => this.hold({ release: resolve }))
  }

  #end(): void {
    this.#isReading = false
    this.#reader = undefined
    const held = [...this.#held]
    this.#held.clear()
    for (const each of held) each.release()
  }
}
