/**
 * A member that keeps the contract of the README, on a bad network: requests and answers get lost, come twice, come
 * late; it pauses, dies, leaves, comes back, and commits what is no longer its own.
 */

import type { HeartbeatAnswer, HeartbeatRequest } from '../../../../broker/groups/heartbeat-request.ts'
import { NO_PARTITIONS, type Partitions, PartitionsBuilder } from '../../../../broker/groups/partitions.ts'
import { ErrorCode } from '../../../../client/protocol/errors.ts'
import type { GroupWorld } from './group-world.ts'

export interface Tenure {
  readonly memberId: string
  readonly memberEpoch: number
  readonly topicKey: string
  readonly partition: number
}

const place = (topicKey: string, partition: number) => `${topicKey}\n${partition}`

export class ModelMember {
  readonly world: GroupWorld
  readonly groupId: string
  readonly instanceId: string | null
  topics: readonly string[]
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** Null: it lets nobody watch its progress. */
  readonly maxProcessingMs: number | null
  /** Since when its work has not moved; infinity: it moves. */
  stuckSinceMs = Number.POSITIVE_INFINITY
  memberId = ''
  memberEpoch = 0
  revision = 0
  isAlive = true
  pausedUntilMs = 0
  /** What it reads, by place. */
  readonly assigned = new Map<string, Tenure>()
  /** What it no longer reads but has not finished with. */
  readonly draining = new Map<string, Tenure>()
  /** Until it has been told that nothing is left to be given back. */
  giveBackUntilMs = Number.POSITIVE_INFINITY
  leaseUntilMs = Number.NEGATIVE_INFINITY
  /** What it had under epochs that are over: commits for these must be refused. */
  readonly ended: Tenure[] = []
  /** As above, but the coordinator may not know yet. */
  readonly #givenBack: Tenure[] = []
  #sent = 0
  #awaited = 0

  constructor(world: GroupWorld, groupId: string, topics: readonly string[], instanceId: string | null) {
    this.world = world
    this.groupId = groupId
    this.topics = topics
    this.instanceId = instanceId
    this.sessionTimeoutMs = 6_000 + world.random.below(4) * 2_000
    this.rebalanceTimeoutMs = 3_000 + world.random.below(4) * 3_000
    this.maxProcessingMs = world.chance(500) ? 5_000 + world.random.below(5_000) : null
    this.#joinAnew()
    world.after(world.random.below(500), () => this.#turn())
  }

  get isPaused(): boolean {
    return this.world.monotonicMs < this.pausedUntilMs
  }

  /** Whether it is working, by its own clock. */
  get isOn(): boolean {
    return this.isAlive && !this.isPaused && !this.#isOver
  }

  /** Whether it may be working on the partition at this moment. */
  has(topicKey: string, partition: number): boolean {
    const key = place(topicKey, partition)
    return this.isOn && (this.assigned.has(key) || this.draining.has(key))
  }

  *places(): Generator<string> {
    yield* this.assigned.keys()
    yield* this.draining.keys()
  }

  /** Whether it may have been removed, so that it stops by itself. */
  get #isOver(): boolean {
    const stuckUntilMs =
      this.maxProcessingMs === null ? Number.POSITIVE_INFINITY : this.stuckSinceMs + this.maxProcessingMs
    const untilMs = Math.min(this.leaseUntilMs, this.giveBackUntilMs, stuckUntilMs)
    return this.memberEpoch > 0 && this.world.monotonicMs >= untilMs
  }

  tenures(): Tenure[] {
    return [...this.assigned.values(), ...this.draining.values()]
  }

  die(): void {
    this.#end(this.tenures())
    this.isAlive = false
  }

  leave(isStatic: boolean): void {
    const request = {
      ...this.#request(),
      memberEpoch: isStatic && this.instanceId !== null ? -2 : -1,
      owned: NO_PARTITIONS,
    }
    this.die()
    this.#transmit(() => this.world.heartbeat({ ...request, receivedAtMs: this.world.monotonicMs }, () => {}))
  }

