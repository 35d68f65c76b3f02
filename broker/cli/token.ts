/**
 * `octopus token issue | revoke | rotate-issuer-key`: tokens of the broker's own issuer. A token goes to standard output
 * and nowhere else, as a key does.
 */
import { moment } from './access-text.ts'
import type { CommandContext } from './context.ts'
import { ExitCode } from './exit-codes.ts'
import { usage } from './failure.ts'
import type { ScopePart } from './flag-values.ts'
import { type ClientFlags, withClient } from './session.ts'

interface IssueFlags extends ClientFlags {
  readonly for?: string
  readonly group?: readonly string[]
  readonly role?: readonly string[]
  readonly lifetime?: number
  readonly scope?: readonly ScopePart[]
}

interface RevokeFlags extends ClientFlags {
  readonly for?: string
}

export function issue(flags: IssueFlags, context: CommandContext): Promise<number> {
  const { group: groups = [], role: roles = [], lifetime, scope } = flags
  return withClient(flags, context, async (client) => {
    const made = await client.admin().issueToken({
      ...(flags.for !== undefined && { principal: flags.for }),
      groups,
      roles,
      ...(lifetime !== undefined && { lifetimeMs: lifetime }),
      ...(scope && { scope }),
    })
    context.out.write(flags.json ? `${JSON.stringify(made)}\n` : `${made.token}\n`)
    if (!flags.json)
      context.err.write(
        `octopus: token ${made.tokenId} of user:${made.principal}, good until ${moment(made.expiresAtMs)}\n`,
      )
    return ExitCode.OK
  })
}

export function revoke(
  tokenId: string | undefined,
  flags: RevokeFlags,
  context: CommandContext,
): Promise<number> {
  const { for: user, json } = flags
  if (tokenId === undefined && user === undefined)
    throw usage(
      'say which: the id of a token, or --for USER for all of a user. See: octopus token revoke --help',
    )
  if (tokenId !== undefined && user !== undefined)
    throw usage('the id of a token and --for are both given: one token is revoked, or all of a user')
  return withClient(flags, context, async (client) => {
    await client.admin().revokeTokens(tokenId === undefined ? { principal: user as string } : { tokenId })
    const what = tokenId === undefined ? { principal: user } : { tokenId }
    const said = tokenId === undefined ? `all tokens of user:${user}` : `token ${tokenId}`
    context.out.write(json ? `${JSON.stringify({ revoked: true, ...what })}\n` : `revoked ${said}\n`)
    return ExitCode.OK
  })
}

export function rotateIssuerKey(flags: ClientFlags, context: CommandContext): Promise<number> {
  return withClient(flags, context, async (client) => {
    const keyId = await client.admin().rotateIssuerKey()
    context.out.write(
      flags.json
        ? `${JSON.stringify({ keyId })}\n`
        : `key ${keyId} signs from now on; tokens signed before stay good until they expire\n`,
    )
    return ExitCode.OK
  })
}
