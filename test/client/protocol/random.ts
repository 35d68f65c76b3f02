/** Seeded randomness for tests: the same seed gives the same run on every machine. */

/** The seed of this run: OCTOPUS_SEED, else the one that is given. */
export function seedOr(usual: number): number {
  const asked = process.env.OCTOPUS_SEED
  return asked === undefined ? usual : Number(asked)
}

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A whole number, 0 ≤ n < `bound` ≤ 2^32 (mulberry32). */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * bound)
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256))
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]
  }
}
