/** Status: what this node is and how it fares, put together from what its parts report. */
import type { ShardLogStats } from '../../storage/log/shard-log-options.ts'
import type { CodecPoolStats } from '../codec-pool/codec-pool.ts'
import type { DiskWatch } from '../disk/disk-watch.ts'
import type { GroupStats } from '../groups/group-service.ts'
import type { ProcessPort } from '../ports.ts'
import type { Readiness } from '../readiness.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import { SOFTWARE } from '../version.ts'
import type { Handler } from './handlers.ts'
import type { NodeIdentity } from './node-identity.ts'

export interface StatusDependencies {
  readonly identity: NodeIdentity
  readonly topics: TopicTable
  readonly readiness: Readiness
  /** Absolute path. */
  readonly dataDirectory: string
  readonly storageKind: string
  readonly startedAtMs: number
  readonly logStats: () => ShardLogStats
  readonly disk: Pick<DiskWatch, 'state' | 'reason' | 'fullInMs'>
  /** What a person should look at, one sentence each. */
  readonly warnings: () => string[]
  readonly connections: () => number
  readonly producerNames: () => number
  readonly groupStats: () => GroupStats
  readonly codecPool: () => CodecPoolStats
  readonly process: ProcessPort
}

export function statusHandler(dependencies: StatusDependencies): Handler<'status'> {
  const { identity, topics, readiness, process, logStats, disk } = dependencies
  return async (_request, { clock }) => {
    const { segments, bytes, freeBytes, commits, committedBytes, producers } = logStats()
    const { state, reason: stateReason = null, fullInMs } = disk
    const storage = {
      kind: dependencies.storageKind,
      segments,
      bytes,
      freeBytes: finite(freeBytes),
      commits,
      committedBytes,
      state,
      stateReason,
      fullInMs: fullInMs === undefined ? null : finite(Math.round(fullInMs)),
    }
    const reason = readiness.reason()
    return {
      nodeId: identity.nodeId,
      clusterId: identity.clusterId,
      software: SOFTWARE,
      nodeVersion: process.runtimeVersion,
      pid: process.pid,
      startedAtMs: dependencies.startedAtMs,
      nowMs: clock.nowMs(),
      ready: reason === undefined,
      reason: reason ?? null,
      url: identity.url(),
      dataDirectory: dependencies.dataDirectory,
      topics: topics.topicCount,
      partitions: topics.partitionCount,
      connections: dependencies.connections(),
      storage,
      process: process.usage(),
      warnings: dependencies.warnings(),
      producers: { names: dependencies.producerNames(), ids: producers.ids, idsMax: producers.idsMax },
      groups: dependencies.groupStats(),
      codecPool: poolStatus(dependencies.codecPool()),
    }
  }
}

function poolStatus({ workers, queuedBytes, refused, tasks }: CodecPoolStats) {
  const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)
  return {
    workers: workers.up,
    workersMax: workers.max,
    queuedBytes,
    tasks: sum(Object.values(tasks).map(({ offloaded }) => offloaded)),
    refused,
    deaths: sum(Object.values(workers.deaths)),
  }
}

/** A store without a limit reports Infinity, which the wire does not have. */
function finite(bytes: number): number {
  return Math.min(bytes, Number.MAX_SAFE_INTEGER)
}
