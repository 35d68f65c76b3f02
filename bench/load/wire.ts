/**
 * One connection of the SDK by itself, for loads that are about connections and not about events: what the SDK does to
 * open one, and requests one by one, without the producers and consumers that would try again what is refused.
 */

import { Connection } from '../../client/connection.ts'
import { nodePorts } from '../../client/node/node-ports.ts'
import { clientSettings } from '../../client/options.ts'
import { apis } from '../../client/protocol/api.ts'
import { encodeRequest } from '../../client/protocol/codec.ts'
import type { FetchedPartition } from '../../client/protocol/messages/fetch.ts'
import type { MetadataTopic } from '../../client/protocol/messages/metadata.ts'
import type { ProducedPartition } from '../../client/protocol/messages/produce.ts'
import { BatchEncoder } from '../../storage/record/batch-encoder.ts'

/** A storm's last connection waits for all the others. */
const CONNECT_TIMEOUT_MS = 60_000
const FETCH_WAIT_MS = 30_000
const BATCH_BYTES_MAX = 1024

/** Open, greeted, and with a token also authenticated. Rejects with ProtocolError. */
export function openConnection(url: string, token: string | undefined): Promise<Connection> {
  const settings = clientSettings({
    url,
    clientName: 'octopus-bench',
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    requestTimeoutMs: CONNECT_TIMEOUT_MS,
    livenessTimeoutMs: CONNECT_TIMEOUT_MS,
    ...(token !== undefined && { token }),
  })
  return Connection.open(settings, nodePorts, new AbortController().signal)
}

/** What the connection is told of a topic: with an error where it may not see it. */
export async function describeTopic(connection: Connection, name: string): Promise<MetadataTopic> {
  const { topics } = await connection.call(apis.metadata, { topics: [{ name, topicId: null }] })
  return topics[0]
}

/** A record batch with one event, to be sent as often as one likes. */
export function singleEvent(): Uint8Array {
  const encoder = new BatchEncoder({ crc32c: nodePorts.crc32c, bytesMax: BATCH_BYTES_MAX })
  encoder.append(nodePorts.clock.nowMs(), null, 'one event')
  return encoder.finish({})
}

/** The answer, refused or not. Rejects when the request as a whole was refused. */
export function produceBatch(
  connection: Connection,
  topicId: Uint8Array,
  partition: number,
  batch: Uint8Array,
): Promise<ProducedPartition> {
  const bytes = batch.length
  const message = {
    acks: -1,
    timeoutMs: FETCH_WAIT_MS,
    transactionalId: null,
    partitions: [{ topicId, partition, leaderEpoch: -1, bytes }],
  }
  return new Promise((resolve, reject) => {
    const correlationId = connection.nextCorrelationId()
    const frame = encodeRequest(apis.produce, correlationId, message, batch)
    connection.produce(correlationId, frame, bytes, {
      answer: ([answer]) => resolve(answer),
      failure: reject,
    })
  })
}

/** Waits at the broker for events from `fetchOffset` on. Resolves when there are some, when time is over, or when refused. */
export function parkFetch(
  connection: Connection,
  topicId: Uint8Array,
  partition: number,
  fetchOffset: number,
): Promise<FetchedPartition> {
  const asked = { topicId, partition, leaderEpoch: -1, fetchOffset, lastFetchedEpoch: -1 }
  const message = {
    maxWaitMs: FETCH_WAIT_MS,
    minBytes: 1,
    maxBytes: BATCH_BYTES_MAX,
    isolationLevel: 0,
    partitions: [{ ...asked, partitionMaxBytes: BATCH_BYTES_MAX }],
    filter: null,
    compressions: null,
  }
  return new Promise((resolve, reject) => {
    const exchange = {
      data: () => {},
      answer: ({ partitions }: { readonly partitions: readonly FetchedPartition[] }) =>
        resolve(partitions[0]),
      failure: reject,
    }
    connection.start(apis.fetch, message, exchange, FETCH_WAIT_MS)
  })
}
