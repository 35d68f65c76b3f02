/**
 * What the command lines of all benches have in common: their flags, how a run becomes an outcome, and how
 * an outcome becomes text, JSON and an exit code.
 */
import { resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { createProgress, type Progress } from './display/progress.ts'
import { noiseReport, targetReport } from './display/report-parts.ts'
import type { Noise } from './figures/noise.ts'
import type { Target } from './figures/targets.ts'
import { describeMachine, type Machine } from './machine/machine.ts'
import { withWorkDirectory } from './machine/work-directory.ts'

export const ExitCode = { OK: 0, FAILED: 1, USAGE: 64, TOO_NOISY: 75, INTERRUPTED: 130 } as const

/** Flags of every bench, as the command line gives them. */
export interface Flags {
  readonly data: string
  readonly json: boolean
  readonly smoke: boolean
  readonly check: boolean
  readonly seed: number
}

/** Of those that measure in rounds, with values of a size that one may choose. */
export interface RoundFlags extends Flags {
  readonly rounds: number
  readonly valueBytes: number
}

export interface Outcome {
  readonly result: { readonly probes: Noise }
  readonly text: string
  readonly targets: readonly Target[]
}

/** What a bench is, once its sizes are known. */
export interface Bench<Options, Run, Result extends Outcome['result']> {
  run(directory: string, options: Options, progress: Progress): Promise<Run>
  result(run: Run, options: Options, machine: Machine): Result
  report(result: Result): string
  targets(result: Result): readonly Target[]
}

/** Flags that several benches have; where a default is left out the bench has no such flag, or one of its own. */
export interface BenchDefaults {
  readonly valueBytes?: number
  readonly rounds?: number
  /** Of each topic. */
  readonly partitions?: number
  /** Events a second. */
  readonly rate?: number
  /** Measured in each round. */
  readonly seconds?: number
}

const progress = createProgress(process.stderr)

export function wholeNumberFrom(minimum: number) {
  return (text: string): number => {
    const value = Number(text)
    if (Number.isInteger(value) && value >= minimum) return value
    throw new InvalidArgumentError(`A whole number from ${minimum} on is needed.`)
  }
}

/** A bench's command with the flags they all have; it adds its own. */
export function benchCommand(name: string, description: string, defaults: BenchDefaults): Command {
  const command = new Command(name)
    .description(description)
    .option('--json', 'the result as one line of JSON', false)
    .option('--smoke', 'a small run that only shows that it works; its figures mean nothing', false)
    .option('--check', "compare with the project's targets; exit code 1 if one is missed", false)
    .option('--data <dir>', 'directory on the disk to measure; what is written is removed again', 'data')
    .option('--seed <n>', 'seed of the values', wholeNumberFrom(0), 1)
    .exitOverride(exitWith)
  const { valueBytes, rounds, partitions, rate, seconds } = defaults
  const number = (flag: string, description: string, value: number | undefined, minimum = 1) => {
    if (value !== undefined) command.option(`${flag} <n>`, description, wholeNumberFrom(minimum), value)
  }
  number('--value-bytes', 'bytes of a value', valueBytes, 16)
  number('--rounds', 'rounds', rounds)
  number('--partitions', 'partitions of each topic', partitions)
  number('--rate', 'events a second', rate)
  number('--seconds', 'measured seconds of each round', seconds)
  return command
}

/** commander's own errors are about the command line. */
export function exitWith(error: { readonly exitCode: number }): never {
  process.exit(error.exitCode === 0 ? ExitCode.OK : ExitCode.USAGE)
}

/** Runs it in a directory on the disk to measure, its page cache warmed for `roundBytes`; gone afterwards. */
export async function measure<Options, Run, Result extends Outcome['result']>(
  bench: Bench<Options, Run, Result>,
  options: Options,
  { data, smoke }: Flags,
  roundBytes: number,
): Promise<Outcome> {
  progress.step('preparing: warming the page cache')
  const placement = { parent: resolve(data), roundBytes, realDisk: !smoke }
  const run = await withWorkDirectory(placement, (directory) => bench.run(directory, options, progress))
  const result = bench.result(run, options, describeMachine())
  return { result, text: bench.report(result), targets: bench.targets(result) }
}

/** Prints one outcome and turns it into an exit code. */
export async function present(flags: Flags, outcome: () => Promise<Outcome>): Promise<void> {
  const { result, text, targets } = await outcome().finally(endProgress)
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

export function endProgress(): void {
  progress.end()
}
