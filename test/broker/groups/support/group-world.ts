/**
 * A coordinator with everything around it that a schedule needs: a clock, topics, a log that forgets what was not
 * flushed, answers that wait for it, a network that loses, repeats and delays. All of it driven by one seed.
 *
 * `bug` plants a mistake into what performs, not into what is tested, so that the checks can be seen to bite.
 */
import {
  DEFAULT_GROUP_LIMITS,
  type Decision,
  type GroupLimits,
  type GroupTopic,
  type GroupTopics,
  type Now,
} from '../../../../broker/groups/decision.ts'
import { GroupCoordinator } from '../../../../broker/groups/group-coordinator.ts'
import {
  decodeGroupRecord,
  type EncodedRecord,
  encodeGroupRecord,
  type GroupRecord,
} from '../../../../broker/groups/group-record.ts'
import {
  type HeartbeatAnswer,
  type HeartbeatRequest,
  mayBeHeld,
} from '../../../../broker/groups/heartbeat-request.ts'
import type { OffsetCommitAnswer, OffsetCommitRequest } from '../../../../broker/groups/offsets.ts'
import { randomOf, type SeededRandom } from '../../../support/seeded-random.ts'

export type GroupBug =
  | 'answers before durable'
  | 'believes any revision'
  | 'forgets the epoch of commits'
  | 'expires too early'
  | 'loses tombstones'
  | 'never ticks'

export const LIMITS: GroupLimits = {
  ...DEFAULT_GROUP_LIMITS,
  membersPerGroupMax: 12,
  assignmentIntervalMs: 300,
  heartbeatIntervalMs: 1_000,
  offsetsRetentionMs: 200_000,
  emptyGroupRetentionMs: 20_000,
}

interface HeldHeartbeat {
  readonly groupId: string
  readonly ask: () => void
}

interface Planned {
  readonly atMs: number
  readonly run: () => void
}

export class GroupWorld implements GroupTopics {
  readonly random: SeededRandom
  readonly bug: GroupBug | undefined
  readonly faults: string[] = []
  monotonicMs = 1_000
  /** The wall clock jumps. */
  wallOffsetMs = 1_700_000_000_000
  isTroubled = true
  coordinator: GroupCoordinator
  revision = 1
  decisions = 0
  /** Whether members are to be looked at. */
  mayOverlap = false
  #memberIds = 0
  /** The next one last. */
  readonly #planned: Planned[] = []
  readonly #topics = new Map<string, GroupTopic>()
  #topicCount = 0
  /** One entry for each decision that wrote: its records become durable together. */
  #log: EncodedRecord[][] = []
  #durable = 0
  #waiting: { readonly position: number; readonly deliver: () => void }[] = []
  readonly #held = new Set<HeldHeartbeat>()
  readonly #deadlines = new Map<string, number>()
  /** Highest epoch seen by group since it last began. */
  readonly #epochs = new Map<string, number>()

  constructor(seed: number, bug?: GroupBug) {
    this.random = randomOf(seed)
    this.bug = bug
    this.coordinator = new GroupCoordinator({ limits: LIMITS, startedAtMs: this.monotonicMs })
  }

  get now(): Now {
    return { nowMs: this.monotonicMs + this.wallOffsetMs, monotonicMs: this.monotonicMs }
  }

  newMemberId(): string {
    return `m${String(this.#memberIds++).padStart(3, '0')}`
  }

  chance(perMille: number): boolean {
    return this.random.below(1_000) < perMille
  }

