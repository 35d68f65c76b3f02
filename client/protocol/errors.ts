/**
 * The one error table of Octopus. Numbers from -1 to 999 are Kafka's where the meaning is Kafka's;
 * 1000 and above are ours. Retry policy asks this table, never a class hierarchy.
 */

export interface ErrorDefinition {
  readonly code: number
  readonly name: string
  /** The same request may succeed later without anything else changing. */
  readonly retriable: boolean
  readonly sentence: string
}

function row(code: number, retriable: boolean, sentence: string) {
  return { code, retriable, sentence }
}

const table = {
  UNKNOWN_SERVER_ERROR: row(-1, false, 'The server met an error it did not expect.'),
  NONE: row(0, false, 'No error.'),
  OFFSET_OUT_OF_RANGE: row(1, false, 'The offset lies outside the range of offsets the partition holds.'),
  CORRUPT_MESSAGE: row(2, true, 'The record batch failed its checksum, its size or its structure check.'),
  UNKNOWN_TOPIC_OR_PARTITION: row(3, true, 'This server does not host the topic or partition.'),
  LEADER_NOT_AVAILABLE: row(5, true, 'The partition has no leader at this moment.'),
  NOT_LEADER_OR_FOLLOWER: row(6, true, 'This broker is not the leader of the partition.'),
  REQUEST_TIMED_OUT: row(7, true, 'The request did not complete within its time.'),
  MESSAGE_TOO_LARGE: row(10, false, 'The record batch is larger than the topic takes.'),
  OFFSET_METADATA_TOO_LARGE: row(12, false, 'The metadata beside a committed offset is too long.'),
  COORDINATOR_LOAD_IN_PROGRESS: row(14, true, 'The coordinator is still reading the state of its groups.'),
  COORDINATOR_NOT_AVAILABLE: row(15, true, 'The group has no coordinator at this moment.'),
  INVALID_TOPIC_EXCEPTION: row(17, false, 'The topic name is not a legal one.'),
  INVALID_REQUIRED_ACKS: row(21, false, 'acks must be -1, 0 or 1.'),
  INVALID_GROUP_ID: row(24, false, 'The name of the group is not a legal one.'),
  UNKNOWN_MEMBER_ID: row(25, false, 'The group has no such member (any more): join again.'),
  TOPIC_AUTHORIZATION_FAILED: row(29, false, 'Not authorized for this topic.'),
  GROUP_AUTHORIZATION_FAILED: row(30, false, 'Not authorized for this group.'),
  CLUSTER_AUTHORIZATION_FAILED: row(31, false, 'Not authorized for this operation on the cluster.'),
  INVALID_TIMESTAMP: row(32, false, 'The timestamp of a record is out of the range the topic takes.'),
  UNSUPPORTED_SASL_MECHANISM: row(33, false, 'The authentication mechanism is not supported.'),
  UNSUPPORTED_VERSION: row(35, false, 'The version of the API is not supported.'),
  TOPIC_ALREADY_EXISTS: row(36, false, 'A topic with this name exists already.'),
  INVALID_PARTITIONS: row(37, false, 'The number of partitions is not a legal one.'),
  INVALID_REPLICATION_FACTOR: row(
    38,
    false,
    'The replication factor is below 1 or above the number of brokers.',
  ),
  INVALID_CONFIG: row(40, false, 'A configuration name or value is not a legal one.'),
  INVALID_REQUEST: row(42, false, 'The request breaks the rules of the protocol.'),
  UNSUPPORTED_FOR_MESSAGE_FORMAT: row(
    43,
    false,
    'The record format on the broker does not support the request.',
  ),
  POLICY_VIOLATION: row(44, false, 'The request violates a policy of this server.'),
  OUT_OF_ORDER_SEQUENCE_NUMBER: row(45, false, 'The producer sequence number is out of order.'),
  DUPLICATE_SEQUENCE_NUMBER: row(
    46,
    false,
    'The partition holds these sequences of the producer already, and where is no longer known.',
  ),
  INVALID_PRODUCER_EPOCH: row(47, false, 'The producer has been fenced: its epoch is not the current one.'),
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: row(53, false, 'Not authorized for this transactional id.'),
  KAFKA_STORAGE_ERROR: row(56, true, 'The disk failed while serving the request.'),
  SASL_AUTHENTICATION_FAILED: row(58, false, 'The credential was refused.'),
  UNKNOWN_PRODUCER_ID: row(
    59,
    false,
    'The partition knows nothing of the producer (any more), and its sequence does not begin at 0; or the id is not the caller’s.',
  ),
  NON_EMPTY_GROUP: row(68, false, 'The group has members.'),
  GROUP_ID_NOT_FOUND: row(69, false, 'There is no group of that name.'),
  FENCED_LEADER_EPOCH: row(74, true, 'The leader epoch of the request is older than the current one.'),
  UNKNOWN_LEADER_EPOCH: row(75, true, 'The leader epoch of the request is newer than the current one.'),
  UNSUPPORTED_COMPRESSION_TYPE: row(76, false, 'The compression type of the batch is not supported.'),
  GROUP_MAX_SIZE_REACHED: row(81, false, 'The group has as many members as it may.'),
  GROUP_SUBSCRIBED_TO_TOPIC: row(86, false, 'A member of the group reads the topic.'),
  INVALID_RECORD: row(87, false, 'A record of the batch breaks a rule of the record format.'),
  RESOURCE_NOT_FOUND: row(91, false, 'There is nothing of that name or id.'),
  DUPLICATE_RESOURCE: row(92, false, 'There is something of that name already.'),
  UNKNOWN_TOPIC_ID: row(100, true, 'This server knows no topic with the id of the request.'),
  FENCED_MEMBER_EPOCH: row(110, false, 'The member has been fenced: it gives up everything and joins again.'),
  UNRELEASED_INSTANCE_ID: row(111, false, 'A member with the instance id is in the group and has not left.'),
  UNSUPPORTED_ASSIGNOR: row(112, false, 'The broker has no assignor of that name.'),
  STALE_MEMBER_EPOCH: row(
    113,
    false,
    'The member epoch is older than the current one: heartbeat, and repeat.',
  ),
  // Ours.
  STORAGE_FULL: row(
    1000,
    false,
    'The disk of the broker is nearly full; it is read-only until space is freed.',
  ),
  SHUTTING_DOWN: row(1001, true, 'The broker is shutting down.'),
  BACKPRESSURE: row(1002, true, 'The broker has no room for more unfinished work; send later.'),
  UNSUPPORTED_API: row(1003, false, 'The server has no API with this number.'),
  HELLO_REQUIRED: row(1004, false, 'The first request of a connection must be hello.'),
  WINDOW_EXCEEDED: row(1005, false, 'The client sent more than the window the server had granted.'),
  AUTHENTICATION_REQUIRED: row(1006, false, 'The request needs authenticate first.'),
  CREDENTIAL_EXPIRED: row(
    1007,
    true,
    'The credential of the connection is no longer good; authenticate again and repeat the request.',
  ),
  AUTHENTICATION_UNAVAILABLE: row(1008, true, 'Who could check the credential does not answer.'),
  PRODUCER_NAME_AUTHORIZATION_FAILED: row(1009, false, 'Not authorized for this producer name.'),
  NAMESPACE_AUTHORIZATION_FAILED: row(1010, false, 'Not authorized for this namespace.'),
  INVALID_FILTER: row(1011, false, 'The filter is not a legal pattern.'),
  WORKER_FAILED: row(
    1012,
    true,
    'A thread of the broker ended before its work for the request was done; nothing came of it.',
  ),
  // Raised by the client about itself; never on the wire.
  DISCONNECTED: row(1100, true, 'The connection ended before the answer came.'),
  CLOSED: row(1101, false, 'The client has been closed.'),
  BUFFER_FULL: row(1102, true, 'The buffer of the producer is full.'),
} as const

