/** `octopus group reset`: shows where a group would go on, asks, and sends it there: exactly what was shown is done. */
import type { OffsetTarget, PartitionName, ResetOffset } from '../../client/index.ts'
import type { CommandContext } from './context.ts'
import { ExitCode } from './exit-codes.ts'
import { Failure, usage } from './failure.ts'
import { existingGroup } from './group.ts'
import { counted, isChange, resetText } from './group-text.ts'
import { type ClientFlags, withClient } from './session.ts'
import { parseStartPosition } from './start-position.ts'

export interface ResetFlags extends ClientFlags {
  readonly topic?: readonly string[]
  readonly to?: string
  readonly by?: number
  readonly dryRun?: true
  readonly yes?: true
}

export function reset(groupId: string, flags: ResetFlags, context: CommandContext): Promise<number> {
  const to = target(flags, context.nowMs())
  const of = flags.topic?.flatMap(topicPartitions)
  return withClient(flags, context, async (client) => {
    const { out } = context
    await existingGroup(client, groupId)
    const admin = client.admin()
    const plan = await admin.resetOffsets(groupId, { to, ...(of && { of }), dryRun: true })
    if (plan.length === 0)
      throw new Failure(
        ExitCode.FAILED,
        `group ${groupId} has no offset yet: say with --topic where it is to begin`,
      )
    const changes = plan.filter(isChange)
    if (!flags.json) out.write(resetText(plan))
    if (flags.dryRun || changes.length === 0) {
      if (flags.json) out.write(jsonLine(groupId, plan, false))
      else if (!flags.dryRun) out.write('There is nothing to change.\n')
      return ExitCode.OK
    }
    if (!flags.yes) {
      if (flags.json) out.write(jsonLine(groupId, plan, false))
      const answer = await context.ask('Do this now? Type yes: ')
      if (answer === undefined)
        throw usage('group reset asks before it changes anything, and nobody is there: add --yes')
      if (answer.trim() !== 'yes') {
        context.err.write('octopus: nothing was reset: the answer was not "yes"\n')
        return ExitCode.FAILED
      }
    }
    const offsets = changes.map(({ topic, partition, newOffset }) => ({
      topic,
      partition,
      offset: newOffset as number,
    }))
    await admin.resetOffsets(groupId, { to: { offsets } })
    if (flags.json) out.write(jsonLine(groupId, plan, true))
    else out.say(`reset group ${groupId} in ${counted(changes.length, 'partition')}`)
    return ExitCode.OK
  })
}

function target({ to, by }: ResetFlags, nowMs: number): OffsetTarget {
  if ((to === undefined) === (by === undefined))
    throw usage('say where to: either --to POSITION or --by COUNT. See: octopus group reset --help')
  if (by !== undefined) return { by }
  try {
    return parseStartPosition(to as string, nowMs) as Exclude<OffsetTarget, { by: number }>
  } catch (error) {
    throw usage(`--to: ${(error as RangeError).message}`)
  }
}

/** `readings`, or some of its partitions: `readings:0,4-7`. Throws the failure of a wrong command line. */
export function topicPartitions(text: string): (string | PartitionName)[] {
  const at = text.indexOf(':')
  if (at === -1) return [text]
  const topic = text.slice(0, at)
  return text
    .slice(at + 1)
    .split(',')
    .flatMap((part) => {
      const found = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part)
      const first = Number(found?.[1])
      const last = Number(found?.[2] ?? found?.[1])
      if (!found || topic === '' || last < first || last - first >= PARTITIONS_MAX)
        throw usage(`--topic: "${text}" is neither a topic nor some of its partitions, as in readings:0,4-7`)
      return Array.from({ length: last - first + 1 }, (_, i) => ({ topic, partition: first + i }))
    })
}

const PARTITIONS_MAX = 100_000

function jsonLine(groupId: string, offsets: readonly ResetOffset[], isDone: boolean): string {
  return `${JSON.stringify({ groupId, done: isDone, offsets })}\n`
}
