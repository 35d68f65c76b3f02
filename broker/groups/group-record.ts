/**
 * The records of the internal topic `__groups`: what a group is, as keys and values. The last value of a key
 * counts; null, a tombstone, takes the key away.
 *
 * ```
 * key    u8 kind, then msgpack: 1 group    [groupId]
 *                               2 offset   [groupId, topicId, partition]
 *                               16 member  [groupId, memberId]
 *                               17 target  [groupId, memberId]
 *                               18 current [groupId, memberId]
 * value  u8 version (1), then msgpack: the struct of the kind, an array of its fields in the order below
 * ```
 *
 * Kinds from 16 on belong to groups of the kind `consumer`; other kinds of group get numbers of their own. A new
 * shape of a key is a new kind; fields are appended to values as messages of the protocol do it, and what an older
 * program must not misread gets a new version. Decoders are total: any bytes give a record or an Error that says
 * what is wrong.
 */
import { decodeHeader, encodeHeader } from '../../client/protocol/codec.ts'
import {
  int53,
  integer,
  list,
  nullable,
  struct,
  type Type,
  text,
  topicId,
  uint31,
} from '../../client/protocol/schema.ts'
import { topicIdKey, topicIdOfKey } from '../topics/topic-id.ts'
import { type HeldPartitions, NO_PARTITIONS, NONE_HELD, type Partitions } from './partitions.ts'

export type GroupKind = 'consumer'

/** What is known of a group as a whole. */
export interface GroupValue {
  readonly groupKind: GroupKind
  /** Counts the changes of who is in the group and of what it subscribes to; never goes back. */
  readonly epoch: number
  /** The epoch for which the targets were computed; at most `epoch`. */
  readonly assignmentEpoch: number
  /** Name of the assignor that computed the targets. */
  readonly assignor: string
  /** Digest of the subscribed topics, their ids and sizes, for which the epoch stands. */
  readonly subscriptionHash: number
  /** Since when it has no members, ms since 1970; null: it has some. */
  readonly emptySinceMs: number | null
}

/** What a member said of itself. */
export interface MemberValue {
  readonly instanceId: string | null
  readonly clientName: string
  readonly clientHost: string
  /** Names, ascending, none twice. */
  readonly topics: readonly string[]
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** Null: its progress is not watched. */
  readonly maxProcessingMs: number | null
  /** Null: whichever the others want. */
  readonly assignor: string | null
}

/**
 * stable: it has what its target says. unrevoked: it has yet to give partitions back. unreleased: it waits for
 * partitions that others have yet to give back. away: a static member that left and is expected again.
 */
export type MemberState = 'stable' | 'unrevoked' | 'unreleased' | 'away'

export interface CurrentAssignment {
  /** The epoch whose target it has reached, or that it is being brought to once it has given back. */
  readonly memberEpoch: number
  /** Counts the versions of this value: a member says which one it has acted on. */
  readonly revision: number
  readonly state: MemberState
  readonly held: HeldPartitions
  /** Still the member's, until it says that it has given them back. */
  readonly revoking: HeldPartitions
}

export interface CommittedOffset {
  /** The next offset to be read. */
  readonly offset: number
  /** Of the last record processed; -1: unknown. */
  readonly leaderEpoch: number
  readonly metadata: string
  /** Broker's clock, ms since 1970. */
  readonly commitTimeMs: number
}

/** Null values are tombstones. */
export type GroupRecord =
  | { readonly kind: 'group'; readonly groupId: string; readonly value: GroupValue | null }
  | {
      readonly kind: 'offset'
      readonly groupId: string
      readonly topicKey: string
      readonly partition: number
      readonly value: CommittedOffset | null
    }
  | {
      readonly kind: 'member'
      readonly groupId: string
      readonly memberId: string
      readonly value: MemberValue | null
    }
  | {
      readonly kind: 'target'
      readonly groupId: string
      readonly memberId: string
      readonly value: Partitions | null
    }
  | {
      readonly kind: 'current'
      readonly groupId: string
      readonly memberId: string
      readonly value: CurrentAssignment | null
    }

