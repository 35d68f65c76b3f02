/** `bench latency`: its flags, its sizes, and its outcome. */
import type { Command } from 'commander'
import { benchCommand, measure, type Outcome, present, type RoundFlags } from '../command-line.ts'
import { latencyReport } from './report.ts'
import { latencyResult, latencyTargets } from './result.ts'
import { type LatencyOptions, runLatency } from './run.ts'

interface LatencyFlags extends RoundFlags {
  readonly partitions: number
  readonly rate: number
  readonly seconds: number
}

const latencyBench = {
  run: runLatency,
  result: latencyResult,
  report: latencyReport,
  targets: latencyTargets,
}

export function latencyCommand(): Command {
  return benchCommand('latency', 'time from the instant an event is due to its consumer, at a steady rate', {
    rounds: 3,
    valueBytes: 32,
    partitions: 16,
    rate: 10_000,
    seconds: 10,
  }).action((flags: LatencyFlags) => present(flags, () => latency(flags)))
}

async function latency(flags: LatencyFlags): Promise<Outcome> {
  const { valueBytes, partitions, seed, smoke } = flags
  const options: LatencyOptions = {
    rounds: smoke ? 1 : flags.rounds,
    ratePerSecond: smoke ? 1_000 : flags.rate,
    seconds: smoke ? 1 : flags.seconds,
    warmupSeconds: smoke ? 0.5 : 3,
    smallSyncs: smoke ? 20 : 500,
    valueBytes,
    partitions,
    seed,
  }
  const roundBytes = options.ratePerSecond * (options.seconds + options.warmupSeconds) * 4096
  return measure(latencyBench, options, flags, roundBytes)
}
