/** `octopus token issue | revoke | rotate-issuer-key`: tokens of the broker's own issuer. */
import { moment } from './access-text.ts'
import type { CommandContext } from './context.ts'
import { tokenIdOf } from './credential-ids.ts'
import { ExitCode } from './exit-codes.ts'
import { usage } from './failure.ts'
import type { ScopePart } from './flag-values.ts'
import { type SecretFlags, showSecret } from './secret-output.ts'
import { type ClientFlags, withClient } from './session.ts'

interface IssueFlags extends ClientFlags, SecretFlags {
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
    await showSecret(flags, context, async () => {
      const made = await client.admin().issueToken({
        ...(flags.for !== undefined && { principal: flags.for }),
        groups,
        roles,
        ...(lifetime !== undefined && { lifetimeMs: lifetime }),
        ...(scope && { scope }),
      })
      const until = `good until ${moment(made.expiresAtMs)}`
      const sentence = `token ${made.tokenId} of user:${made.principal}, ${until}`
      return { secret: made.token, fields: { ...made }, sentence }
    })
    return ExitCode.OK
  })
}

export function revoke(
  which: string | undefined,
  flags: RevokeFlags,
  context: CommandContext,
): Promise<number> {
  const { for: user, json } = flags
  const tokenId = which === undefined ? undefined : tokenIdOf(which)
  if (tokenId === undefined && user === undefined)
    throw usage(
      'say which: the id of a token, or --for USER for all of a user. See: octopus token revoke --help',
    )
  if (tokenId !== undefined && user !== undefined)
    throw usage('the id of a token and --for are both given: one token is revoked, or all of a user')
  return withClient(flags, context, async (client) => {
    await client.admin().revokeTokens(tokenId === undefined ? { principal: user as string } : { tokenId })
    const what = tokenId === undefined ? { principal: user } : { tokenId }
    // A broker does not know which tokens there are, so that this is all that can be said.
    const said =
      tokenId === undefined
        ? `tokens that user:${user} was issued until now are taken no more`
        : `a token with the id ${tokenId} is taken no more`
    if (json) context.out.write(`${JSON.stringify({ revoked: true, ...what })}\n`)
    else context.out.say(said)
    return ExitCode.OK
  })
}

interface RotateFlags extends ClientFlags {
  readonly overlap?: number
}

export function rotateIssuerKey(flags: RotateFlags, context: CommandContext): Promise<number> {
  const { overlap } = flags
  if (overlap !== undefined && overlap !== 0)
    throw usage('--overlap is 0s, which ends all tokens at once; without it they stay good until they expire')
  const what = overlap === 0 ? 'have ended' : 'stay good until they expire'
  return withClient(flags, context, async (client) => {
    const keyId = await client.admin().rotateIssuerKey(overlap === 0 ? { overlapMs: 0 } : {})
    if (flags.json) context.out.write(`${JSON.stringify({ keyId })}\n`)
    else context.out.say(`key ${keyId} signs from now on; tokens signed before ${what}`)
    return ExitCode.OK
  })
}
