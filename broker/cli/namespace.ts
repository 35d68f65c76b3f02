/** `octopus namespace create | list | alter | delete`: whose names are whose. */
import type { Admin } from '../../client/index.ts'
import { listed } from './access-text.ts'
import type { CommandContext } from './context.ts'
import { ExitCode } from './exit-codes.ts'
import { usage } from './failure.ts'
import type { Setting } from './flag-values.ts'
import { type ClientFlags, withClient } from './session.ts'
import { table } from './table.ts'

interface CreateFlags extends ClientFlags {
  readonly owner?: readonly string[]
  readonly config?: readonly Setting[]
}

interface AlterFlags extends ClientFlags {
  readonly addOwner?: readonly string[]
  readonly removeOwner?: readonly string[]
  readonly config?: readonly Setting[]
  readonly reset?: readonly string[]
}

export function create(name: string, flags: CreateFlags, context: CommandContext): Promise<number> {
  const { owner: owners = [], config = [] } = flags
  return withClient(flags, context, async (client) => {
    await client.admin().createNamespace(name, { owners, topicConfigs: asRecord(config) })
    context.out.write(flags.json ? `${JSON.stringify({ name })}\n` : `created namespace ${name}\n`)
    return ExitCode.OK
  })
}

export function list(flags: ClientFlags, context: CommandContext): Promise<number> {
  return withClient(flags, context, async (client) => {
    const namespaces = await client.admin().listNamespaces()
    if (flags.json) context.out.write(`${JSON.stringify(namespaces)}\n`)
    else {
      const columns = [
        { title: 'namespace' },
        { title: 'topics', align: 'right' },
        { title: 'owners' },
        { title: 'defaults' },
      ] as const
      const rows = namespaces.map(({ name, topics, owners, topicConfigs }) => [
        name,
        topics,
        listed(owners),
        listed(topicConfigs.map((config) => `${config.name}=${config.value}`)),
      ])
      context.out.write(table(columns, rows))
    }
    return ExitCode.OK
  })
}

export function alter(name: string, flags: AlterFlags, context: CommandContext): Promise<number> {
  const { addOwner: addOwners = [], removeOwner: removeOwners = [], config = [], reset = [] } = flags
  if (addOwners.length + removeOwners.length + config.length + reset.length === 0)
    throw usage(
      'nothing to change: give --add-owner, --remove-owner, --config or --reset. See: octopus namespace alter --help',
    )
  return withClient(flags, context, async (client) => {
    const topicConfigs = { ...asRecord(config), ...Object.fromEntries(reset.map((key) => [key, null])) }
    const admin = client.admin()
    const before = removeOwners.length > 0 ? await ownersOf(admin, name) : []
    const owners = await admin.alterNamespace(name, { addOwners, removeOwners, topicConfigs })
    if (flags.json) context.out.write(`${JSON.stringify({ name, owners })}\n`)
    else {
      const strangers = removeOwners.filter((owner) => !before.includes(owner))
      const isSame =
        strangers.length === removeOwners.length && addOwners.length + config.length + reset.length === 0
      const were =
        strangers.length === 0
          ? ''
          : `; ${strangers.join(', ')} ${strangers.length === 1 ? 'was no owner' : 'were no owners'}`
      context.out.say(
        `${isSame ? 'nothing to change in' : 'altered'} namespace ${name}; owned by ${listed(owners)}${were}`,
      )
    }
    return ExitCode.OK
  })
}

export function remove(name: string, flags: ClientFlags, context: CommandContext): Promise<number> {
  return withClient(flags, context, async (client) => {
    const deletedEntries = await client.admin().deleteNamespace(name)
    context.out.write(
      flags.json
        ? `${JSON.stringify({ name, deleted: true, deletedEntries })}\n`
        : `deleted namespace ${name}, and ${deletedEntries} entries about what could be in it\n`,
    )
    return ExitCode.OK
  })
}

async function ownersOf(admin: Admin, name: string): Promise<readonly string[]> {
  const namespaces = await admin.listNamespaces()
  return namespaces.find((namespace) => namespace.name === name)?.owners ?? []
}

function asRecord(settings: readonly Setting[]): Record<string, string> {
  return Object.fromEntries(settings.map(({ name, value }) => [name, value]))
}
