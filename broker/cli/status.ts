/** `octopus status`: what one broker is and how it fares. */
import prettyBytes from 'pretty-bytes'
import type { StatusResponse } from '../../client/protocol/messages/status.ts'
import type { CommandContext } from './context.ts'
import { ExitCode } from './exit-codes.ts'
import { type ClientFlags, withClient } from './session.ts'
import { pairs } from './table.ts'

/** Exit code 1 when the broker is not ready. */
export function status(flags: ClientFlags, context: CommandContext): Promise<number> {
  return withClient(flags, context, async (client) => {
    const answer = await client.admin().status()
    context.out.write(flags.json ? `${JSON.stringify(answer)}\n` : asText(answer))
    return answer.ready ? ExitCode.OK : ExitCode.FAILED
  })
}

function asText(status: StatusResponse): string {
  const { storage, process } = status
  return pairs([
    ['broker', `${status.url}  (node ${status.nodeId}, cluster ${status.clusterId})`],
    ['state', state(status)],
    ['software', `${status.software}, Node ${status.nodeVersion}, pid ${status.pid}`],
    ['up', duration(status.nowMs - status.startedAtMs)],
    ['data', status.dataDirectory],
    [
      'storage',
      `${storage.kind}: ${prettyBytes(storage.bytes)} in ${storage.segments} ${storage.segments === 1 ? 'segment' : 'segments'}, ${prettyBytes(storage.freeBytes)} free on the disk`,
    ],
    ...(storage.fullInMs ? [['full in', `${duration(storage.fullInMs)} at the present rate`] as const] : []),
    [
      'committed',
      `${prettyBytes(storage.committedBytes)} in ${storage.commits.toLocaleString('en-US')} commits`,
    ],
    ['topics', `${status.topics} with ${status.partitions} partitions`],
    ['connections', status.connections],
    ['producers', producers(status)],
    ['groups', groups(status)],
    ['codec pool', codecPool(status)],
    [
      'process',
      `${prettyBytes(process.rssBytes)} resident, ${prettyBytes(process.heapBytes)} heap, ${process.cpuSeconds.toFixed(1)} s of CPU`,
    ],
    ...status.warnings.map((warning) => ['warning', warning] as const),
  ])
}

function state({ ready, reason, storage }: StatusResponse): string {
  if (!ready) return `not ready: ${reason}`
  return storage.state === 'read-only' ? 'ready, but read-only: see the warning below' : 'ready'
}

function producers({ producers: { names, ids, idsMax } }: StatusResponse): string {
  return `${names} with a name; ${ids} of ${idsMax} remembered by the partitions`
}

function groups({ groups: { groups, members, commits, rebalances } }: StatusResponse): string {
  const counted = commits.toLocaleString('en-US')
  return `${groups} with ${members} members; ${counted} commits and ${rebalances} assignments since the start`
}

function codecPool({ codecPool: pool }: StatusResponse): string {
  const threads = `${pool.workers} of ${pool.workersMax} threads`
  const refused = pool.refused > 0 ? `, ${pool.refused.toLocaleString('en-US')} refused` : ''
  const died = pool.deaths > 0 ? `, ${pool.deaths} threads died` : ''
  return `${threads}; ${pool.tasks.toLocaleString('en-US')} tasks since the start${refused}${died}`
}

const unitSeconds = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
] as const

/** The two largest units: `3d 4h`, `12s`. */
export function duration(ms: number): string {
  let seconds = Math.max(0, Math.floor(ms / 1000))
  const parts: string[] = []
  for (const [unit, size] of unitSeconds) {
    const count = Math.floor(seconds / size)
    seconds -= count * size
    if (count > 0 || (parts.length === 0 && unit === 's')) parts.push(`${count}${unit}`)
  }
  return parts.slice(0, 2).join(' ')
}
