/**
 * Consumer groups as their operators see them, as `client.admin()` offers it: who is in them, how far they are, and moved elsewhere.
 * Offsets of a group are changed from outside only while nobody is in it: a member would go on where it is, and commit over it.
 * Every call rejects with a {@link ProtocolError}; of several entries the first that failed counts, and the others were
 * carried out all the same.
 */
import { AccessAdmin } from './access-admin.ts'
import type { BrokerLink } from './broker-link.ts'
import type { PartitionName } from './consumer/options.ts'
import { succeeded } from './entry-outcome.ts'
import { checkTarget, decideReset, type OffsetTarget } from './group/offset-reset.ts'
import { apis } from './protocol/api.ts'
import { ErrorCode, ProtocolError } from './protocol/errors.ts'
import type { AssignedPartitions } from './protocol/messages/group-heartbeat.ts'
import { NO_MEMBER_EPOCH } from './protocol/messages/group-offsets.ts'
import type {
  DescribedMember,
  DescribedGroup as DescribedOnWire,
  ListedGroup,
} from './protocol/messages/groups.ts'
import { OFFSET_EARLIEST, OFFSET_LATEST } from './protocol/messages/list-offsets.ts'
import { topicIdText } from './topic-id.ts'

/** `empty`, `assigning`, `reconciling` or `stable`. */
export type GroupState = 'empty' | 'assigning' | 'reconciling' | 'stable'
export type GroupListing = ListedGroup

/** Partitions of one topic. */
export interface TopicPartitions {
  readonly topic: string
  readonly partitions: readonly number[]
}

export interface GroupMember extends Omit<DescribedMember, 'assigned' | 'revoking' | 'target'> {
  /** What it reads. */
  readonly assigned: readonly TopicPartitions[]
  /** What it has yet to give back. */
  readonly revoking: readonly TopicPartitions[]
  /** What it will read when everybody has given back what he is to. */
  readonly target: readonly TopicPartitions[]
}

export interface GroupDescription extends Omit<DescribedOnWire, 'error' | 'message' | 'members'> {
  readonly members: readonly GroupMember[]
}

export interface GroupOffset extends PartitionName {
  /** Of the next event the group reads; null: it has committed none here. */
  readonly offset: number | null
  readonly metadata: string
  /** When it was committed, ms since 1970; null: never. */
  readonly committedAtMs: number | null
  /** Of the oldest event that is kept. */
  readonly logStartOffset: number
  /** Behind the newest event. */
  readonly logEndOffset: number
  /** Events it has yet to read; null: where it begins is not known before it has committed. */
  readonly lag: number | null
  /** Id of the member that reads it; null: nobody does now. */
  readonly memberId: string | null
}

export interface ResetOffset extends PartitionName {
  /** Null: the group had none here. */
  readonly offset: number | null
  /** Null: it stays as it is; `note` says why. */
  readonly newOffset: number | null
  readonly logStartOffset: number
  readonly logEndOffset: number
  /** Why `newOffset` is not what was asked for; null: it is. */
  readonly note: string | null
}

export interface ResetOptions {
  readonly to: OffsetTarget
  /** Topics, or partitions of them. Default: wherever the group has an offset, or `to: { offsets }` says. */
  readonly of?: readonly (string | PartitionName)[]
  /** Say what would be done, and do nothing. Default false. */
  readonly dryRun?: boolean
}

interface Place extends PartitionName {
  readonly topicId: Uint8Array
}

interface Committed extends Place {
  readonly offset: number
  readonly metadata: string
  readonly committedAtMs: number
}

/** Partitions of one request. */
const AT_ONCE_MAX = 1_000

const once = { repeatable: false } as const
const repeatable = { repeatable: true } as const

export class GroupAdmin extends AccessAdmin {
  readonly #link: BrokerLink

  constructor(link: BrokerLink) {
    super(link)
    this.#link = link
  }

