/** `bench filters`: its flags, its sizes, and its outcome. */
import type { Command } from 'commander'
import { benchCommand, type Flags, measure, type Outcome, present, wholeNumberFrom } from '../command-line.ts'
import { filtersReport } from './report.ts'
import { filtersResult, filtersTargets } from './result.ts'
import { type FiltersOptions, runFilters } from './run.ts'

interface FiltersFlags extends Flags {
  readonly rounds: number
  readonly partitions: number
  readonly events: number
  readonly rate: number
  readonly watchers: number
}

const filtersBench = {
  run: runFilters,
  result: filtersResult,
  report: filtersReport,
  targets: filtersTargets,
}

/** What an event takes on the disk. */
const STORED_BYTES = 250

export function filtersCommand(): Command {
  return benchCommand(
    'filters',
    'events a second that are held against a filter, what a thousand filters cost, and who feels it',
    { rounds: 3, partitions: 16, rate: 10_000 },
  )
    .option('--events <n>', 'events that are read through in each round', wholeNumberFrom(1), 4_000_000)
    .option('--watchers <n>', 'consumers with a filter each on one topic', wholeNumberFrom(1), 1_000)
    .action((flags: FiltersFlags) => present(flags, () => filters(flags)))
}

async function filters(flags: FiltersFlags): Promise<Outcome> {
  const { partitions, seed, smoke } = flags
  const options: FiltersOptions = {
    rounds: smoke ? 1 : flags.rounds,
    matcherRounds: smoke ? 1 : 3,
    matcherSampleMs: smoke ? 0 : 150,
    setSizes: smoke ? [1, 10] : [1, 10, 100, 1_000],
    events: smoke ? 20_000 : flags.events,
    warmupEvents: smoke ? 5_000 : 1_000_000,
    livePerSecond: smoke ? 1_000 : flags.rate,
    liveValueBytes: 32,
    liveWarmupSeconds: smoke ? 0.2 : 2,
    // Longer than a fetch may take before it tells how far it has looked.
    liveSeconds: smoke ? 1 : 8,
    watchers: smoke ? 10 : flags.watchers,
    watchConnections: smoke ? 2 : 20,
    watchedPartitions: 4,
    watchedEvents: smoke ? 2_000 : 400_000,
    watchedPerSecond: smoke ? 10_000 : 40_000,
    smallSyncs: smoke ? 20 : 500,
    processorProbes: smoke ? 2 : 200,
    partitions,
    seed,
  }
  const { events, warmupEvents, watchedEvents } = options
  const roundBytes = (events + warmupEvents + 3 * watchedEvents) * STORED_BYTES
  return measure(filtersBench, options, flags, smoke ? 0 : roundBytes)
}
