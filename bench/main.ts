/**
 * `npm run bench -- NAME`: what this machine reaches, measured honestly. README.md says how.
 *
 * Progress goes to standard error, the result to standard output; with `--json` it is one line, the last.
 * Exit codes: 0 measured, 1 failed or (with `--check`) a target missed, 64 wrong command line, 75 the machine
 * was too noisy for the figures to mean anything.
 */
import { Command } from 'commander'
import { accessCommand } from './access/command.ts'
import { codecsCommand } from './codecs/command.ts'
import { coldCommand } from './cold/command.ts'
import { ExitCode, endProgress, exitWith } from './command-line.ts'
import { connectionsCommand } from './connections/command.ts'
import { filtersCommand } from './filters/command.ts'
import { groupsCommand } from './groups/command.ts'
import { latencyCommand } from './latency/command.ts'
import { partitionsCommand } from './partitions/command.ts'
import { retentionCommand } from './retention/command.ts'
import { throughputCommand } from './throughput/command.ts'

const program = new Command('bench')
  .description(
    'What this machine reaches: a broker and load generators in processes of their own, and probes beside them.',
  )
  .addHelpText(
    'after',
    '\nExit codes: 0 measured, 1 failed or a target missed, 64 wrong command line, 75 machine too noisy.',
  )
  .exitOverride(exitWith)
for (const command of [
  throughputCommand(),
  latencyCommand(),
  partitionsCommand(),
  retentionCommand(),
  coldCommand(),
  connectionsCommand(),
  accessCommand(),
  groupsCommand(),
  codecsCommand(),
  filtersCommand(),
])
  program.addCommand(command)

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    endProgress()
    process.exit(ExitCode.INTERRUPTED)
  })

try {
  // Without a name it lists what there is, which is what was asked for.
  const words = process.argv.slice(2)
  await program.parseAsync(words.length > 0 ? words : ['--help'], { from: 'user' })
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = ExitCode.FAILED
}
