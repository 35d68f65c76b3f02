/**
 * Whether the node serves requests, and if not, why. Starts not ready; a failure of the storage is final.
 */

type State =
  | { readonly kind: 'starting' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'stopping' }
  | { readonly kind: 'failed'; readonly cause: string }

export class Readiness {
  #state: State = { kind: 'starting' }

  /** Undefined: ready. Otherwise one sentence. */
  reason(): string | undefined {
    switch (this.#state.kind) {
      case 'ready':
        return undefined
      case 'starting':
        return 'The broker is starting.'
      case 'stopping':
        return 'The broker is shutting down.'
      case 'failed':
        return `Nothing can be written any more: ${this.#state.cause}`
    }
  }

  started(): void {
    if (this.#state.kind === 'starting') this.#state = { kind: 'ready' }
  }

  stopping(): void {
    if (this.#state.kind !== 'failed') this.#state = { kind: 'stopping' }
  }

  failed(cause: Error): void {
    this.#state = { kind: 'failed', cause: cause.message }
  }
}