  /** Those the caller may see, in order of name. */
  async listGroups(filter: { readonly states?: readonly GroupState[] } = {}): Promise<GroupListing[]> {
    const request = { states: filter.states ? [...filter.states] : null }
    return (await this.#link.call(apis.listGroups, request, repeatable)).groups
  }

  /** Members, what they read, and how they fare. Rejects with GROUP_ID_NOT_FOUND. */
  async describeGroup(groupId: string): Promise<GroupDescription> {
    const { groups } = await this.#link.call(apis.describeGroups, { groups: [groupId] }, repeatable)
    const { error, message, members, ...group } = one(groups)
    if (error !== ErrorCode.NONE) throw new ProtocolError(error, message ?? undefined)
    const described = members.map((member) => ({
      ...member,
      assigned: named(member.assigned),
      revoking: named(member.revoking),
      target: named(member.target),
    }))
    return { ...group, members: described }
  }

  /** With its offsets. Rejects with NON_EMPTY_GROUP while it has members. */
  async deleteGroup(groupId: string): Promise<void> {
    const { groups } = await this.#link.call(apis.deleteGroups, { groups: [groupId] }, once)
    const { error, message } = one(groups)
    if (error !== ErrorCode.NONE) throw new ProtocolError(error, message ?? undefined)
  }

  /** Where it has an offset, and what its members read, in order of topic and partition. */
  async groupOffsets(groupId: string): Promise<GroupOffset[]> {
    const [{ groups }, committed] = await Promise.all([
      this.#link.call(apis.describeGroups, { groups: [groupId] }, repeatable),
      this.#committed(groupId),
    ])
    const { error, message, members } = one(groups)
    if (error !== ErrorCode.NONE) throw new ProtocolError(error, message ?? undefined)
    const places = new Map<string, Place>(committed.map((place) => [keyOf(place), place]))
    const readers = new Map<string, string>()
    for (const { memberId, assigned } of members)
      for (const { topicId, topic, partitions } of assigned)
        for (const partition of partitions) {
          const place = { topicId, topic, partition }
          places.set(keyOf(place), places.get(keyOf(place)) ?? place)
          readers.set(keyOf(place), memberId)
        }
    const offsets = new Map(committed.map((entry) => [keyOf(entry), entry]))
    const ends = await this.#ends([...places.values()])
    return ends.sort(inOrder).map(({ place, logStartOffset, logEndOffset }) => {
      const known = offsets.get(keyOf(place))
      const offset = known?.offset ?? null
      return {
        topic: place.topic,
        partition: place.partition,
        offset,
        metadata: known?.metadata ?? '',
        committedAtMs: known?.committedAtMs ?? null,
        logStartOffset,
        logEndOffset,
        lag: offset === null ? null : Math.max(0, logEndOffset - Math.max(offset, logStartOffset)),
        memberId: readers.get(keyOf(place)) ?? null,
      }
    })
  }

  /**
   * Sends a group without members elsewhere. Resolves with what was done to each partition, in order of topic and partition.
   * Rejects with GROUP_ID_NOT_FOUND, and with NON_EMPTY_GROUP while it has members. Throws RangeError for a wrong option.
   */
  async resetOffsets(groupId: string, options: ResetOptions): Promise<ResetOffset[]> {
    const to = checkTarget(options.to)
    const { members } = await this.describeGroup(groupId)
    if (members.length > 0) throw stillThere(groupId, members)
    const committed = await this.#committed(groupId)
    const asked =
      typeof to === 'object' && 'offsets' in to
        ? new Map(to.offsets.map((entry) => [nameOf(entry), entry.offset]))
        : undefined
    const scope = options.of ?? (typeof to === 'object' && 'offsets' in to ? to.offsets : undefined)
    const all = scope === undefined ? committed : await this.#places(scope)
    const places = asked ? all.filter((place) => asked.has(nameOf(place))) : all
    const times = typeof to === 'object' && 'timeMs' in to ? await this.#offsetsAt(places, to.timeMs) : []
    const atTime = new Map(times.map(({ place, offset }) => [keyOf(place), offset]))
    const present = new Map(committed.map((entry) => [keyOf(entry), entry.offset]))
    const decided = (await this.#ends(places)).sort(inOrder).map(({ place, ...ends }) => {
      const before = present.get(keyOf(place)) ?? null
      const at = { ...ends, committed: before, atTime: atTime.get(keyOf(place)) ?? -1 }
      return { place, ends, before, ...decideReset(to, at, asked?.get(nameOf(place))) }
    })
    const changes = decided.flatMap(({ place, newOffset }) =>
      newOffset === null ? [] : [{ place, newOffset }],
    )
    if (!options.dryRun)
      for (let at = 0; at < changes.length; at += AT_ONCE_MAX)
        await this.#commit(groupId, changes.slice(at, at + AT_ONCE_MAX))
    return decided.map(({ place: { topic, partition }, before, newOffset, note, ends }) => ({
      topic,
      partition,
      offset: before,
      newOffset,
      ...ends,
      note,
    }))
  }

