/**
 * What the project promises of a figure, and whether a run kept it. A figure this machine or this broker does
 * not tell counts as missed: a promise nobody could check is not kept. Pure.
 */
export interface Target {
  readonly name: string
  /** `least`: the figure is to be at least the limit; `most`: at most. */
  readonly side: 'least' | 'most'
  readonly limit: number
  /** Null: could not be measured. */
  readonly measured: number | null
  readonly met: boolean
}

export function atLeast(name: string, limit: number, measured: number | null): Target {
  return { name, side: 'least', limit, measured, met: measured !== null && measured >= limit }
}

export function atMost(name: string, limit: number, measured: number | null): Target {
  return { name, side: 'most', limit, measured, met: measured !== null && measured <= limit }
}

/** Whatever a broker does, its heap and stacks stay below this. */
export const BROKER_ANONYMOUS_BYTES_MAX = 400e6
