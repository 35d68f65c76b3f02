/**
 * What the coordinator knows of its groups. Only `replay` changes it, at the start and while running alike, and
 * the same records in the same order make the same state. Everybody else reads.
 *
 * Records of one group may come in any order that keeps the order within each key, so that a view kept by key can
 * be replayed as it is listed.
 */
import type {
  CommittedOffset,
  CurrentAssignment,
  GroupRecord,
  GroupValue,
  MemberValue,
} from './group-record.ts'
import type { HeldPartitions, Partitions } from './partitions.ts'

/** A group no record has told of as a whole: one that somebody is about to create. */
export const NEW_GROUP: GroupValue = {
  groupKind: 'consumer',
  epoch: 0,
  assignmentEpoch: 0,
  assignor: '',
  subscriptionHash: 0,
  emptySinceMs: null,
}

/** One group, for reading. */
export interface Group {
  readonly groupId: string
  readonly value: GroupValue
  readonly members: ReadonlyMap<string, MemberValue>
  readonly targets: ReadonlyMap<string, Partitions>
  readonly currents: ReadonlyMap<string, CurrentAssignment>
  /** Member id by instance id. */
  readonly instances: ReadonlyMap<string, string>
  /** By topic and partition: the member that has it, also while it is to give it back. */
  readonly owners: ReadonlyMap<string, ReadonlyMap<number, string>>
  /** By topic and partition. */
  readonly offsets: ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>>
}

class ReplayedGroup implements Group {
  readonly groupId: string
  value: GroupValue = NEW_GROUP
  isKnown = false
  readonly members = new Map<string, MemberValue>()
  readonly targets = new Map<string, Partitions>()
  readonly currents = new Map<string, CurrentAssignment>()
  readonly instances = new Map<string, string>()
  readonly owners = new Map<string, Map<number, string>>()
  readonly offsets = new Map<string, Map<number, CommittedOffset>>()

  constructor(groupId: string) {
    this.groupId = groupId
  }

  get isGone(): boolean {
    return (
      !this.isKnown &&
      this.members.size === 0 &&
      this.targets.size === 0 &&
      this.currents.size === 0 &&
      this.offsets.size === 0
    )
  }

  replay(record: GroupRecord): void {
    switch (record.kind) {
      case 'group':
        this.value = record.value ?? NEW_GROUP
        this.isKnown = record.value !== null
        return
      case 'offset':
        this.#replayOffset(record.topicKey, record.partition, record.value)
        return
      case 'member':
        this.#replayMember(record.memberId, record.value)
        return
      case 'target':
        setOrDelete(this.targets, record.memberId, record.value)
        return
      case 'current':
        this.#replayCurrent(record.memberId, record.value)
    }
  }

  #replayOffset(topicKey: string, partition: number, value: CommittedOffset | null): void {
    const topic = this.offsets.get(topicKey)
    if (value === null) {
      topic?.delete(partition)
      if (topic?.size === 0) this.offsets.delete(topicKey)
    } else if (topic) topic.set(partition, value)
    else this.offsets.set(topicKey, new Map([[partition, value]]))
  }

  #replayMember(memberId: string, value: MemberValue | null): void {
    const instanceId = this.members.get(memberId)?.instanceId ?? null
    if (instanceId !== null && this.instances.get(instanceId) === memberId) this.instances.delete(instanceId)
    setOrDelete(this.members, memberId, value)
    if (value && value.instanceId !== null) this.instances.set(value.instanceId, memberId)
  }

  #replayCurrent(memberId: string, value: CurrentAssignment | null): void {
    const before = this.currents.get(memberId)
    if (before) {
      this.#disown(memberId, before.held)
      this.#disown(memberId, before.revoking)
    }
    setOrDelete(this.currents, memberId, value)
    if (value) {
      this.#own(memberId, value.held)
      this.#own(memberId, value.revoking)
    }
  }

  #own(memberId: string, held: HeldPartitions): void {
    for (const [key, partitions] of held) {
      const owners = this.owners.get(key) ?? new Map<number, string>()
      for (const partition of partitions.keys()) owners.set(partition, memberId)
      this.owners.set(key, owners)
    }
  }

  #disown(memberId: string, held: HeldPartitions): void {
    for (const [key, partitions] of held) {
      const owners = this.owners.get(key)
      if (!owners) continue
      for (const partition of partitions.keys())
        if (owners.get(partition) === memberId) owners.delete(partition)
      if (owners.size === 0) this.owners.delete(key)
    }
  }
}

export class GroupState {
  readonly #groups = new Map<string, ReplayedGroup>()

  get groupCount(): number {
    return this.#groups.size
  }

  group(groupId: string): Group | undefined {
    return this.#groups.get(groupId)
  }

  groups(): Iterable<Group> {
    return this.#groups.values()
  }

  /** Takes one record in. The only way in which anything here changes. */
  replay(record: GroupRecord): void {
    let group = this.#groups.get(record.groupId)
    if (!group) {
      if (record.value === null) return
      group = new ReplayedGroup(record.groupId)
      this.#groups.set(record.groupId, group)
    }
    group.replay(record)
    if (record.value === null && group.isGone) this.#groups.delete(record.groupId)
  }

  /**
   * The records that make this state, group after group: what a view of the topic holds, and what a topic that was
   * truncated has to begin with.
   */
  *records(): Generator<GroupRecord> {
    for (const group of this.#groups.values()) yield* recordsOf(group)
  }
}

function* recordsOf(group: ReplayedGroup): Generator<GroupRecord> {
  const { groupId } = group
  if (group.isKnown) yield { kind: 'group', groupId, value: group.value }
  for (const [memberId, value] of group.members) yield { kind: 'member', groupId, memberId, value }
  for (const [memberId, value] of group.targets) yield { kind: 'target', groupId, memberId, value }
  for (const [memberId, value] of group.currents) yield { kind: 'current', groupId, memberId, value }
  for (const [topicKey, topic] of group.offsets)
    for (const [partition, value] of topic) yield { kind: 'offset', groupId, topicKey, partition, value }
}

function setOrDelete<V>(map: Map<string, V>, key: string, value: V | null): void {
  if (value === null) map.delete(key)
  else map.set(key, value)
}
