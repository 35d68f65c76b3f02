/** The commands about who one is and who may do what: their flags and help texts. */
import { Argument, type Command } from 'commander'
import { presets } from '../../auth/acl/grants.ts'
import { client, examples } from './command-parts.ts'
import type { CommandContext } from './context.ts'
import { collect, durationMs, scopePart, setting, words } from './flag-values.ts'

type Done = (exitCode: number) => void

const HOUR_MS = 3_600_000
/** The protocol has 31 bits for it. */
const overlapMs = durationMs(0, 24)
/** As far ahead as a broker takes it. */
const lifetimeMs = durationMs(1, 36_500)
const GROUP = 'a group it makes the user a member of; may be repeated (yourself: all of yours go along)'
const ROLE = 'a role it gives the user; may be repeated (yourself: all of yours go along)'
const OUT = 'a new file for it that only you may read (mode 0600), instead of standard output'

export function addAccessCommands(program: Command, context: CommandContext, done: Done): void {
  addWhoami(program, context, done)
  addKey(program, context, done)
  addToken(program, context, done)
  addNamespace(program, context, done)
  addGrant(program, context, done)
  addAcl(program, context, done)
}

function addWhoami(program: Command, context: CommandContext, done: Done): void {
  client(program.command('whoami'), context)
    .description('show who the broker takes you for, and by what credential')
    .addHelpText(
      'after',
      examples(`octopus whoami
      OCTOPUS_TOKEN_FILE=ada.key octopus whoami --json`),
    )
    .action(async (options) => done(await (await import('./whoami.ts')).whoami(options, context)))
}

function addKey(program: Command, context: CommandContext, done: Done): void {
  const key = program
    .command('key')
    .description('create, list, revoke and rotate API keys')
    .addHelpText(
      'after',
      examples(`octopus key create laptop --for ada --out ada.key
      octopus key list
      octopus key revoke 2h8x0q5m1c7w9z3k`),
    )
  const load = () => import('./key.ts')

  client(key.command('create <name>'), context)
    .description('make an API key, good at once; it is printed this once and nowhere kept')
    .option('--for <user>', 'the user who is to have it (default: yourself)')
    .option('--group <group>', GROUP, collect)
    .option('--role <role>', ROLE, collect)
    .option(
      '--expires-in <while>',
      'for how long it is good: 12h, 90d (default: until it is revoked; your own: as long as you may)',
      lifetimeMs,
    )
    .option('--scope <operations:resource>', 'good for this and no more; may be repeated', scopePart)
    .option('--out <file>', OUT)
    .addHelpText(
      'after',
      examples(`octopus key create laptop --for ada --out ada.key
      octopus key create detector-7 --for detector-7 --expires-in 90d --json
      octopus key create viewer --scope "read:topic:lab.*" --scope read:group:lab.viewer`),
    )
    .action(async (name, options) => done(await (await load()).create(name, options, context)))

  client(key.command('list'), context)
    .description('list API keys, without their secrets')
    .option('--for <user>', 'only those of this user')
    .addHelpText(
      'after',
      examples(`octopus key list
      octopus key list --for ada --json`),
    )
    .action(async (options) => done(await (await load()).list(options, context)))

  client(key.command('revoke [id...]'), context)
    .description('revoke API keys, or all of a user, at once and for ever, and the tokens issued with them')
    .option('--for <user>', 'all keys of this user; revoke his tokens first')
    .addHelpText(
      'after',
      examples(`octopus key revoke 2h8x0q5m1c7w9z3k
      octopus token revoke --for ada && octopus key revoke --for ada --json`),
    )
    .action(async (ids, options) => done(await (await load()).revoke(ids, options, context)))

  key
    .command('recover')
    .description("make another administrator's key, in a data directory no broker has open")
    .option('--data <dir>', 'the data directory', context.env.OCTOPUS_DATA ?? './data')
    .option('--out <file>', OUT)
    .option('-j, --json', 'print JSON for programs')
    .addHelpText(
      'after',
      examples(`octopus key recover --data /var/lib/octopus --out new-admin.key
      octopus key recover --json`),
    )
    .action(async (options) => done(await (await import('./recover-key.ts')).recover(options, context)))

  client(key.command('rotate <id>'), context)
    .description('give an API key a new secret')
    .option('--overlap <while>', 'for how long the old secret is still good, at most 24d', overlapMs, HOUR_MS)
    .option('--out <file>', OUT)
    .addHelpText(
      'after',
      examples(`octopus key rotate 2h8x0q5m1c7w9z3k --out ada-2.key
      octopus key rotate 2h8x0q5m1c7w9z3k --overlap 0s --json`),
    )
    .action(async (id, options) => done(await (await load()).rotate(id, options, context)))
}

