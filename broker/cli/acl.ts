/** `octopus grant` and `octopus acl list | explain | create | delete`: who may do what, and why. */
import { operationsOfPreset, type Preset } from '../../auth/acl/grants.ts'
import { parseResourcePattern } from '../../auth/acl/resource.ts'
import type { AclEntry } from '../../client/index.ts'
import { moment } from './access-text.ts'
import type { CommandContext } from './context.ts'
import { ExitCode } from './exit-codes.ts'
import { usage } from './failure.ts'
import { type ClientFlags, withClient } from './session.ts'
import { table } from './table.ts'

interface EntryFlags extends ClientFlags {
  readonly expiresIn?: number
  readonly note?: string
}

interface CreateFlags extends EntryFlags {
  readonly principal: string
  readonly resource: string
  readonly operation: readonly string[]
  readonly deny?: true
}

interface ListFlags extends ClientFlags {
  readonly principal?: string
  readonly resource?: string
}

interface ExplainFlags extends ClientFlags {
  readonly principal?: string
  readonly group?: readonly string[]
  readonly role?: readonly string[]
  readonly operation: string
  readonly resource: string
}

/** `what` is a resource, or the name of a topic. */
export function grant(
  preset: Preset,
  what: string,
  principal: string,
  flags: EntryFlags,
  context: CommandContext,
): Promise<number> {
  const resource = what.includes(':') || what === 'cluster' ? what : `topic:${what}`
  const pattern = parseResourcePattern(resource)
  if ('problem' in pattern) throw usage(`resource "${resource}" ${pattern.problem}`)
  const operations = operationsOfPreset(preset, pattern.type)
  if ('problem' in operations) throw usage(operations.problem)
  return write({ ...flags, principal, resource, operation: operations }, context)
}

export function create(flags: CreateFlags, context: CommandContext): Promise<number> {
  return write(flags, context)
}

export function list(flags: ListFlags, context: CommandContext): Promise<number> {
  const { principal, resource } = flags
  return withClient(flags, context, async (client) => {
    const entries = await client.admin().listAcls({
      ...(principal !== undefined && { principal }),
      ...(resource !== undefined && { resource }),
    })
    context.out.write(flags.json ? `${JSON.stringify(entries)}\n` : asText(entries))
    return ExitCode.OK
  })
}

export function remove(ids: readonly string[], flags: ClientFlags, context: CommandContext): Promise<number> {
  return withClient(flags, context, async (client) => {
    await client.admin().deleteAcls(ids)
    context.out.write(flags.json ? `${JSON.stringify({ deleted: ids })}\n` : `deleted ${ids.join(', ')}\n`)
    return ExitCode.OK
  })
}

/** Exit code 1 when it is not allowed. */
export function explain(flags: ExplainFlags, context: CommandContext): Promise<number> {
  const { principal, group = [], role = [], operation, resource } = flags
  return withClient(flags, context, async (client) => {
    const question = { operation, resource, groups: group, roles: role }
    const decision = await client.admin().explainAccess({ ...question, ...(principal && { principal }) })
    if (flags.json) context.out.write(`${JSON.stringify(decision)}\n`)
    else context.out.say(decision.sentence)
    return decision.allowed ? ExitCode.OK : ExitCode.FAILED
  })
}

function write(flags: CreateFlags, context: CommandContext): Promise<number> {
  const { principal, resource, operation: operations, deny, expiresIn, note } = flags
  return withClient(flags, context, async (client) => {
    const effect = deny ? 'deny' : 'allow'
    const expiresAtMs = expiresIn === undefined ? undefined : context.nowMs() + expiresIn
    const [id] = await client.admin().createAcls([
      {
        principal,
        resource,
        operations,
        effect,
        ...(expiresAtMs !== undefined && { expiresAtMs }),
        ...(note !== undefined && { note }),
      },
    ])
    const said = `${principal} may ${deny ? 'not ' : ''}${operations.join(', ')} ${resource}`
    const until = expiresAtMs === undefined ? '' : ` until ${moment(expiresAtMs)}`
    const written = { id, principal, resource, operations, effect, expiresAtMs: expiresAtMs ?? null }
    if (flags.json) context.out.write(`${JSON.stringify(written)}\n`)
    else context.out.say(`${said}${until}  (entry ${id})`)
    return ExitCode.OK
  })
}

function asText(entries: readonly AclEntry[]): string {
  const titles = ['entry', 'principal', 'effect', 'operations', 'resource', 'expires', 'by', 'note']
  const rows = entries.map((entry) => [
    entry.id,
    entry.principal,
    entry.effect,
    entry.operations.join(','),
    entry.resource,
    moment(entry.expiresAtMs),
    entry.grantedBy,
    entry.note ?? '',
  ])
  return table(
    titles.map((title) => ({ title })),
    rows,
  )
}
