/** A promise that many wait for and somebody resolves; then the next one. */
export class Gate {
  #promise: Promise<void> | undefined
  #resolve: () => void = () => undefined

  /** Somebody waits. */
  get isWaitedFor(): boolean {
    return this.#promise !== undefined
  }

  /** Resolves at the next {@link open}. */
  wait(): Promise<void> {
    this.#promise ??= new Promise((resolve) => {
      this.#resolve = resolve
    })
    return this.#promise
  }

  open(): void {
    this.#promise = undefined
    this.#resolve()
  }
}