  /**
   * Forgets how far a group is in topics, or partitions of them; resolves with those in which it had an offset. Rejects with
   * GROUP_SUBSCRIBED_TO_TOPIC while a member reads the topic.
   */
  async deleteOffsets(groupId: string, of: readonly (string | PartitionName)[]): Promise<PartitionName[]> {
    const present = new Set((await this.#committed(groupId)).map(keyOf))
    const places = (await this.#places(of)).filter((place) => present.has(keyOf(place)))
    for (let at = 0; at < places.length; at += AT_ONCE_MAX) {
      const some = places.slice(at, at + AT_ONCE_MAX)
      const request = {
        groupId,
        partitions: some.map(({ topicId, partition }) => ({ topicId, partition })),
      }
      const { partitions } = await this.#link.call(apis.offsetDelete, request, repeatable)
      for (const [i, entry] of partitions.entries()) succeeded(entry, whatOf(some[i]))
    }
    return places.map(({ topic, partition }) => ({ topic, partition }))
  }

  async #commit(
    groupId: string,
    changes: readonly { readonly place: Place; readonly newOffset: number }[],
  ): Promise<void> {
    const request = {
      groupId,
      memberId: null,
      memberEpoch: NO_MEMBER_EPOCH,
      partitions: changes.map(({ place: { topicId, partition }, newOffset }) => ({
        topicId,
        partition,
        offset: newOffset,
        leaderEpoch: -1,
        metadata: '',
      })),
    }
    // Said twice, it is said once.
    const { partitions } = await this.#link.call(apis.offsetCommit, request, repeatable)
    for (const [i, entry] of partitions.entries()) succeeded(entry, whatOf(changes[i].place))
  }

  /** Where the group has an offset, as far as the caller may see. */
  async #committed(groupId: string): Promise<Committed[]> {
    const request = { groupId, memberId: null, memberEpoch: NO_MEMBER_EPOCH, partitions: null }
    const { partitions } = await this.#link.call(apis.offsetFetch, request, repeatable)
    return partitions.flatMap(({ topicId, topic, partition, error, offset, metadata, committedAtMs }) =>
      // A topic that went meanwhile takes its offsets along.
      error !== ErrorCode.NONE || topic === null || offset < 0
        ? []
        : [{ topicId, topic, partition, offset, metadata, committedAtMs }],
    )
  }

  /** What the names stand for, each once. Throws where there is no such topic or partition. */
  async #places(of: readonly (string | PartitionName)[]): Promise<Place[]> {
    const names = [...new Set(of.map((name) => (typeof name === 'string' ? name : name.topic)))]
    const request = { topics: names.map((name) => ({ name, topicId: null })) }
    const { topics } = await this.#link.call(apis.metadata, request, repeatable)
    const byName = new Map(names.map((name, i) => [name, topics[i]]))
    const places = new Map<string, Place>()
    for (const name of of) {
      const topic = typeof name === 'string' ? name : name.topic
      const found = byName.get(topic)
      if (!found?.topicId || found.error !== ErrorCode.NONE)
        throw new ProtocolError(found?.error || ErrorCode.UNKNOWN_SERVER_ERROR, found?.message ?? undefined)
      const { topicId, partitions } = found
      if (typeof name !== 'string' && name.partition >= partitions.length)
        throw new ProtocolError(
          ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
          `topic ${topic} has partitions 0 to ${partitions.length - 1}, not ${name.partition}`,
        )
      const numbers =
        typeof name === 'string' ? partitions.map(({ partition }) => partition) : [name.partition]
      for (const partition of numbers) {
        const place = { topicId, topic, partition }
        places.set(keyOf(place), place)
      }
    }
    return [...places.values()]
  }

