/** `octopus whoami`: who the broker takes one for, by what credential, and what is one's own. */
import type { Identity } from '../../client/index.ts'
import { listed, moment, scopeText } from './access-text.ts'
import type { CommandContext } from './context.ts'
import { ExitCode } from './exit-codes.ts'
import { type ClientFlags, withClient } from './session.ts'
import { pairs } from './table.ts'

export function whoami(flags: ClientFlags, context: CommandContext): Promise<number> {
  return withClient(flags, context, async (client) => {
    const identity = await client.admin().whoami()
    context.out.write(flags.json ? `${JSON.stringify(identity)}\n` : asText(identity))
    return ExitCode.OK
  })
}

function asText(identity: Identity): string {
  const { principal, isAdministrator, method, credentialId, expiresAtMs, scope } = identity
  return pairs([
    ['principal', isAdministrator ? `${principal}  (administrator)` : principal],
    ['groups', listed(identity.groups)],
    ['roles', listed(identity.roles)],
    ['credential', credentialId === null ? method : `${method}  (${credentialId})`],
    ['expires', moment(expiresAtMs)],
    ['scope', scopeText(scope)],
    ['namespaces', listed(identity.namespaces)],
  ])
}
