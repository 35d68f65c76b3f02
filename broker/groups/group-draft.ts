/**
 * A group as it will be once the records of the decision under way are replayed: the group of the state underneath,
 * what has been decided so far on top. It changes nothing of the state; it dies with the decision.
 */
import type { CurrentAssignment, GroupRecord, GroupValue, MemberValue } from './group-record.ts'
import { type Group, NEW_GROUP } from './group-state.ts'
import { isSamePartitions, NO_PARTITIONS, type Partitions } from './partitions.ts'

export class GroupDraft {
  readonly groupId: string
  readonly base: Group | undefined
  readonly #members = new Map<string, MemberValue | null>()
  readonly #targets = new Map<string, Partitions | null>()
  readonly #currents = new Map<string, CurrentAssignment | null>()
  #value: GroupValue
  #memberCount: number

  constructor(groupId: string, base: Group | undefined) {
    this.groupId = groupId
    this.base = base
    this.#value = base?.value ?? NEW_GROUP
    this.#memberCount = base?.members.size ?? 0
  }

  get value(): GroupValue {
    return this.#value
  }

  set value(value: GroupValue) {
    this.#value = value
  }

  get memberCount(): number {
    return this.#memberCount
  }

  member(memberId: string): MemberValue | undefined {
    return overlaid(this.#members, this.base?.members, memberId)
  }

  target(memberId: string): Partitions {
    return overlaid(this.#targets, this.base?.targets, memberId) ?? NO_PARTITIONS
  }

  current(memberId: string): CurrentAssignment | undefined {
    return overlaid(this.#currents, this.base?.currents, memberId)
  }

  *members(): Generator<readonly [string, MemberValue]> {
    if (this.base) for (const entry of this.base.members) if (!this.#members.has(entry[0])) yield entry
    for (const [memberId, value] of this.#members) if (value) yield [memberId, value]
  }

  putMember(memberId: string, value: MemberValue): void {
    if (!this.member(memberId)) this.#memberCount++
    this.#members.set(memberId, value)
  }

  putTarget(memberId: string, target: Partitions): void {
    if (!isSamePartitions(this.target(memberId), target)) this.#targets.set(memberId, target)
  }

  putCurrent(memberId: string, current: CurrentAssignment): void {
    this.#currents.set(memberId, current)
  }

  removeMember(memberId: string): void {
    if (!this.member(memberId)) return
    this.#memberCount--
    this.#members.set(memberId, null)
    this.#targets.set(memberId, null)
    this.#currents.set(memberId, null)
  }

  /**
   * Whether nobody but perhaps the member itself has the partition. Nobody else gets partitions in this draft: each
   * member gets its own, in its own heartbeat.
   */
  isFree(memberId: string, topicKey: string, partition: number): boolean {
    const owner = this.base?.owners.get(topicKey)?.get(partition)
    if (owner === undefined || owner === memberId) return true
    return this.#currents.get(owner) === null
  }

  /** What has to be replayed to get there. Who goes stands before who comes, so that nobody is in the way. */
  records(): GroupRecord[] {
    const { groupId, base } = this
    const gone: GroupRecord[] = []
    const come: GroupRecord[] = []
    const put = (record: GroupRecord) => (record.value === null ? gone : come).push(record)
    for (const [memberId, value] of this.#currents)
      if (value || base?.currents.has(memberId)) put({ kind: 'current', groupId, memberId, value })
    for (const [memberId, value] of this.#targets)
      if (value || base?.targets.has(memberId)) put({ kind: 'target', groupId, memberId, value })
    for (const [memberId, value] of this.#members)
      if (value || base?.members.has(memberId)) put({ kind: 'member', groupId, memberId, value })
    if (this.#value !== (base?.value ?? NEW_GROUP)) put({ kind: 'group', groupId, value: this.#value })
    return gone.concat(come)
  }
}

function overlaid<V>(
  changed: ReadonlyMap<string, V | null>,
  base: ReadonlyMap<string, V> | undefined,
  key: string,
): V | undefined {
  const value = changed.get(key)
  if (value === null) return undefined
  return value ?? base?.get(key)
}
