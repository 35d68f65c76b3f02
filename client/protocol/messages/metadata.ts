/** Metadata: the nodes and, per topic, who leads each partition. */
import { boolean, int32, list, nullable, struct, text, topicId } from '../schema.ts'

export const metadataRequest = struct('MetadataRequest', {
  /** null: every topic the caller may see. Each entry gives a name or an id; the id wins. */
  topics: nullable(
    list(struct('MetadataTopicQuery', { name: nullable(text(249)), topicId: nullable(topicId) })),
  ),
})

export const metadataResponse = struct('MetadataResponse', {
  clusterId: text(64),
  controllerId: int32,
  brokers: list(struct('MetadataBroker', { nodeId: int32, url: text(2048), rack: nullable(text(249)) })),
  topics: list(
    struct('MetadataTopic', {
      error: int32,
      message: nullable(text()),
      name: nullable(text(249)),
      topicId: nullable(topicId),
      isInternal: boolean,
      partitions: list(
        struct('MetadataPartition', {
          error: int32,
          partition: int32,
          leaderId: int32,
          leaderEpoch: int32,
          replicas: list(int32),
          inSyncReplicas: list(int32),
        }),
      ),
    }),
  ),
})
