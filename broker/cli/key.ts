/** `octopus key create | list | revoke | rotate`. */
import type { ApiKeyListing, NewKey } from '../../client/index.ts'
import { listed, moment, scopeText } from './access-text.ts'
import type { CommandContext } from './context.ts'
import { keyIdOf } from './credential-ids.ts'
import { ExitCode } from './exit-codes.ts'
import { usage } from './failure.ts'
import type { ScopePart } from './flag-values.ts'
import { type MadeSecret, type SecretFlags, showSecret } from './secret-output.ts'
import { type ClientFlags, withClient } from './session.ts'
import { table } from './table.ts'

interface CreateFlags extends ClientFlags, SecretFlags {
  readonly for?: string
  readonly group?: readonly string[]
  readonly role?: readonly string[]
  readonly expiresIn?: number
  readonly scope?: readonly ScopePart[]
}

interface ListFlags extends ClientFlags {
  readonly for?: string
}

interface RotateFlags extends ClientFlags, SecretFlags {
  readonly overlap: number
}

export function create(name: string, flags: CreateFlags, context: CommandContext): Promise<number> {
  const { group = [], role = [], expiresIn, scope } = flags
  return withClient(flags, context, async (client) => {
    await showSecret(flags, context, async () => {
      const made = await client.admin().createKey({
        name,
        ...(flags.for !== undefined && { principal: flags.for }),
        groups: group,
        roles: role,
        ...(expiresIn !== undefined && { expiresAtMs: context.nowMs() + expiresIn }),
        ...(scope && { scope }),
      })
      const until = made.expiresAtMs === null ? '' : `, good until ${moment(made.expiresAtMs)}`
      return secretOf(made, `key ${made.keyId} of user:${made.principal}${until}`)
    })
    return ExitCode.OK
  })
}

export function list(flags: ListFlags, context: CommandContext): Promise<number> {
  return withClient(flags, context, async (client) => {
    const keys = await client.admin().listKeys(flags.for)
    const sorted = keys.sort((a, b) => a.createdAtMs - b.createdAtMs)
    context.out.write(flags.json ? `${JSON.stringify(sorted)}\n` : asText(sorted))
    return ExitCode.OK
  })
}

export function revoke(which: readonly string[], flags: ListFlags, context: CommandContext): Promise<number> {
  const { for: user, json } = flags
  const ids = which.map(keyIdOf)
  if (ids.length === 0 && user === undefined)
    throw usage('say which: ids of keys, or --for USER for all of a user. See: octopus key revoke --help')
  if (ids.length > 0 && user !== undefined)
    throw usage('ids of keys and --for are both given: these are revoked, or all of a user')
  return withClient(flags, context, async (client) => {
    const admin = client.admin()
    const revoked = user === undefined ? ids : await admin.revokeKeysOf(user)
    if (user === undefined) await admin.revokeKeys(ids)
    const said = revoked.length > 0 ? revoked.join(', ') : `nothing: user:${user} has no keys`
    context.out.write(json ? `${JSON.stringify({ revoked })}\n` : `revoked ${said}\n`)
    return ExitCode.OK
  })
}

export function rotate(which: string, flags: RotateFlags, context: CommandContext): Promise<number> {
  const id = keyIdOf(which)
  return withClient(flags, context, async (client) => {
    await showSecret(flags, context, async () => {
      const made = await client.admin().rotateKey(id, flags.overlap)
      const until = flags.overlap === 0 ? 'at once' : `in ${flags.overlap / 1_000} s`
      return secretOf(made, `key ${made.keyId} has a new secret; the old one ends ${until}`)
    })
    return ExitCode.OK
  })
}

function secretOf(made: NewKey, sentence: string): MadeSecret {
  return { secret: made.key, fields: { ...made }, sentence }
}

function asText(keys: readonly ApiKeyListing[]): string {
  const columns = ['key', 'user', 'name', 'groups', 'roles', 'expires', 'last used', 'scope'].map(
    (title) => ({
      title,
    }),
  )
  const rows = keys.map((key) => [
    key.keyId,
    key.principal,
    key.name,
    listed(key.groups),
    listed(key.roles),
    moment(key.expiresAtMs),
    moment(key.lastUsedAtMs),
    key.scope === null ? '-' : scopeText(key.scope),
  ])
  return table(columns, rows)
}
