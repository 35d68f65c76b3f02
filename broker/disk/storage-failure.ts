/**
 * The end of a node's storage: the first accident after which nothing can be written any more. What fails
 * after it is a consequence and told to nobody.
 */

export class StorageFailure {
  /** Resolves, if ever, with the first error. */
  readonly happened: Promise<Error>
  readonly #onFirst: (error: Error) => void
  #resolve: (error: Error) => void = () => {}
  #error: Error | undefined

  constructor(onFirst: (error: Error) => void) {
    this.#onFirst = onFirst
    this.happened = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  get error(): Error | undefined {
    return this.#error
  }

  tell(error: Error): void {
    if (this.#error) return
    this.#error = error
    this.#onFirst(error)
    this.#resolve(error)
  }
}