export type ErrorName = keyof typeof table

/** Code by name: `ErrorCode.NONE === 0`. */
export const ErrorCode = Object.fromEntries(
  Object.entries(table).map(([name, { code }]) => [name, code]),
) as { readonly [N in ErrorName]: (typeof table)[N]['code'] }

const byCode: ReadonlyMap<number, ErrorDefinition> = new Map(
  Object.entries(table).map(([name, definition]) => [definition.code, { name, ...definition }]),
)

/** Every row of the table, in order of code. */
export const errorTable: readonly ErrorDefinition[] = [...byCode.values()].sort((a, b) => a.code - b.code)

/** The row of a code; a code of a newer server is "unknown", not retriable. */
export function errorDefinition(code: number): ErrorDefinition {
  return (
    byCode.get(code) ?? { code, name: `UNKNOWN_${code}`, retriable: false, sentence: `Error code ${code}.` }
  )
}

/** A refusal with a code of the table: what a server answers and what a client throws. */
export class ProtocolError extends Error {
  readonly code: number
  readonly retriable: boolean
  /** The server asked not to be tried again sooner; 0: it did not say. */
  readonly retryAfterMs: number

  constructor(code: number, message?: string, options?: { cause?: unknown; retryAfterMs?: number }) {
    const definition = errorDefinition(code)
    super(message ?? definition.sentence, options)
    this.name = definition.name
    this.code = code
    this.retriable = definition.retriable
    this.retryAfterMs = options?.retryAfterMs ?? 0
  }
}
