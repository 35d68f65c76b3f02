/** `bench partitions`: its flags, its sizes, and its outcome. */
import type { Command } from 'commander'
import {
  benchCommand,
  measure,
  type Outcome,
  present,
  type RoundFlags,
  wholeNumberFrom,
} from '../command-line.ts'
import { partitionsReport } from './report.ts'
import { partitionsResult, partitionsTargets } from './result.ts'
import { type PartitionsOptions, runPartitions } from './run.ts'

interface PartitionsFlags extends RoundFlags {
  readonly partitions: number
  readonly megabytes: number
  readonly batches: number
  readonly segments: number
  readonly logGigabytes: number
}

const MIB = 1024 * 1024
/**
 * An index may take 8 % of its segment, and one that tells a batch of each of 10,000 partitions, with what their
 * producer has sent, takes 2.9 MB.
 */
const SEGMENT_BYTES = 40 * MIB
/** The smallest the broker takes. */
const SMOKE_SEGMENT_BYTES = 16 * MIB
/** Of a segment, for the values in it. */
const VALUES_SHARE = 0.84

const partitionsBench = {
  run: runPartitions,
  result: partitionsResult,
  report: partitionsReport,
  targets: partitionsTargets,
}

export function partitionsCommand(): Command {
  return benchCommand(
    'partitions',
    'what 10,000 partitions cost: the rate beside one, the start, the memory',
    {
      rounds: 3,
      valueBytes: 32,
    },
  )
    .option('--partitions <n>', 'partitions that are compared with one', wholeNumberFrom(2), 10_000)
    .option(
      '--megabytes <n>',
      'megabytes of values for the many and for the one in each round',
      wholeNumberFrom(1),
      256,
    )
    .option('--batches <n>', 'batches in the log the broker starts with', wholeNumberFrom(1), 1_000_000)
    .option('--segments <n>', 'segments of that log', wholeNumberFrom(1), 100)
    .option(
      '--log-gigabytes <n>',
      'grow that log, in segments of the default size, before all of it is read (the promise is for 30)',
      wholeNumberFrom(0),
      0,
    )
    .action((flags: PartitionsFlags) => present(flags, () => partitions(flags)))
}

async function partitions(flags: PartitionsFlags): Promise<Outcome> {
  const { valueBytes, seed, smoke } = flags
  const count = smoke ? Math.min(flags.partitions, 200) : flags.partitions
  const batches = smoke ? 2_000 : flags.batches
  const segments = smoke ? 2 : flags.segments
  const segmentBytes = smoke ? SMOKE_SEGMENT_BYTES : SEGMENT_BYTES
  const options: PartitionsOptions = {
    rounds: smoke ? 1 : flags.rounds,
    spread: {
      partitions: count,
      events: smoke ? 40_000 : Math.ceil((flags.megabytes * 1e6) / valueBytes),
      warmupEvents: smoke ? 5_000 : Math.ceil(64e6 / valueBytes),
      slices: 2,
      batchBytes: 4096,
      valueBytes,
      seed,
    },
    startup: {
      partitions: count,
      batches,
      segments,
      segmentBytes,
      // So that the batches fill the segments, beside their headers and the index.
      batchValueBytes: Math.max(1024, Math.round((VALUES_SHARE * segmentBytes * segments) / batches)),
      starts: smoke ? 1 : 3,
      logBytes: smoke ? 0 : flags.logGigabytes * 1e9,
      growthBatchBytes: 4096,
      growthValueBytes: 1000,
      seed,
    },
    diskProbeBytes: smoke ? 2e6 : 256e6,
    smallSyncs: smoke ? 20 : 500,
  }
  const roundBytes = Math.max(
    3 * options.spread.events * (valueBytes + 10),
    1.3 * segmentBytes * segments,
    1.1 * options.startup.logBytes,
  )
  return measure(partitionsBench, options, flags, roundBytes)
}
