/**
 * The API table of `octopus.v1`: every request a client may send, with its number, its versions and
 * the description of its request and answer. Numbers below 1000 are Kafka's where the meaning is
 * Kafka's; 1000 and above are ours. Servers dispatch by this table and by nothing else.
 */
import type { ErrorName } from './errors.ts'
import { authenticateRequest, authenticateResponse } from './messages/authenticate.ts'
import { describeProducersRequest, describeProducersResponse } from './messages/describe-producers.ts'
import { fetchRequest, fetchResponse } from './messages/fetch.ts'
import { helloRequest, helloResponse } from './messages/hello.ts'
import { initProducerIdRequest, initProducerIdResponse } from './messages/init-producer-id.ts'
import { listOffsetsRequest, listOffsetsResponse } from './messages/list-offsets.ts'
import { metadataRequest, metadataResponse } from './messages/metadata.ts'
import { produceRequest, produceResponse } from './messages/produce.ts'
import { statusRequest, statusResponse } from './messages/status.ts'
import {
  alterTopicsRequest,
  alterTopicsResponse,
  createTopicsRequest,
  createTopicsResponse,
  deleteTopicsRequest,
  deleteTopicsResponse,
  describeTopicsRequest,
  describeTopicsResponse,
  listTopicsRequest,
  listTopicsResponse,
} from './messages/topics.ts'
import type { Type } from './schema.ts'

export interface Api<Request, Response> {
  readonly key: number
  readonly name: string
  readonly versionMin: number
  readonly versionMax: number
  /** What it does, in one sentence. */
  readonly sentence: string
  readonly request: Type<Request>
  readonly response: Type<Response>
  /** Whether a request carries record batches behind its header. */
  readonly requestBody: boolean
  /** What it may answer, for the whole request or for an entry, besides {@link errorsOfEveryApi}. */
  readonly errors: readonly ErrorName[]
}

/** What every API may answer for the whole request. */
export const errorsOfEveryApi: readonly ErrorName[] = [
  'UNKNOWN_SERVER_ERROR',
  'UNSUPPORTED_VERSION',
  'INVALID_REQUEST',
  'SHUTTING_DOWN',
  'BACKPRESSURE',
  'HELLO_REQUIRED',
  'WINDOW_EXCEEDED',
]

function api<Request, Response>(
  key: number,
  name: string,
  sentence: string,
  request: Type<Request>,
  response: Type<Response>,
  errors: readonly ErrorName[],
): Api<Request, Response> {
  return { key, name, versionMin: 1, versionMax: 1, sentence, request, response, requestBody: false, errors }
}

/** Errors of an entry that names a partition and the leader epoch it is believed to have. */
const partitionErrors: readonly ErrorName[] = [
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'TOPIC_AUTHORIZATION_FAILED',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'UNKNOWN_TOPIC_ID',
]

