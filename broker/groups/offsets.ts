/**
 * Committed offsets: where a group goes on. A member commits what it holds, under an epoch it had while it held it: a
 * zombie, or one whose partition moved on and came back, is refused partition by partition. Without a member,
 * as an administrator does it, offsets of a group are set only while nobody is in it.
 */
import { quoteName } from '../../auth/acl/qualified-name.ts'
import { ErrorCode } from '../../client/protocol/errors.ts'
import type { GroupLimits, GroupTopics, Now, Refusal } from './decision.ts'
import type { CommittedOffset, GroupRecord, GroupValue } from './group-record.ts'
import { type Group, NEW_GROUP } from './group-state.ts'

export interface OffsetCommitRequest {
  readonly groupId: string
  /** Null: not as a member. */
  readonly memberId: string | null
  /** Of the member; -1 without one. */
  readonly memberEpoch: number
  readonly offsets: readonly OffsetToCommit[]
}

export interface OffsetToCommit {
  readonly topicKey: string
  readonly partition: number
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
}

/** One for each of the request, in its order. */
export interface OffsetCommitAnswer {
  readonly offsets: readonly Refusal[]
}

export interface Decided<Answer> {
  readonly records: GroupRecord[]
  readonly answer: Answer
}

const DONE: Refusal = { error: ErrorCode.NONE, message: null }

export function commitOffsets(
  group: Group | undefined,
  request: OffsetCommitRequest,
  now: Now,
  topics: GroupTopics,
  limits: GroupLimits,
): Decided<OffsetCommitAnswer> {
  const refusal = whyNoCommit(group, request)
  if (refusal) return { records: [], answer: { offsets: request.offsets.map(() => refusal) } }
  const records: GroupRecord[] = []
  const { groupId } = request
  const offsets = request.offsets.map((entry) => {
    const { topicKey, partition, offset, leaderEpoch, metadata } = entry
    const problem =
      problemOfPlace(entry, topics) ?? problemOfOffset(entry, limits) ?? whyNotHeld(group, request, entry)
    if (problem) return problem
    const value: CommittedOffset = { offset, leaderEpoch, metadata, commitTimeMs: now.nowMs }
    records.push({ kind: 'offset', groupId, topicKey, partition, value })
    return DONE
  })
  if (!group && records.length > 0) {
    const value: GroupValue = { ...NEW_GROUP, emptySinceMs: now.nowMs }
    records.unshift({ kind: 'group', groupId, value })
  }
  return { records, answer: { offsets } }
}

function whyNoCommit(group: Group | undefined, request: OffsetCommitRequest): Refusal | undefined {
  const { groupId, memberId, memberEpoch } = request
  if (memberId === null) {
    if (!group || group.members.size === 0) return undefined
    return refusal(
      ErrorCode.NON_EMPTY_GROUP,
      `group ${groupId} has ${group.members.size} members: without being one of them its offsets can be set once it is empty`,
    )
  }
  const current = group?.members.has(memberId) ? group.currents.get(memberId) : undefined
  if (!current)
    return refusal(
      ErrorCode.UNKNOWN_MEMBER_ID,
      `group ${groupId} has no member ${memberId}: it left or was removed`,
    )
  if (current.state === 'away')
    return refusal(ErrorCode.FENCED_MEMBER_EPOCH, `member ${memberId} of group ${groupId} has left`)
  if (memberEpoch > current.memberEpoch)
    return refusal(
      ErrorCode.FENCED_MEMBER_EPOCH,
      `member ${memberId} of group ${groupId} is at epoch ${current.memberEpoch}, not at ${memberEpoch}`,
    )
  return undefined
}

function whyNotHeld(
  group: Group | undefined,
  { groupId, memberId, memberEpoch }: OffsetCommitRequest,
  { topicKey, partition }: OffsetToCommit,
): Refusal | undefined {
  if (memberId === null) return undefined
  const { held, revoking } = group!.currents.get(memberId)!
  const since = held.get(topicKey)?.get(partition) ?? revoking.get(topicKey)?.get(partition)
  if (since === undefined)
    return refusal(
      ErrorCode.STALE_MEMBER_EPOCH,
      `partition ${partition} is not assigned to member ${memberId} of group ${groupId} (any more)`,
    )
  if (memberEpoch < since)
    return refusal(
      ErrorCode.STALE_MEMBER_EPOCH,
      `member ${memberId} of group ${groupId} has partition ${partition} since epoch ${since}: what it did before, at epoch ${memberEpoch}, is out of date`,
    )
  return undefined
}

function problemOfPlace({ topicKey, partition }: OffsetToCommit, topics: GroupTopics): Refusal | undefined {
  const topic = topics.byKey(topicKey)
  if (!topic) return refusal(ErrorCode.UNKNOWN_TOPIC_ID, 'there is no topic with this id (any more)')
  if (partition >= 0 && partition < topic.partitions) return undefined
  return refusal(
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    `topic ${topic.name} has partitions 0 to ${topic.partitions - 1}, not ${partition}`,
  )
}

