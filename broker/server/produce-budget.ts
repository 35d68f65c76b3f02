/**
 * How much of produce requests may be unanswered at one time: a bound for the whole node, and from it
 * the share each connection is granted. Shares may add up to more than the bound when there are many
 * connections; the bound is kept all the same, by refusing.
 */
import type { ServerLimits } from './limits.ts'

export type ProduceBudgetLimits = Pick<
  ServerLimits,
  'produceBufferBytesMax' | 'produceWindowBytesMax' | 'produceWindowBytesMin'
>

export class ProduceBudget {
  readonly #limits: ProduceBudgetLimits
  #usedBytes = 0
  #connections = 0

  constructor(limits: ProduceBudgetLimits) {
    this.#limits = limits
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  get bytesMax(): number {
    return this.#limits.produceBufferBytesMax
  }

  /** What one connection is granted at this moment. */
  get grantBytes(): number {
    const { produceBufferBytesMax, produceWindowBytesMax, produceWindowBytesMin } = this.#limits
    const share = Math.floor(produceBufferBytesMax / Math.max(1, this.#connections))
    return Math.min(produceWindowBytesMax, Math.max(produceWindowBytesMin, share))
  }

  connected(): void {
    this.#connections++
  }

  disconnected(): void {
    this.#connections--
  }

  /** False: there is no room, nothing was taken. */
  take(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#limits.produceBufferBytesMax) return false
    this.#usedBytes += bytes
    return true
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes
  }
}