export const apis = {
  produce: {
    ...api(
      0,
      'produce',
      'Appends record batches to partitions and answers when they are durable.',
      produceRequest,
      produceResponse,
      [
        ...partitionErrors,
        'CORRUPT_MESSAGE',
        'REQUEST_TIMED_OUT',
        'MESSAGE_TOO_LARGE',
        'INVALID_REQUIRED_ACKS',
        'INVALID_TIMESTAMP',
        'UNSUPPORTED_COMPRESSION_TYPE',
        'INVALID_RECORD',
        'OUT_OF_ORDER_SEQUENCE_NUMBER',
        'DUPLICATE_SEQUENCE_NUMBER',
        'INVALID_PRODUCER_EPOCH',
        'UNKNOWN_PRODUCER_ID',
        'STORAGE_FULL',
      ],
    ),
    requestBody: true,
  },
  fetch: api(
    1,
    'fetch',
    'Reads record batches of many partitions, waiting for them if need be; the answer is a stream of frames.',
    fetchRequest,
    fetchResponse,
    [...partitionErrors, 'OFFSET_OUT_OF_RANGE', 'CORRUPT_MESSAGE'],
  ),
  listOffsets: api(
    2,
    'list-offsets',
    'Finds the first offset, the last, or the one at a time.',
    listOffsetsRequest,
    listOffsetsResponse,
    partitionErrors,
  ),
  metadata: api(
    3,
    'metadata',
    'Tells the nodes of the cluster, the ids of topics and who leads each partition.',
    metadataRequest,
    metadataResponse,
    [
      'UNKNOWN_TOPIC_OR_PARTITION',
      'LEADER_NOT_AVAILABLE',
      'INVALID_TOPIC_EXCEPTION',
      'TOPIC_AUTHORIZATION_FAILED',
      'UNKNOWN_TOPIC_ID',
    ],
  ),
  hello: api(
    18,
    'hello',
    'Opens the conversation: who both sides are, what the server speaks and what it bounds.',
    helloRequest,
    helloResponse,
    [],
  ),
  createTopics: api(19, 'create-topics', 'Creates topics.', createTopicsRequest, createTopicsResponse, [
    'REQUEST_TIMED_OUT',
    'INVALID_TOPIC_EXCEPTION',
    'TOPIC_AUTHORIZATION_FAILED',
    'CLUSTER_AUTHORIZATION_FAILED',
    'TOPIC_ALREADY_EXISTS',
    'INVALID_PARTITIONS',
    'INVALID_REPLICATION_FACTOR',
    'INVALID_CONFIG',
    'POLICY_VIOLATION',
    'KAFKA_STORAGE_ERROR',
    'STORAGE_FULL',
  ]),
  deleteTopics: api(
    20,
    'delete-topics',
    'Deletes topics with all their records.',
    deleteTopicsRequest,
    deleteTopicsResponse,
    [
      'UNKNOWN_TOPIC_OR_PARTITION',
      'REQUEST_TIMED_OUT',
      'INVALID_TOPIC_EXCEPTION',
      'TOPIC_AUTHORIZATION_FAILED',
      'POLICY_VIOLATION',
      'KAFKA_STORAGE_ERROR',
      'UNKNOWN_TOPIC_ID',
    ],
  ),
  initProducerId: api(
    22,
    'init-producer-id',
    'Gives an idempotent producer its id and epoch.',
    initProducerIdRequest,
    initProducerIdResponse,
    [
      'REQUEST_TIMED_OUT',
      'POLICY_VIOLATION',
      'INVALID_PRODUCER_EPOCH',
      'KAFKA_STORAGE_ERROR',
      'STORAGE_FULL',
    ],
  ),
  authenticate: api(
    36,
    'authenticate',
    'Says who the caller is; sent again, it replaces a credential that is about to expire.',
    authenticateRequest,
    authenticateResponse,
    ['UNSUPPORTED_SASL_MECHANISM', 'SASL_AUTHENTICATION_FAILED'],
  ),
  alterTopics: api(
    44,
    'alter-topics',
    'Adds partitions to topics and changes their configs.',
    alterTopicsRequest,
    alterTopicsResponse,
    [
      'UNKNOWN_TOPIC_OR_PARTITION',
      'REQUEST_TIMED_OUT',
      'INVALID_TOPIC_EXCEPTION',
      'TOPIC_AUTHORIZATION_FAILED',
      'INVALID_PARTITIONS',
      'INVALID_CONFIG',
      'POLICY_VIOLATION',
      'KAFKA_STORAGE_ERROR',
      'STORAGE_FULL',
    ],
  ),
  describeProducers: api(
    61,
    'describe-producers',
    'Tells how far partitions hold what one producer sent.',
    describeProducersRequest,
    describeProducersResponse,
    ['UNKNOWN_TOPIC_OR_PARTITION', 'TOPIC_AUTHORIZATION_FAILED', 'UNKNOWN_TOPIC_ID'],
  ),
  describeTopics: api(
    75,
    'describe-topics',
    'Tells all about topics: offsets, sizes and configs.',
    describeTopicsRequest,
    describeTopicsResponse,
    ['UNKNOWN_TOPIC_OR_PARTITION', 'INVALID_TOPIC_EXCEPTION', 'TOPIC_AUTHORIZATION_FAILED'],
  ),
  listTopics: api(
    1000,
    'list-topics',
    'Lists the topics the caller may see.',
    listTopicsRequest,
    listTopicsResponse,
    [],
  ),
  status: api(1001, 'status', 'Tells how one node fares.', statusRequest, statusResponse, [
    'CLUSTER_AUTHORIZATION_FAILED',
  ]),
} as const

// biome-ignore lint/suspicious/noExplicitAny: whoever looks an API up by number has a message of unknown type
export type AnyApi = Api<any, any>

export const apiByKey: ReadonlyMap<number, AnyApi> = new Map(
  Object.values(apis).map((entry) => [entry.key, entry]),
)
