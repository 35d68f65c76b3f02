/** Random choices that can be repeated: the seed is printed, and taken from OCTOPUS_SEED when set. */
import type { Test } from 'tap'

export interface SeededRandom {
  readonly seed: number
  /** 0 ≤ x < 1 */
  unit(): number
  /** A whole number from 0 to `bound` - 1. */
  below(bound: number): number
  bytes(length: number): Uint8Array
  pick<T>(items: readonly T[]): T
}

/** Prints its seed as a comment of the test. The generator is mulberry32. */
export function seededRandom(t: Pick<Test, 'comment'>): SeededRandom {
  const seed = Number(process.env.OCTOPUS_SEED ?? Math.floor(Math.random() * 2 ** 31))
  t.comment(`seed ${seed} (repeat with OCTOPUS_SEED=${seed})`)
  return randomOf(seed)
}

export function randomOf(seed: number): SeededRandom {
  let state = seed >>> 0
  const unit = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = state
    x = Math.imul(x ^ (x >>> 15), x | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (bound: number) => Math.floor(unit() * bound)
  return {
    seed,
    unit,
    below,
    bytes: (length) => Uint8Array.from({ length }, () => below(256)),
    pick: (items) => items[below(items.length)],
  }
}
