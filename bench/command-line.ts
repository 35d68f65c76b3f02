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
import { withWorkDirectory } from './machine/work-directory.ts'

export const ExitCode = { OK: 0, FAILED: 1, USAGE: 64, TOO_NOISY: 75, INTERRUPTED: 130 } as const

/** Flags of every bench, as the command line gives them. */
export interface Flags {
  readonly data: string
  readonly json: boolean
  readonly smoke: boolean
  readonly check: boolean
  readonly valueBytes: number
  readonly seed: number
}

/** Of those that measure in rounds. */
export interface RoundFlags extends Flags {
  readonly rounds: number
}

export interface Outcome {
  readonly result: { readonly probes: Noise }
  readonly text: string
  readonly targets: readonly Target[]
}

export interface BenchDefaults {
  /** None: the bench has no rounds. */
  readonly rounds?: number
  readonly valueBytes: number
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
    .option('--value-bytes <n>', 'bytes of a value', wholeNumberFrom(16), defaults.valueBytes)
    .option('--seed <n>', 'seed of the values', wholeNumberFrom(0), 1)
    .exitOverride(exitWith)
  const { rounds } = defaults
  return rounds === undefined ? command : command.option('--rounds <n>', 'rounds', wholeNumberFrom(1), rounds)
}

/** commander's own errors are about the command line. */
export function exitWith(error: { readonly exitCode: number }): never {
  process.exit(error.exitCode === 0 ? ExitCode.OK : ExitCode.USAGE)
}

/** Runs in a directory on the disk to measure, its page cache warmed for `roundBytes`; gone afterwards. */
export function inWorkDirectory<T>(
  { data, smoke }: Flags,
  roundBytes: number,
  run: (directory: string, progress: Progress) => Promise<T>,
): Promise<T> {
  progress.step('preparing: warming the page cache')
  return withWorkDirectory({ parent: resolve(data), roundBytes, realDisk: !smoke }, (directory) =>
    run(directory, progress),
  )
}

/** Prints one outcome and turns it into an exit code. */
export async function present(flags: Flags, measure: () => Promise<Outcome>): Promise<void> {
  const { result, text, targets } = await measure().finally(endProgress)
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
