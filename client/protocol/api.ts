/**
 * The API table of `octopus.v1`: every request a client may send, with its number, its versions and
 * the description of its request and answer. Numbers below 1000 are Kafka's where the meaning is
 * Kafka's; 1000 and above are ours. Servers dispatch by this table and by nothing else.
 */
import type { ErrorName } from './errors.ts'
import {
  createAclsRequest,
  createAclsResponse,
  deleteAclsRequest,
  deleteAclsResponse,
  describeAclsRequest,
  describeAclsResponse,
  explainAccessRequest,
  explainAccessResponse,
  whoamiRequest,
  whoamiResponse,
} from './messages/acls.ts'
import { authenticateRequest, authenticateResponse } from './messages/authenticate.ts'
import { describeProducersRequest, describeProducersResponse } from './messages/describe-producers.ts'
import { fetchRequest, fetchResponse } from './messages/fetch.ts'
import { helloRequest, helloResponse } from './messages/hello.ts'
import { initProducerIdRequest, initProducerIdResponse } from './messages/init-producer-id.ts'
import {
  createKeyRequest,
  createKeyResponse,
  listKeysRequest,
  listKeysResponse,
  revokeKeysRequest,
  revokeKeysResponse,
  rotateKeyRequest,
  rotateKeyResponse,
} from './messages/keys.ts'
import { listOffsetsRequest, listOffsetsResponse } from './messages/list-offsets.ts'
import { metadataRequest, metadataResponse } from './messages/metadata.ts'
import {
  alterNamespaceRequest,
  alterNamespaceResponse,
  createNamespaceRequest,
  createNamespaceResponse,
  deleteNamespaceRequest,
  deleteNamespaceResponse,
  listNamespacesRequest,
  listNamespacesResponse,
} from './messages/namespaces.ts'
import { produceRequest, produceResponse } from './messages/produce.ts'
import { statusRequest, statusResponse } from './messages/status.ts'
import {
  issueTokenRequest,
  issueTokenResponse,
  revokeTokenRequest,
  revokeTokenResponse,
  rotateIssuerKeyRequest,
  rotateIssuerKeyResponse,
} from './messages/tokens.ts'
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
  'AUTHENTICATION_REQUIRED',
  'CREDENTIAL_EXPIRED',
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