  /** What each holds. Those that have gone meanwhile are left out. */
  async #ends(
    places: readonly Place[],
  ): Promise<{ place: Place; logStartOffset: number; logEndOffset: number }[]> {
    const [starts, ends] = await Promise.all([
      this.#offsetsAt(places, OFFSET_EARLIEST),
      this.#offsetsAt(places, OFFSET_LATEST),
    ])
    const endOf = new Map(ends.map(({ place, offset }) => [keyOf(place), offset]))
    return starts.flatMap(({ place, offset }) => {
      const logEndOffset = endOf.get(keyOf(place))
      return logEndOffset === undefined ? [] : [{ place, logStartOffset: offset, logEndOffset }]
    })
  }

  async #offsetsAt(
    places: readonly Place[],
    timestamp: number,
  ): Promise<{ readonly place: Place; readonly offset: number }[]> {
    const found: { place: Place; offset: number }[] = []
    for (let at = 0; at < places.length; at += AT_ONCE_MAX) {
      const some = places.slice(at, at + AT_ONCE_MAX)
      const partitions = some.map(({ topicId, partition }) => ({
        topicId,
        partition,
        leaderEpoch: -1,
        timestamp,
      }))
      const answer = await this.#link.call(apis.listOffsets, { isolationLevel: 1, partitions }, repeatable)
      for (const [i, entry] of answer.partitions.entries()) {
        if (entry.error === ErrorCode.UNKNOWN_TOPIC_ID) continue
        succeeded(entry, whatOf(some[i]))
        found.push({ place: some[i], offset: entry.offset })
      }
    }
    return found
  }
}

function stillThere(groupId: string, members: readonly GroupMember[]): ProtocolError {
  const who = members.length === 1 ? 'a member' : `${members.length} members`
  const away = members.filter(({ state }) => state === 'away')
  const waitMs = Math.max(
    0,
    ...away.map(({ sessionTimeoutMs, sinceHeardMs }) => sessionTimeoutMs - sinceHeardMs),
  )
  const why =
    away.length < members.length
      ? 'who would go on where they are; its offsets can be reset when everybody has left'
      : `who left and may come back for ${Math.ceil(waitMs / 1_000)} s more; its offsets can be reset then`
  return new ProtocolError(ErrorCode.NON_EMPTY_GROUP, `group ${groupId} has ${who}, ${why}`)
}

function one<T>(entries: readonly T[]): T {
  if (entries.length === 1) return entries[0]
  throw new ProtocolError(ErrorCode.UNKNOWN_SERVER_ERROR, `${entries.length} answers for one group`)
}

function named(partitions: readonly AssignedPartitions[]): TopicPartitions[] {
  return partitions.map(({ topic, partitions: numbers }) => ({ topic, partitions: numbers }))
}

function whatOf({ topic, partition }: PartitionName): string {
  return `topic ${topic}, partition ${partition}`
}

function nameOf({ topic, partition }: PartitionName): string {
  return `${topic}/${partition}`
}

/** A topic that was deleted and created again is another topic. */
function keyOf({ topicId, partition }: Pick<Place, 'topicId' | 'partition'>): string {
  return `${topicIdText(topicId)}/${partition}`
}

function inOrder({ place: a }: { readonly place: Place }, { place: b }: { readonly place: Place }): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1
  return a.partition - b.partition
}
