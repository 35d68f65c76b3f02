/** What the descriptions of commands have in common. */
import type { Command } from 'commander'
import type { CommandContext } from './context.ts'

/** The flags of every command that talks to a broker. */
export function client(command: Command, context: CommandContext): Command {
  const fallback = context.env.OCTOPUS_URL ? 'OCTOPUS_URL' : 'ws://127.0.0.1:7654'
  return command
    .option('-u, --url <url>', `address of the broker (default: ${fallback})`)
    .option(
      '--ca-file <file>',
      'PEM file with the issuers to trust instead of the usual ones (or OCTOPUS_CA_FILE)',
    )
    .option(
      '--insecure-plaintext',
      'show the credential also to a ws:// address beyond this machine (or OCTOPUS_INSECURE_PLAINTEXT=on)',
    )
    .option('-j, --json', 'print JSON for programs')
}

/** Examples of a help text: one per line; whatever stands before each is trimmed. */
export function examples(lines: string): string {
  const commands = lines.split('\n').map((line) => `  $ ${line.trim()}`)
  return `\nExamples:\n${commands.join('\n')}`
}
