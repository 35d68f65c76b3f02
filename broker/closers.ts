/**
 * Things opened one after the other, closed in the opposite order, each whatever became of the others.
 */
export class Closers {
  readonly #closers: (() => Promise<void> | void)[] = []
  #closed: Promise<void> | undefined

  add(close: () => Promise<void> | void): void {
    this.#closers.push(close)
  }

  /** The result of `open`; if it fails, what it had added is closed before its error goes on. */
  async guarding<T>(open: () => Promise<T>): Promise<T> {
    try {
      return await open()
    } catch (error) {
      // What closing adds is a consequence; the first error says what is wrong.
      await this.close().catch((_consequence: unknown) => undefined)
      throw error
    }
  }

  /** Idempotent. Rejects with the first error, after everything has been tried. */
  close(): Promise<void> {
    this.#closed ??= this.#closeAll()
    return this.#closed
  }

  async #closeAll(): Promise<void> {
    const errors: unknown[] = []
    for (const close of this.#closers.reverse()) {
      try {
        await close()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }
}
