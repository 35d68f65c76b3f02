/**
 * What many partitions cost: the rate beside one partition, the start of a broker that has them, and what it
 * holds on to when its whole log is read. Probes of the disk stand before and after everything.
 */
import type { Progress } from '../display/progress.ts'
import { type Probe, type ProbeSizes, probeMachine } from '../machine/probes.ts'
import {
  measureNothingStored,
  measureSpread,
  type NothingStored,
  type SpreadOptions,
  type SpreadRound,
} from './spread.ts'
import { measureStartup, type StartupOptions, type StartupRun } from './startup.ts'

export interface PartitionsOptions extends ProbeSizes {
  readonly rounds: number
  readonly spread: SpreadOptions
  readonly startup: StartupOptions
}

export interface PartitionsRound extends SpreadRound {
  readonly nothingStored: NothingStored
}

export interface PartitionsRun {
  readonly rounds: readonly PartitionsRound[]
  readonly startup: StartupRun
  /** One before each round, one after the last, one after the starts. */
  readonly probes: readonly Probe[]
}

export async function runPartitions(
  directory: string,
  options: PartitionsOptions,
  progress: Progress,
): Promise<PartitionsRun> {
  const { spread } = options
  const probe = (): Promise<Probe> => {
    progress.step('probing the disk: raw append and fdatasync')
    return probeMachine(directory, options)
  }
  const probes = [await probe()]
  const rounds: PartitionsRound[] = []
  while (rounds.length < options.rounds) {
    const name = `round ${rounds.length + 1} of ${options.rounds}: ${spread.partitions} partitions and one`
    progress.step(`${name}, nothing stored`)
    const nothingStored = await measureNothingStored(directory, spread)
    progress.step(`${name}, fsynced, in turns`)
    rounds.push({ ...(await measureSpread(directory, spread)), nothingStored })
    probes.push(await probe())
  }
  const startup = await measureStartup(directory, options.startup, progress)
  probes.push(await probe())
  return { rounds, startup, probes }
}
