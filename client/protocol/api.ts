/**
 * The API table of `octopus.v1`: every request a client may send, with its number, its versions and
 * the description of its request and answer. Numbers below 1000 are Kafka's where the meaning is
 * Kafka's; 1000 and above are ours. Servers dispatch by this table and by nothing else.
 */
import { authenticateRequest, authenticateResponse } from './messages/authenticate.ts'
import { fetchRequest, fetchResponse } from './messages/fetch.ts'
import { helloRequest, helloResponse } from './messages/hello.ts'
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
  readonly request: Type<Request>
  readonly response: Type<Response>
}

function api<Request, Response>(
  key: number,
  name: string,
  request: Type<Request>,
  response: Type<Response>,
): Api<Request, Response> {
  return { key, name, versionMin: 1, versionMax: 1, request, response }
}

export const apis = {
  produce: api(0, 'produce', produceRequest, produceResponse),
  fetch: api(1, 'fetch', fetchRequest, fetchResponse),
  listOffsets: api(2, 'list-offsets', listOffsetsRequest, listOffsetsResponse),
  metadata: api(3, 'metadata', metadataRequest, metadataResponse),
  hello: api(18, 'hello', helloRequest, helloResponse),
  createTopics: api(19, 'create-topics', createTopicsRequest, createTopicsResponse),
  deleteTopics: api(20, 'delete-topics', deleteTopicsRequest, deleteTopicsResponse),
  authenticate: api(36, 'authenticate', authenticateRequest, authenticateResponse),
  alterTopics: api(44, 'alter-topics', alterTopicsRequest, alterTopicsResponse),
  describeTopics: api(75, 'describe-topics', describeTopicsRequest, describeTopicsResponse),
  listTopics: api(1000, 'list-topics', listTopicsRequest, listTopicsResponse),
  status: api(1001, 'status', statusRequest, statusResponse),
} as const

// biome-ignore lint/suspicious/noExplicitAny: the table holds APIs of every message type
export const apiByKey: ReadonlyMap<number, Api<any, any>> = new Map(
  Object.values(apis).map((entry) => [entry.key, entry]),
)
