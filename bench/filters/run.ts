/**
 * What filters cost, in two parts: the matcher by itself, without a broker; and consumers with filters on a broker, round by round, with
 * the machine probed between them.
 */
import { join } from 'node:path'
import type { Progress } from '../display/progress.ts'
import { readJsonEvents } from '../events/read-data-sets.ts'
import { probeProcessor, probeSmallSync } from '../machine/probes.ts'
import { type MatcherSpeed, type MatcherSpeedOptions, measureMatcherSpeeds } from './matcher-speed.ts'
import { measureScanning, type ScanningOptions, type ScanningRound } from './scanning.ts'

export interface FiltersOptions extends MatcherSpeedOptions, ScanningOptions {
  /** On a broker. */
  readonly rounds: number
  readonly smallSyncs: number
  readonly processorProbes: number
}

export interface FiltersRun {
  readonly events: { readonly different: number; readonly meanBytes: number }
  readonly matcher: readonly MatcherSpeed[]
  readonly rounds: readonly ScanningRound[]
  /** Before everything, and after each round. */
  readonly fdatasyncP50Ms: readonly number[]
  readonly processorMegabytesPerSecond: readonly number[]
}

export async function runFilters(
  directory: string,
  options: FiltersOptions,
  progress: Progress,
): Promise<FiltersRun> {
  const fdatasyncP50Ms: number[] = []
  const processorMegabytesPerSecond: number[] = []
  const probe = async () => {
    progress.step('probing disk and processor')
    fdatasyncP50Ms.push(await probeSmallSync(directory, options.smallSyncs))
    processorMegabytesPerSecond.push(await probeProcessor(options.processorProbes))
  }
  await probe()
  const values = await readJsonEvents(options.seed)
  const meanBytes = values.reduce((sum, { length }) => sum + length, 0) / values.length
  const matcher = measureMatcherSpeeds(values, options, progress)
  const rounds: ScanningRound[] = []
  while (rounds.length < options.rounds) {
    const round = rounds.length + 1
    const named: Progress = {
      ...progress,
      step: (text) => progress.step(`round ${round} of ${options.rounds}: ${text}`),
    }
    rounds.push(await measureScanning(join(directory, `broker-${round}`), options, named))
    await probe()
  }
  const events = { different: values.length, meanBytes }
  return { events, matcher, rounds, fdatasyncP50Ms, processorMegabytesPerSecond }
}
