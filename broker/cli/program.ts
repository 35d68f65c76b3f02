/**
 * The command line of `octopus`: every command, flag and help text. It parses and hands over; what a
 * command does lives in the file named after it and is loaded when it is called, so that `--help` is quick.
 */
import { Command, type CommanderError, Option } from 'commander'
import { LAST_MAX, SPEED_MAX, SPEED_MIN } from '../../client/consumer/options.ts'
import type { Setting as BrokerSetting } from '../config/schema.ts'
import { SERVER_VERSION } from '../version.ts'
import { addAccessCommands } from './access-commands.ts'
import { client, examples } from './command-parts.ts'
import type { CommandContext } from './context.ts'
import { exitCodeHelp } from './exit-codes.ts'
import { usage } from './failure.ts'
import { addFilter } from './filter-commands.ts'
import { collect, decimal, durationMs, integer, partitions, setting, wholeNumber } from './flag-values.ts'
import { addGroup } from './group-commands.ts'
import { topicConfigHelp } from './topic-config-help.ts'

const HELP_COLUMNS_MAX = 110

/** Parses and runs one command line. Resolves with the exit code; failures are thrown. */
export async function run(args: readonly string[], context: CommandContext): Promise<number> {
  let exitCode = 0
  // Every setting of the broker is a flag of `serve`; the other commands do not pay for loading them.
  const settings = args.includes('serve') ? (await import('../config/schema.ts')).settings : []
  const program = build(context, settings, (code) => {
    exitCode = code
  })
  for (const command of tree(program)) {
    command.exitOverride((error) => {
      throw new Refused(error, path(command))
    })
  }
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    if (error.cause.exitCode === 0) return 0
    throw usage(error.sentence())
  }
  return exitCode
}

/** What commander found wrong, and in which command. */
class Refused extends Error {
  override readonly cause: CommanderError
  readonly #commandPath: string

  constructor(cause: CommanderError, commandPath: string) {
    super(cause.message)
    this.cause = cause
    this.#commandPath = commandPath
  }

  /** One line without commander's own prefix, with the place where more is said. */
  sentence(): string {
    const missing = this.cause.code === 'commander.help'
    const what = missing ? 'a command is needed' : this.cause.message.replace(/^error: /, '')
    return `${what.replace(/\s*\n\s*/g, ' ').replace(/\.$/, '')}. See: ${this.#commandPath} --help`
  }
}

