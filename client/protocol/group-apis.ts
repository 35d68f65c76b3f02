/** The part of the API table that is about consumer groups. */
import { api } from './api-row.ts'
import type { ErrorName } from './errors.ts'
import { groupHeartbeatRequest, groupHeartbeatResponse } from './messages/group-heartbeat.ts'
import {
  offsetCommitRequest,
  offsetCommitResponse,
  offsetDeleteRequest,
  offsetDeleteResponse,
  offsetFetchRequest,
  offsetFetchResponse,
} from './messages/group-offsets.ts'
import {
  deleteGroupsRequest,
  deleteGroupsResponse,
  describeGroupsRequest,
  describeGroupsResponse,
  listGroupsRequest,
  listGroupsResponse,
} from './messages/groups.ts'

/** Errors of whatever goes through the coordinator of a group. */
const groupErrors: readonly ErrorName[] = [
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'INVALID_GROUP_ID',
  'GROUP_AUTHORIZATION_FAILED',
]

/** Errors of what a member asks for. */
const memberErrors: readonly ErrorName[] = [
  ...groupErrors,
  'UNKNOWN_MEMBER_ID',
  'FENCED_MEMBER_EPOCH',
  'STALE_MEMBER_EPOCH',
]

/** Errors of what the coordinator writes. */
const groupWriteErrors: readonly ErrorName[] = ['KAFKA_STORAGE_ERROR', 'STORAGE_FULL']

export const groupApis = {
  offsetCommit: api(
    8,
    'offset-commit',
    'Keeps how far a group has read, durably.',
    offsetCommitRequest,
    offsetCommitResponse,
    [
      ...memberErrors,
      ...groupWriteErrors,
      'UNKNOWN_TOPIC_OR_PARTITION',
      'TOPIC_AUTHORIZATION_FAILED',
      'UNKNOWN_TOPIC_ID',
      'OFFSET_METADATA_TOO_LARGE',
      'NON_EMPTY_GROUP',
      'POLICY_VIOLATION',
    ],
  ),
  offsetFetch: api(
    9,
    'offset-fetch',
    'Tells how far a group has read.',
    offsetFetchRequest,
    offsetFetchResponse,
    [
      ...memberErrors,
      'UNKNOWN_TOPIC_OR_PARTITION',
      'TOPIC_AUTHORIZATION_FAILED',
      'UNKNOWN_TOPIC_ID',
      'GROUP_ID_NOT_FOUND',
    ],
  ),
  listGroups: api(
    16,
    'list-groups',
    'Lists the groups the caller may see.',
    listGroupsRequest,
    listGroupsResponse,
    ['COORDINATOR_LOAD_IN_PROGRESS', 'COORDINATOR_NOT_AVAILABLE'],
  ),
  deleteGroups: api(
    42,
    'delete-groups',
    'Deletes groups without members, with their offsets.',
    deleteGroupsRequest,
    deleteGroupsResponse,
    [...groupErrors, ...groupWriteErrors, 'NON_EMPTY_GROUP', 'GROUP_ID_NOT_FOUND'],
  ),
  offsetDelete: api(
    47,
    'offset-delete',
    'Forgets how far a group has read in some partitions.',
    offsetDeleteRequest,
    offsetDeleteResponse,
    [
      ...groupErrors,
      ...groupWriteErrors,
      'UNKNOWN_TOPIC_OR_PARTITION',
      'TOPIC_AUTHORIZATION_FAILED',
      'UNKNOWN_TOPIC_ID',
      'GROUP_ID_NOT_FOUND',
      'GROUP_SUBSCRIBED_TO_TOPIC',
    ],
  ),
  groupHeartbeat: api(
    68,
    'group-heartbeat',
    'Joins a consumer group, stays in it or leaves it, and learns what to read.',
    groupHeartbeatRequest,
    groupHeartbeatResponse,
    [
      ...memberErrors,
      ...groupWriteErrors,
      'UNKNOWN_TOPIC_OR_PARTITION',
      'TOPIC_AUTHORIZATION_FAILED',
      'POLICY_VIOLATION',
      'GROUP_MAX_SIZE_REACHED',
      'UNRELEASED_INSTANCE_ID',
      'UNSUPPORTED_ASSIGNOR',
    ],
  ),
  describeGroups: api(
    69,
    'describe-groups',
    'Tells all about groups: members, what they read, and how they fare.',
    describeGroupsRequest,
    describeGroupsResponse,
    [...groupErrors, 'GROUP_ID_NOT_FOUND'],
  ),
}
