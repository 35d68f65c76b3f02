/**
 * Whether the machine held still while a bench ran: every bench probes it beside every round, and a probe
 * that strays too far from its median makes the figures worthless. Pure.
 */
import { STRAY_MAX, stray } from './statistics.ts'

export interface Noise {
  /** How far the sample that strays most is from the median of its probe. */
  readonly strayMax: number
  readonly noisy: boolean
}

export function noiseOf(...probes: readonly (readonly number[])[]): Noise {
  const strayMax = Math.max(...probes.map(stray))
  return { strayMax, noisy: strayMax > STRAY_MAX }
}