function problemOfOffset({ offset, metadata }: OffsetToCommit, limits: GroupLimits): Refusal | undefined {
  if (offset < 0) return refusal(ErrorCode.INVALID_REQUEST, `an offset is at least 0, not ${offset}`)
  const { offsetMetadataCharactersMax } = limits
  if (metadata.length <= offsetMetadataCharactersMax) return undefined
  return refusal(
    ErrorCode.OFFSET_METADATA_TOO_LARGE,
    `the text beside the offset has ${metadata.length} characters, at most ${offsetMetadataCharactersMax} are kept`,
  )
}

export interface OffsetFetchRequest {
  readonly groupId: string
  /** Null: not as a member. A member is told only what it may act on. */
  readonly memberId: string | null
  readonly memberEpoch: number
  /** Null: all there are. */
  readonly partitions: readonly { readonly topicKey: string; readonly partition: number }[] | null
}

export interface OffsetFetchAnswer extends Refusal {
  /** One for each of the request, in its order. */
  readonly offsets: readonly {
    readonly topicKey: string
    readonly partition: number
    /** Null: nothing is committed. */
    readonly committed: CommittedOffset | null
  }[]
}

/** No records: the answer waits like every other for what was decided before it. */
export function fetchOffsets(group: Group | undefined, request: OffsetFetchRequest): OffsetFetchAnswer {
  const { groupId, memberId, memberEpoch } = request
  if (memberId !== null) {
    const current = group?.members.has(memberId) ? group.currents.get(memberId) : undefined
    if (!current)
      return {
        ...refusal(
          ErrorCode.UNKNOWN_MEMBER_ID,
          `group ${groupId} has no member ${memberId}: it left or was removed`,
        ),
        offsets: [],
      }
    if (memberEpoch > current.memberEpoch)
      return {
        ...refusal(
          ErrorCode.FENCED_MEMBER_EPOCH,
          `member ${memberId} of group ${groupId} is at epoch ${current.memberEpoch}, not at ${memberEpoch}`,
        ),
        offsets: [],
      }
  }
  const wanted = request.partitions ?? everyPlace(group)
  const offsets = wanted.map(({ topicKey, partition }) => ({
    topicKey,
    partition,
    committed: group?.offsets.get(topicKey)?.get(partition) ?? null,
  }))
  return { ...DONE, offsets }
}

function everyPlace(group: Group | undefined): { topicKey: string; partition: number }[] {
  const places: { topicKey: string; partition: number }[] = []
  for (const [topicKey, topic] of group?.offsets ?? [])
    for (const partition of topic.keys()) places.push({ topicKey, partition })
  return places
}

export interface OffsetDeleteRequest {
  readonly groupId: string
  readonly partitions: readonly { readonly topicKey: string; readonly partition: number }[]
}

/** What was not there counts as deleted. */
export function deleteOffsets(
  group: Group | undefined,
  { groupId, partitions }: OffsetDeleteRequest,
  topics: GroupTopics,
): Decided<Refusal & { readonly offsets: readonly Refusal[] }> {
  if (!group) {
    const missing = refusal(ErrorCode.GROUP_ID_NOT_FOUND, `there is no group named ${quoteName(groupId)}`)
    return { records: [], answer: { ...missing, offsets: partitions.map(() => missing) } }
  }
  const subscribed = new Set<string>()
  for (const member of group.members.values()) for (const name of member.topics) subscribed.add(name)
  const records: GroupRecord[] = []
  const offsets = partitions.map(({ topicKey, partition }) => {
    const name = topics.byKey(topicKey)?.name
    if (name !== undefined && subscribed.has(name))
      return refusal(
        ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC,
        `members of group ${groupId} are subscribed to topic ${name}`,
      )
    if (group.offsets.get(topicKey)?.has(partition))
      records.push({ kind: 'offset', groupId, topicKey, partition, value: null })
    return DONE
  })
  return { records, answer: { ...DONE, offsets } }
}

export interface ExpiredOffsets {
  /** Tombstones. */
  readonly records: readonly GroupRecord[]
  /** Offsets that stay. */
  readonly remaining: number
  /** When the next of those goes, ms since 1970. */
  readonly nextExpiryMs: number
}

/** Offsets go when their topic is gone and, in a group without members, when they are older than they may be. */
export function expireOffsets(
  { groupId, offsets }: Group,
  emptySinceMs: number | null,
  now: Now,
  topics: GroupTopics,
  limits: GroupLimits,
): ExpiredOffsets {
  const records: GroupRecord[] = []
  let remaining = 0
  let nextExpiryMs = Number.POSITIVE_INFINITY
  for (const [topicKey, topic] of offsets) {
    const isGone = topics.byKey(topicKey) === undefined
    for (const [partition, committed] of topic) {
      const atMs = expiryMs(committed, emptySinceMs, limits)
      if (isGone || atMs <= now.nowMs)
        records.push({ kind: 'offset', groupId, topicKey, partition, value: null })
      else {
        remaining++
        nextExpiryMs = Math.min(nextExpiryMs, atMs)
      }
    }
  }
  return { records, remaining, nextExpiryMs }
}

function expiryMs(
  { commitTimeMs }: CommittedOffset,
  emptySinceMs: number | null,
  limits: GroupLimits,
): number {
  if (emptySinceMs === null) return Number.POSITIVE_INFINITY
  return Math.max(commitTimeMs, emptySinceMs) + limits.offsetsRetentionMs
}

function refusal(error: number, message: string): Refusal {
  return { error, message }
}
