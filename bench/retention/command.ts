/** `bench retention`: its flags, its sizes, and its outcome. */
import type { Command } from 'commander'
import { benchCommand, type Flags, measure, type Outcome, present, wholeNumberFrom } from '../command-line.ts'
import { retentionReport } from './report.ts'
import { retentionResult, retentionTargets } from './result.ts'
import { type RetentionOptions, runRetention } from './run.ts'

interface RetentionFlags extends Flags {
  readonly valueBytes: number
  readonly partitions: number
  readonly gigabytes: number
  readonly keptGigabytes: number
  readonly mixedEvery: number
  readonly checkIntervalMs: number
  readonly segmentMegabytes: number
}

const GIGA = 1e9
const MIB = 1024 * 1024

const retentionBench = {
  run: runRetention,
  result: retentionResult,
  report: retentionReport,
  targets: retentionTargets,
}

export function retentionCommand(): Command {
  return benchCommand(
    'retention',
    'whether old data leaves as fast as new data comes, also beside data that stays',
    {
      valueBytes: 1024,
      partitions: 16,
    },
  )
    .option(
      '--gigabytes <n>',
      'gigabytes of values that pass, alone and again in the mixture',
      wholeNumberFrom(3),
      20,
    )
    .option('--kept-gigabytes <n>', 'gigabytes a topic keeps', wholeNumberFrom(1), 1)
    .option(
      '--mixed-every <n>',
      'one event of so many goes to the topic that is kept for ever',
      wholeNumberFrom(2),
      100,
    )
    .option(
      '--check-interval-ms <n>',
      'time between two looks of the broker for old data',
      wholeNumberFrom(100),
      1_000,
    )
    .option('--segment-megabytes <n>', 'size of a segment, in MiB', wholeNumberFrom(16), 256)
    .action((flags: RetentionFlags) => present(flags, () => retention(flags)))
}

async function retention(flags: RetentionFlags): Promise<Outcome> {
  const { partitions, valueBytes, seed, smoke, mixedEvery } = flags
  const options: RetentionOptions = {
    passingBytes: smoke ? 128e6 : flags.gigabytes * GIGA,
    closingBytes: smoke ? 48e6 : Math.min(flags.gigabytes, flags.keptGigabytes + 5) * GIGA,
    nothingStoredBytes: smoke ? 8e6 : 2 * GIGA,
    warmupBytes: smoke ? 1e6 : 0.25 * GIGA,
    keptBytes: smoke ? 16e6 : flags.keptGigabytes * GIGA,
    markBytes: smoke ? 8e6 : GIGA,
    checkIntervalMs: smoke ? 100 : flags.checkIntervalMs,
    segmentBytes: (smoke ? 16 : flags.segmentMegabytes) * MIB,
    diskProbeBytes: smoke ? 2e6 : 512e6,
    smallSyncs: smoke ? 20 : 500,
    mixedEvery,
    partitions,
    valueBytes,
    seed,
  }
  // What is kept, what has not left yet, and spare segments.
  const roundBytes = 4 * options.keptBytes + 8 * options.segmentBytes
  return measure(retentionBench, options, flags, roundBytes)
}