/** Errors of what is written to metadata. */
const metadataErrors: readonly ErrorName[] = ['REQUEST_TIMED_OUT', 'KAFKA_STORAGE_ERROR', 'STORAGE_FULL']

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
        'PRODUCER_NAME_AUTHORIZATION_FAILED',
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
    ['SASL_AUTHENTICATION_FAILED', 'AUTHENTICATION_UNAVAILABLE'],
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
    'RESOURCE_NOT_FOUND',
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
      'UNKNOWN_PRODUCER_ID',
      'INVALID_PRODUCER_EPOCH',
      'KAFKA_STORAGE_ERROR',
      'STORAGE_FULL',
      'PRODUCER_NAME_AUTHORIZATION_FAILED',
    ],
  ),
  describeAcls: api(
    29,
    'describe-acls',
    'Tells entries of the access control list.',
    describeAclsRequest,
    describeAclsResponse,
    ['POLICY_VIOLATION'],
  ),
  createAcls: api(
    30,
    'create-acls',
    'Writes entries of the access control list: who may do what.',
    createAclsRequest,
    createAclsResponse,
    [
      ...metadataErrors,
      'TOPIC_AUTHORIZATION_FAILED',
      'GROUP_AUTHORIZATION_FAILED',
      'RESOURCE_NOT_FOUND',
      'CLUSTER_AUTHORIZATION_FAILED',
      'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
      'PRODUCER_NAME_AUTHORIZATION_FAILED',
      'NAMESPACE_AUTHORIZATION_FAILED',
      'POLICY_VIOLATION',
    ],
  ),
  deleteAcls: api(
    31,
    'delete-acls',
    'Deletes entries of the access control list.',
    deleteAclsRequest,
    deleteAclsResponse,
    [...metadataErrors, 'RESOURCE_NOT_FOUND'],
  ),
  authenticate: api(
    36,
    'authenticate',
    'Says who the caller is; sent again, it replaces a credential that is about to expire.',
    authenticateRequest,
    authenticateResponse,
    ['UNSUPPORTED_SASL_MECHANISM', 'SASL_AUTHENTICATION_FAILED', 'AUTHENTICATION_UNAVAILABLE'],
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
  whoami: api(1010, 'whoami', 'Tells who the caller is.', whoamiRequest, whoamiResponse, []),
  explainAccess: api(
    1011,
    'explain-access',
    'Tells whether somebody may do something, and which rule decides.',
    explainAccessRequest,
    explainAccessResponse,
    ['CLUSTER_AUTHORIZATION_FAILED'],
  ),
  createKey: api(
    1020,
    'create-key',
    'Makes an API key, which is good at once.',
    createKeyRequest,
    createKeyResponse,
    [...metadataErrors, 'CLUSTER_AUTHORIZATION_FAILED', 'POLICY_VIOLATION'],
  ),
  listKeys: api(
    1021,
    'list-keys',
    'Lists API keys, without their secrets.',
    listKeysRequest,
    listKeysResponse,
    ['CLUSTER_AUTHORIZATION_FAILED'],
  ),
  revokeKeys: api(
    1022,
    'revoke-keys',
    'Revokes API keys; connections that used them have to authenticate again.',
    revokeKeysRequest,
    revokeKeysResponse,
    [...metadataErrors, 'RESOURCE_NOT_FOUND'],
  ),
  rotateKey: api(
    1023,
    'rotate-key',
    'Gives an API key a new secret; the old one is good for a while longer.',
    rotateKeyRequest,
    rotateKeyResponse,
    [...metadataErrors, 'RESOURCE_NOT_FOUND', 'CLUSTER_AUTHORIZATION_FAILED'],
  ),
  createNamespace: api(
    1030,
    'create-namespace',
    'Creates namespaces.',
    createNamespaceRequest,
    createNamespaceResponse,
    [
      ...metadataErrors,
      'CLUSTER_AUTHORIZATION_FAILED',
      'INVALID_CONFIG',
      'POLICY_VIOLATION',
      'DUPLICATE_RESOURCE',
    ],
  ),
  listNamespaces: api(
    1031,
    'list-namespaces',
    'Lists the namespaces the caller may see.',
    listNamespacesRequest,
    listNamespacesResponse,
    [],
  ),
  alterNamespace: api(
    1033,
    'alter-namespace',
    'Changes the owners of a namespace and its defaults.',
    alterNamespaceRequest,
    alterNamespaceResponse,
    [
      ...metadataErrors,
      'NAMESPACE_AUTHORIZATION_FAILED',
      'INVALID_CONFIG',
      'POLICY_VIOLATION',
      'RESOURCE_NOT_FOUND',
    ],
  ),
  deleteNamespace: api(
    1034,
    'delete-namespace',
    'Deletes a namespace that has no topics, with the rights on what is in it.',
    deleteNamespaceRequest,
    deleteNamespaceResponse,
    [...metadataErrors, 'NAMESPACE_AUTHORIZATION_FAILED', 'POLICY_VIOLATION', 'RESOURCE_NOT_FOUND'],
  ),
  issueToken: api(
    1040,
    'issue-token',
    'Issues a token of the built-in issuer.',
    issueTokenRequest,
    issueTokenResponse,
    [...metadataErrors, 'CLUSTER_AUTHORIZATION_FAILED', 'POLICY_VIOLATION'],
  ),
  revokeToken: api(
    1041,
    'revoke-token',
    'Revokes tokens of the built-in issuer.',
    revokeTokenRequest,
    revokeTokenResponse,
    [...metadataErrors, 'CLUSTER_AUTHORIZATION_FAILED', 'POLICY_VIOLATION'],
  ),
  rotateIssuerKey: api(
    1042,
    'rotate-issuer-key',
    'Makes the built-in issuer sign with a new key.',
    rotateIssuerKeyRequest,
    rotateIssuerKeyResponse,
    [...metadataErrors, 'CLUSTER_AUTHORIZATION_FAILED'],
  ),
} as const

// biome-ignore lint/suspicious/noExplicitAny: whoever looks an API up by number has a message of unknown type
export type AnyApi = Api<any, any>

export const apiByKey: ReadonlyMap<number, AnyApi> = new Map(
  Object.values(apis).map((entry) => [entry.key, entry]),
)