const VERSION = 1
const kindNumbers = { group: 1, offset: 2, member: 16, target: 17, current: 18 } as const
type RecordKind = keyof typeof kindNumbers
const kindOfNumber = new Map<number, RecordKind>(
  (Object.keys(kindNumbers) as RecordKind[]).map((kind) => [kindNumbers[kind], kind]),
)

/** Most of each in one record; what the decisions let in stays below. */
const TOPICS_MAX = 10_000
const PARTITIONS_MAX = 1_000_000

const groupId = text(249)
const memberId = text(249)
const epoch = uint31
const partition = uint31
const groupKinds = ['consumer'] as const
const states = ['stable', 'unrevoked', 'unreleased', 'away'] as const
const code = (values: readonly string[]) => integer(0, values.length - 1, `one of 0 to ${values.length - 1}`)

const groupKey = struct('GroupKey', { groupId })
const offsetKey = struct('OffsetKey', { groupId, topicId, partition })
const memberKey = struct('MemberKey', { groupId, memberId })

const groupValue = struct('GroupValue', {
  groupKind: code(groupKinds),
  epoch,
  assignmentEpoch: epoch,
  assignor: text(249),
  subscriptionHash: int53,
  emptySinceMs: nullable(int53),
})
const memberValue = struct('MemberValue', {
  instanceId: nullable(text(249)),
  clientName: text(249),
  clientHost: text(249),
  topics: list(text(249), TOPICS_MAX),
  sessionTimeoutMs: uint31,
  rebalanceTimeoutMs: uint31,
  maxProcessingMs: nullable(uint31),
  assignor: nullable(text(249)),
})
const topicPartitions = struct('TopicPartitions', { topicId, partitions: list(partition, PARTITIONS_MAX) })
const targetValue = struct('TargetValue', { topics: list(topicPartitions, TOPICS_MAX) })
/** Partitions that a member has from the same epoch on stand together. */
const heldPartitions = struct('HeldPartitions', {
  topicId,
  epoch,
  partitions: list(partition, PARTITIONS_MAX),
})
const currentValue = struct('CurrentValue', {
  memberEpoch: integer(-2, 2 ** 31 - 1, 'member epoch'),
  revision: int53,
  state: code(states),
  held: list(heldPartitions, PARTITIONS_MAX),
  revoking: list(heldPartitions, PARTITIONS_MAX),
})
const offsetValue = struct('OffsetValue', {
  offset: int53,
  leaderEpoch: integer(-1, 2 ** 31 - 1, 'leader epoch'),
  metadata: text(),
  commitTimeMs: int53,
})

export interface EncodedRecord {
  readonly key: Uint8Array
  /** Null: a tombstone. */
  readonly value: Uint8Array | null
}

export function encodeGroupRecord(record: GroupRecord): EncodedRecord {
  return { key: encodeKey(record), value: record.value === null ? null : encodeValue(record) }
}

/** Throws an Error that says what is wrong with key or value. */
export function decodeGroupRecord(key: Uint8Array, value: Uint8Array | null): GroupRecord {
  if (key.length === 0) throw new Error('the key of a group record is empty, it should begin with its kind')
  const kind = kindOfNumber.get(key[0])
  if (!kind) throw new Error(`group record of the unknown kind ${key[0]}: was it written by a newer program?`)
  try {
    return decode(kind, key.subarray(1), value)
  } catch (cause) {
    throw new Error(`broken group record of kind ${kind}: ${(cause as Error).message}`, { cause })
  }
}

function encodeKey(record: GroupRecord): Uint8Array {
  const number = kindNumbers[record.kind]
  switch (record.kind) {
    case 'group':
      return prefixed(number, groupKey, record)
    case 'offset':
      return prefixed(number, offsetKey, { ...record, topicId: topicIdOfKey(record.topicKey) })
    default:
      return prefixed(number, memberKey, record)
  }
}