function build(
  context: CommandContext,
  settings: readonly BrokerSetting[],
  done: (exitCode: number) => void,
): Command {
  const program = new Command('octopus')
    .description('A self-hosted event fabric: durable partitioned topics over WebSocket.')
    .version(SERVER_VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .configureHelp({ helpWidth: Math.min(context.out.columns, HELP_COLUMNS_MAX), showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => context.out.write(text),
      writeErr: (text) => context.err.write(text),
      outputError: () => {},
    })
    .addHelpText(
      'after',
      examples(`octopus serve
      octopus topic create readings --partitions 4
      echo "hello" | octopus produce readings
      octopus consume readings --from earliest --until-end`),
    )
    .addHelpText('after', `\n${exitCodeHelp()}\n\nOCTOPUS_DEBUG=1 adds a stack trace to errors.`)
  addServe(program, context, settings, done)
  addTopic(program, context, done)
  addProduce(program, context, done)
  addConsume(program, context, done)
  addGroup(program, context, done)
  addFilter(program, context, done)
  addStatus(program, context, done)
  addAccessCommands(program, context, done)
  addVerify(program, context, done)
  return program
}

/** The settings whose flags are said in words of their own. */
const commonSettings = [
  'data',
  'listen',
  'tls.cert',
  'tls.key',
  'insecurePlaintext',
  'allowedOrigins',
  'log.level',
  'log.format',
]

function addServe(
  program: Command,
  context: CommandContext,
  settings: readonly BrokerSetting[],
  done: (exitCode: number) => void,
): void {
  const command = program
    .command('serve')
    .description('run a broker until SIGINT (Ctrl-C) or SIGTERM')
    .option('--data <dir>', 'directory that holds everything the broker stores (default: ./data)')
    .option('--listen <host:port>', 'address to listen on (default: 127.0.0.1:7654); port 0 takes a free one')
    .option(
      '--tls-cert <file>',
      'encrypt: the certificate of this address and those of its issuers, PEM; read again when it changes',
    )
    .option('--tls-key <file>', 'the private key of the certificate, PEM')
    .addOption(
      new Option(
        '--insecure-plaintext [on|off]',
        'listen beyond this machine without TLS: anybody on the way can read and change credentials and events',
      ).preset('on'),
    )
    .option(
      '--allowed-origins <list>',
      'web pages that may use the broker from a browser, such as https://lab.example.edu; with commas (default: none)',
    )
    .option('--config <file>', 'configuration file, YAML or JSON; flags and OCTOPUS_* variables win over it')
    .option('--log-level <level>', 'trace, debug, info, warn, error, fatal or silent (default: info)')
    .option('--log-format <format>', 'auto (pretty on a terminal, else json), pretty or json (default: auto)')
    .addHelpText(
      'after',
      examples(`octopus serve
      octopus serve --data /var/lib/octopus --listen 127.0.0.1:7654
      octopus serve --listen 0.0.0.0:7654 --tls-cert /etc/octopus/tls.crt --tls-key /etc/octopus/tls.key
      OCTOPUS_LOG_LEVEL=debug octopus serve --config octopus.yaml`),
    )
    .addHelpText(
      'after',
      `
Each flag is also a variable (--log-level: OCTOPUS_LOG_LEVEL) and a line of the file (log: level:).
Whose tokens are taken stands in the file only: auth: issuers: and introspection: (auth/README.md shows both).
On the same port: /healthz; with Authorization: Bearer KEY-OR-TOKEN also /readyz and /metrics (Prometheus).
Beyond this machine (--listen 0.0.0.0:7654) it takes --tls-cert and --tls-key, or --insecure-plaintext.
SIGHUP reads the certificate again, as does a change of its files; open connections go on.
SIGTERM or Ctrl-C: stops accepting, finishes what is under way, exits 0. A second one exits at once.
A disk that fills: the broker takes no more events, serves the rest, and goes on by itself (octopus status).
A disk that fails or hangs: everything that waits is told, and the broker exits 74; 137 if the disk holds it back,
134 if the storage library aborts. Nothing acknowledged is lost: let a service manager start it again.`,
    )
    .action(async (options) => {
      const { serve } = await import('./serve.ts')
      done(await serve(options, context))
    })
  for (const { key, flag, sentence } of settings) {
    if (commonSettings.includes(key)) continue
    command.addOption(new Option(`${flag} <value>`, sentence).helpGroup('Tuning:'))
  }
}

function addTopic(program: Command, context: CommandContext, done: (exitCode: number) => void): void {
  const topic = program
    .command('topic')
    .description('create, list, describe, alter and delete topics')
    .addHelpText(
      'after',
      examples(`octopus topic create readings --partitions 4 --config retention.ms=604800000
      octopus topic describe readings
      octopus topic delete readings --yes`),
    )
  const load = () => import('./topic.ts')
  const configHelp = () => topicConfigHelp(Math.min(context.out.columns, HELP_COLUMNS_MAX))

  client(topic.command('create <name>'), context)
    .description('create a topic')
    .option('-p, --partitions <count>', "number of partitions (default: the broker's)", wholeNumber(1))
    .option('-c, --config <key=value>', 'a configuration of the topic; may be repeated', setting)
    .addHelpText(
      'after',
      examples(`octopus topic create readings --partitions 4
      octopus topic create camera.frames -p 16 -c retention.ms=86400000 -c retention.bytes=1000000000
      octopus topic create logs -c compression.type=zstd -c message.timestamp.type=LogAppendTime`),
    )
    .addHelpText('after', configHelp)
    .action(async (name, options) => done(await (await load()).create(name, options, context)))

  client(topic.command('list'), context)
    .description('list the topics')
    .option('--internal', "show the broker's own topics as well")
    .addHelpText(
      'after',
      examples(`octopus topic list
      octopus topic list --json`),
    )
    .action(async (options) => done(await (await load()).list(options, context)))

  client(topic.command('describe <name>'), context)
    .description('show the partitions and the configuration of a topic')
    .addHelpText(
      'after',
      examples(`octopus topic describe readings
      octopus topic describe readings --json`),
    )
    .action(async (name, options) => done(await (await load()).describe(name, options, context)))

  client(topic.command('alter <name>'), context)
    .description('add partitions to a topic or change its configuration')
    .option('-p, --partitions <count>', 'new number of partitions, larger than before', wholeNumber(1))
    .option('-c, --config <key=value>', 'set a configuration; may be repeated', setting)
    .option('-r, --reset <key>', 'set a configuration back to its default; may be repeated', collect)
    .addHelpText(
      'after',
      examples(`octopus topic alter readings --partitions 8
      octopus topic alter readings --config retention.ms=3600000 --reset retention.bytes`),
    )
    .addHelpText('after', configHelp)
    .action(async (name, options) => done(await (await load()).alter(name, options, context)))

  client(topic.command('delete <name>'), context)
    .description('delete a topic and all its events')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      examples(`octopus topic delete readings
      octopus topic delete readings --yes`),
    )
    .action(async (name, options) => done(await (await load()).remove(name, options, context)))
}

