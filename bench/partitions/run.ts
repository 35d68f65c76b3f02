/**
 * What many partitions cost: the rate beside one partition, the start of a broker that has them, and what it
 * holds on to when its whole log is read. Probes of the disk stand before and after everything.
 */
import type { Progress } from '../display/progress.ts'
import { type DiskProbe, probeDisk, probeSmallSync } from '../machine/probes.ts'
import {
  measureNothingStored,
  measureSpread,
  type NothingStored,
  type SpreadOptions,
  type SpreadRound,
} from './spread.ts'
import { measureStartup, type StartupOptions, type StartupRun } from './startup.ts'

export interface PartitionsOptions {
  readonly rounds: number
  readonly spread: SpreadOptions
  readonly startup: StartupOptions
  readonly diskProbeBytes: number
  readonly smallSyncs: number
}

export interface PartitionsRound extends SpreadRound {
  readonly nothingStored: NothingStored
}

export interface Probe {
  readonly disk: DiskProbe
  readonly fdatasyncP50Ms: number
}

export interface PartitionsRun {
  readonly rounds: readonly PartitionsRound[]
  readonly startup: StartupRun
  /** One before each round, one after the last, one after the starts. */
  readonly probes: readonly Probe[]
}

const PROBE_CHUNK_BYTES = 1024 * 1024

export async function runPartitions(
  directory: string,
  options: PartitionsOptions,
  progress: Progress,
): Promise<PartitionsRun> {
  const { diskProbeBytes, smallSyncs, spread } = options
  const probe = async (): Promise<Probe> => {
    progress.step('probing the disk: raw append and fdatasync')
    const fdatasyncP50Ms = await probeSmallSync(directory, smallSyncs)
    return { fdatasyncP50Ms, disk: await probeDisk(directory, PROBE_CHUNK_BYTES, diskProbeBytes) }
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