function encodeValue(record: GroupRecord): Uint8Array {
  switch (record.kind) {
    case 'group': {
      const value = record.value!
      return prefixed(VERSION, groupValue, { ...value, groupKind: groupKinds.indexOf(value.groupKind) })
    }
    case 'offset':
      return prefixed(VERSION, offsetValue, record.value!)
    case 'member': {
      const value = record.value!
      return prefixed(VERSION, memberValue, { ...value, topics: value.topics as string[] })
    }
    case 'target':
      return prefixed(VERSION, targetValue, { topics: listOf(record.value!) })
    case 'current': {
      const { memberEpoch, revision, state, held, revoking } = record.value!
      return prefixed(VERSION, currentValue, {
        memberEpoch,
        revision,
        state: states.indexOf(state),
        held: listOfHeld(held),
        revoking: listOfHeld(revoking),
      })
    }
  }
}

function decode(kind: RecordKind, keyBytes: Uint8Array, bytes: Uint8Array | null): GroupRecord {
  switch (kind) {
    case 'group': {
      const value = bytes && unprefixed(groupValue, bytes)
      const { groupId } = decodeHeader(groupKey, keyBytes)
      return { kind, groupId, value: value && { ...value, groupKind: groupKinds[value.groupKind] } }
    }
    case 'offset': {
      const { groupId, topicId, partition } = decodeHeader(offsetKey, keyBytes)
      const value = bytes && unprefixed(offsetValue, bytes)
      return { kind, groupId, topicKey: topicIdKey(topicId), partition, value }
    }
    case 'member':
      return { kind, ...decodeHeader(memberKey, keyBytes), value: bytes && unprefixed(memberValue, bytes) }
    case 'target': {
      const value = bytes && unprefixed(targetValue, bytes)
      return { kind, ...decodeHeader(memberKey, keyBytes), value: value && partitionsOf(value.topics) }
    }
    case 'current': {
      const value = bytes && unprefixed(currentValue, bytes)
      return {
        kind,
        ...decodeHeader(memberKey, keyBytes),
        value: value && {
          memberEpoch: value.memberEpoch,
          revision: value.revision,
          state: states[value.state],
          held: heldOf(value.held),
          revoking: heldOf(value.revoking),
        },
      }
    }
  }
}

function prefixed<T>(first: number, type: Type<T>, value: T): Uint8Array {
  const packed = encodeHeader(type, value)
  const bytes = new Uint8Array(1 + packed.length)
  bytes[0] = first
  bytes.set(packed, 1)
  return bytes
}

function unprefixed<T>(type: Type<T>, bytes: Uint8Array): T {
  if (bytes.length === 0) throw new Error('the value is empty, it should begin with its version')
  if (bytes[0] !== VERSION) throw new Error(`the value has version ${bytes[0]}, known is ${VERSION}`)
  return decodeHeader(type, bytes.subarray(1))
}

function listOf(partitions: Partitions) {
  return Array.from(partitions, ([key, list]) => ({
    topicId: topicIdOfKey(key),
    partitions: list as number[],
  }))
}

function partitionsOf(topics: ReturnType<typeof listOf>): Partitions {
  if (topics.length === 0) return NO_PARTITIONS
  return new Map(topics.map(({ topicId, partitions }) => [topicIdKey(topicId), partitions]))
}

function listOfHeld(held: HeldPartitions) {
  const topics: { topicId: Uint8Array; epoch: number; partitions: number[] }[] = []
  for (const [key, topic] of held) {
    const byEpoch = new Map<number, number[]>()
    for (const [partition, epoch] of topic) {
      const list = byEpoch.get(epoch)
      if (list) list.push(partition)
      else byEpoch.set(epoch, [partition])
    }
    const topicId = topicIdOfKey(key)
    for (const [epoch, partitions] of byEpoch) topics.push({ topicId, epoch, partitions })
  }
  return topics
}

function heldOf(topics: ReturnType<typeof listOfHeld>): HeldPartitions {
  if (topics.length === 0) return NONE_HELD
  const held = new Map<string, Map<number, number>>()
  for (const { topicId, epoch, partitions } of topics) {
    const key = topicIdKey(topicId)
    const topic = held.get(key) ?? new Map<number, number>()
    for (const partition of partitions) topic.set(partition, epoch)
    held.set(key, topic)
  }
  return held
}
