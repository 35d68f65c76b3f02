/** Topics: create, alter, describe, list, delete. */
import {
  boolean,
  field,
  int32,
  int53,
  list,
  nullable,
  struct,
  type TypeOf,
  text,
  topicId as topicIdType,
} from '../schema.ts'
import { error, leaderEpoch, message, name, partition, timeoutMs, topicId } from './recurring-fields.ts'

/** Topics one request may create, alter or delete: each is a transaction of its own. */
const TOPICS_MAX = 1_000

const topicName = field(
  name,
  'Name of the topic, `namespace.name`: letters, digits, `.`, `_` and `-`; without a dot it is in `default`.',
)
const knownTopicId = field(nullable(topicIdType), 'Id of the topic; null: there is no such topic.')
const isInternal = field(boolean, 'Whether the topic belongs to the cluster itself.')
const validateOnly = field(boolean, 'Whether only to check and to answer as if it had been done.')
const configName = field(name, 'Name of the config.')

export const createTopicsRequest = struct('CreateTopicsRequest', {
  topics: field(
    list(
      struct('TopicToCreate', {
        name: topicName,
        partitions: field(int32, 'Number of partitions; -1: the broker’s default.'),
        replicationFactor: field(int32, 'Copies of each partition; -1: the broker’s default.'),
        configs: field(
          list(
            struct('ConfigEntry', { name: configName, value: field(text(), 'Its value, as text.') }),
            1_000,
          ),
          'Configs that differ from the defaults.',
        ),
      }),
      TOPICS_MAX,
    ),
    'What to create.',
  ),
  validateOnly,
  timeoutMs,
})

const topicResult = struct('TopicResult', {
  name: topicName,
  topicId: knownTopicId,
  error,
  message,
  partitions: field(int32, 'Number of partitions now; -1 with an error.'),
})

const topicResults = field(list(topicResult), 'One entry per topic of the request, in its order.')

export const createTopicsResponse = struct('CreateTopicsResponse', { topics: topicResults })

export const deleteTopicsRequest = struct('DeleteTopicsRequest', {
  topics: field(
    list(
      struct('TopicToDelete', {
        name: field(nullable(name), 'Name of the topic; not looked at when there is an id.'),
        topicId: field(nullable(topicIdType), 'Id of the topic; null: the name counts.'),
      }),
      TOPICS_MAX,
    ),
    'What to delete.',
  ),
  timeoutMs,
})

export const deleteTopicsResponse = struct('DeleteTopicsResponse', {
  topics: field(
    list(
      struct('DeletedTopic', {
        name: field(nullable(name), 'Name of the topic; null: asked for by an id nobody knows.'),
        topicId: knownTopicId,
        error,
        message,
      }),
    ),
    'One entry per topic of the request, in its order.',
  ),
})

export const alterTopicsRequest = struct('AlterTopicsRequest', {
  topics: field(
    list(
      struct('TopicToAlter', {
        name: topicName,
        partitions: field(
          nullable(int32),
          'New number of partitions, larger than the present one; null: unchanged.',
        ),
        configs: field(
          list(
            struct('ConfigChange', {
              name: configName,
              value: field(nullable(text()), 'Its new value, as text; null: back to the default.'),
            }),
            1_000,
          ),
          'Configs that change; others stay.',
        ),
      }),
      TOPICS_MAX,
    ),
    'What to change.',
  ),
  validateOnly,
  timeoutMs,
})

export const alterTopicsResponse = struct('AlterTopicsResponse', { topics: topicResults })

export const describeTopicsRequest = struct('DescribeTopicsRequest', {
  names: field(nullable(list(name)), 'The topics asked for; null: every topic the caller may see.'),
})

export const describeTopicsResponse = struct('DescribeTopicsResponse', {
  topics: field(
    list(
      struct('DescribedTopic', {
        error,
        message,
        name: topicName,
        topicId: knownTopicId,
        isInternal,
        createdAtMs: field(int53, 'When it was created, ms since 1970; -1 with an error.'),
        partitions: field(
          list(
            struct('DescribedPartition', {
              partition,
              leaderId: field(int32, 'Id of the node that leads the partition; -1: none at this moment.'),
              leaderEpoch,
              replicas: field(list(int32), 'Ids of the nodes that hold the partition.'),
              inSyncReplicas: field(list(int32), 'Those of them that are up to date.'),
              logStartOffset: field(int53, 'Offset of the first record.'),
              highWatermark: field(int53, 'Offset after the last record a reader may see.'),
              lastStableOffset: field(int53, 'Offset before which every transaction is decided.'),
              logEndOffset: field(int53, 'Offset the next record will get.'),
              bytes: field(int53, 'Bytes of the record batches between log start and log end.'),
              nextHourLogStartOffset: field(
                int53,
                'About where the log will start in an hour, by retention and the present rate of appending.',
              ),
              nextHourLeavingBytes: field(int53, 'About how many of the bytes go until then.'),
            }),
          ),
          'Every partition; empty with an error.',
        ),
        configs: field(
          list(
            struct('DescribedConfig', {
              name: configName,
              value: field(text(), 'The value in force, as text.'),
              isDefault: field(boolean, 'Whether nobody set it for this topic.'),
              sentence: field(text(), 'What the config does.'),
            }),
          ),
          'Every config of the topic; empty with an error.',
        ),
      }),
    ),
    'One entry per topic asked for, in that order, or every topic the caller may see.',
  ),
})

export const listTopicsRequest = struct('ListTopicsRequest', {
  includeInternal: field(boolean, 'Whether to list the topics of the cluster itself too.'),
})

export const listTopicsResponse = struct('ListTopicsResponse', {
  topics: field(
    list(
      struct('ListedTopic', {
        name: topicName,
        topicId,
        isInternal,
        partitions: field(int32, 'Number of partitions.'),
      }),
    ),
    'Every topic the caller may see.',
  ),
})

export type CreateTopicsRequest = TypeOf<typeof createTopicsRequest>
export type CreateTopicsResponse = TypeOf<typeof createTopicsResponse>
export type DeleteTopicsRequest = TypeOf<typeof deleteTopicsRequest>
export type DeleteTopicsResponse = TypeOf<typeof deleteTopicsResponse>
export type AlterTopicsRequest = TypeOf<typeof alterTopicsRequest>
export type AlterTopicsResponse = TypeOf<typeof alterTopicsResponse>
export type DescribeTopicsRequest = TypeOf<typeof describeTopicsRequest>
export type DescribeTopicsResponse = TypeOf<typeof describeTopicsResponse>
export type ListTopicsRequest = TypeOf<typeof listTopicsRequest>
export type ListTopicsResponse = TypeOf<typeof listTopicsResponse>
