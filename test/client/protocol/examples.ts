/**
 * One example of everything `octopus.v1` can put into a frame. They are the golden vectors, the seeds of
 * the hostile-bytes tests and the worked example of the specification.
 */
import { type AnyApi, type Api, apis } from '../../../client/protocol/api.ts'
import {
  encodeError,
  encodeFetchData,
  encodeRequest,
  encodeResponse,
} from '../../../client/protocol/codec.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { errorResponse } from '../../../client/protocol/messages/error.ts'
import { type FetchData, fetchData } from '../../../client/protocol/messages/fetch.ts'
import type { Type } from '../../../client/protocol/schema.ts'
import { groupExamples } from './group-examples.ts'

export interface Example {
  readonly name: string
  readonly api: AnyApi
  readonly kind: 'request' | 'response' | 'data' | 'error'
  readonly type: Type<unknown>
  readonly message: unknown
  readonly body: Uint8Array
  readonly frame: Uint8Array
}

export function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'))
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

const empty = new Uint8Array(0)

/** Two records, "alert" → "M 4.5" and null → "M 2.1", as @platformatic/kafka 1.35 encodes them. */
export const recordBatch = fromHex(
  '00000000000000000000004f00000000021e95d1db0000000000010000018bcfe568000000018bcfe568faffffffffffff' +
    'ffff00000000000000000002200000000a616c6572740a4d20342e35001800f40302010a4d20322e3100',
)

const topicId = fromHex('00112233445566778899aabbccddeeff')
const startedAtMs = 1_700_000_000_000

function exchange<Request, Response>(
  api: Api<Request, Response>,
  correlationId: number,
  request: Request,
  response: Response,
  body: Uint8Array = empty,
): Example[] {
  const common = { api, body: empty }
  return [
    {
      ...common,
      name: `${api.name} request`,
      kind: 'request',
      type: api.request,
      message: request,
      body,
      frame: encodeRequest(api, correlationId, request, body),
    },
    {
      ...common,
      name: `${api.name} response`,
      kind: 'response',
      type: api.response,
      message: response,
      frame: encodeResponse(api, correlationId, response),
    },
  ]
}

function dataFrame(correlationId: number, data: FetchData): Example {
  return {
    name: 'fetch data',
    api: apis.fetch,
    kind: 'data',
    type: fetchData,
    message: data,
    body: recordBatch,
    frame: encodeFetchData(correlationId, data, recordBatch),
  }
}

function refusal(api: AnyApi, correlationId: number, code: number, message: string): Example {
  return {
    name: `${api.name} refused`,
    api,
    kind: 'error',
    type: errorResponse,
    message: { code, message, retryAfterMs: 250 },
    body: empty,
    frame: encodeError(api.key, api.versionMax, correlationId, code, message, 250),
  }
}

const ok = { error: ErrorCode.NONE, message: null }