function addToken(program: Command, context: CommandContext, done: Done): void {
  const token = program
    .command('token')
    .description("issue and revoke tokens of the broker's own issuer")
    .addHelpText(
      'after',
      examples(`octopus token issue --for ada --lifetime 8h
      octopus token revoke --for ada`),
    )
  const load = () => import('./token.ts')

  client(token.command('issue'), context)
    .description('issue a signed token; it is printed this once and nowhere kept')
    .option('--for <user>', 'the user who is to have it (default: yourself)')
    .option('--group <group>', GROUP, collect)
    .option('--role <role>', ROLE, collect)
    .option('--lifetime <while>', "for how long it is good: 15m, 8h (default: the broker's)", lifetimeMs)
    .option('--scope <operations:resource>', 'good for this and no more; may be repeated', scopePart)
    .option('--out <file>', OUT)
    .addHelpText(
      'after',
      examples(`octopus token issue --out my.token
      octopus token issue --for ada --group lab --lifetime 8h --json`),
    )
    .action(async (options) => done(await (await load()).issue(options, context)))

  client(token.command('revoke [id]'), context)
    .description('revoke one token, or all that a user was issued until now, at once')
    .option('--for <user>', 'all tokens of this user')
    .addHelpText(
      'after',
      examples(`octopus token revoke 4fzXk0Qm1c7wN9z3kB2h8A
      octopus token revoke --for ada --json`),
    )
    .action(async (id, options) => done(await (await load()).revoke(id, options, context)))

  client(token.command('rotate-issuer-key'), context)
    .description('make the issuer sign with a new key; tokens signed before stay good until they expire')
    .option(
      '--overlap <while>',
      '0s: all tokens signed before end at once, since a key may have leaked',
      overlapMs,
    )
    .addHelpText(
      'after',
      examples(`octopus token rotate-issuer-key
      octopus token rotate-issuer-key --overlap 0s --json`),
    )
    .action(async (options) => done(await (await load()).rotateIssuerKey(options, context)))
}

function addNamespace(program: Command, context: CommandContext, done: Done): void {
  const namespace = program
    .command('namespace')
    .description('create, list, alter and delete namespaces: what stands before the dot of a name')
    .addHelpText(
      'after',
      examples(`octopus namespace create lab --owner user:ada
      octopus namespace list
      octopus namespace alter lab --add-owner group:physics`),
    )
  const load = () => import('./namespace.ts')

  client(namespace.command('create <name>'), context)
    .description('create a namespace')
    .option('--owner <principal>', 'user:ID or group:ID; may be repeated (default: yourself)', collect)
    .option('-c, --config <key=value>', 'a default of its topics; may be repeated', setting)
    .addHelpText(
      'after',
      examples(`octopus namespace create lab --owner user:ada
      octopus namespace create lab --owner group:physics -c retention.ms=604800000 --json`),
    )
    .action(async (name, options) => done(await (await load()).create(name, options, context)))

  client(namespace.command('list'), context)
    .description('list the namespaces you may see')
    .addHelpText(
      'after',
      examples(`octopus namespace list
      octopus namespace list --json`),
    )
    .action(async (options) => done(await (await load()).list(options, context)))

  client(namespace.command('alter <name>'), context)
    .description('change the owners of a namespace, or the defaults of its topics')
    .option('--add-owner <principal>', 'user:ID or group:ID; may be repeated', collect)
    .option('--remove-owner <principal>', 'who is to be an owner no longer; may be repeated', collect)
    .option('-c, --config <key=value>', 'set a default of its topics; may be repeated', setting)
    .option('-r, --reset <key>', 'take a default away; may be repeated', collect)
    .addHelpText(
      'after',
      examples(`octopus namespace alter lab --add-owner user:bob --remove-owner user:ada
      octopus namespace alter lab --config retention.ms=3600000 --json`),
    )
    .action(async (name, options) => done(await (await load()).alter(name, options, context)))

  client(namespace.command('delete <name>'), context)
    .description('delete a namespace without topics and groups, and the rights on what could be in it')
    .addHelpText(
      'after',
      examples(`octopus namespace delete lab
      octopus namespace delete lab --json`),
    )
    .action(async (name, options) => done(await (await load()).remove(name, options, context)))
}

