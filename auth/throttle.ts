/**
 * Slows down whoever fails often: a bucket of failures for each source, an address or the id of a key.
 *
 * A source may fail `burst` times at once and once every `refillMs` in the long run. With more failures than
 * that (connections that were under way together) it owes, and waits until they are paid, `waitMsMax` at most. A
 * success gives back one failure, and no more than one every `refillMs`: a stumble is forgiven, and whoever holds one
 * good key cannot guess another with it faster than at twice the pace.
 *
 * Pure: the clock is handed in, monotonic. Bounded: only failures are remembered, of the sources that were seen last; to
 * make the node forget, a stranger needs as many addresses as would let him guess anyway.
 */
import { BoundedCache } from './bounded-cache.ts'

export interface ThrottleLimits {
  readonly burst: number
  readonly refillMs: number
  readonly waitMsMax: number
  readonly sourcesMax: number
}

interface Bucket {
  /** Failures that count, each worth `refillMs`; time pays it off. */
  debtMs: number
  atMs: number
  forgivenAtMs: number
}

export class Throttle {
  readonly #limits: ThrottleLimits
  readonly #buckets: BoundedCache<Bucket>

  constructor(limits: ThrottleLimits) {
    this.#limits = limits
    this.#buckets = new BoundedCache(limits.sourcesMax)
  }

  /** Sources it remembers. */
  get size(): number {
    return this.#buckets.size
  }

  /** How long the source has to wait before it may try again; 0: now. */
  admit(source: string, nowMs: number): { readonly waitMs: number } {
    const debtMs = this.#bucketOf(source, nowMs)?.debtMs ?? 0
    return { waitMs: Math.ceil(Math.max(0, debtMs - this.#freeDebtMs())) }
  }

  failed(source: string, nowMs: number): void {
    const { refillMs, waitMsMax } = this.#limits
    const bucket = this.#bucketOf(source, nowMs) ?? {
      debtMs: 0,
      atMs: nowMs,
      forgivenAtMs: Number.NEGATIVE_INFINITY,
    }
    bucket.debtMs = Math.min(bucket.debtMs + refillMs, this.#freeDebtMs() + waitMsMax)
    this.#buckets.set(source, bucket)
  }

  succeeded(source: string, nowMs: number): void {
    const { refillMs } = this.#limits
    const bucket = this.#bucketOf(source, nowMs)
    if (!bucket || bucket.debtMs === 0 || nowMs - bucket.forgivenAtMs < refillMs) return
    bucket.forgivenAtMs = nowMs
    bucket.debtMs = Math.max(0, bucket.debtMs - refillMs)
  }

  #freeDebtMs(): number {
    return (this.#limits.burst - 1) * this.#limits.refillMs
  }

  /** As it is now. One that owes nothing is forgotten, but not that it was forgiven a moment ago. */
  #bucketOf(source: string, nowMs: number): Bucket | undefined {
    const bucket = this.#buckets.get(source)
    if (!bucket) return undefined
    bucket.debtMs = Math.max(0, bucket.debtMs - Math.max(0, nowMs - bucket.atMs))
    bucket.atMs = Math.max(bucket.atMs, nowMs)
    if (bucket.debtMs > 0 || nowMs - bucket.forgivenAtMs < this.#limits.refillMs) return bucket
    this.#buckets.delete(source)
    return undefined
  }
}
