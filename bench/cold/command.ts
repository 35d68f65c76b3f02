/** `bench cold`: its flags, its sizes, and its outcome. */
import type { Command } from 'commander'
import {
  benchCommand,
  measure,
  type Outcome,
  present,
  type RoundFlags,
  wholeNumberFrom,
} from '../command-line.ts'
import { coldReport } from './report.ts'
import { coldResult, coldTargets } from './result.ts'
import { type ColdOptions, runCold } from './run.ts'

interface ColdFlags extends RoundFlags {
  readonly partitions: number
  readonly rate: number
  readonly seconds: number
  readonly gigabytes: number
}

const MIB = 1024 * 1024

const coldBench = { run: runCold, result: coldResult, report: coldReport, targets: coldTargets }

export function coldCommand(): Command {
  return benchCommand('cold', 'live latency beside a replay of data that is only on the disk', {
    rounds: 3,
    valueBytes: 1024,
    partitions: 16,
    rate: 10_000,
  })
    .option(
      '--seconds <n>',
      'the live pair alone in each round, and the longest replay',
      wholeNumberFrom(1),
      10,
    )
    .option('--gigabytes <n>', 'gigabytes of values to replay in each round', wholeNumberFrom(1), 2)
    .action((flags: ColdFlags) => present(flags, () => cold(flags)))
}

async function cold(flags: ColdFlags): Promise<Outcome> {
  const { partitions, valueBytes, seed, smoke } = flags
  const options: ColdOptions = {
    rounds: smoke ? 1 : flags.rounds,
    ratePerSecond: smoke ? 2_000 : flags.rate,
    liveValueBytes: 32,
    warmupSeconds: smoke ? 0.5 : 3,
    seconds: smoke ? 1 : flags.seconds,
    replayBytes: smoke ? 32e6 : flags.gigabytes * 1e9,
    segmentBytes: (smoke ? 16 : 256) * MIB,
    // A smoke run may be on a file system without a disk.
    diskShareMin: smoke ? 0 : 0.9,
    diskProbeBytes: smoke ? 2e6 : 256e6,
    smallSyncs: smoke ? 20 : 500,
    partitions,
    valueBytes,
    seed,
  }
  const roundBytes = 1.1 * options.rounds * options.replayBytes + 2 * options.segmentBytes
  return measure(coldBench, options, flags, roundBytes)
}