function addProduce(program: Command, context: CommandContext, done: (exitCode: number) => void): void {
  client(program.command('produce <topic>'), context)
    .description('publish each line of standard input as one event')
    .option('-k, --key-separator <text>', 'what stands before the first of these in a line is the key')
    .option(
      '-p, --partition <number>',
      'publish to this partition (default: by key, else spread)',
      wholeNumber(0),
    )
    .option('-H, --header <key=value>', 'a header of every event; may be repeated', setting)
    .option('-z, --compression <codec>', 'none, gzip, snappy, lz4 or zstd', 'none')
    .option(
      '--compression-level <level>',
      'gzip: 1 to 9 (default: 6); zstd: -131072 to 22 (default: 3); more packs smaller, slower',
      integer,
    )
    .option(
      '-a, --acks <acks>',
      'all: acknowledged when durable; 1: when durable on the leader; 0: when queued',
      'all',
    )
    .option(
      '-N, --producer-name <name>',
      'number the lines under this name: what is stored already is not again',
    )
    .addHelpText(
      'after',
      examples(`echo "hello" | octopus produce readings
      octopus produce readings --partition 0 --producer-name lab.import-7 < readings.txt
      octopus produce readings --key-separator : < readings.txt
      journalctl -o json -f | octopus produce logs --compression zstd`),
    )
    .addHelpText(
      'after',
      `
A value is the bytes of its line without the newline: nothing is decoded, a carriage return stays, an
empty line is an event with an empty value. With --key-separator a line without one has no key.
With --producer-name the same command can be run again on the same lines, after a crash or when there are more
of them: it stores the rest. A line must go to the same partition every time, so a topic with several needs
--partition or a key in every line, and more partitions later would start over. Of two that run at a time the
newer one goes on.
With --json the last line of output is {"acknowledged":n,"failed":n}; with --producer-name also "duplicates", those
of the acknowledged that were stored before. If any event failed, the exit code is 1.`,
    )
    .action(async (topic, options) => {
      const { produce } = await import('./produce.ts')
      done(await produce(topic, options, context))
    })
}

