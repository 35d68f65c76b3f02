/** One row of the API table of `octopus.v1`, and the errors that many rows share. */
import type { ErrorName } from './errors.ts'
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

export function api<Request, Response>(
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
export const metadataErrors: readonly ErrorName[] = [
  'REQUEST_TIMED_OUT',
  'KAFKA_STORAGE_ERROR',
  'STORAGE_FULL',
]

/** Errors of an entry that names a partition and the leader epoch it is believed to have. */
export const partitionErrors: readonly ErrorName[] = [
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'TOPIC_AUTHORIZATION_FAILED',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'UNKNOWN_TOPIC_ID',
]
