/**
 * The arithmetic of the benches: medians, best rounds, the bound a shared machine sets, and when a machine
 * is too noisy to be believed. Pure.
 */

/** A probe may stray so far from its median, up or down, before the machine counts as too noisy. */
export const STRAY_MAX = 0.2

/** The middle value, or the mean of the two middle ones. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('the median of nothing')
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The smallest value that at least so many percent of the values do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  if (values.length === 0) throw new Error('a percentile of nothing')
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]
}

/** The element with the largest measure; the first of equals. */
export function best<T>(rounds: readonly T[], measure: (round: T) => number): T {
  if (rounds.length === 0) throw new Error('the best of nothing')
  return rounds.reduce((a, b) => (measure(b) > measure(a) ? b : a))
}

/** How far the sample that strays most is from the median, as a share of the median. */
export function stray(samples: readonly number[]): number {
  const middle = median(samples)
  return Math.max(...samples.map((sample) => Math.abs(sample - middle) / middle))
}

/**
 * The rate two stages reach that share the same cores and so take turns: a client that fills batches and
 * a disk that syncs them are each waited for. Same unit in and out.
 */
export function serialRate(one: number, other: number): number {
  return 1 / (1 / one + 1 / other)
}
