/** The command line of `octopus group`: flags and help texts. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { client, examples } from './command-parts.ts'
import type { CommandContext } from './context.ts'
import { collect } from './flag-values.ts'

const states = ['empty', 'assigning', 'reconciling', 'stable']

export function addGroup(program: Command, context: CommandContext, done: (exitCode: number) => void): void {
  const group = program
    .command('group')
    .description('list, describe, reset and delete consumer groups')
    .addHelpText(
      'after',
      examples(`octopus group list
      octopus group describe lab.night-shift
      octopus group reset lab.night-shift --to @-2h`),
    )
  const load = () => import('./group.ts')

  client(group.command('list'), context)
    .description('list the consumer groups you may see')
    .addOption(
      new Option(
        '-s, --state <state>',
        `only those that are: ${states.join(', ')}; may be repeated`,
      ).argParser(oneState),
    )
    .addHelpText(
      'after',
      examples(`octopus group list
      octopus group list --state empty --json`),
    )
    .action(async (options) => done(await (await load()).list(options, context)))

  client(group.command('describe <group>'), context)
    .description('show how far behind a group is, its members, and what each reads')
    .addHelpText(
      'after',
      examples(`octopus group describe lab.night-shift
      octopus group describe lab.night-shift --json | jq .lag`),
    )
    .addHelpText(
      'after',
      `
Lag: events that are stored and not yet committed. Members stand in order of lag. At work: for how long a member has been at
what it was handed last; when that exceeds its maxProcessingMs it is removed, and warned of here from half of it on.`,
    )
    .action(async (name, options) => done(await (await load()).describe(name, options, context)))

  client(group.command('reset <group>'), context)
    .description('send a group without members elsewhere, after showing what that is')
    .option(
      '-t, --topic <topic>',
      'only in this topic, or some of its partitions: readings:0,4-7; may be repeated',
      collect,
    )
    .option('--to <position>', 'earliest, latest, OFFSET or @TIME')
    .option('--by <count>', 'so many events on in each partition; negative: back', signed)
    .option('--dry-run', 'only show')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      examples(`octopus group reset lab.night-shift --to earliest --dry-run
      octopus group reset lab.night-shift --to @-2h
      octopus group reset lab.night-shift --topic lab.readings:0,4-7 --to 1234
      octopus group reset lab.night-shift --by -100 --yes --json`),
    )
    .addHelpText(
      'after',
      `
--to   earliest   the first event that is still kept
       latest     only what comes from now on
       OFFSET     this offset, in every partition meant
       @TIME      the first event at or after a time: @2026-05-01T12:00:00Z, @1714564800000 (ms since 1970), or a while
                  ago: @-30s @-2h @-7d
Without --topic it is done wherever the group has an offset. What lies outside a partition is brought to its nearer end.
While the group has members it is refused: they would go on where they are.`,
    )
    .action(async (name, options) => {
      done(await (await import('./group-reset.ts')).reset(name, options, context))
    })

  client(group.command('delete <group>'), context)
    .description('delete a group without members, with its offsets')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      examples(`octopus group delete lab.night-shift
      octopus group delete lab.night-shift --yes`),
    )
    .action(async (name, options) => done(await (await load()).remove(name, options, context)))
}

function oneState(text: string, before: readonly string[] = []): string[] {
  if (states.includes(text)) return [...before, text]
  throw new InvalidArgumentError(`It must be one of: ${states.join(', ')}.`)
}

function signed(text: string): number {
  const value = Number(text)
  if (/^[+-]?\d+$/.test(text) && Number.isSafeInteger(value)) return value
  throw new InvalidArgumentError('It must be a whole number, such as 100 or -100.')
}
