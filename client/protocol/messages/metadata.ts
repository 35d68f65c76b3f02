/** Metadata: the nodes and, per topic, who leads each partition. */
import { boolean, field, int32, list, nullable, struct, type TypeOf, text, topicId } from '../schema.ts'
import { error, leaderEpoch, message, name, partition } from './recurring-fields.ts'

export const metadataRequest = struct('MetadataRequest', {
  topics: field(
    nullable(
      list(
        struct('MetadataTopicQuery', {
          name: field(nullable(name), 'Name of the topic; not looked at when there is an id.'),
          topicId: field(nullable(topicId), 'Id of the topic; null: the name counts.'),
        }),
      ),
    ),
    'The topics asked for; null: every topic the caller may see.',
  ),
})

export const metadataResponse = struct('MetadataResponse', {
  clusterId: field(text(64), 'Id of the cluster.'),
  controllerId: field(int32, 'Id of the node that decides for the cluster; -1: none at this moment.'),
  brokers: field(
    list(
      struct('MetadataBroker', {
        nodeId: field(int32, 'Id of the node.'),
        url: field(text(2048), 'Where clients reach the node: `ws://host:port` or `wss://host:port`.'),
        rack: field(nullable(name), 'Where the node stands, for placing replicas apart; null: not told.'),
      }),
    ),
    'Every node of the cluster that is up.',
  ),
  topics: field(
    list(
      struct('MetadataTopic', {
        error,
        message,
        name: field(nullable(name), 'Name of the topic; null: asked for by an id nobody knows.'),
        topicId: field(nullable(topicId), 'Id of the topic; null: asked for by a name nobody knows.'),
        isInternal: field(boolean, 'Whether the topic belongs to the cluster itself.'),
        partitions: field(
          list(
            struct('MetadataPartition', {
              error,
              partition,
              leaderId: field(int32, 'Id of the node that leads the partition; -1: none at this moment.'),
              leaderEpoch,
              replicas: field(list(int32), 'Ids of the nodes that hold the partition.'),
              inSyncReplicas: field(list(int32), 'Those of them that are up to date.'),
            }),
          ),
          'Every partition of the topic; empty with an error.',
        ),
      }),
    ),
    'One entry per topic asked for, in that order, or every topic the caller may see.',
  ),
})

export type MetadataRequest = TypeOf<typeof metadataRequest>
export type MetadataResponse = TypeOf<typeof metadataResponse>
export type MetadataTopic = MetadataResponse['topics'][number]
export type MetadataPartition = MetadataTopic['partitions'][number]
