/**
 * Group heartbeat: joining, staying in and leaving a consumer group, and learning what to read. The shape is that of
 * KIP-848: the broker decides who reads what, and tells each member its own share, step by step.
 */
import { boolean, field, int32, int53, list, nullable, struct, type TypeOf, text, uint31 } from '../schema.ts'
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
  subscribedTopics: field(list(name, 10_000), 'Names of the topics to read, also such as are not there yet.'),
  assignor: field(
    nullable(text(64)),
    'How the member would have partitions shared out, `uniform` or `range`; null: as the others wish.',
  ),
  sessionTimeoutMs: field(
    uint31,
    'A member that is silent for so long is taken for dead, within the bounds of the broker.',
  ),
  rebalanceTimeoutMs: field(
    uint31,
    'How long the member may take to give back partitions, or a session if that is longer, before it is removed.',
  ),
  maxProcessingMs: field(
    nullable(uint31),
    'How long the member may take over what it was handed, before its partitions are given to others; null: for ever.',
  ),
  processingMs: field(
    nullable(int53),
    'For how long the member has been at what it was handed last, by its own clock; null: it is at nothing.',
  ),
  revision: field(
    int53,
    'Which revision of its assignment the member has acted on, as it was told last; 0: none.',
  ),
  owned: field(
    ownedPartitions,
    'All it may be reading or working on, now that it has acted on that revision: also what it is to give back and has not yet.',
  ),
  maxWaitMs: field(
    uint31,
    'Longest time the broker may hold back the answer while it has nothing new for the member. Another heartbeat of the member ends the waiting.',
  ),
})

export const groupHeartbeatResponse = struct('GroupHeartbeatResponse', {
  memberEpoch: field(int32, 'Epoch of the member from now on; what it commits carries it.'),
  revision: field(int53, 'Revision of the assignment, to be said in the next heartbeat.'),
  isSettled: field(
    boolean,
    'Whether the member has all it is to have, and the group shares out nothing anew at the moment.',
  ),
  heartbeatIntervalMs: field(
    uint31,
    'How long the next heartbeat may wait at the broker, and when it must come at the latest.',
  ),
  assignment: field(
    nullable(assignedPartitions),
    'All the member is to read from now on: it gives back what is missing, says so, and takes over what is new; null: as the revision it named says.',
  ),
  giveBackWithinMs: field(
    nullable(int53),
    'How long it may take, from when it sent its heartbeat, to give back what is missing; null: it has nothing to give back.',
  ),
  warning: field(
    nullable(text()),
    'What will have the member removed from the group unless it changes; null: nothing.',
  ),
})

export type GroupHeartbeatRequest = TypeOf<typeof groupHeartbeatRequest>
export type GroupHeartbeatResponse = TypeOf<typeof groupHeartbeatResponse>
export type AssignedPartitions = NonNullable<GroupHeartbeatResponse['assignment']>[number]
