/**
 * `npm run bench -- throughput|latency`: what this machine reaches, measured honestly. README.md says how.
 *
 * Progress goes to standard error, the result to standard output; with `--json` it is one line, the last.
 * Exit codes: 0 measured, 1 failed or (with `--check`) a target missed, 64 wrong command line, 75 the machine
 * was too noisy for the figures to mean anything.
 */
import { resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { type LatencyOptions, runLatency } from './latency.ts'
import { describeMachine } from './machine.ts'
import { createProgress } from './progress.ts'
import { latencyReport, noiseReport, targetReport, throughputReport } from './report.ts'
import { latencyResult, latencyTargets, type Target, throughputResult, throughputTargets } from './results.ts'
import { runThroughput, type ThroughputOptions } from './throughput.ts'
import { withWorkDirectory } from './work-directory.ts'

const ExitCode = { OK: 0, FAILED: 1, USAGE: 64, TOO_NOISY: 75, INTERRUPTED: 130 } as const

/** Options of both benches, as the command line gives them. */
interface Flags {
  readonly data: string
  readonly json: boolean
  readonly smoke: boolean
  readonly check: boolean
  readonly rounds?: number
  readonly valueBytes: number
  readonly partitions: number
  readonly seed: number
}

interface Outcome {
  readonly result: { readonly probes: { readonly noisy: boolean; readonly strayMax: number } }
  readonly text: string
  readonly targets: readonly Target[]
}

const progress = createProgress(process.stderr)

function atLeast(minimum: number) {
  return (text: string): number => {
    const value = Number(text)
    if (Number.isInteger(value) && value >= minimum) return value
    throw new InvalidArgumentError(`A whole number from ${minimum} on is needed.`)
  }
}

function bench(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--json', 'the result as one line of JSON', false)
    .option('--smoke', 'a small run that only shows that it works; its figures mean nothing', false)
    .option('--check', "compare with the project's targets; exit code 1 if one is missed", false)
    .option('--data <dir>', 'directory on the disk to measure; what is written is removed again', 'data')
    .option('--rounds <n>', 'rounds (default: 5 for throughput, 3 for latency)', atLeast(1))
    .option('--value-bytes <n>', 'bytes of a value', atLeast(16), 32)
    .option('--partitions <n>', 'partitions of the topic', atLeast(1), 16)
    .option('--seed <n>', 'seed of the values', atLeast(0), 1)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? ExitCode.OK : ExitCode.USAGE))
}

async function throughput(flags: Flags & { readonly megabytes: number }): Promise<Outcome> {
  const { valueBytes, partitions, seed, smoke } = flags
  const options: ThroughputOptions = {
    rounds: smoke ? 1 : (flags.rounds ?? 5),
    events: smoke ? 100_000 : Math.ceil((flags.megabytes * 1e6) / valueBytes),
    warmupEvents: smoke ? 20_000 : Math.ceil(128e6 / valueBytes),
    diskProbeBytes: smoke ? 2e6 : 512e6,
    smallSyncs: smoke ? 20 : 500,
    valueBytes,
    partitions,
    seed,
  }
  // A record is at most a quarter larger on the disk than a small value, and there is the warm-up.
  const roundBytes = (options.events + options.warmupEvents) * (valueBytes + 10)
  const run = await withWorkDirectory(
    { parent: resolve(flags.data), roundBytes, realDisk: !smoke },
    (directory) => runThroughput(directory, options, progress),
  )
  const result = throughputResult(run, options, describeMachine())
  return { result, text: throughputReport(result), targets: throughputTargets(result) }
}

async function latency(flags: Flags & { readonly rate: number; readonly seconds: number }): Promise<Outcome> {
  const { valueBytes, partitions, seed, smoke } = flags
  const options: LatencyOptions = {
    rounds: smoke ? 1 : (flags.rounds ?? 3),
    ratePerSecond: smoke ? 1_000 : flags.rate,
    seconds: smoke ? 1 : flags.seconds,
    warmupSeconds: smoke ? 0.5 : 3,
    smallSyncs: smoke ? 20 : 500,
    valueBytes,
    partitions,
    seed,
  }
  const roundBytes = options.ratePerSecond * (options.seconds + options.warmupSeconds) * 4096
  const run = await withWorkDirectory(
    { parent: resolve(flags.data), roundBytes, realDisk: !smoke },
    (directory) => runLatency(directory, options, progress),
  )
  const result = latencyResult(run, options, describeMachine())
  return { result, text: latencyReport(result), targets: latencyTargets(result) }
}

/** Prints one outcome and turns it into an exit code. */
async function present(flags: Flags, measure: () => Promise<Outcome>): Promise<void> {
  const { result, text, targets } = await measure().finally(() => progress.end())
  const noisy = result.probes.noisy && !flags.smoke
  const missed = flags.check && targets.some(({ met }) => !met)
  const lines = [
    ...(flags.json ? [] : [text]),
    ...(flags.check ? [targetReport(targets)] : []),
    ...(noisy ? [noiseReport(result.probes.strayMax)] : []),
  ]
  const people = flags.json ? process.stderr : process.stdout
  if (lines.length > 0) people.write(`${lines.join('\n\n')}\n`)
  if (flags.json) process.stdout.write(`${JSON.stringify(result)}\n`)
  process.exitCode = noisy ? ExitCode.TOO_NOISY : missed ? ExitCode.FAILED : ExitCode.OK
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    progress.end()
    process.exit(ExitCode.INTERRUPTED)
  })

const program = new Command('bench')
  .description(
    'What this machine reaches: a broker and a load generator in processes of their own, and probes beside them.',
  )
  .addHelpText(
    'after',
    '\nExit codes: 0 measured, 1 failed or a target missed, 64 wrong command line, 75 machine too noisy.',
  )
  .exitOverride((error) => process.exit(error.exitCode === 0 ? ExitCode.OK : ExitCode.USAGE))
program.addCommand(
  bench('throughput', 'events a second, produced with fsync and consumed')
    .option('--megabytes <n>', 'megabytes of values produced in each round', atLeast(1), 1024)
    .action((flags) => present(flags, () => throughput(flags))),
)
program.addCommand(
  bench('latency', 'time from the instant an event is due to its consumer, at a steady rate')
    .option('--rate <n>', 'events a second', atLeast(1), 10_000)
    .option('--seconds <n>', 'measured seconds of each round', atLeast(1), 10)
    .action((flags) => present(flags, () => latency(flags))),
)

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = ExitCode.FAILED
}
