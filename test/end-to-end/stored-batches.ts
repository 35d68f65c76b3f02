/** How the batches of a topic are stored: how many have which codec, and whose time. */
import { apis } from '../../client/protocol/api.ts'
import { decodeHeader } from '../../client/protocol/codec.ts'
import { fetchData } from '../../client/protocol/messages/fetch.ts'
import {
  batchBytesAt,
  compressionAt,
  lastOffsetAt,
  timestampTypeAt,
} from '../../storage/record/batch-header.ts'
import { compressionName } from '../../storage/record/compression.ts'
import { ProtocolClient } from '../broker/protocol-client.ts'

export async function storedBatches(
  url: string,
  topic: string,
  partitions: number,
): Promise<Record<string, number>> {
  const kinds: Record<string, number> = {}
  const client = await ProtocolClient.connect(url)
  const { topics } = await client.call(apis.metadata, { topics: [{ name: topic, topicId: null }] })
  const topicId = topics[0]?.topicId
  if (!topicId) throw new Error(`there is no topic ${topic}`)
  for (let partition = 0; partition < partitions; partition++)
    for (let fetchOffset = 0, isEnd = false; !isEnd; ) {
      const asked = { topicId, partition, leaderEpoch: -1, fetchOffset, lastFetchedEpoch: -1 }
      const frames = await client.exchange(apis.fetch, {
        maxWaitMs: 0,
        minBytes: 1,
        maxBytes: 10_000_000,
        isolationLevel: 0,
        filter: null,
        compressions: null,
        partitions: [{ ...asked, partitionMaxBytes: 10_000_000 }],
      })
      isEnd = frames.length === 1
      for (const { header, body } of frames.slice(0, -1)) {
        decodeHeader(fetchData, header)
        for (let at = 0; at < body.length; at += batchBytesAt(body, at)) {
          for (const kind of [`${compressionName(compressionAt(body, at))}`, timestampTypeAt(body, at)])
            kinds[kind] = (kinds[kind] ?? 0) + 1
          fetchOffset = lastOffsetAt(body, at) + 1
        }
      }
    }
  await client.close()
  return kinds
}