function addConsume(program: Command, context: CommandContext, done: (exitCode: number) => void): void {
  client(program.command('consume <topic>'), context)
    .description('print the events of a topic, one value per line, as they come')
    .option('-f, --from <position>', 'earliest, latest, OFFSET or @TIME (default: latest)')
    .option('-l, --last <count>', 'begin with the newest so many events', wholeNumber(1, LAST_MAX))
    .option('-t, --to <position>', 'end before OFFSET or @TIME')
    .option(
      '--late <while>',
      'with --to @TIME: no event is stored later than this behind one that is newer: 30s, 15m, 2h or 7d',
      durationMs(0, 36_500),
    )
    .option(
      '-s, --speed <factor>',
      'replay: keep the distances in time, divided by this; 1 is the original speed',
      decimal(SPEED_MIN, SPEED_MAX),
    )
    .addOption(
      new Option(
        '-o, --order <order>',
        'arrival, or by time over all partitions (default: arrival; time with --last and --speed)',
      ).choices(['arrival', 'time']),
    )
    .option('-p, --partition <number>', 'read only this partition; may be repeated', partitions)
    .option('-n, --max <count>', 'end after so many events', wholeNumber(1))
    .option('-e, --until-end', 'end at what is the end of the topic when the command starts')
    .option('-k, --key-separator <text>', 'print the key and this text before each value')
    .option(
      '--filter <pattern|@file>',
      'print only the events that match this pattern, which the broker looks for',
    )
    .option('-g, --group <name>', 'read as a member of this consumer group, which keeps how far it is')
    .option(
      '--instance <name>',
      'with --group: go on with the partitions that were read under this name a moment ago',
    )
    .addHelpText(
      'after',
      examples(`octopus consume readings
      octopus consume readings --group night-shift --from earliest
      octopus consume readings --from earliest --until-end > all.txt
      octopus consume readings --from @-1h --json | jq .value
      octopus consume readings --from 5000 --partition 2 --max 10
      octopus consume readings --last 100 --until-end
      octopus consume readings --filter '{"value":{"celsius":[{"numeric":[">",30]}]}}'
      octopus consume readings --from @2026-05-01T12:00:00Z --to @2026-05-01T14:00:00Z
      octopus consume readings --from @-3h --to @-2h --speed 10`),
    )
    .addHelpText(
      'after',
      `
--from   earliest   the first event that is still kept
         latest     only what comes from now on (the default, as in Kafka)
         OFFSET     this offset in every partition read; usually with --partition
         @TIME      the first event at or after a time: @2024-05-01T12:00:00Z, @1714564800000 (ms since
                    1970), or a while ago: @-30s @-2h @-7d
--last   of all partitions read together, oldest first, then what comes from now on; with --until-end only those.
--to     OFFSET: what is before it, in every partition read. @TIME: what has a time before it; with --from @TIME
         exactly the events from the one to the other, wherever they stand, so it reads on to the end of the topic.
         Ends at what is the end of the topic when the command starts. --late 10m ends it sooner: in each partition with
         the first event that is ten minutes past @TIME.
--speed  10 is ten times as fast, 0.5 half as fast. What is late, or was printed late, comes at once.
--order  time: what is stored when the command starts comes by time, whatever partition it is in.
--filter octopus filter --help says how patterns are written, octopus filter test tries them out. --last and --max count what
         matches. At the end standard error says how many events were examined; with --json as a line of JSON.
--group  its members share the partitions, and go on where the group was; --from counts where it was nowhere. What was
         printed is committed: whoever is killed prints the last second's again. octopus group describe shows how far it is.
Values are written as they are. --json prints one object per line: topic, partition, offset, timestamp (ms
since 1970), key, value, headers; bytes that are not UTF-8 are base64, marked by "encoding":"base64".
Ctrl-C ends it, and leaves the group: exit code 0, or 130 when --max, --to or --until-end was not reached.`,
    )
    .action(async (topic, options) => {
      const { consume } = await import('./consume.ts')
      done(await consume(topic, options, context))
    })
}

function addStatus(program: Command, context: CommandContext, done: (exitCode: number) => void): void {
  client(program.command('status'), context)
    .description('show what a broker is and how it fares')
    .addHelpText(
      'after',
      examples(`octopus status
      octopus status --url ws://127.0.0.1:7655 --json`),
    )
    .action(async (options) => {
      const { status } = await import('./status.ts')
      done(await status(options, context))
    })
}

function addVerify(program: Command, context: CommandContext, done: (exitCode: number) => void): void {
  program
    .command('verify')
    .description('check everything that is stored in a data directory no broker has open')
    .option('--data <dir>', 'the data directory', context.env.OCTOPUS_DATA ?? './data')
    .option('--repair', 'show how what is damaged can be repaired, ask, and do it')
    .option('--dry-run', 'with --repair: only show')
    .option('-y, --yes', 'with --repair: do not ask')
    .option('-j, --json', 'print JSON for programs')
    .addHelpText(
      'after',
      examples(`octopus verify
      octopus verify --data /var/lib/octopus --repair --dry-run
      octopus verify --data /var/lib/octopus --repair
      octopus verify --json | jq -c 'select(.finding.code == "batch-damaged") | .finding'`),
    )
    .addHelpText(
      'after',
      `
Reads every value, checks every checksum, the offsets of every partition, every index against what it is the
index of, and what metadata says. Without --repair it changes nothing. Exit code 0: all is well; 65: something is damaged.
--repair writes each damaged segment anew with everything of it that is whole. Offsets that are lost stay used and
are marked as lost: readers go on behind them, and verify goes on telling of them. The damaged files are kept, as
damaged-*.lmdb. It may be killed at any moment, and simply run again.
With --json each finding is a line {"finding":{code,severity,sentence,remedy,file,segment,value,topic,topicId,
partition,firstOffset,lastOffset,bytes}}, as far as it is known; the last line is {"summary":{…}}.
With --repair come {"plan":{…}}, {"rewritten":{…}} and the findings of a second look.`,
    )
    .action(async (options) => {
      const { verify } = await import('./verify.ts')
      done(await verify(options, context))
    })
}

function tree(command: Command): Command[] {
  return [command, ...command.commands.flatMap(tree)]
}

function path(command: Command): string {
  return command.parent === null ? command.name() : `${path(command.parent)} ${command.name()}`
}
