/** `octopus topic create | list | describe | alter | delete`: tables for people, JSON for programs. */
import prettyBytes from 'pretty-bytes'
import type { TopicDescription } from '../../client/index.ts'
import { moment } from './access-text.ts'
import type { CommandContext } from './context.ts'
import { ExitCode } from './exit-codes.ts'
import { usage } from './failure.ts'
import type { Setting } from './flag-values.ts'
import { type ClientFlags, existingTopic, withClient } from './session.ts'
import { pairs, table } from './table.ts'

interface CreateFlags extends ClientFlags {
  readonly partitions?: number
  readonly config?: readonly Setting[]
}

interface ListFlags extends ClientFlags {
  readonly internal?: true
}

interface AlterFlags extends CreateFlags {
  readonly reset?: readonly string[]
}

interface DeleteFlags extends ClientFlags {
  readonly yes?: true
}

export function create(name: string, flags: CreateFlags, context: CommandContext): Promise<number> {
  return withClient(flags, context, async (client) => {
    await client.admin().createTopic(name, {
      ...(flags.partitions !== undefined && { partitions: flags.partitions }),
      configs: asRecord(flags.config),
    })
    const topic = await existingTopic(client, name, context.invocation)
    if (flags.json) context.out.write(line(asJson(topic)))
    else context.out.write(`created topic ${name} with ${partitionCount(topic.partitions.length)}\n`)
    return ExitCode.OK
  })
}

export function list(flags: ListFlags, context: CommandContext): Promise<number> {
  return withClient(flags, context, async (client) => {
    const topics = await client.admin().listTopics({ includeInternal: flags.internal === true })
    const sorted = [...topics].sort((a, b) => (a.name < b.name ? -1 : 1))
    if (flags.json) {
      const shown = sorted.map(({ name, topicId, isInternal, partitions }) => ({
        name,
        topicId,
        isInternal,
        partitions,
      }))
      context.out.write(line(shown))
    } else if (sorted.length === 0) {
      context.err.write(
        `no topics yet. Create one with: ${context.invocation} topic create readings --partitions 4\n`,
      )
    } else {
      const columns = [{ title: 'topic' }, { title: 'partitions', align: 'right' }] as const
      context.out.write(
        table(
          columns,
          sorted.map((topic) => [topic.name, topic.partitions]),
        ),
      )
    }
    return ExitCode.OK
  })
}

export function describe(name: string, flags: ClientFlags, context: CommandContext): Promise<number> {
  return withClient(flags, context, async (client) => {
    const topic = await existingTopic(client, name, context.invocation)
    context.out.write(flags.json ? line(asJson(topic)) : asText(topic))
    return ExitCode.OK
  })
}

export function alter(name: string, flags: AlterFlags, context: CommandContext): Promise<number> {
  if (flags.partitions === undefined && flags.config === undefined && flags.reset === undefined) {
    throw usage('nothing to change: give --partitions, --config or --reset. See: octopus topic alter --help')
  }
  return withClient(flags, context, async (client) => {
    await existingTopic(client, name, context.invocation)
    await client.admin().alterTopic(name, {
      ...(flags.partitions !== undefined && { partitions: flags.partitions }),
      configs: {
        ...asRecord(flags.config),
        ...Object.fromEntries((flags.reset ?? []).map((key) => [key, null])),
      },
    })
    const topic = await existingTopic(client, name, context.invocation)
    context.out.write(flags.json ? line(asJson(topic)) : `altered topic ${name}\n${asText(topic)}`)
    return ExitCode.OK
  })
}

export function remove(name: string, flags: DeleteFlags, context: CommandContext): Promise<number> {
  return withClient(flags, context, async (client) => {
    const topic = await existingTopic(client, name, context.invocation)
    const events = topic.partitions.reduce(
      (sum, { logStartOffset, logEndOffset }) => sum + logEndOffset - logStartOffset,
      0,
    )
    if (!flags.yes) {
      const answer = await context.ask(
        `Delete topic ${name} and its ${events.toLocaleString('en-US')} events for ever? Type its name: `,
      )
      if (answer === undefined)
        throw usage('topic delete asks before it deletes, and nobody is there: add --yes')
      if (answer.trim() !== name) {
        context.err.write(`octopus: nothing deleted: the answer was not "${name}"\n`)
        return ExitCode.FAILED
      }
    }
    await client.admin().deleteTopic(name)
    context.out.write(flags.json ? line({ name, deleted: true, events }) : `deleted topic ${name}\n`)
    return ExitCode.OK
  })
}

function asRecord(settings: readonly Setting[] = []): Record<string, string> {
  return Object.fromEntries(settings.map(({ name, value }) => [name, value]))
}

function partitionCount(count: number): string {
  return count === 1 ? '1 partition' : `${count} partitions`
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`
}

function asJson(topic: TopicDescription): object {
  return {
    name: topic.name,
    topicId: topic.topicId,
    isInternal: topic.isInternal,
    createdAtMs: topic.createdAtMs,
    partitions: topic.partitions,
    configs: Object.fromEntries(
      topic.configs.map(({ name, value, isDefault }) => [name, { value, isDefault }]),
    ),
  }
}

/** Events and bytes that retention will take within the hour. */
function leaving(partition: TopicDescription['partitions'][number]): string {
  const events = partition.nextHourLogStartOffset - partition.logStartOffset
  return events === 0 ? '-' : `~${events} (${prettyBytes(partition.nextHourLeavingBytes)})`
}

function asText(topic: TopicDescription): string {
  const columns = [
    { title: 'partition', align: 'right' },
    { title: 'leader', align: 'right' },
    { title: 'log start', align: 'right' },
    { title: 'log end', align: 'right' },
    { title: 'events', align: 'right' },
    { title: 'bytes', align: 'right' },
    { title: 'gone in 1 h', align: 'right' },
  ] as const
  const rows = topic.partitions.map((partition) => [
    partition.partition,
    partition.leaderId,
    partition.logStartOffset,
    partition.logEndOffset,
    partition.logEndOffset - partition.logStartOffset,
    prettyBytes(partition.bytes),
    leaving(partition),
  ])
  const configs = topic.configs.map(
    ({ name, value, isDefault }) => [name, isDefault ? `${value}  (default)` : value] as const,
  )
  const head = pairs([
    ['topic', topic.name],
    ['id', topic.topicId ?? ''],
    ['created', moment(topic.createdAtMs)],
  ])
  return `${head}\n${table(columns, rows)}\n${pairs(configs)}`
}
