/** The commands about filters: their flags and help texts. */
import type { Command } from 'commander'
import { examples } from './command-parts.ts'
import type { CommandContext } from './context.ts'
import { setting } from './flag-values.ts'

export function addFilter(program: Command, context: CommandContext, done: (exitCode: number) => void): void {
  const filter = program
    .command('filter')
    .description('try out filters, without a broker')
    .addHelpText(
      'after',
      examples(`octopus filter test '{"value": {"temp": [{"numeric": [">", 30]}]}}' --value '{"temp": 31.5}'
      octopus filter test @hot.json < readings.ndjson`),
    )

  filter
    .command('test <pattern|@file>')
    .description('say which events a filter matches, and of the others what refuses them')
    .option(
      '--value <text>',
      'the value of one event; without any of these flags events are lines of standard input',
    )
    .option('--key <text>', 'the key of that event')
    .option('--header <name=value>', 'a header of that event; may be repeated', setting)
    .option(
      '--timestamp <ms|time>',
      'when it was: ms since 1970, or a time such as 2026-11-28T12:00:00Z (default: now)',
    )
    .option('--records', 'lines are records as octopus consume --json prints them, not values')
    .option('-j, --json', 'print JSON for programs')
    .addHelpText(
      'after',
      examples(`octopus filter test '{"value": {"site": ["lab-1", {"prefix": "field-"}]}}' --value '{"site": "lab-2"}'
      octopus filter test '{"key": [{"suffix": "/raw"}], "headers": {"type": ["reading"]}}' --key beam/raw --header type=reading
      octopus filter test @hot.json < readings.ndjson
      octopus consume readings --last 100 --json | octopus filter test @hot.json --records`),
    )
    .addHelpText(
      'after',
      `
A filter is a pattern in the language of Amazon EventBridge, for value, key, headers and timestamp:
  {"value": {"temp": [{"numeric": [">", 30]}], "site": ["lab-1", "lab-2"]}}   fields of the value's JSON: all of them
  {"value": [{"prefix": "ERROR"}]}, {"key": ["beam-1"]}                       the whole value or key as text
  {"headers": {"type": ["reading"]}}, {"timestamp": [{"numeric": [">=", 1767225600000]}]}
  {"$or": [{"key": ["a"]}, {"value": {"b": [true]}}]}                         one of several
In a list stand values and rules, one of which must take what is there: prefix, suffix, equals-ignore-case, wildcard,
anything-but, numeric, exists, cidr. All of it, with examples: broker/filters/README.md.
Exit code 0: an event matches; 1: none does; 64: the filter is wrong, and the place is shown.
With --json each event is a line {"event","matches","notJson","refused":[{"field","sentence","branches"}]}; the last line
is {"summary":{"events","matched","notJson"}}. A filter that is wrong is {"error":{"sentence","pointer","offset","line","column"}}.`,
    )
    .action(async (pattern, options) => {
      const { testFilter } = await import('./filter-test.ts')
      done(await testFilter(pattern, options, context))
    })
}
