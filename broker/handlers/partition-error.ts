/** What went wrong with one partition of a request, as code and sentence for its answer. */
import { basename } from 'node:path'
import { bitOf, type Operation } from '../../auth/acl/operation.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import { LogError, type LogErrorCode } from '../../storage/log/log-error.ts'
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import type { RecordErrorReason } from '../../storage/record/record-error.ts'
import { StorageError } from '../../storage/segment-store.ts'
import { CodecPoolError, type CodecPoolErrorReason } from '../codec-pool/codec-pool.ts'
import { isSameTopicId, topicIdKey } from '../topics/topic-id.ts'
import type { Topic, TopicTable } from '../topics/topic-table.ts'
import { bitsOnFound, notAuthorized } from './authorization.ts'
import type { RequestSession } from './context.ts'

export interface PartitionError {
  readonly error: number
  readonly message: string
}

const codeOfLogError: Readonly<Record<LogErrorCode, number>> = {
  OFFSET_OUT_OF_RANGE: ErrorCode.OFFSET_OUT_OF_RANGE,
  NOT_CONTIGUOUS: ErrorCode.INVALID_REQUEST,
  DAMAGED: ErrorCode.CORRUPT_MESSAGE,
  QUEUE_FULL: ErrorCode.BACKPRESSURE,
  UNKNOWN_PARTITION: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  PRODUCER_FENCED: ErrorCode.INVALID_PRODUCER_EPOCH,
  SEQUENCE_GAP: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
  SEQUENCE_STORED: ErrorCode.DUPLICATE_SEQUENCE_NUMBER,
  UNKNOWN_PRODUCER: ErrorCode.UNKNOWN_PRODUCER_ID,
  CLOSED: ErrorCode.SHUTTING_DOWN,
  MISUSE: ErrorCode.UNKNOWN_SERVER_ERROR,
}

/** Never one after which a batch may be stored: what the pool has not given back is nowhere. */
const codeOfPoolError: Readonly<Record<CodecPoolErrorReason, number>> = {
  'worker-died': ErrorCode.WORKER_FAILED,
  failed: ErrorCode.WORKER_FAILED,
  overloaded: ErrorCode.BACKPRESSURE,
  closed: ErrorCode.SHUTTING_DOWN,
}

/** An accident of the log, below it or in the codec pool; anything else is a bug and goes on up. */
export function partitionErrorOf(error: unknown): PartitionError {
  if (error instanceof ProtocolError) return { error: error.code, message: error.message }
  if (error instanceof LogError) return { error: codeOfLogError[error.code], message: error.message }
  if (error instanceof CodecPoolError) return { error: codeOfPoolError[error.reason], message: error.message }
  if (error instanceof StorageError)
    return {
      error: error.code === 'NO_SPACE' ? ErrorCode.STORAGE_FULL : ErrorCode.KAFKA_STORAGE_ERROR,
      message: withoutPaths(error),
    }
  throw error
}

/** Where the data of a broker lies is not for clients: of each path the name at its end is left. */
function withoutPaths({ message, path }: StorageError): string {
  const named = path === undefined ? message : message.replaceAll(path, basename(path))
  return named.replace(/(^|[\s"'(])\/(?:[^\s"'():;,]*\/)?([^\s"'():;,]+)/g, '$1$2')
}

const codeOfReason: Partial<Record<RecordErrorReason, number>> = {
  'too-large': ErrorCode.MESSAGE_TOO_LARGE,
  'timestamp-range': ErrorCode.INVALID_TIMESTAMP,
  compression: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
  crc: ErrorCode.CORRUPT_MESSAGE,
  truncated: ErrorCode.CORRUPT_MESSAGE,
  size: ErrorCode.CORRUPT_MESSAGE,
}

/** The code for a record batch that breaks a rule. */
export function codeOfBatchProblem(reason: RecordErrorReason): number {
  return codeOfReason[reason] ?? ErrorCode.INVALID_RECORD
}

export interface PartitionQuery {
  readonly topicId: Uint8Array
  readonly partition: number
  /** -1: not checked. */
  readonly leaderEpoch: number
}

const UNKNOWN_TOPIC_ID: PartitionError = {
  error: ErrorCode.UNKNOWN_TOPIC_ID,
  message: 'there is no topic with this id: it may have been deleted',
}

/** Why the caller may not do this to the topic, or undefined: what he may not describe is not there for him. */
export function topicErrorOf(
  session: RequestSession,
  topic: Topic | undefined,
  operation: Operation,
): PartitionError | undefined {
  const bits = bitsOnFound(session, topic)
  if ((bits & bitOf(operation)) !== 0) return undefined
  if (!topic || (bits & bitOf('describe')) === 0) return UNKNOWN_TOPIC_ID
  const { code, message } = notAuthorized(session, operation, 'topic', topic.name)
  return { error: code, message }
}

/** The partition a request means, or why there is none for this caller: the same check for every API. */
export function findPartition(
  topics: TopicTable,
  query: PartitionQuery,
  session: RequestSession,
  operation: Operation,
): { readonly topic: Topic; readonly log: PartitionLog } | PartitionError {
  const topic = topics.byId(query.topicId)
  const refusal = topicErrorOf(session, topic, operation)
  if (!topic || refusal) return refusal ?? UNKNOWN_TOPIC_ID
  const log = topic.logs[query.partition]
  if (!log)
    return {
      error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      message: `topic ${topic.name} has partitions 0 to ${topic.partitions - 1}, not ${query.partition}`,
    }
  const { leaderEpoch } = query
  if (leaderEpoch >= 0 && leaderEpoch !== log.leaderEpoch)
    return {
      error: leaderEpoch < log.leaderEpoch ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.UNKNOWN_LEADER_EPOCH,
      message: `the leader epoch of ${topic.name}-${query.partition} is ${log.leaderEpoch}, not ${leaderEpoch}`,
    }
  return { topic, log }
}

/** A request names each partition once: a repeated one would multiply work that is bounded per request. */
export function refuseRepeated(partitions: readonly Pick<PartitionQuery, 'topicId' | 'partition'>[]): void {
  if (partitions.length < 2) return
  const seen = new Map<string, Set<number>>()
  let topicId = partitions[0].topicId
  let ofTopic = new Set<number>()
  seen.set(topicIdKey(topicId), ofTopic)
  for (const asked of partitions) {
    // Partitions of a topic stand together as a rule, and there may be ten thousand.
    if (!isSameTopicId(asked.topicId, topicId)) {
      topicId = asked.topicId
      const key = topicIdKey(topicId)
      ofTopic = seen.get(key) ?? new Set()
      seen.set(key, ofTopic)
    }
    if (ofTopic.has(asked.partition))
      throw new ProtocolError(
        ErrorCode.INVALID_REQUEST,
        `partition ${asked.partition} of a topic appears twice in one request`,
      )
    ofTopic.add(asked.partition)
  }
}
