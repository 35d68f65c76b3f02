/**
 * The client SDK for Node: `import { connect } from 'octopus-event-fabric'`. Loads neither the storage engine
 * nor the server.
 */
import { OctopusClient } from './client.ts'
import { environmentToken } from './node/environment-token.ts'
import { nodePorts } from './node/node-ports.ts'
import type { ClientOptions } from './options.ts'

/**
 * Connects to a broker, with the credential of the options or that of the environment (`OCTOPUS_TOKEN_FILE`,
 * `OCTOPUS_TOKEN`). Resolves when the connection is open and greeted; lost connections come back by
 * themselves until {@link OctopusClient.close}.
 *
 * Rejects with RangeError for a wrong option; with a {@link ProtocolError} whose message is one line with the
 * address and the cause, at once when the broker cannot be reached (with `retryFirstConnect` it goes on trying);
 * with the reason of an aborted signal.
 */
export function connect(options: ClientOptions = {}): Promise<OctopusClient> {
  const token = options.token ?? environmentToken(process.env)
  return OctopusClient.open(token === undefined ? options : { ...options, token }, nodePorts)
}

export type { RecordField, RecordHeader } from '../storage/record/batch-encoder.ts'
export { ConsumedRecord } from '../storage/record/record.ts'
export type {
  AccessDecision,
  AclEntry,
  AlterNamespaceOptions,
  ApiKeyListing,
  CredentialOptions,
  CredentialScope,
  Identity,
  KeyOptions,
  NamespaceListing,
  NewAclEntry,
  NewKey,
  NewToken,
  TokenOptions,
} from './access-admin.ts'
export {
  Admin,
  type AlterTopicOptions,
  type CreateTopicOptions,
  type OffsetAnswer,
  type OffsetQuery,
  type TopicDescription,
  type TopicListing,
  type TopicSummary,
} from './admin.ts'
export { OctopusClient } from './client.ts'
export { ConsumedBatch } from './consumer/consumed-batch.ts'
export { Consumer, type PartitionPosition } from './consumer/consumer.ts'
export type { CommitPoint } from './consumer/handing-out.ts'
export type {
  Assignment,
  ConsumerOptions,
  EndPosition,
  LostOffsets,
  OutOfRangePolicy,
  PartitionName,
  StartPosition,
} from './consumer/options.ts'
export type { FilterCounts, RecordFilter } from './consumer/record-filter.ts'
export { TypedRecord } from './consumer/typed-record.ts'
export type { OffsetTarget } from './group/offset-reset.ts'
export type { AssignmentChange, GroupOptions } from './group/options.ts'
export type {
  GroupDescription,
  GroupListing,
  GroupMember,
  GroupOffset,
  GroupState,
  ResetOffset,
  ResetOptions,
  TopicPartitions,
} from './group-admin.ts'
export { type ClientOptions, type ConnectionEvent, DEFAULT_URL, type TlsOptions } from './options.ts'
export type {
  Delivery,
  FlushResult,
  ProducerOptions,
  ProducerRecord,
  RecordPlace,
} from './producer/options.ts'
export { murmur2Partitioner, type Partitioner } from './producer/partitioner.ts'
export { Producer } from './producer/producer.ts'
export { ErrorCode, ProtocolError } from './protocol/errors.ts'
export type { Serializer } from './serializers.ts'
export * as serializers from './serializers.ts'
