/** `bench throughput`: its flags, its sizes, and its outcome. */
import type { Command } from 'commander'
import {
  benchCommand,
  measure,
  type Outcome,
  present,
  type RoundFlags,
  wholeNumberFrom,
} from '../command-line.ts'
import { throughputReport } from './report.ts'
import { throughputResult, throughputTargets } from './result.ts'
import { runThroughput, type ThroughputOptions } from './run.ts'

interface ThroughputFlags extends RoundFlags {
  readonly partitions: number
  readonly megabytes: number
  readonly tls: boolean
}

const throughputBench = {
  run: runThroughput,
  result: throughputResult,
  report: throughputReport,
  targets: throughputTargets,
}

export function throughputCommand(): Command {
  return benchCommand('throughput', 'events a second, produced with fsync and consumed', {
    rounds: 5,
    valueBytes: 32,
    partitions: 16,
  })
    .option('--megabytes <n>', 'megabytes of values produced in each round', wholeNumberFrom(1), 1024)
    .option('--tls', 'beside each round the same over TLS, and how much of the rate is left', false)
    .addHelpText(
      'after',
      '\nWith --value-bytes 1024 the disk is the limit instead of the client, and produce.diskRatio is the figure to look at.',
    )
    .action((flags: ThroughputFlags) => present(flags, () => throughput(flags)))
}

async function throughput(flags: ThroughputFlags): Promise<Outcome> {
  const { valueBytes, partitions, seed, smoke } = flags
  const options: ThroughputOptions = {
    rounds: smoke ? 1 : flags.rounds,
    events: smoke ? 100_000 : Math.ceil((flags.megabytes * 1e6) / valueBytes),
    // V8 goes on compiling the broker's and the client's code for so long; a broker that runs for days has that behind it.
    warmupEvents: smoke ? 20_000 : Math.ceil(512e6 / valueBytes),
    pageCacheBytes: smoke ? 0 : flags.megabytes * 1.35e6,
    diskProbeBytes: smoke ? 2e6 : 512e6,
    smallSyncs: smoke ? 20 : 500,
    valueBytes,
    partitions,
    seed,
    tls: flags.tls,
  }
  // A record is at most a third larger on the disk than a small value, and there is the warm-up.
  const roundBytes = (options.events + options.warmupEvents) * (valueBytes + 10) * (options.tls ? 2 : 1)
  return measure(throughputBench, options, flags, roundBytes)
}