  after(delayMs: number, run: () => void): void {
    const planned = { atMs: this.monotonicMs + delayMs, run }
    let at = this.#planned.length
    while (at > 0 && this.#planned[at - 1].atMs <= planned.atMs) at--
    this.#planned.splice(at, 0, planned)
  }

  /** Runs what is planned up to then; the coordinator is ticked when it asked for it, `check` is called after each step. */
  runUntil(endMs: number, check: () => void): void {
    while (this.faults.length === 0) {
      const next = this.#planned.at(-1)
      const due = Math.min(...this.#deadlines.values())
      const atMs = next?.atMs ?? Number.POSITIVE_INFINITY
      if (Math.min(due, atMs) > endMs) break
      this.monotonicMs = Math.max(this.monotonicMs, Math.min(due, atMs))
      if (due <= atMs) this.#tickDue()
      else this.#planned.pop()?.run()
      check()
    }
    this.monotonicMs = Math.max(this.monotonicMs, endMs)
  }

  byName(name: string): GroupTopic | undefined {
    return this.#topics.get(name)
  }

  byKey(topicKey: string): GroupTopic | undefined {
    for (const topic of this.#topics.values()) if (topic.topicKey === topicKey) return topic
    return undefined
  }

  createTopic(name: string, partitions: number): void {
    const topicKey = String.fromCharCode(
      ...Array.from({ length: 16 }, (_, i) => (i === 0 ? ++this.#topicCount : i)),
    )
    this.#topics.set(name, { name, topicKey, partitions })
    this.revision++
  }

  growTopic(name: string, more: number): void {
    const topic = this.#topics.get(name)
    if (!topic) return
    this.#topics.set(name, { ...topic, partitions: topic.partitions + more })
    this.revision++
  }

  deleteTopic(name: string): void {
    if (!this.#topics.delete(name)) return
    this.revision++
    for (const { groupId } of [...this.coordinator.state.groups()]) this.tick(groupId)
  }

  topicNames(): string[] {
    return [...this.#topics.keys()]
  }

  heartbeat(request: HeartbeatRequest, deliver: (answer: HeartbeatAnswer) => void): void {
    const current = this.coordinator.state.group(request.groupId)?.currents.get(request.memberId)
    const asked =
      this.bug === 'believes any revision' && current ? { ...request, revision: current.revision } : request
    const decision = this.coordinator.heartbeat(asked, this.now, this)
    if (!mayBeHeld(decision) || !this.isTroubled || this.chance(500)) {
      this.#perform(request.groupId, decision, deliver)
      return
    }
    // Held back until something happens, or long enough: then it is asked again.
    const held: HeldHeartbeat = { groupId: request.groupId, ask: () => this.#askAgain(held, asked, deliver) }
    this.#held.add(held)
    this.after(200, () => held.ask())
  }

  #askAgain(
    held: HeldHeartbeat,
    request: HeartbeatRequest,
    deliver: (answer: HeartbeatAnswer) => void,
  ): void {
    if (!this.#held.delete(held)) return
    this.#perform(request.groupId, this.coordinator.heartbeat(request, this.now, this), deliver)
  }

  commit(request: OffsetCommitRequest, deliver: (answer: OffsetCommitAnswer) => void): void {
    const current = this.coordinator.state.group(request.groupId)?.currents.get(request.memberId ?? '')
    const asked =
      this.bug === 'forgets the epoch of commits' && current
        ? { ...request, memberEpoch: current.memberEpoch }
        : request
    this.#perform(request.groupId, this.coordinator.commitOffsets(asked, this.now, this), deliver)
  }

  tick(groupId: string): void {
    const early = this.bug === 'expires too early' ? 4_000 : 0
    const now = { ...this.now, monotonicMs: this.monotonicMs + early }
    this.#deadlines.delete(groupId)
    this.#perform(groupId, this.coordinator.tick(groupId, now, this), () => {})
  }

  #tickDue(): void {
    for (const [groupId, deadlineMs] of [...this.#deadlines])
      if (deadlineMs <= this.monotonicMs) this.tick(groupId)
  }

  #perform<A>(groupId: string, decision: Decision<A>, deliver: (answer: A) => void): void {
    this.decisions++
    const batch: EncodedRecord[] = []
    for (const record of decision.records) {
      const encoded = encodeGroupRecord(record)
      const isLost = this.bug === 'loses tombstones' && record.value === null && this.chance(300)
      if (!isLost) batch.push(encoded)
      this.coordinator.replay(decodeGroupRecord(encoded.key, encoded.value))
    }
    if (batch.length > 0) this.#log.push(batch)
    if (this.bug !== 'never ticks') {
      const known = this.#deadlines.get(groupId) ?? Number.POSITIVE_INFINITY
      const deadlineMs = Math.min(known, decision.nextDeadlineMs)
      if (deadlineMs <= this.monotonicMs && decision.answer === null && decision.records.length === 0)
        this.faults.push(`group ${groupId} asks to be ticked again at once: the performer would spin`)
      if (deadlineMs < Number.POSITIVE_INFINITY) this.#deadlines.set(groupId, deadlineMs)
    }
    this.#checkEpoch(groupId)
    if (decision.records.length > 0) this.#checkAssignments(groupId)
    if (decision.records.length > 0)
      for (const held of [...this.#held]) if (held.groupId === groupId) this.after(0, held.ask)
    if (!this.isTroubled) this.flush()
    const position = this.#log.length
    if (position <= this.#durable || this.bug === 'answers before durable') deliver(decision.answer)
    else this.#waiting.push({ position, deliver: () => deliver(decision.answer) })
  }

  #checkEpoch(groupId: string): void {
    const value = this.coordinator.state.group(groupId)?.value
    if (!value) {
      this.#epochs.delete(groupId)
      return
    }
    if (value.epoch < (this.#epochs.get(groupId) ?? 0)) this.faults.push(`the epoch of ${groupId} went back`)
    if (value.assignmentEpoch > value.epoch) this.faults.push(`the targets of ${groupId} are ahead of it`)
    this.#epochs.set(groupId, value.epoch)
  }

  /** Nobody is meant to have, or has, what another one is or has. */
  #checkAssignments(groupId: string): void {
    const group = this.coordinator.state.group(groupId)
    if (!group) return
    const targets = new Set<string>()
    const held = new Set<string>()
    const claim = (places: Set<string>, place: string, what: string) => {
      if (places.has(place)) this.faults.push(`${what} ${JSON.stringify(place)} twice`)
      places.add(place)
    }
    for (const target of group.targets.values())
      for (const [key, list] of target)
        for (const partition of list) claim(targets, `${key} ${partition}`, 'meant for')
    for (const { held: mine, revoking } of group.currents.values())
      for (const topics of [mine, revoking])
        for (const [key, topic] of topics)
          for (const partition of topic.keys()) claim(held, `${key} ${partition}`, 'held')
    let owned = 0
    for (const owners of group.owners.values()) owned += owners.size
    if (owned !== held.size) this.faults.push(`${owned} partitions have owners, ${held.size} are held`)
  }

  /** Some or all of the log becomes durable. */
  flush(count = Number.POSITIVE_INFINITY): void {
    this.#durable = Math.min(this.#log.length, this.#durable + count)
    const ready = this.#waiting.filter(({ position }) => position <= this.#durable)
    this.#waiting = this.#waiting.filter(({ position }) => position > this.#durable)
    for (const { deliver } of ready) deliver()
  }

  /** What was not durable is lost, and with it every answer that waited. */
  crash(): void {
    const live = this.dump(this.coordinator)
    const rebuilt = this.dump(this.#rebuild(this.#log))
    if (live !== rebuilt)
      this.faults.push(`replayed state is another than the live one:\n${live}\n${rebuilt}`)
    this.#log.length = this.#durable
    this.#waiting = []
    this.#held.clear()
    this.coordinator = this.#rebuild(this.#log)
    this.#deadlines.clear()
    this.#epochs.clear()
    for (const { groupId } of [...this.coordinator.state.groups()]) this.tick(groupId)
  }

  /** The durable part of the log is replaced by the records of the view it makes. */
  truncate(): void {
    const view = [...this.#rebuild(this.#log.slice(0, this.#durable)).state.records()].map(encodeGroupRecord)
    const rest = this.#log.slice(this.#durable)
    const shift = 1 - this.#durable
    this.#waiting = this.#waiting.map(({ position, deliver }) => ({ position: position + shift, deliver }))
    this.#log = [view, ...rest]
    this.#durable = 1
  }

  #rebuild(log: readonly EncodedRecord[][]): GroupCoordinator {
    const coordinator = new GroupCoordinator({ limits: LIMITS, startedAtMs: this.monotonicMs })
    for (const { key, value } of log.flat()) coordinator.replay(decodeGroupRecord(key, value))
    return coordinator
  }

  /** The state as text, the same for the same state. */
  dump(coordinator: GroupCoordinator): string {
    const lines = [...coordinator.state.records()].map((record) => JSON.stringify(plain(record)))
    return lines.sort().join('\n')
  }
}

function plain(value: unknown): unknown {
  if (value instanceof Map) return [...value].map(([k, v]) => [k, plain(v)]).sort()
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value as GroupRecord).map(([k, v]) => [k, plain(v)]))
}
