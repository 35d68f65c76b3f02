/** Topics: create, alter, describe, list, delete. */
import { boolean, int32, int53, list, nullable, struct, text, topicId } from '../schema.ts'

const topicName = text(249)
const configEntry = struct('ConfigEntry', { name: text(249), value: text() })
const timeoutMs = int32

export const createTopicsRequest = struct('CreateTopicsRequest', {
  topics: list(
    struct('TopicToCreate', {
      name: topicName,
      /** -1: the broker's default. */
      partitions: int32,
      /** -1: the broker's default. */
      replicationFactor: int32,
      configs: list(configEntry),
    }),
    1_000,
  ),
  validateOnly: boolean,
  timeoutMs,
})

const topicResult = struct('TopicResult', {
  name: topicName,
  topicId: nullable(topicId),
  error: int32,
  message: nullable(text()),
  partitions: int32,
})

export const createTopicsResponse = struct('CreateTopicsResponse', { topics: list(topicResult) })

export const deleteTopicsRequest = struct('DeleteTopicsRequest', {
  /** Each entry gives a name or an id; the id wins. */
  topics: list(struct('TopicToDelete', { name: nullable(topicName), topicId: nullable(topicId) }), 1_000),
  timeoutMs,
})

export const deleteTopicsResponse = struct('DeleteTopicsResponse', {
  topics: list(
    struct('DeletedTopic', {
      name: nullable(topicName),
      topicId: nullable(topicId),
      error: int32,
      message: nullable(text()),
    }),
  ),
})

export const alterTopicsRequest = struct('AlterTopicsRequest', {
  topics: list(
    struct('TopicToAlter', {
      name: topicName,
      /** New total count, larger than the present one; null: unchanged. */
      partitions: nullable(int32),
      /** Only the named configs change; a null value goes back to the default. */
      configs: list(struct('ConfigChange', { name: text(249), value: nullable(text()) })),
    }),
    1_000,
  ),
  validateOnly: boolean,
  timeoutMs,
})

export const alterTopicsResponse = struct('AlterTopicsResponse', { topics: list(topicResult) })

export const describeTopicsRequest = struct('DescribeTopicsRequest', {
  /** null: every topic the caller may see. */
  names: nullable(list(topicName)),
})

export const describeTopicsResponse = struct('DescribeTopicsResponse', {
  topics: list(
    struct('DescribedTopic', {
      error: int32,
      message: nullable(text()),
      name: topicName,
      topicId: nullable(topicId),
      isInternal: boolean,
      createdAtMs: int53,
      partitions: list(
        struct('DescribedPartition', {
          partition: int32,
          leaderId: int32,
          leaderEpoch: int32,
          replicas: list(int32),
          inSyncReplicas: list(int32),
          logStartOffset: int53,
          highWatermark: int53,
          lastStableOffset: int53,
          logEndOffset: int53,
          /** Bytes of the record batches between log start and log end. */
          bytes: int53,
        }),
      ),
      configs: list(
        struct('DescribedConfig', { name: text(249), value: text(), isDefault: boolean, sentence: text() }),
      ),
    }),
  ),
})

export const listTopicsRequest = struct('ListTopicsRequest', { includeInternal: boolean })

export const listTopicsResponse = struct('ListTopicsResponse', {
  topics: list(struct('ListedTopic', { name: topicName, topicId, isInternal: boolean, partitions: int32 })),
})
