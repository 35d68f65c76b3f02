/**
 * The failure of a store: the first write that went wrong ends its writing for good, because what the disk has is in
 * doubt from then on. Told once, remembered, and the reason why closing may be given up: what a library makes of a
 * failed write must not keep the process from ending.
 */

import { StorageError } from './segment-store.ts'

export interface FailureOptions {
  /** Resolves when a close has been waited for long enough after a failure. By default it is waited for for ever. */
  readonly closePatience?: () => Promise<void>
}

export class Failure {
  readonly #options: FailureOptions
  readonly #failed: Promise<void>
  #tell = () => {}
  #error: StorageError | undefined

  constructor(options: FailureOptions) {
    this.#options = options
    this.#failed = new Promise((resolve) => {
      this.#tell = resolve
    })
  }

  /** Undefined while all is well. */
  get error(): StorageError | undefined {
    return this.#error
  }

  /** Throws the failure, if there is one. */
  check(): void {
    if (this.#error !== undefined) throw this.#error
  }

  /** Sets the failure, unless there is one already; the one there is. */
  set(error: StorageError): StorageError {
    if (this.#error !== undefined) return this.#error
    this.#error = error
    this.#tell()
    return error
  }

  /** Waits for a close, after a failure no longer than the patience. Whether it was finished; rejects as it does. */
  async outlast(closing: Promise<void>): Promise<boolean> {
    const { closePatience } = this.#options
    const closed = closing.then(() => true)
    if (closePatience === undefined) return closed
    return Promise.race([closed, this.#failed.then(closePatience).then(() => false)])
  }
}

/** The sentence of a close that was given up. */
export function closeGivenUp(path: string): StorageError {
  return new StorageError('WRITE_FAILED', `${path} was not closed: the write that failed keeps it busy`, {
    path,
  })
}