export const examples: readonly Example[] = [
  ...exchange(
    apis.hello,
    1,
    { clientName: 'seismometer-7', clientVersion: '1.0.0' },
    {
      nodeId: 0,
      clusterId: 'b7c1',
      software: 'octopus 0.1.0',
      apis: [
        { key: 0, name: 'produce', versionMin: 1, versionMax: 1 },
        { key: 1, name: 'fetch', versionMin: 1, versionMax: 1 },
      ],
      limits: {
        frameBytesMax: 16_777_216,
        batchBytesMax: 1_048_588,
        windowBytes: 8_388_608,
        inFlightRequestsMax: 1_000,
        fetchBytesMax: 52_428_800,
      },
      authenticationRequired: false,
      serverTimeMs: startedAtMs,
    },
  ),
  ...exchange(
    apis.authenticate,
    2,
    { mechanism: 'token', token: 'öffne dich' },
    { required: true, principal: 'user:ada', expiresAtMs: startedAtMs + 3_600_000 },
  ),
  ...exchange(
    apis.metadata,
    3,
    { topics: [{ name: 'seismic.events', topicId: null }] },
    {
      clusterId: 'b7c1',
      controllerId: 0,
      brokers: [{ nodeId: 0, url: 'ws://127.0.0.1:7654', rack: null }],
      topics: [
        {
          ...ok,
          name: 'seismic.events',
          topicId,
          isInternal: false,
          partitions: [
            {
              error: ErrorCode.NONE,
              partition: 0,
              leaderId: 0,
              leaderEpoch: 0,
              replicas: [0],
              inSyncReplicas: [0],
            },
          ],
        },
      ],
    },
  ),
  ...exchange(
    apis.produce,
    4,
    {
      acks: -1,
      timeoutMs: 30_000,
      transactionalId: null,
      partitions: [{ topicId, partition: 3, leaderEpoch: -1, bytes: recordBatch.length }],
    },
    {
      windowBytes: 8_388_608,
      answers: [
        {
          correlationId: 4,
          partitions: [
            {
              topicId,
              partition: 3,
              ...ok,
              baseOffset: 1_099_511_627_776,
              logAppendTimeMs: -1,
              logStartOffset: 0,
            },
          ],
        },
        {
          correlationId: 5,
          partitions: [
            {
              topicId,
              partition: 9,
              error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
              message: 'the topic has 4 partitions, 0 to 3',
              baseOffset: -1,
              logAppendTimeMs: -1,
              logStartOffset: -1,
            },
          ],
        },
      ],
    },
    recordBatch,
  ),
  refusal(apis.produce, 6, ErrorCode.BACKPRESSURE, 'the commit queue is full'),
  ...exchange(
    apis.fetch,
    7,
    {
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 4_194_304,
      isolationLevel: 0,
      partitions: [
        {
          topicId,
          partition: 3,
          leaderEpoch: 0,
          fetchOffset: 1_099_511_627_776,
          lastFetchedEpoch: -1,
          partitionMaxBytes: 1_048_576,
        },
      ],
      filter: '{"value":{"celsius":[{"numeric":[">",30]}]}}',
      compressions: ['gzip', 'zstd'],
    },
    {
      partitions: [
        {
          topicId,
          partition: 3,
          ...ok,
          highWatermark: 1_099_511_627_778,
          lastStableOffset: 1_099_511_627_778,
          logStartOffset: 0,
          leaderEpoch: 0,
          bytes: recordBatch.length,
        },
      ],
    },
  ),
  dataFrame(7, {
    topicId,
    partition: 3,
    highWatermark: 1_099_511_627_778,
    logStartOffset: 0,
    examined: 1_200,
    notJson: 3,
  }),
  ...exchange(
    apis.listOffsets,
    8,
    { isolationLevel: 0, partitions: [{ topicId, partition: 3, leaderEpoch: -1, timestamp: startedAtMs }] },
    {
      partitions: [
        { topicId, partition: 3, ...ok, timestamp: startedAtMs + 250, offset: 41, leaderEpoch: 0 },
      ],
    },
  ),
  ...exchange(
    apis.createTopics,
    9,
    {
      topics: [
        {
          name: 'seismic.events',
          partitions: 4,
          replicationFactor: -1,
          configs: [{ name: 'retention.ms', value: '604800000' }],
        },
      ],
      validateOnly: false,
      timeoutMs: 30_000,
    },
    { topics: [{ name: 'seismic.events', topicId, ...ok, partitions: 4 }] },
  ),
  ...exchange(
    apis.deleteTopics,
    10,
    { topics: [{ name: null, topicId }], timeoutMs: 30_000 },
    { topics: [{ name: 'seismic.events', topicId, ...ok }] },
  ),
  ...exchange(
    apis.alterTopics,
    11,
    {
      topics: [{ name: 'seismic.events', partitions: 8, configs: [{ name: 'retention.ms', value: null }] }],
      validateOnly: true,
      timeoutMs: 30_000,
    },
    {
      topics: [
        {
          name: 'seismic.events',
          topicId,
          error: ErrorCode.INVALID_PARTITIONS,
          message: 'the topic has 16 partitions and can only get more',
          partitions: -1,
        },
      ],
    },
  ),
  ...exchange(
    apis.describeTopics,
    12,
    { names: null },
    {
      topics: [
        {
          ...ok,
          name: 'seismic.events',
          topicId,
          isInternal: false,
          createdAtMs: startedAtMs,
          partitions: [
            {
              partition: 0,
              leaderId: 0,
              leaderEpoch: 0,
              replicas: [0, 1, 2],
              inSyncReplicas: [0, 2],
              logStartOffset: 17,
              highWatermark: 41,
              lastStableOffset: 41,
              logEndOffset: 42,
              bytes: 65_536,
              nextHourLogStartOffset: 20,
              nextHourLeavingBytes: 4_096,
            },
          ],
          configs: [
            {
              name: 'retention.ms',
              value: '604800000',
              isDefault: true,
              sentence: 'How long records are kept; -1: for ever.',
            },
          ],
        },
      ],
    },
  ),
  ...exchange(
    apis.initProducerId,
    15,
    { producerName: 'lab.detector-7', producerId: -1, producerEpoch: -1 },
    { producerId: 1_099_511_627_777, producerEpoch: 3 },
  ),
  ...exchange(
    apis.describeProducers,
    16,
    {
      producerId: 1_099_511_627_777,
      partitions: [
        { topicId, partition: 3 },
        { topicId, partition: 4 },
      ],
    },
    {
      partitions: [
        {
          topicId,
          partition: 3,
          ...ok,
          producerEpoch: 2,
          lastSequence: 1,
          nextSequence: 2_147_483_650,
          lastOffset: 1_099_511_627_777,
          lastTimestampMs: startedAtMs,
        },
        {
          topicId,
          partition: 4,
          error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
          message: 'topic seismic.events has partitions 0 to 3, not 4',
          producerEpoch: -1,
          lastSequence: -1,
          nextSequence: -1,
          lastOffset: -1,
          lastTimestampMs: -1,
        },
      ],
    },
  ),
  ...exchange(
    apis.listTopics,
    13,
    { includeInternal: true },
    { topics: [{ name: 'seismic.events', topicId, isInternal: false, partitions: 4 }] },
  ),
  ...exchange(
    apis.status,
    14,
    {},
    {
      nodeId: 0,
      clusterId: 'b7c1',
      software: 'octopus 0.1.0',
      nodeVersion: 'v20.20.2',
      pid: 4242,
      startedAtMs,
      nowMs: startedAtMs + 60_000,
      ready: true,
      reason: null,
      url: 'ws://127.0.0.1:7654',
      dataDirectory: '/var/lib/octopus',
      topics: 1,
      partitions: 4,
      connections: 2,
      storage: {
        kind: 'lmdb',
        segments: 2,
        bytes: 536_870_912,
        freeBytes: 1_000_000_000_000,
        commits: 12_345,
        committedBytes: 987_654_321,
        state: 'warning',
        stateReason: '/var/lib/octopus has 2 GiB free',
        fullInMs: 3_600_000,
      },
      process: { rssBytes: 104_857_600, heapBytes: 31_457_280, cpuSeconds: 12.5 },
      warnings: ['The disk is 91 % full.'],
      producers: { names: 3, ids: 41, idsMax: 100_000 },
      groups: {
        groups: 2,
        members: 3,
        heldHeartbeats: 3,
        commits: 1_200,
        committedOffsets: 4_800,
        rebalances: 5,
      },
      codecPool: {
        workers: 2,
        workersMax: 3,
        queuedBytes: 1_048_576,
        tasks: 70_000,
        refused: 12,
        deaths: 1,
      },
    },
  ),
  ...exchange(
    apis.describeAcls,
    17,
    { principal: null, resource: 'topic:seismic.events' },
    {
      entries: [
        {
          id: 'k3v9q2m4x8w1',
          principal: 'group:volcano-watch',
          resource: 'topic:seismic.*',
          operations: ['read'],
          effect: 'allow',
          expiresAtMs: startedAtMs + 86_400_000,
          grantedBy: 'user:ada@uni.edu',
          createdAtMs: startedAtMs,
          note: 'until the eruption is over',
        },
      ],
    },
  ),
  ...exchange(
    apis.createAcls,
    18,
    {
      entries: [
        {
          principal: 'user:grace@uni.edu',
          resource: 'topic:seismic.events',
          operations: ['read', 'write'],
          effect: 'allow',
          expiresAtMs: null,
          note: null,
        },
        {
          principal: 'authenticated',
          resource: 'topic:other.*',
          operations: ['read'],
          effect: 'deny',
          expiresAtMs: null,
          note: null,
        },
      ],
    },
    {
      entries: [
        { ...ok, id: 'k3v9q2m4x8w2' },
        {
          error: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
          message: 'user:ada@uni.edu may not grant on topic:other.*',
          id: null,
        },
      ],
    },
  ),
  ...exchange(apis.deleteAcls, 19, { ids: ['k3v9q2m4x8w2'] }, { entries: [{ id: 'k3v9q2m4x8w2', ...ok }] }),
  ...exchange(
    apis.whoami,
    20,
    {},
    {
      principal: 'user:ada@uni.edu',
      groups: ['volcano-watch'],
      roles: [],
      isAdministrator: false,
      method: 'api-key',
      credentialId: 'key:a1b2c3d4e5f6g7h8',
      expiresAtMs: null,
      scope: [{ operations: ['write'], resource: 'topic:seismic.*' }],
      namespaces: ['seismic'],
    },
  ),
  ...exchange(
    apis.explainAccess,
    21,
    {
      principal: 'user:grace@uni.edu',
      groups: ['volcano-watch'],
      roles: [],
      operation: 'read',
      resource: 'topic:seismic.events',
    },
    {
      allowed: true,
      rule: 'allow',
      entryId: 'k3v9q2m4x8w1',
      sentence:
        'user:grace@uni.edu may read topic:seismic.events: entry k3v9q2m4x8w1 by user:ada@uni.edu allows group:volcano-watch read on topic:seismic.*.',
    },
  ),
  ...exchange(
    apis.createKey,
    22,
    {
      principal: null,
      name: 'detector on the roof',
      groups: [],
      roles: [],
      expiresAtMs: startedAtMs + 86_400_000,
      scope: [{ operations: ['write'], resource: 'topic:seismic.events' }],
    },
    {
      keyId: 'a1b2c3d4e5f6g7h8',
      key: 'oct_a1b2c3d4e5f6g7h8_shown-once',
      principal: 'ada@uni.edu',
      expiresAtMs: startedAtMs + 86_400_000,
    },
  ),
  ...exchange(
    apis.listKeys,
    23,
    { principal: null },
    {
      keys: [
        {
          keyId: 'a1b2c3d4e5f6g7h8',
          principal: 'ada@uni.edu',
          name: 'detector on the roof',
          groups: [],
          roles: [],
          createdAtMs: startedAtMs,
          expiresAtMs: startedAtMs + 86_400_000,
          lastUsedAtMs: null,
          secrets: 1,
          scope: [{ operations: ['write'], resource: 'topic:seismic.events' }],
        },
      ],
    },
  ),
  ...exchange(
    apis.revokeKeys,
    24,
    { keyIds: ['a1b2c3d4e5f6g7h8', 'z1z2z3z4z5z6z7z8'] },
    {
      keys: [
        { keyId: 'a1b2c3d4e5f6g7h8', ...ok },
        {
          keyId: 'z1z2z3z4z5z6z7z8',
          error: ErrorCode.RESOURCE_NOT_FOUND,
          message: 'there is no key z1z2z3z4z5z6z7z8',
        },
      ],
    },
  ),
  ...exchange(
    apis.rotateKey,
    25,
    { keyId: 'a1b2c3d4e5f6g7h8', overlapMs: 3_600_000 },
    { keyId: 'a1b2c3d4e5f6g7h8', key: 'oct_a1b2c3d4e5f6g7h8_shown-once-too' },
  ),
  ...exchange(
    apis.createNamespace,
    26,
    {
      namespaces: [
        {
          name: 'seismic',
          owners: ['user:ada@uni.edu', 'group:volcano-watch'],
          topicConfigs: [{ name: 'retention.ms', value: '604800000' }],
        },
      ],
    },
    { namespaces: [{ name: 'seismic', ...ok }] },
  ),
  ...exchange(
    apis.listNamespaces,
    27,
    {},
    {
      namespaces: [
        {
          name: 'seismic',
          owners: ['user:ada@uni.edu', 'group:volcano-watch'],
          topicConfigs: [{ name: 'retention.ms', value: '604800000' }],
          createdAtMs: startedAtMs,
          topics: 1,
        },
      ],
    },
  ),
  ...exchange(
    apis.alterNamespace,
    28,
    {
      name: 'seismic',
      addOwners: ['user:grace@uni.edu'],
      removeOwners: ['group:volcano-watch'],
      topicConfigs: [{ name: 'retention.ms', value: null }],
    },
    { owners: ['user:ada@uni.edu', 'user:grace@uni.edu'] },
  ),
  ...exchange(apis.deleteNamespace, 29, { name: 'seismic' }, { deletedEntries: 2 }),
  ...exchange(
    apis.issueToken,
    30,
    { principal: 'grace@uni.edu', groups: ['volcano-watch'], roles: [], lifetimeMs: 3_600_000, scope: null },
    {
      tokenId: '7Zk0',
      token: 'eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl',
      principal: 'grace@uni.edu',
      expiresAtMs: startedAtMs + 3_600_000,
    },
  ),
  ...exchange(apis.revokeToken, 31, { tokenId: '7Zk0', principal: null }, { revoked: true }),
  ...exchange(apis.rotateIssuerKey, 32, { overlapMs: null }, { keyId: '2023-11-14-b' }),
  ...groupExamples(exchange, { topicId, startedAtMs, ok }),
  refusal(apis.metadata, 33, ErrorCode.CREDENTIAL_EXPIRED, 'the credential expired'),
]

export function example(name: string): Example {
  const found = examples.find((candidate) => candidate.name === name)
  if (!found) throw new Error(`no example is called ${name}`)
  return found
}
