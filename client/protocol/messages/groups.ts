/** Groups as their operators see them: listed, described, deleted. */
import { field, int32, int53, list, nullable, struct, type TypeOf, text, uint31 } from '../schema.ts'
import { assignedPartitions, groupId, groupState, instanceId, memberId } from './group-fields.ts'
import { error, message, name } from './recurring-fields.ts'

const GROUPS_MAX = 10_000
const kind = field(text(32), 'What kind of group it is: `consumer`.')

export const listGroupsRequest = struct('ListGroupsRequest', {
  states: field(nullable(list(text(32), 16)), 'Only groups in one of these states; null: all.'),
})

export const listGroupsResponse = struct('ListGroupsResponse', {
  groups: field(
    list(
      struct('ListedGroup', {
        groupId,
        kind,
        state: groupState,
        members: field(uint31, 'How many members it has.'),
      }),
    ),
    'Those the caller may describe, in order of name.',
  ),
})

export const describeGroupsRequest = struct('DescribeGroupsRequest', {
  groups: field(list(name, GROUPS_MAX), 'Names of groups, none twice.'),
})

export const describeGroupsResponse = struct('DescribeGroupsResponse', {
  groups: field(
    list(
      struct('DescribedGroup', {
        groupId,
        error,
        message,
        kind,
        state: groupState,
        groupEpoch: field(int32, 'Grows whenever members or topics change.'),
        assignmentEpoch: field(int32, 'The group epoch that the assignment was made for.'),
        assignor: field(text(64), 'How partitions are shared out.'),
        emptySinceMs: field(
          nullable(int53),
          'Since when it has had no members, ms since 1970 by the broker’s clock; null: it has some.',
        ),
        members: field(
          list(
            struct('DescribedMember', {
              memberId,
              instanceId,
              clientName: field(name, 'How it calls itself.'),
              address: field(text(64), 'Where it is.'),
              memberEpoch: field(int32, 'The epoch it was given last.'),
              state: field(
                text(32),
                'One of: `stable`, it has what it is to have; `unrevoked`, it has yet to give partitions back; `unreleased`, it waits for partitions that others have yet to give back; `away`, a static member that has left and is expected back.',
              ),
              subscribedTopics: field(list(name), 'Names of the topics it wants to read.'),
              assigned: field(assignedPartitions, 'What it reads.'),
              revoking: field(assignedPartitions, 'What it has yet to give back.'),
              target: field(
                assignedPartitions,
                'What it will read when everybody has given back what he is to.',
              ),
              sessionTimeoutMs: field(uint31, 'It is taken for dead when it is silent for so long.'),
              sinceHeardMs: field(int53, 'How long ago it was heard last.'),
              maxProcessingMs: field(
                nullable(uint31),
                'How long it may take over what it was handed; null: for ever.',
              ),
              processingMs: field(
                nullable(int53),
                'For how long it had been at it when it was heard last; null: at nothing.',
              ),
              warning: field(
                nullable(text()),
                'What will have it removed from the group unless it changes; null: nothing.',
              ),
            }),
          ),
          'Its members, in order of id.',
        ),
      }),
    ),
    'One entry per group of the request, in its order.',
  ),
})

export const deleteGroupsRequest = struct('DeleteGroupsRequest', {
  groups: field(
    list(name, GROUPS_MAX),
    'Names of groups without members, none twice; their offsets go with them.',
  ),
})

export const deleteGroupsResponse = struct('DeleteGroupsResponse', {
  groups: field(
    list(struct('DeletedGroup', { groupId, error, message })),
    'One entry per group of the request, in its order.',
  ),
})

export type ListGroupsResponse = TypeOf<typeof listGroupsResponse>
export type ListedGroup = ListGroupsResponse['groups'][number]
export type DescribeGroupsResponse = TypeOf<typeof describeGroupsResponse>
export type DescribedGroup = DescribeGroupsResponse['groups'][number]
export type DescribedMember = DescribedGroup['members'][number]
export type DeleteGroupsResponse = TypeOf<typeof deleteGroupsResponse>