  /** Commits something that it holds, by its own lights, and checks what became of it. */
  commit(): void {
    const held = [...this.assigned.values()]
    if (!this.isAlive || this.isPaused || held.length === 0) return
    const tenure = this.world.random.pick(held)
    // The newest epoch it knows, or any it had since it has the partition.
    const memberEpoch = this.world.chance(500) ? this.memberEpoch : tenure.memberEpoch
    this.#commit({ ...tenure, memberEpoch }, (error) => {
      if (!this.has(tenure.topicKey, tenure.partition) || this.memberId !== tenure.memberId) return
      const isExcused = error === ErrorCode.UNKNOWN_TOPIC_ID || error === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      if (error !== ErrorCode.NONE && !isExcused)
        this.world.faults.push(
          `a commit of ${this.memberId}, which holds the partition, was refused with ${error}`,
        )
    })
  }

  /** A zombie awakes. */
  commitEnded(): void {
    if (this.ended.length === 0) return
    const tenure = this.world.random.pick(this.ended)
    this.#commit(tenure, (error) => {
      if (error === ErrorCode.NONE)
        this.world.faults.push(
          `a commit of ${tenure.memberId} at epoch ${tenure.memberEpoch} was taken after it gave back`,
        )
    })
  }

  #commit({ memberId, memberEpoch, topicKey, partition }: Tenure, check: (error: number) => void): void {
    const offset = {
      topicKey,
      partition,
      offset: this.world.random.below(1_000),
      leaderEpoch: -1,
      metadata: '',
    }
    const request = { groupId: this.groupId, memberId, memberEpoch, offsets: [offset] }
    this.world.commit(request, ({ offsets }) => check(offsets[0].error))
  }

  #joinAnew(): void {
    this.#end(this.tenures())
    this.#givenBack.length = 0
    this.memberId = this.world.newMemberId()
    this.memberEpoch = 0
    this.revision = 0
    this.leaseUntilMs = Number.NEGATIVE_INFINITY
    this.giveBackUntilMs = Number.POSITIVE_INFINITY
    this.#awaited = 0
  }

  #end(tenures: readonly Tenure[]): void {
    for (const { topicKey, partition } of tenures) {
      this.assigned.delete(place(topicKey, partition))
      this.draining.delete(place(topicKey, partition))
    }
  }

  #turn(): void {
    if (!this.isAlive) return
    const { world } = this
    if (this.isPaused) {
      world.after(this.pausedUntilMs - world.monotonicMs, () => this.#turn())
      return
    }
    world.mayOverlap = true
    const wasOver = this.#isOver
    if (!world.isTroubled || world.chance(100)) this.stuckSinceMs = Number.POSITIVE_INFINITY
    else if (this.assigned.size > 0 && world.chance(30))
      this.stuckSinceMs = Math.min(this.stuckSinceMs, world.monotonicMs)
    // A process whose work hangs learns what has become of it when the work is done.
    if (wasOver && this.stuckSinceMs === Number.POSITIVE_INFINITY) this.#joinAnew()
    // Work on what has to go ends some time.
    for (const tenure of [...this.draining.values()])
      if (this.stuckSinceMs > world.monotonicMs && (!world.isTroubled || world.chance(600)))
        this.#giveBack(tenure)
    this.#send()
    world.after(world.isTroubled ? 300 + world.random.below(1_500) : 500, () => this.#turn())
  }

  #giveBack(tenure: Tenure): void {
    this.#end([tenure])
    this.#givenBack.push({ ...tenure, memberEpoch: this.memberEpoch })
  }

  #request(): HeartbeatRequest {
    const builder = new PartitionsBuilder()
    for (const { topicKey, partition } of this.tenures()) builder.add(topicKey, partition)
    const owned: Partitions = builder.build()
    const {
      groupId,
      memberId,
      memberEpoch,
      instanceId,
      topics,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      revision,
    } = this
    return {
      groupId,
      memberId,
      memberEpoch,
      instanceId,
      clientName: 'model',
      clientHost: 'here',
      topics,
      assignor: null,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      maxProcessingMs: this.maxProcessingMs,
      sinceProgressMs:
        this.stuckSinceMs <= this.world.monotonicMs ? this.world.monotonicMs - this.stuckSinceMs : null,
      revision,
      owned,
      receivedAtMs: 0,
    }
  }

  #send(): void {
    const request = this.#request()
    const number = ++this.#sent
    this.#awaited = number
    const sentAtMs = this.world.monotonicMs
    this.#transmit(() =>
      this.world.heartbeat({ ...request, receivedAtMs: this.world.monotonicMs }, (answer) => {
        this.#transmit(() => this.#receive(number, sentAtMs, answer))
      }),
    )
  }

  /** Once, not at all, twice; soon or late. */
  #transmit(run: () => void): void {
    const { world } = this
    if (!world.isTroubled) {
      world.after(1, run)
      return
    }
    if (world.chance(80)) return
    world.after(world.chance(100) ? world.random.below(8_000) : world.random.below(30), run)
    if (world.chance(80)) world.after(world.random.below(9_000), run)
  }

  #receive(number: number, sentAtMs: number, answer: HeartbeatAnswer): void {
    if (!this.isAlive || number !== this.#awaited) return
    if (this.isPaused) {
      // It lies in the socket until the process goes on.
      this.world.after(this.pausedUntilMs - this.world.monotonicMs, () =>
        this.#receive(number, sentAtMs, answer),
      )
      return
    }
    // By its own clock it may have been given up in the meantime.
    if (this.#isOver) return
    this.#awaited = 0
    const { error } = answer
    if (error === ErrorCode.UNRELEASED_INSTANCE_ID || error === ErrorCode.GROUP_MAX_SIZE_REACHED) return
    if (error !== ErrorCode.NONE) {
      this.#joinAnew()
      return
    }
    this.leaseUntilMs = sentAtMs + this.sessionTimeoutMs
    if (answer.memberEpoch < this.memberEpoch)
      this.world.faults.push(`the epoch of ${this.memberId} went back`)
    this.memberEpoch = answer.memberEpoch
    if (answer.assignment) this.#act(answer.assignment, answer.revision)
    const { giveBackWithinMs } = answer
    this.giveBackUntilMs = giveBackWithinMs === null ? Number.POSITIVE_INFINITY : sentAtMs + giveBackWithinMs
    if (giveBackWithinMs === null) {
      this.ended.push(...this.#givenBack.splice(0))
      this.ended.splice(0, this.ended.length - 20)
    }
  }

  #act(assignment: Partitions, revision: number): void {
    this.revision = revision
    this.world.mayOverlap = true
    const wanted = new Set<string>()
    for (const [topicKey, partitions] of assignment)
      for (const partition of partitions) {
        const key = place(topicKey, partition)
        wanted.add(key)
        if (this.assigned.has(key)) continue
        const { memberId, memberEpoch } = this
        this.draining.delete(key)
        this.assigned.set(key, { memberId, memberEpoch, topicKey, partition })
      }
    for (const [key, tenure] of this.assigned) {
      if (wanted.has(key)) continue
      this.assigned.delete(key)
      this.draining.set(key, tenure)
    }
  }
}
