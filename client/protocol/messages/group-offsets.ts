/** Offsets of groups: how far a group has got, committed, told and forgotten. */
import { field, int32, int53, list, nullable, struct, type TypeOf } from '../schema.ts'
import { groupId, memberIdText, offset, offsetLeaderEpoch, offsetMetadata } from './group-fields.ts'
import { error, message, name, partition, topicId } from './recurring-fields.ts'

/** `memberEpoch` of who is no member. */
export const NO_MEMBER_EPOCH = -1

export const offsetCommitRequest = struct('OffsetCommitRequest', {
  groupId,
  memberId: field(
    nullable(memberIdText),
    'The member that commits; null: nobody of the group, which is allowed while it has no members.',
  ),
  memberEpoch: field(int32, 'Epoch of the member; -1: no member.'),
  partitions: field(
    list(
      struct('OffsetToCommit', {
        topicId,
        partition,
        offset,
        leaderEpoch: offsetLeaderEpoch,
        metadata: offsetMetadata,
      }),
    ),
    'One entry per partition, none twice.',
  ),
})

export const offsetCommitResponse = struct('OffsetCommitResponse', {
  partitions: field(
    list(struct('CommittedOffset', { topicId, partition, error, message })),
    'One entry per partition of the request, in its order.',
  ),
})

export const offsetFetchRequest = struct('OffsetFetchRequest', {
  groupId,
  memberId: field(
    nullable(memberIdText),
    'The member that asks, refused when it has been fenced; null: anybody.',
  ),
  memberEpoch: field(int32, 'Epoch of the member; -1: no member.'),
  partitions: field(
    nullable(list(struct('OffsetToFetch', { topicId, partition }))),
    'What to tell of; null: of every partition the group has an offset in, and the caller may see.',
  ),
})

export const offsetFetchResponse = struct('OffsetFetchResponse', {
  partitions: field(
    list(
      struct('FetchedOffset', {
        topicId,
        topic: field(
          nullable(name),
          'Name of the topic; null: it is not there, or not for the caller to see.',
        ),
        partition,
        error,
        message,
        offset: field(int53, 'Offset of the next record to be read; -1: none was committed.'),
        leaderEpoch: offsetLeaderEpoch,
        metadata: offsetMetadata,
        committedAtMs: field(int53, 'When it was committed, ms since 1970 by the broker’s clock; -1: never.'),
      }),
    ),
    'One entry per partition of the request, in its order; without such, in order of topic and partition.',
  ),
})

export const offsetDeleteRequest = struct('OffsetDeleteRequest', {
  groupId,
  partitions: field(
    list(struct('OffsetToDelete', { topicId, partition })),
    'Whose offsets to forget; refused for topics that a member reads.',
  ),
})

export const offsetDeleteResponse = struct('OffsetDeleteResponse', {
  partitions: field(
    list(struct('DeletedOffset', { topicId, partition, error, message })),
    'One entry per partition of the request, in its order.',
  ),
})

export type OffsetCommitRequest = TypeOf<typeof offsetCommitRequest>
export type OffsetCommitResponse = TypeOf<typeof offsetCommitResponse>
export type OffsetFetchRequest = TypeOf<typeof offsetFetchRequest>
export type OffsetFetchResponse = TypeOf<typeof offsetFetchResponse>
export type FetchedOffset = OffsetFetchResponse['partitions'][number]
export type OffsetDeleteRequest = TypeOf<typeof offsetDeleteRequest>
export type OffsetDeleteResponse = TypeOf<typeof offsetDeleteResponse>
