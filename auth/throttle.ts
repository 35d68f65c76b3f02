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
  /** Failures that count; falls by one every `refillMs`. */
  failures: number
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
    const bucket = this.#bucketOf(source, nowMs)
    if (!bucket) return { waitMs: 0 }
    const { burst, refillMs } = this.#limits
    const over = bucket.failures - (burst - 1)
    return { waitMs: over > 0 ? Math.ceil(over * refillMs) : 0 }
  }

  failed(source: string, nowMs: number): void {
    const { burst, refillMs, waitMsMax } = this.#limits
    const bucket = this.#bucketOf(source, nowMs) ?? {
      failures: 0,
      atMs: nowMs,
      forgivenAtMs: Number.NEGATIVE_INFINITY,
    }
    bucket.failures = Math.min(bucket.failures + 1, burst - 1 + waitMsMax / refillMs)
    this.#buckets.set(source, bucket)
  }

  succeeded(source: string, nowMs: number): void {
    const bucket = this.#bucketOf(source, nowMs)
    if (!bucket || nowMs - bucket.forgivenAtMs < this.#limits.refillMs) return
    bucket.forgivenAtMs = nowMs
    bucket.failures = Math.max(0, bucket.failures - 1)
  }

  /** With what has drained until now taken off; one that is empty is forgotten. */
  #bucketOf(source: string, nowMs: number): Bucket | undefined {
    const bucket = this.#buckets.get(source)
    if (!bucket) return undefined
    bucket.failures = Math.max(0, bucket.failures - Math.max(0, nowMs - bucket.atMs) / this.#limits.refillMs)
    bucket.atMs = Math.max(bucket.atMs, nowMs)
    if (bucket.failures > 0) return bucket
    this.#buckets.delete(source)
    return undefined
  }
}
