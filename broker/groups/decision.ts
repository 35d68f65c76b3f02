/**
 * What goes into a decision and what comes out of it. Whoever performs one appends its records in their order,
 * replays each of them before the next decision about the group is taken, and gives the answer away
 * when these records and all that were appended before them are durable, also where there are none of its own:
 * an answer tells of what was decided before it.
 */
import type { GroupRecord } from './group-record.ts'

/** The same moment on two clocks. Time-outs go by the one that never jumps. */
export interface Now {
  /** ms since 1970. */
  readonly nowMs: number
  readonly monotonicMs: number
}

export interface Decision<Answer> {
  readonly records: readonly GroupRecord[]
  readonly answer: Answer
  /**
   * On the monotonic clock: ask `tick` about the group then at the latest, if no earlier time is planned. Infinity:
   * nothing is due.
   */
  readonly nextDeadlineMs: number
}

export const NO_RECORDS: readonly GroupRecord[] = []

/** An error code of the table, 0 for none, and what exactly was wrong. */
export interface Refusal {
  readonly error: number
  readonly message: string | null
}

/** A topic as groups see it. */
export interface GroupTopic {
  /** `topicIdKey` of its id. */
  readonly topicKey: string
  readonly name: string
  readonly partitions: number
}

/** The topics there are. A view that misses one would take its partitions and its offsets from groups. */
export interface GroupTopics {
  /** Another number whenever a topic has come, gone or grown. */
  readonly revision: number
  byName(name: string): GroupTopic | undefined
  byKey(topicKey: string): GroupTopic | undefined
}

export interface GroupLimits {
  readonly groupsMax: number
  readonly membersPerGroupMax: number
  /** Topics one member may subscribe to. */
  readonly subscribedTopicsMax: number
  readonly sessionTimeoutMsMin: number
  readonly sessionTimeoutMsMax: number
  /** What members are told to wait between two heartbeats. */
  readonly heartbeatIntervalMs: number
  /** Targets of one group are computed at most this often, so that many who come at once cost little. */
  readonly assignmentIntervalMs: number
  /** Characters of the text beside an offset. */
  readonly offsetMetadataCharactersMax: number
  /** How long offsets live in a group without members. */
  readonly offsetsRetentionMs: number
  /** How long a group lives that has neither members nor offsets. */
  readonly emptyGroupRetentionMs: number
}

export const DEFAULT_GROUP_LIMITS: GroupLimits = {
  groupsMax: 20_000,
  membersPerGroupMax: 1_000,
  subscribedTopicsMax: 1_000,
  sessionTimeoutMsMin: 1_000,
  sessionTimeoutMsMax: 30 * 60_000,
  heartbeatIntervalMs: 3_000,
  assignmentIntervalMs: 200,
  offsetMetadataCharactersMax: 4_096,
  offsetsRetentionMs: 7 * 86_400_000,
  emptyGroupRetentionMs: 60_000,
}
