/** What `octopus group` shows people: first how far behind and who is slow, then everything. Pure. */
import type {
  GroupDescription,
  GroupMember,
  GroupOffset,
  ResetOffset,
  TopicPartitions,
} from '../../client/index.ts'
import { duration } from './status.ts'
import { pairs, table } from './table.ts'

/** Characters of a member's id that tell it from the others of its group. */
const SHORT_ID = 8

export function totalLag(offsets: readonly GroupOffset[]): number {
  return offsets.reduce((sum, { lag }) => sum + (lag ?? 0), 0)
}

/** Numbers with ranges put together: `0-3,7`. */
export function partitionRanges(numbers: readonly number[]): string {
  const ranges: [number, number][] = []
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last && last[1] + 1 === number) last[1] = number
    else ranges.push([number, number])
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',')
}

export function describedGroup(
  group: GroupDescription,
  offsets: readonly GroupOffset[],
  nowMs: number,
): string {
  const lagOf = new Map<string, number>()
  for (const { memberId, lag } of offsets)
    if (memberId !== null) lagOf.set(memberId, (lagOf.get(memberId) ?? 0) + (lag ?? 0))
  const members = [...group.members].sort(
    (a, b) => (lagOf.get(b.memberId) ?? 0) - (lagOf.get(a.memberId) ?? 0),
  )
  const head = pairs([
    ['group', group.groupId],
    ['state', stateText(group, nowMs)],
    ['lag', lagText(offsets)],
    ['assignor', `${group.assignor}, epoch ${group.groupEpoch}`],
    ...warnings(members, offsets).map((warning) => ['warning', warning] as const),
  ])
  const parts = [head]
  if (members.length > 0) parts.push(memberTable(members, lagOf))
  if (offsets.length > 0) parts.push(offsetTable(offsets, new Map(members.map((one) => [one.memberId, one]))))
  return parts.join('\n')
}

function stateText({ state, members, emptySinceMs }: GroupDescription, nowMs: number): string {
  if (members.length > 0) return `${state}, ${counted(members.length, 'member')}`
  return emptySinceMs === null ? state : `${state} for ${duration(nowMs - emptySinceMs)}`
}

function lagText(offsets: readonly GroupOffset[]): string {
  const unknown = offsets.filter(({ lag }) => lag === null).length
  const behind = offsets.filter(({ lag }) => (lag ?? 0) > 0).length
  const text =
    behind === 0
      ? `0 events in ${counted(offsets.length, 'partition')}`
      : `${counted(totalLag(offsets), 'event')} in ${behind} of ${counted(offsets.length, 'partition')}`
  return unknown === 0 ? text : `${text}; nothing committed yet in ${unknown}`
}

function warnings(members: readonly GroupMember[], offsets: readonly GroupOffset[]): string[] {
  const said = members.flatMap((member) => (member.warning ? [`${nameOf(member)}: ${member.warning}`] : []))
  const lost = offsets.filter(({ offset, logStartOffset }) => offset !== null && offset < logStartOffset)
  const events = lost.reduce(
    (sum, { offset, logStartOffset }) => sum + logStartOffset - (offset as number),
    0,
  )
  if (lost.length > 0)
    said.push(
      `${counted(events, 'event')} in ${counted(lost.length, 'partition')} went by retention before they were read`,
    )
  return said
}

function nameOf({ instanceId, clientName, memberId }: GroupMember): string {
  return instanceId ?? `${clientName} ${memberId.slice(0, SHORT_ID)}`
}

function memberTable(members: readonly GroupMember[], lagOf: ReadonlyMap<string, number>): string {
  const columns = [
    { title: 'member' },
    { title: 'address' },
    { title: 'state' },
    { title: 'lag', align: 'right' },
    { title: 'at work', align: 'right' },
    { title: 'heard', align: 'right' },
    { title: 'reads' },
  ] as const
  const rows = members.map((member) => [
    nameOf(member),
    member.address,
    member.state,
    lagOf.get(member.memberId) ?? 0,
    member.processingMs === null ? '-' : duration(member.processingMs),
    `${duration(member.sinceHeardMs)} ago`,
    placesText(member.assigned),
  ])
  return table(columns, rows)
}

function placesText(topics: readonly TopicPartitions[]): string {
  if (topics.length === 0) return '-'
  return topics.map(({ topic, partitions }) => `${topic}:${partitionRanges(partitions)}`).join(' ')
}

function offsetTable(offsets: readonly GroupOffset[], members: ReadonlyMap<string, GroupMember>): string {
  const columns = [
    { title: 'topic' },
    { title: 'partition', align: 'right' },
    { title: 'committed', align: 'right' },
    { title: 'log start', align: 'right' },
    { title: 'log end', align: 'right' },
    { title: 'lag', align: 'right' },
    { title: 'member' },
  ] as const
  const rows = offsets.map(({ topic, partition, offset, logStartOffset, logEndOffset, lag, memberId }) => {
    const member = memberId === null ? undefined : members.get(memberId)
    return [
      topic,
      partition,
      offset ?? '-',
      logStartOffset,
      logEndOffset,
      lag ?? '-',
      member ? nameOf(member) : '-',
    ]
  })
  return table(columns, rows)
}

/** Old → new, and what that means for whoever reads. */
export function resetText(changes: readonly ResetOffset[]): string {
  const columns = [
    { title: 'topic' },
    { title: 'partition', align: 'right' },
    { title: 'old', align: 'right' },
    { title: '' },
    { title: 'new', align: 'right' },
    { title: 'note' },
  ] as const
  const rows = changes.map(({ topic, partition, offset, newOffset, note }) => [
    topic,
    partition,
    offset ?? '-',
    '→',
    newOffset ?? offset ?? '-',
    note ?? (isChange({ offset, newOffset }) ? '' : 'as it is'),
  ])
  let again = 0
  let skipped = 0
  for (const { offset, newOffset, logStartOffset } of changes) {
    if (offset === null || newOffset === null) continue
    // What is not kept can be neither read again nor skipped.
    const moved = newOffset - Math.max(offset, logStartOffset)
    if (moved < 0) again -= moved
    else skipped += moved
  }
  return `${table(columns, rows)}\n${counted(again, 'event')} will be read again, ${counted(skipped, 'event')} skipped.\n`
}

export function isChange({ offset, newOffset }: Pick<ResetOffset, 'offset' | 'newOffset'>): boolean {
  return newOffset !== null && newOffset !== offset
}

export function counted(count: number, what: string): string {
  return `${count.toLocaleString('en-US')} ${what}${count === 1 ? '' : 's'}`
}
