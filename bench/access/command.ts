/** `bench access`: its flags, its sizes, and its outcome. */
import type { Command } from 'commander'
import {
  benchCommand,
  measure,
  type Outcome,
  present,
  type RoundFlags,
  wholeNumberFrom,
} from '../command-line.ts'
import { accessReport } from './report.ts'
import { accessResult, accessTargets } from './result.ts'
import { type AccessOptions, runAccess } from './run.ts'

interface AccessFlags extends RoundFlags {
  readonly partitions: number
  readonly produceRounds: number
  readonly storm: number
}

/** What is kept of the rules, and what the many connections log and write. */
const ROUND_BYTES = 500e6

const accessBench = { run: runAccess, result: accessResult, report: accessReport, targets: accessTargets }

export function accessCommand(): Command {
  return benchCommand(
    'access',
    'what 10,000 rules cost, how soon a change is felt, how many newcomers a second',
    {
      rounds: 3,
      valueBytes: 32,
      partitions: 16,
    },
  )
    .option('--produce-rounds <n>', 'rounds of the comparison of two callers', wholeNumberFrom(1), 60)
    .option('--storm <n>', 'connections of a storm, all at once', wholeNumberFrom(1), 5_000)
    .action((flags: AccessFlags) => present(flags, () => access(flags)))
}

function access(flags: AccessFlags): Promise<Outcome> {
  const { partitions, valueBytes, seed, smoke } = flags
  const options: AccessOptions = {
    principals: smoke ? 80 : 1_000,
    produceRounds: smoke ? 1 : flags.produceRounds,
    produceWarmupRounds: smoke ? 1 : 8,
    bulkEvents: smoke ? 20_000 : 2_000_000,
    singleEvents: smoke ? 500 : 15_000,
    checks: smoke ? 1_000 : 1_000_000,
    liveConnections: smoke ? 10 : 1_000,
    rightsRounds: smoke ? 3 : 100,
    bulkRounds: smoke ? 1 : 5,
    bulkEntries: smoke ? 50 : 1_000,
    newcomerRounds: smoke ? 1 : flags.rounds,
    newcomers: smoke ? 40 : 5_000,
    newcomersAtOnce: smoke ? 8 : 64,
    sdkNewcomers: smoke ? 20 : 2_000,
    storm: smoke ? 50 : flags.storm,
    smallSyncs: smoke ? 20 : 500,
    processorProbes: smoke ? 2 : 200,
    partitions,
    valueBytes,
    seed,
  }
  return measure(accessBench, options, flags, smoke ? 0 : ROUND_BYTES)
}
