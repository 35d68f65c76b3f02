/**
 * Group heartbeat: joining, staying in and leaving a consumer group, and learning what to read. The shape is that of
 * KIP-848: the broker decides who reads what, and tells each member its own share, step by step.
 */
import { field, int32, int53, list, nullable, struct, type TypeOf, text, uint31 } from '../schema.ts'
import { assignedPartitions, groupId, instanceId, memberId, ownedPartitions } from './group-fields.ts'
import { name } from './recurring-fields.ts'

/** Values of `memberEpoch` in a request, as in Kafka. */
export const JOIN_EPOCH = 0
export const LEAVE_EPOCH = -1
/** A static member that will come back: its partitions wait for it as long as its session lasts. */
export const LEAVE_STATIC_EPOCH = -2

export const groupHeartbeatRequest = struct('GroupHeartbeatRequest', {
  groupId,
  memberId,
  memberEpoch: field(
    int32,
    'The epoch the broker gave last; 0 joins, -1 leaves, -2 leaves for a while (static members).',
  ),
  instanceId,
  clientName: field(name, 'How the member calls itself, for people.'),
  sessionTimeoutMs: field(
    uint31,
    'A member that is silent for so long is taken for dead, within the bounds of the broker.',
  ),
  rebalanceTimeoutMs: field(
    uint31,
    'How long the member may take to give up partitions before it is put out of the group.',
  ),
  maxProcessingMs: field(
    uint31,
    'How long the member may take to process what it was handed, before its partitions are given to others.',
  ),
  processingMs: field(
    int53,
    'For how long the member has been at what it was handed last, by its own clock; -1: it is at nothing.',
  ),
  subscribedTopics: field(
    nullable(list(name, 10_000)),
    'Names of the topics to read, also such as are not there yet; null: as before. Given when joining.',
  ),
  assignor: field(
    nullable(text(64)),
    'How the member would have partitions shared out, `uniform` or `range`; null: as before, or the broker chooses.',
  ),
  owned: field(
    nullable(ownedPartitions),
    'The partitions the member reads at this moment; null: as it said last. Given when joining, and when it has given up or taken over some.',
  ),
})

export const groupHeartbeatResponse = struct('GroupHeartbeatResponse', {
  memberEpoch: field(int32, 'Epoch of the member from now on; what it commits carries it.'),
  heartbeatIntervalMs: field(uint31, 'When to come again at the latest.'),
  assignment: field(
    nullable(assignedPartitions),
    'What the member is to read, all of it: it gives up what is missing, says so, and takes over what is new; null: as told before.',
  ),
  warning: field(
    nullable(text()),
    'What will have the member put out of the group unless it changes; null: nothing.',
  ),
})

export type GroupHeartbeatRequest = TypeOf<typeof groupHeartbeatRequest>
export type GroupHeartbeatResponse = TypeOf<typeof groupHeartbeatResponse>
export type AssignedPartitions = NonNullable<GroupHeartbeatResponse['assignment']>[number]