function addGrant(program: Command, context: CommandContext, done: Done): void {
  client(program.command('grant'), context)
    .description('give somebody a right on a topic, a group or a producer name')
    .addArgument(new Argument('<right>', 'what is given').choices(presets))
    .argument('<resource>', 'the name of a topic, or topic:, group:, producer: or another kind and a name')
    .argument('<principal>', 'user:ID, group:ID, role:ID, authenticated or anonymous')
    .option('--expires-in <while>', 'for how long: 12h, 90d (default: until it is deleted)', lifetimeMs)
    .option('--note <text>', 'why, for people')
    .addHelpText(
      'after',
      examples(`octopus grant read lab.readings user:bob
      octopus grant write "lab.*" group:detectors --expires-in 30d
      octopus grant write producer:lab.import user:bob --json`),
    )
    .addHelpText(
      'after',
      `
read: a topic is read, a group is joined and its offsets are committed. write: events are sent to a topic, a producer's name is used.
manage: everything, and it may be given on. A name ending in * is every name that begins so.
What is given is taken back by: octopus acl delete ENTRY`,
    )
    .action(async (right, resource, principal, options) => {
      done(await (await import('./acl.ts')).grant(right, resource, principal, options, context))
    })
}

function addAcl(program: Command, context: CommandContext, done: Done): void {
  const acl = program
    .command('acl')
    .description('list, explain, create and delete entries of the access control list')
    .addHelpText(
      'after',
      examples(`octopus acl list --resource topic:lab.readings
      octopus acl explain --principal user:bob --operation read --resource topic:lab.readings
      octopus acl delete 3f0c…`),
    )
  const load = () => import('./acl.ts')

  client(acl.command('list'), context)
    .description('list the entries you may see')
    .option('--principal <principal>', 'only those about exactly this principal')
    .option('--resource <resource>', 'only those about something that this is about, too')
    .addHelpText(
      'after',
      examples(`octopus acl list
      octopus acl list --principal user:bob --resource "topic:lab.*" --json`),
    )
    .action(async (options) => done(await (await load()).list(options, context)))

  client(acl.command('explain'), context)
    .description('say whether somebody may do something, and which rule decides')
    .option('--principal <principal>', 'user:ID or anonymous (default: yourself)')
    .option('--group <group>', 'take the user for a member of this group; may be repeated', collect)
    .option('--role <role>', 'take the user to have this role; may be repeated', collect)
    .requiredOption('--operation <operation>', 'describe, read, write, create, alter, delete or grant')
    .requiredOption('--resource <resource>', 'one resource: topic:lab.readings, namespace:lab, cluster, …')
    .addHelpText(
      'after',
      examples(`octopus acl explain --principal user:bob --operation read --resource topic:lab.readings
      octopus acl explain --operation create --resource namespace:lab --json`),
    )
    .addHelpText('after', '\nExit code 0: it is allowed; 1: it is not; 64: that is no question.')
    .action(async (options) => done(await (await load()).explain(options, context)))

  client(acl.command('create'), context)
    .description('write an entry, to allow or to deny')
    .requiredOption('--principal <principal>', 'user:ID, group:ID, role:ID, authenticated or anonymous')
    .requiredOption('--resource <resource>', 'topic:lab.readings, "topic:lab.*", namespace:lab, cluster, …')
    .requiredOption('--operation <operations>', 'one, or several: read,write; may be repeated', words)
    .option('--deny', 'deny it; that wins over every entry that allows')
    .option('--expires-in <while>', 'for how long: 12h, 90d (default: until it is deleted)', lifetimeMs)
    .option('--note <text>', 'why, for people')
    .addHelpText(
      'after',
      examples(`octopus acl create --principal group:lab --resource "topic:lab.*" --operation read,write
      octopus acl create --principal user:eve --resource "topic:lab.*" --operation describe --deny --json`),
    )
    .action(async (options) => done(await (await load()).create(options, context)))

  client(acl.command('delete <entry...>'), context)
    .description('delete entries by their ids')
    .addHelpText(
      'after',
      examples(`octopus acl delete 3f0c…
      octopus acl delete 3f0c… 91aa… --json`),
    )
    .action(async (ids, options) => done(await (await load()).remove(ids, options, context)))
}
