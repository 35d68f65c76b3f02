/** A coordinator whose decisions are replayed at once, a clock by hand, topics, and members that only say what a test lets them say. */
import { DEFAULT_GROUP_LIMITS, type Decision, type GroupLimits } from '../../../../broker/groups/decision.ts'
import { GroupCoordinator } from '../../../../broker/groups/group-coordinator.ts'
import type { GroupRecord } from '../../../../broker/groups/group-record.ts'
import type { HeartbeatAnswer, HeartbeatRequest } from '../../../../broker/groups/heartbeat-request.ts'
import { NO_PARTITIONS, type Partitions } from '../../../../broker/groups/partitions.ts'
import { errorDefinition } from '../../../../client/protocol/errors.ts'
import { FakeTopics, keyOf } from './fake-topics.ts'

export { keyOf }

/** `{ x: [0, 1] }` by topic name. */
export function plain(partitions: Partitions): Record<string, readonly number[]> {
  return Object.fromEntries([...partitions].map(([key, list]) => [key.replace(/\.+$/, ''), list]))
}

export function partitions(byName: Record<string, readonly number[]>): Partitions {
  return new Map(Object.entries(byName).map(([name, list]) => [keyOf(name), list]))
}

export class Driver extends FakeTopics {
  readonly coordinator: GroupCoordinator
  monotonicMs = 0
  nowMs = 1_000_000
  records: readonly GroupRecord[] = []
  nextDeadlineMs = Number.POSITIVE_INFINITY

  constructor(topics: Record<string, number>, limits: Partial<GroupLimits> = {}) {
    super()
    this.coordinator = new GroupCoordinator({
      limits: { ...DEFAULT_GROUP_LIMITS, assignmentIntervalMs: 0, ...limits },
      startedAtMs: 0,
    })
    for (const [name, size] of Object.entries(topics)) this.topic(name, size)
  }

  get now() {
    return { nowMs: this.nowMs, monotonicMs: this.monotonicMs }
  }

  pass(ms: number): void {
    this.monotonicMs += ms
    this.nowMs += ms
  }

  take<A>(decision: Decision<A>): A {
    for (const record of decision.records) this.coordinator.replay(record)
    this.records = decision.records
    this.nextDeadlineMs = decision.nextDeadlineMs
    return decision.answer
  }

  tick(groupId = 'g'): string[] {
    this.take(this.coordinator.tick(groupId, this.now, this))
    return this.kinds()
  }

  /** `kind` of the last records, `-kind` of tombstones. */
  kinds(): string[] {
    return this.records.map(({ kind, value }) => (value === null ? `-${kind}` : kind))
  }

  commit(memberId: string | null, memberEpoch: number, partition: number, more: object = {}): string {
    const entry = { topicKey: keyOf('x'), partition, offset: 10, leaderEpoch: -1, metadata: '', ...more }
    const request = { groupId: 'g', memberId, memberEpoch, offsets: [entry] }
    const { error, message } = this.take(this.coordinator.commitOffsets(request, this.now, this)).offsets[0]
    return error === 0 ? 'ok' : `${errorDefinition(error).name}: ${message}`
  }

  committed(partition: number): number | undefined {
    return this.coordinator.state.group('g')?.offsets.get(keyOf('x'))?.get(partition)?.offset
  }
}

/** Believes what it is told, at once. */
export class Member {
  readonly driver: Driver
  readonly memberId: string
  readonly more: Partial<HeartbeatRequest>
  memberEpoch = 0
  revision = 0
  owned: Partitions = NO_PARTITIONS
  last: HeartbeatAnswer | undefined

  constructor(driver: Driver, memberId: string, more: Partial<HeartbeatRequest> = {}) {
    this.driver = driver
    this.memberId = memberId
    this.more = more
  }

  say(more: Partial<HeartbeatRequest> = {}): HeartbeatAnswer {
    const { driver, memberId, memberEpoch, revision, owned } = this
    const request: HeartbeatRequest = {
      groupId: 'g',
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
      receivedAtMs: driver.monotonicMs,
      ...this.more,
      ...more,
    }
    return driver.take(driver.coordinator.heartbeat(request, driver.now, driver))
  }

  /** Says where it is and acts on the answer; what it has from then on, or the refusal. */
  beat(more: Partial<HeartbeatRequest> = {}): Record<string, readonly number[]> | string {
    const answer = this.say(more)
    this.last = answer
    if (answer.error !== 0) return `${errorDefinition(answer.error).name}: ${answer.message}`
    this.memberEpoch = answer.memberEpoch
    this.revision = answer.revision
    if (answer.assignment) this.owned = answer.assignment
    return plain(this.owned)
  }
}
