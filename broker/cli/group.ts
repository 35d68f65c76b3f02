/** `octopus group list | describe | delete`: tables for people, JSON for programs. */
import {
  type GroupDescription,
  type GroupState,
  type OctopusClient,
  ProtocolError,
} from '../../client/index.ts'
import { ErrorCode } from '../../client/protocol/errors.ts'
import type { CommandContext } from './context.ts'
import { ExitCode } from './exit-codes.ts'
import { Failure, usage } from './failure.ts'
import { counted, describedGroup, totalLag } from './group-text.ts'
import { type ClientFlags, withClient } from './session.ts'
import { table } from './table.ts'

interface ListFlags extends ClientFlags {
  readonly state?: readonly GroupState[]
}

interface DeleteFlags extends ClientFlags {
  readonly yes?: true
}

export function list(flags: ListFlags, context: CommandContext): Promise<number> {
  return withClient(flags, context, async (client) => {
    const groups = await client.admin().listGroups(flags.state ? { states: flags.state } : {})
    if (flags.json) context.out.write(`${JSON.stringify(groups)}\n`)
    else if (groups.length === 0) {
      const which = flags.state
        ? ` that ${flags.state.length === 1 ? 'is' : 'are'} ${flags.state.join(' or ')}`
        : ''
      context.err.write(
        `no groups${which}. One comes to be with its first member: ${context.invocation} consume TOPIC --group NAME\n`,
      )
    } else {
      const columns = [{ title: 'group' }, { title: 'state' }, { title: 'members', align: 'right' }] as const
      context.out.write(
        table(
          columns,
          groups.map(({ groupId, state, members }) => [groupId, state, members]),
        ),
      )
    }
    return ExitCode.OK
  })
}

export function describe(groupId: string, flags: ClientFlags, context: CommandContext): Promise<number> {
  return withClient(flags, context, async (client) => {
    const group = await existingGroup(client, groupId)
    const offsets = await client.admin().groupOffsets(groupId)
    context.out.write(
      flags.json
        ? `${JSON.stringify({ ...group, lag: totalLag(offsets), offsets })}\n`
        : describedGroup(group, offsets, context.nowMs()),
    )
    return ExitCode.OK
  })
}

export function remove(groupId: string, flags: DeleteFlags, context: CommandContext): Promise<number> {
  return withClient(flags, context, async (client) => {
    const { members } = await existingGroup(client, groupId)
    const admin = client.admin()
    const partitions = members.length > 0 ? 0 : (await admin.groupOffsets(groupId)).length
    // Whoever is in it would have to be asked in vain.
    if (members.length === 0 && !flags.yes) {
      const answer = await context.ask(
        `Delete group ${groupId} and where it is in ${counted(partitions, 'partition')}? Type its name: `,
      )
      if (answer === undefined)
        throw usage('group delete asks before it deletes, and nobody is there: add --yes')
      if (answer.trim() !== groupId) {
        context.err.say(`octopus: nothing deleted: the answer was not "${groupId}"`)
        return ExitCode.FAILED
      }
    }
    await admin.deleteGroup(groupId)
    context.out.write(
      flags.json
        ? `${JSON.stringify({ groupId, deleted: true, partitions })}\n`
        : `deleted group ${groupId}\n`,
    )
    return ExitCode.OK
  })
}

const NAMES_SHOWN = 5

/** A group that is there. Otherwise a failure that names those that are. */
export async function existingGroup(client: OctopusClient, groupId: string): Promise<GroupDescription> {
  const admin = client.admin()
  try {
    return await admin.describeGroup(groupId)
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.code !== ErrorCode.GROUP_ID_NOT_FOUND) throw error
    const names = (await admin.listGroups()).map((group) => group.groupId)
    const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : ''
    const present =
      names.length === 0 ? ', nor any other' : `. There is: ${names.slice(0, NAMES_SHOWN).join(', ')}${more}`
    throw new Failure(ExitCode.FAILED, `there is no group "${groupId}" that you may see${present}`, {
      cause: error,
    })
  }
}
