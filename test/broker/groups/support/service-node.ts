/** A service of groups on a disk in memory, with a clock by hand: it can be held up, refused, cut off and started again. */
import { CoordinatorLog } from '../../../../broker/groups/coordinator-log.ts'
import { CoordinatorView } from '../../../../broker/groups/coordinator-view.ts'
import { DEFAULT_GROUP_LIMITS, type GroupLimits } from '../../../../broker/groups/decision.ts'
import { encodeGroupRecord } from '../../../../broker/groups/group-record.ts'
import { GroupService } from '../../../../broker/groups/group-service.ts'
import type { HeartbeatAnswer, HeartbeatRequest } from '../../../../broker/groups/heartbeat-request.ts'
import type { OffsetCommitAnswer } from '../../../../broker/groups/offsets.ts'
import { NO_PARTITIONS, type Partitions } from '../../../../broker/groups/partitions.ts'
import { MemoryDisk } from '../../../../storage/memory/memory-disk.ts'
import { MemoryMetadataDisk } from '../../../../storage/metadata/memory-metadata-store.ts'
import { crc32cTable } from '../../../../storage/record/crc32c.ts'
import { openLog, topicId } from '../../../storage/log/log-fixture.ts'
import { ManualTime, settled } from '../../manual-time.ts'
import { FakeTopics, keyOf } from './fake-topics.ts'

/** What outlives a node. */
export class NodeDisk extends FakeTopics {
  readonly log = new MemoryDisk()
  view = new MemoryMetadataDisk({ sync: () => this.viewSync() })
  viewSync: () => Promise<void> = async () => {}
  readonly time = new ManualTime()
  hasPartition = false
}

export interface ServiceNode {
  readonly disk: NodeDisk
  readonly service: GroupService
  readonly log: CoordinatorLog
  readonly problems: Error[]
  /** Why nothing can be written. */
  refusal: Error | undefined
  /** Asked for each append to the log: what it is refused with. */
  refuseAppend: (() => Error | undefined) | undefined
  /** Stands between a write and its durability. */
  sync: () => Promise<void>
  /** From a crash on: it does nothing any more. */
  isDead: boolean
  /** What the service has, as records. */
  state(): string[]
  retain(): Promise<unknown>
  turn(): Promise<void>
}

export async function startNode(
  disk: NodeDisk,
  limits: Partial<GroupLimits> = {},
  segmentBytes = 64 * 1024,
): Promise<ServiceNode> {
  const { time } = disk
  const problems: Error[] = []
  const { shard } = await openLog(disk.log, {
    segmentBytes,
    syncs: { wait: () => node.sync() },
  })
  const timers = {
    after: (delayMs: number, run: () => void) => time.after(delayMs, () => node.isDead || run()),
    soon: (run: () => void) => void setImmediate(() => node.isDead || run()),
  }
  const coordinatorLog = new CoordinatorLog({
    log: {
      append: (source, log, bytes) => {
        const refused = node.refuseAppend?.()
        return refused ? Promise.reject(refused) : shard.append(source, log, bytes)
      },
      read: (log, offset, upTo, bytesMax) => shard.read(log, offset, upTo, bytesMax),
      prepare: (log, offset, bytesMax) => shard.prepare(log, offset, bytesMax),
    },
    partition: disk.hasPartition ? shard.createPartition(topicId, 0) : undefined,
    create: async () => {
      disk.hasPartition = true
      return shard.createPartition(topicId, 0)
    },
    view: new CoordinatorView(() => disk.view),
    crc32c: crc32cTable,
    clock: time,
    timers,
    onProblem: (error) => problems.push(error),
  })
  let service: GroupService | undefined
  const node: ServiceNode = {
    disk,
    get service() {
      return service as GroupService
    },
    log: coordinatorLog,
    problems,
    refusal: undefined,
    refuseAppend: undefined,
    sync: () => Promise.resolve(),
    isDead: false,
    state: () => stateOf(node.service),
    retain: () =>
      shard.enforceRetention(time.nowMs(), () => ({
        retentionMs: -1,
        retentionBytes: -1,
        goneBelowOffset: coordinatorLog.keptFromOffset,
      })),
    turn: async () => {
      for (let i = 0; i < 6; i++) await settled()
    },
  }
  service = await GroupService.open({
    log: coordinatorLog,
    topics: disk,
    limits: { ...DEFAULT_GROUP_LIMITS, assignmentIntervalMs: 0, ...limits },
    clock: time,
    timers,
    refusal: () => node.refusal,
    onProblem: (error) => problems.push(error),
  })
  return node
}

/** Power is lost and comes back: of what was not durable a beginning is there. */
export function restart(
  node: ServiceNode,
  random?: () => number,
  limits?: Partial<GroupLimits>,
): Promise<ServiceNode> {
  node.isDead = true
  node.disk.log.crash(random)
  return startNode(node.disk, limits)
}

function stateOf(service: GroupService): string[] {
  return Array.from(service.state.records(), (record) => {
    const { key, value } = encodeGroupRecord(record)
    return `${Buffer.from(key).toString('latin1')}=${Buffer.from(value ?? []).toString('latin1')}`
  }).sort()
}

/** Says what it is told to say, and believes every answer. */
export class ServiceMember {
  readonly memberId: string
  node: ServiceNode
  groupId = 'g'
  memberEpoch = 0
  revision = 0
  owned: Partitions = NO_PARTITIONS
  readonly aborted = new AbortController()
  readonly more: Partial<HeartbeatRequest>

  constructor(node: ServiceNode, memberId: string, more: Partial<HeartbeatRequest> = {}) {
    this.node = node
    this.memberId = memberId
    this.more = more
    this.groupId = more.groupId ?? 'g'
  }

  request(more: Partial<HeartbeatRequest> = {}): HeartbeatRequest {
    const { memberId, memberEpoch, revision, owned } = this
    return {
      groupId: this.groupId,
      memberId,
      memberEpoch,
      instanceId: null,
      clientName: 'client',
      clientHost: 'host',
      topics: ['x'],
      assignor: null,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 20_000,
      maxProcessingMs: null,
      sinceProgressMs: null,
      revision,
      owned,
      receivedAtMs: this.node.disk.time.monotonicMs(),
      ...this.more,
      ...more,
    }
  }

  async beat(maxWaitMs = 0, more: Partial<HeartbeatRequest> = {}): Promise<HeartbeatAnswer> {
    const answer = await this.node.service.heartbeat(this.request(more), maxWaitMs, this.aborted.signal)
    if (answer.error !== 0) return answer
    this.memberEpoch = answer.memberEpoch
    this.revision = answer.revision
    if (answer.assignment) this.owned = answer.assignment
    return answer
  }

  commit(partition: number, offset: number, topic = 'x'): Promise<OffsetCommitAnswer> {
    const { memberId, memberEpoch } = this
    const offsets = [{ topicKey: keyOf(topic), partition, offset, leaderEpoch: -1, metadata: '' }]
    return this.node.service.commitOffsets({ groupId: this.groupId, memberId, memberEpoch, offsets })
  }
}

/** What has become of a promise by now. */
export function watch<T>(promise: Promise<T>): { outcome: 'waits' | 'done' | Error; value?: T } {
  const seen: { outcome: 'waits' | 'done' | Error; value?: T } = { outcome: 'waits' }
  promise.then(
    (value) => Object.assign(seen, { outcome: 'done', value }),
    (error: Error) => {
      seen.outcome = error
    },
  )
  return seen
}
